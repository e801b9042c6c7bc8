/** The configuration for Java that comes with a certificate works as it is, and so do the stores. */
import { readFileSync, writeFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { KEY_TYPES } from '../../src/pki/key-pair.ts';
import { useBroker } from '../tools/broker-fixture.ts';
import { brokerTools } from '../tools/broker-under-test.ts';
import { kafkaCli } from '../tools/java.ts';
import { describeRequiring } from '../tools/tool-detection.ts';
import { configuredDevice } from './client-config-cases.ts';

describeRequiring([...brokerTools, 'java-tools'], 'Java with the configuration of a device', () => {
  const fixture = useBroker();

  const produce = (config: string): ReturnType<typeof kafkaCli> => {
    const bootstrap = `127.0.0.1:${fixture.broker.port}`;
    const args = ['--bootstrap-server', bootstrap, '--topic', 'telemetry'];
    return kafkaCli('kafka-console-producer', [...args, '--command-config', config], {
      input: Buffer.from('hello\n'),
      timeoutMs: 60_000,
    });
  };

  it.each(KEY_TYPES)('writes with a key %s', async (type) => {
    const device = `device-${200 + KEY_TYPES.indexOf(type)}`;
    const { file } = configuredDevice(fixture.broker, device, type);
    const written = await produce(file(`${device}.properties`));
    expect({ code: written.code, text: written.text }).toEqual({
      code: 0,
      text: expect.not.stringMatching(/ERROR|Exception/),
    });
    await fixture.audited(
      'access',
      (line) => line.principal === `User:${device}` && line.decision === 'allow',
    );
  });

  it('writes with the key store and the truststore', async () => {
    const { file } = configuredDevice(fixture.broker, 'device-300', 'p256');
    const config = file('stores.properties');
    const lines = [
      'security.protocol=SSL',
      'ssl.keystore.type=PKCS12',
      `ssl.keystore.location=${file('device-300.p12')}`,
      'ssl.keystore.password=changeit',
      'ssl.truststore.type=PKCS12',
      `ssl.truststore.location=${file('server-ca.p12')}`,
      'ssl.truststore.password=changeit',
    ];
    writeFileSync(config, `${lines.join('\n')}\n`);
    const written = await produce(config);
    expect(written.text).not.toMatch(/ERROR|Exception/);
    expect(written.code).toBe(0);
    await fixture.audited(
      'access',
      (line) => line.principal === 'User:device-300' && line.decision === 'allow',
    );
    expect(readFileSync(file('device-300.properties'), 'utf8')).not.toContain(file(''));
  });
});
