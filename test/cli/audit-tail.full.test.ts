/** `audit tail` over a restart of the broker: each record once, none left out. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { ApiKey } from '../../src/protocol/api-keys.ts';
import { type BrokerProcess, startBroker } from '../tools/broker-process.ts';
import { clientIdentity } from '../tools/client-identity.ts';
import { removeDirectory, temporaryDirectory } from '../tools/temporary-directory.ts';
import { WireClient } from '../tools/wire-client.ts';
import { runInProcess } from './run-cli.ts';

let broker: BrokerProcess;
const dataDir = temporaryDirectory('tail-data');
const certsDir = temporaryDirectory('tail-certs');

beforeAll(async () => {
  broker = await startBroker({ dataDir, certsDir });
  vi.stubEnv('BREAKWATER_ADMIN_URL', `https://127.0.0.1:${broker.adminPort}`);
  vi.stubEnv('BREAKWATER_CERTS_DIR', certsDir);
});
afterAll(async () => {
  vi.unstubAllEnvs();
  await broker.dispose();
  removeDirectory(dataDir);
  removeDirectory(certsDir);
});

async function ask(name: string): Promise<void> {
  const client = await WireClient.connect(
    broker.port,
    clientIdentity(certsDir, 'acme', 'device-1'),
  );
  const topics = [{ name }];
  await client.call(ApiKey.Metadata, 9, { topics, allowAutoTopicCreation: false });
  client.close();
}

const securityLog = (): string => {
  const directory = join(dataDir, 'audit');
  const names = readdirSync(directory).filter((name) => name.startsWith('security-'));
  return names.map((name) => readFileSync(join(directory, name), 'latin1')).join('');
};

it('goes on where it was', async () => {
  await ask('late-0');
  const options = ['--resource', 'late*', '--since', '1m', '--json', '--limit', '3', '--for', '60'];
  const following = runInProcess(['audit', 'tail', ...options]);
  await vi.waitUntil(() => securityLog().includes('"reason":"audit-tail"'), { timeout: 20_000 });
  await ask('late-1');
  const { port, adminPort } = broker;
  expect(await broker.stop()).toBe(0);
  broker = await startBroker({ dataDir, certsDir, port, adminPort });
  await ask('late-2');
  const { code, stdout, stderr } = await following;
  expect([code, stderr.includes('trying again')]).toEqual([0, true]);
  const names = stdout
    .trim()
    .split('\n')
    .map((line) => (JSON.parse(line) as { resource: string }).resource);
  expect(names).toEqual(['late-0', 'late-1', 'late-2']);
});
