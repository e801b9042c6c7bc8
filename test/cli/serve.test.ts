/** `breakwater serve` as a process: its two lines, its signals, its refusals. */
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { type BrokerProcess, startBroker } from '../tools/broker-process.ts';
import { awaitExit, spawnReaped } from '../tools/child-process.ts';
import { removeDirectory, temporaryDirectory } from '../tools/temporary-directory.ts';
import { describeRequiring } from '../tools/tool-detection.ts';
import { BIN, runCli } from './run-cli.ts';

describeRequiring(['built-broker'], 'serve', () => {
  const certsDir = temporaryDirectory('certs');
  afterAll(() => removeDirectory(certsDir));
  const environmentOf = (broker: BrokerProcess, dataDir: string) => ({
    BREAKWATER_DATA_DIR: dataDir,
    BREAKWATER_CERTS_DIR: broker.certsDir,
    BREAKWATER_PORT: '0',
    BREAKWATER_ADMIN_PORT: '0',
    BREAKWATER_SASL_PORT: '0',
  });

  test('prints one ready line and one line to paste, and exits 0 on SIGTERM', async () => {
    const broker = await startBroker({ certsDir });
    try {
      expect(broker.readyLine).toMatch(
        /^ready in \d+ ms: mTLS 127\.0\.0\.1:\d+, SASL_SSL 127\.0\.0\.1:\d+, admin https:\/\/127\.0\.0\.1:\d+$/,
      );
      expect(broker.readyLine).toContain(`:${broker.port},`);
      expect(await broker.stop()).toBe(0);
      const lines = broker.stdout().trimEnd().split('\n');
      expect(lines).toHaveLength(2);
      expect(lines[1]).toMatch(/kcat .*-b 127\.0\.0\.1:\d+/);
      for (const line of broker.stderr().trimEnd().split('\n')) JSON.parse(line);
    } finally {
      await broker.dispose();
    }
  });

  test.each(['SIGINT', 'SIGHUP'] as const)(
    '%s ends it like SIGTERM, also during the start',
    async (signal) => {
      const dataDir = temporaryDirectory('data');
      const child = spawnReaped(process.execPath, [BIN, 'serve', '--dev'], {
        stdio: ['ignore', 'pipe', 'pipe'],
        env: {
          ...process.env,
          BREAKWATER_DATA_DIR: dataDir,
          BREAKWATER_CERTS_DIR: certsDir,
          BREAKWATER_PORT: '0',
          BREAKWATER_ADMIN_PORT: '0',
          BREAKWATER_SASL_PORT: '0',
          BREAKWATER_LOG_LEVEL: 'trace',
        },
      });
      // The first byte of any output comes after the handlers are in place.
      await new Promise((resolve) => {
        child.stdout?.once('data', resolve);
        child.stderr?.once('data', resolve);
      });
      child.kill(signal);
      expect(await awaitExit(child, 15_000)).toBe(0);
      removeDirectory(dataDir);
    },
  );

  test('a second signal ends it at once, with 1', async () => {
    const broker = await startBroker({ certsDir });
    try {
      process.kill(broker.pid, 'SIGTERM');
      process.kill(broker.pid, 'SIGINT');
      expect(await broker.stop()).toBe(1);
    } finally {
      await broker.dispose();
    }
  });

  test('a second broker on the same data folder, or port, is refused in one sentence', async () => {
    const broker = await startBroker({ certsDir });
    const otherData = temporaryDirectory('data');
    try {
      const sameData = await runCli(['serve', '--dev'], {
        env: environmentOf(broker, broker.dataDir),
      });
      expect([sameData.code, sameData.stdout]).toEqual([1, '']);
      expect(
        sameData.stderr.split('\n').filter((line) => line.startsWith('breakwater: ')),
      ).toHaveLength(1);
      for (const [key, taken] of [
        ['port', broker.port],
        ['sasl.port', broker.saslPort],
        ['admin.port', broker.adminPort],
      ] as const) {
        const samePort = await runCli(['serve', '--dev', '--set', `${key}=${taken}`], {
          env: environmentOf(broker, otherData),
        });
        expect([samePort.code, samePort.stdout]).toEqual([1, '']);
        expect(samePort.stderr).toContain(`port ${taken} is taken by another process`);
        expect(samePort.stderr).not.toMatch(/\n\s+at /);
      }
    } finally {
      await broker.dispose();
      removeDirectory(otherData);
    }
  });

  test('a policy that is not in order stops the start, naming file and line', async () => {
    const dir = temporaryDirectory('policy');
    const { writeFileSync } = await import('node:fs');
    writeFileSync(join(dir, 'broken.csv'), 'p, nonsense\n# end\n');
    const { code, stderr } = await runCli(['serve', '--dev', '--set', `policy.dir=${dir}`], {
      env: {
        BREAKWATER_DATA_DIR: join(dir, 'data'),
        BREAKWATER_CERTS_DIR: certsDir,
        BREAKWATER_PORT: '0',
        BREAKWATER_ADMIN_PORT: '0',
        BREAKWATER_SASL_PORT: '0',
      },
    });
    expect([code, stderr]).toEqual([1, expect.stringContaining('broken.csv:1')]);
    removeDirectory(dir);
  });
});
