/** A candidate policy on trial beside a real broker's policy. */
import { cpSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { ApiKey } from '../../src/protocol/api-keys.ts';
import { type BrokerProcess, startBroker } from '../tools/broker-process.ts';
import { clientIdentity } from '../tools/client-identity.ts';
import { removeDirectory, temporaryDirectory } from '../tools/temporary-directory.ts';
import { describeRequiring } from '../tools/tool-detection.ts';
import { WireClient } from '../tools/wire-client.ts';
import { runInProcess } from './run-cli.ts';

describeRequiring(['built-broker'], 'policy.shadow.dir', () => {
  let broker: BrokerProcess;
  let root = '';
  let candidate = '';

  /** The development policy without the rule that devices write telemetry. */
  const writeCandidate = (change: (text: string) => string): void => {
    const text = readFileSync(join('policies', 'dev', 'devices.csv'), 'utf8');
    writeFileSync(join(candidate, 'devices.csv'), change(text));
  };

  beforeAll(async () => {
    root = temporaryDirectory('shadow');
    candidate = join(root, 'candidate');
    cpSync(join('policies', 'dev'), candidate, { recursive: true });
    writeCandidate((text) => text.replace('LITERAL, telemetry, WRITE', 'LITERAL, other, WRITE'));
    broker = await startBroker({ env: { BREAKWATER_POLICY_SHADOW_DIR: candidate } });
    vi.stubEnv('BREAKWATER_ADMIN_URL', `https://127.0.0.1:${broker.adminPort}`);
    vi.stubEnv('BREAKWATER_CERTS_DIR', broker.certsDir);
  });
  afterAll(async () => {
    vi.unstubAllEnvs();
    await broker.dispose();
    removeDirectory(root);
  });

  const report = async () =>
    JSON.parse((await runInProcess(['policy', 'shadow', '--json'])).stdout) as {
      asked: number;
      differing: number;
      policy: { refusal: unknown };
      differences: Record<string, unknown>[];
    };
  const seen = async (device: WireClient, topic: string): Promise<number> => {
    const answer = await device.call(ApiKey.Metadata, 9, {
      topics: [{ name: topic }],
      allowAutoTopicCreation: false,
    });
    return answer.topics[0]!.errorCode;
  };

  test('decides nothing, and tells what it would decide otherwise', async () => {
    const device = await WireClient.connect(
      broker.port,
      clientIdentity(broker.certsDir, 'acme', 'device-1'),
    );
    expect((await report()).differences).toEqual([]);
    expect(await seen(device, 'telemetry')).toBe(0);
    const { asked, differing, differences } = await report();
    expect(differences).toEqual([
      expect.objectContaining({
        tenant: 'acme',
        principal: 'User:device-1',
        fleet: 'dev',
        operation: 'DESCRIBE',
        resourceType: 'TOPIC',
        resource: 'telemetry',
        count: 1,
        live: expect.objectContaining({
          allowed: true,
          origin: expect.stringMatching(/^devices\.csv:/),
        }),
        candidate: expect.objectContaining({ allowed: false, origin: null }),
      }),
    ]);
    expect(asked).toBeGreaterThan(differing);
    const table = await runInProcess(['policy', 'shadow']);
    expect(table.stdout).toMatch(
      /acme +User:device-1 +dev .* allowed \(devices\.csv:[0-9]+\) +denied/,
    );

    // A candidate that changes is asked again by sessions that are open.
    writeCandidate((text) =>
      text.replace('# end', 'p, User:*, *, TOPIC, LITERAL, telemetry, ALL, *, deny\n# end'),
    );
    await vi.waitFor(
      async () => {
        expect(await seen(device, 'telemetry')).toBe(0);
        const { differences: later } = await report();
        expect(later[0]).toMatchObject({ count: expect.toSatisfy((count: number) => count > 1) });
      },
      { timeout: 10_000, interval: 100 },
    );
    device.close();
  });

  test('a candidate that is broken later leaves the last good one on trial, and says so', async () => {
    writeCandidate((text) => text.replace('# end', 'p, nonsense\n# end'));
    await vi.waitFor(
      async () => expect((await report()).policy.refusal).toMatchObject({ file: 'devices.csv' }),
      { timeout: 10_000, interval: 100 },
    );
    const { stdout } = await runInProcess(['policy', 'shadow']);
    expect(stdout).toContain("the candidate's newest files are refused: devices.csv:");
  });
});

test('without a candidate the command says how to put one on trial', async () => {
  const broker = await startBroker();
  try {
    vi.stubEnv('BREAKWATER_ADMIN_URL', `https://127.0.0.1:${broker.adminPort}`);
    vi.stubEnv('BREAKWATER_CERTS_DIR', broker.certsDir);
    const { code, stderr } = await runInProcess(['policy', 'shadow']);
    expect(code).toBe(1);
    expect(stderr).toContain('policy.shadow.dir');
  } finally {
    vi.unstubAllEnvs();
    await broker.dispose();
  }
});

test('a start with a broken candidate is refused, and the key is named', async () => {
  const root = temporaryDirectory('shadow-broken');
  writeFileSync(join(root, 'a.csv'), 'p, nonsense\n# end\n');
  await expect(startBroker({ env: { BREAKWATER_POLICY_SHADOW_DIR: root } })).rejects.toThrow(
    /policy\.shadow\.dir.*a\.csv:1/s,
  );
  removeDirectory(root);
});
