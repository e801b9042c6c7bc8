/** What other implementations say, the slow part: RSA keys, and Java's keytool. */
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { KEY_TYPES } from '../../src/pki/key-pair.ts';
import { describeRequiring } from '../tools/tool-detection.ts';
import { runTool, type ToolResult } from './temporary-pki.ts';
import { expectCerttoolAccepts, expectOpensslAccepts, wholePki } from './verifier-cases.ts';

const RSA_KEY_TYPES = ['rsa2048', 'rsa3072'] as const;

describeRequiring(['openssl'], 'openssl verify -x509_strict', () => {
  it.each(RSA_KEY_TYPES)('accepts every certificate with keys of type %s', expectOpensslAccepts);
});

describeRequiring(['certtool'], 'certtool --verify', () => {
  it.each(RSA_KEY_TYPES)('accepts every certificate with keys of type %s', expectCerttoolAccepts);
});

describeRequiring(['keytool'], 'keytool', () => {
  it.each(KEY_TYPES)('opens every key store and truststore with keys of type %s', (keyType) => {
    const dir = wholePki(keyType);
    const device = list(join(dir, 'acme', 'device-1.p12'));
    expect(device.text).toContain('Alias name: device-1');
    expect(device.text).toContain('Entry type: PrivateKeyEntry');
    expect(device.text).toContain('Certificate chain length: 2');
    expect(device.text).toContain('/fleet/default/device/device-1');
    expect(list(join(dir, 'operator.p12')).text).toContain('Certificate chain length: 1');
    const trust = list(join(dir, 'truststore.p12'));
    expect(trust.text).toContain('Alias name: breakwater-server-ca');
    expect(trust.text).toContain('Entry type: trustedCertEntry');
  });

  it('refuses a wrong password', () => {
    const path = join(wholePki('p256'), 'acme', 'device-1.p12');
    expect(list(path, 'not-changeit').text).toContain('password was incorrect');
  });
});

const list = (path: string, password = 'changeit'): ToolResult =>
  runTool('keytool', [
    '-J-Duser.language=en',
    '-list',
    '-v',
    '-keystore',
    path,
    '-storepass',
    password,
  ]);
