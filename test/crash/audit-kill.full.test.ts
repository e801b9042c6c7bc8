/**
 * `kill -9` of a broker at random moments while it refuses and serves: each refusal that a client was
 * told of is a record afterwards, and the log verifies, also against a checkpoint of before.
 */
import { randomInt } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { SIGNING_KEY_PUBLIC_FILE } from '../../src/audit/signing-key.ts';
import { ApiKey } from '../../src/protocol/api-keys.ts';
import { ErrorCode } from '../../src/protocol/error-codes.ts';
import { runCli } from '../cli/run-cli.ts';
import { type BrokerProcess, startBroker } from '../tools/broker-process.ts';
import { clientIdentity } from '../tools/client-identity.ts';
import { removeDirectory, temporaryDirectory } from '../tools/temporary-directory.ts';
import { describeRequiring } from '../tools/tool-detection.ts';
import { WireClient } from '../tools/wire-client.ts';

const KILLS = 6;
const CLIENTS = 3;

describeRequiring(['built-broker'], 'kill -9 during refusals', () => {
  const directories = { data: '', certs: '' };
  let broker: BrokerProcess;
  beforeAll(async () => {
    directories.data = temporaryDirectory('audit-kill-data');
    directories.certs = temporaryDirectory('audit-kill-certs');
  });
  afterAll(async () => {
    await broker?.dispose();
    Object.values(directories).forEach(removeDirectory);
  });

  const told = new Set<string>();
  let next = 0;

  /** Asks for what is refused until the connection breaks; remembers what was answered. */
  async function refused(): Promise<void> {
    const identity = clientIdentity(broker.certsDir, 'acme', 'device-1');
    const client = await WireClient.connect(broker.port, identity);
    try {
      for (;;) {
        next += 1;
        const name = `refused-${next}`;
        const answer = await client.call(ApiKey.Metadata, 12, { topics: [{ name }] });
        if (answer.topics[0]!.errorCode !== ErrorCode.TOPIC_AUTHORIZATION_FAILED) continue;
        told.add(name);
      }
    } catch {
      client.close();
    }
  }

  const verify = async (...args: string[]) => {
    const key = join(directories.certs, SIGNING_KEY_PUBLIC_FILE);
    const dir = join(directories.data, 'audit');
    return await runCli(['audit', 'verify', '--json', '--dir', dir, '--key', key, ...args]);
  };

  test(`${KILLS} kills: nothing that was told is lost, and the chain holds`, {
    timeout: 120_000,
  }, async () => {
    for (let kill = 0; kill < KILLS; kill += 1) {
      broker = await startBroker({
        ...{ dataDir: directories.data, certsDir: directories.certs },
        env: { BREAKWATER_AUDIT_CHECKPOINT_INTERVAL_MS: '100' },
      });
      const clients = Array.from({ length: CLIENTS }, refused);
      const wanted = told.size + 20;
      await expect.poll(() => told.size, { timeout: 20_000, interval: 5 }).toBeGreaterThan(wanted);
      await pause(randomInt(300));
      await broker.kill9();
      await Promise.all(clients);
      const { code, stdout } = await verify();
      expect(code, stdout).toBe(0);
    }
    const directory = join(directories.data, 'audit');
    const text = readdirSync(directory)
      .filter((name) => name.startsWith('security-') && name.endsWith('.ndjson'))
      .map((name) => readFileSync(join(directory, name), 'utf8'))
      .join('');
    const missing = [...told].filter((name) => !text.includes(`"resource":"${name}"`));
    expect(missing).toEqual([]);
    expect(told.size).toBeGreaterThan(KILLS * 20);
  });
});
