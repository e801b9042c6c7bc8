/**
 * A Java client with a certificate of an imported CA: it chooses what it shows by the names that the
 * handshake tells, so that an import that is not announced is of no use to it.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { pemOf } from '../../src/pki/pki-directory.ts';
import { runInProcess } from '../cli/run-cli.ts';
import { CN_RULE, foreignCa, foreignClient } from '../pki/foreign-ca.ts';
import { testDirectory } from '../pki/temporary-pki.ts';
import { useBroker } from '../tools/broker-fixture.ts';
import { writeProperties } from '../tools/client-identity.ts';
import { kafkaCli } from '../tools/java.ts';
import { describeRequiring } from '../tools/tool-detection.ts';

describeRequiring(['built-broker', 'java-tools'], 'a Java client of an imported CA', () => {
  const fixture = useBroker();
  beforeAll(() => {
    vi.stubEnv('BREAKWATER_ADMIN_URL', `https://127.0.0.1:${fixture.broker.adminPort}`);
    vi.stubEnv('BREAKWATER_CERTS_DIR', fixture.broker.certsDir);
  });
  afterAll(() => {
    vi.unstubAllEnvs();
  });

  it('gets in once its CA is announced', async () => {
    const dir = testDirectory('java');
    const vendor = foreignCa();
    const { chain, privateKey } = foreignClient(vendor, 'meter-7');
    const key = privateKey.export({ format: 'pem', type: 'pkcs8' }).toString();
    writeFileSync(join(dir, 'keystore.pem'), key + chain.map(pemOf).join(''), { mode: 0o600 });
    writeFileSync(join(dir, 'vendor.crt'), pemOf(vendor.certificate));
    const { bootstrap, certsDir } = fixture.broker;
    const properties = writeProperties(dir, 'client', {
      'bootstrap.servers': bootstrap,
      'security.protocol': 'SSL',
      'ssl.truststore.type': 'PEM',
      'ssl.truststore.location': join(certsDir, 'ca.crt'),
      'ssl.keystore.type': 'PEM',
      'ssl.keystore.location': join(dir, 'keystore.pem'),
      'default.api.timeout.ms': '6000',
      'request.timeout.ms': '5000',
    });
    expect(readFileSync(properties, 'utf8')).toContain('keystore.pem');
    const importing = async (...more: string[]): Promise<void> => {
      const args = ['--tenant', 'acme', '--certificate', join(dir, 'vendor.crt')];
      const rule = ['--mapping-rule', CN_RULE];
      const { code, stderr } = await runInProcess([
        'tenant',
        'ca',
        'import',
        ...args,
        ...rule,
        ...more,
      ]);
      expect([code, stderr]).toEqual([0, '']);
    };
    const list = () =>
      kafkaCli('kafka-topics', [
        ...['--bootstrap-server', bootstrap, '--list', '--command-config', properties],
      ]);
    await importing();
    expect((await list()).code).not.toBe(0);
    await fixture.audited('security', ({ reason }) => reason === 'no_certificate');
    await importing('--announce');
    const listed = await list();
    expect(listed.code, listed.text).toBe(0);
    await fixture.audited('security', ({ type, outcome, principal }) => {
      return type === 'authentication' && outcome === 'success' && principal === 'User:meter-7';
    });
  }, 60_000);
});
