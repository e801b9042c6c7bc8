/** Threat: who was banned comes back by way of a restart. */
import { afterAll, expect, it, vi } from 'vitest';
import { isServed, pointCommandsAt, run, seenBy } from '../tools/ban-scene.ts';
import { type BrokerProcess, startBroker } from '../tools/broker-process.ts';
import { clientIdentity } from '../tools/client-identity.ts';
import { removeDirectory, temporaryDirectory } from '../tools/temporary-directory.ts';
import { describeRequiring } from '../tools/tool-detection.ts';
import { WireClient } from '../tools/wire-client.ts';

describeRequiring(['built-broker'], 'a ban over a restart', () => {
  const dataDir = temporaryDirectory('ban-data');
  const certsDir = temporaryDirectory('ban-certs');
  let broker: BrokerProcess | undefined;
  afterAll(async () => {
    vi.unstubAllEnvs();
    await broker?.dispose();
    for (const directory of [dataDir, certsDir]) removeDirectory(directory);
  });

  it('is still there, and ends when it would have ended', async () => {
    broker = await startBroker({ dataDir, certsDir });
    pointCommandsAt(broker);
    await run('ban add --tenant acme --device device-1 --for 5s');
    const endsAtMs = Date.now() + 5000;
    await run('ban add --address 127.0.0.2 --for 1h');
    await broker.kill9();
    broker = await startBroker({ dataDir, certsDir });
    pointCommandsAt(broker);
    const { port } = broker;
    const attempt = async (): Promise<boolean> => {
      const who = clientIdentity(certsDir, 'acme', 'device-1');
      const client = await WireClient.connect(port, who).catch(() => null);
      return isServed(client).finally(() => client?.close());
    };
    expect(await attempt()).toBe(false);
    expect(await seenBy(port, '127.0.0.2')).toEqual({ bytes: 0, closed: true });
    await expect.poll(attempt, { timeout: 8000, interval: 100 }).toBe(true);
    expect(Date.now()).toBeGreaterThanOrEqual(endsAtMs - 1000);
  });
});
