/** The configuration for kcat that comes with a certificate works as it is. */
import { statSync } from 'node:fs';
import { expect, it } from 'vitest';
import { KEY_TYPES } from '../../src/pki/key-pair.ts';
import { useBroker } from '../tools/broker-fixture.ts';
import { runCommand } from '../tools/child-process.ts';
import { describeRequiring } from '../tools/tool-detection.ts';
import { configuredDevice } from './client-config-cases.ts';

describeRequiring(['openssl', 'kcat'], 'kcat with the configuration of a device', () => {
  const fixture = useBroker();

  it.each(KEY_TYPES.filter((type) => type !== 'rsa3072'))('writes with a key %s', async (type) => {
    const device = `device-${100 + KEY_TYPES.indexOf(type)}`;
    const { file } = configuredDevice(fixture.broker, device, type);
    const config = file(`${device}.kcat.conf`);
    expect(statSync(config).mode & 0o777).toBe(0o600);
    const args = ['-F', config, '-P', '-t', 'telemetry', '-p', '0'];
    const { code, stderr } = await runCommand('kcat', args, {
      input: Buffer.from(`from ${device}\n`),
      timeoutMs: 30_000,
    });
    expect({ code, stderr }).toEqual({ code: 0, stderr: expect.not.stringContaining('ERROR') });
    await fixture.audited('access', (line) => line.principal === `User:${device}`);
  });
});
