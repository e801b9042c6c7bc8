/** What Java says of our certificates and CRLs, for every kind of key. */

import { X509Certificate } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { writeRootCrl, writeTenantCrl } from '../../src/pki/crl-file.ts';
import { crlNameOf } from '../../src/pki/crl-publication.ts';
import { issueDevice } from '../../src/pki/issue.ts';
import { KEY_TYPES } from '../../src/pki/key-pair.ts';
import { openPki, parseChain, pemOf, setCrlBaseUrl } from '../../src/pki/pki-directory.ts';
import { runJava } from '../tools/java.ts';
import { projectRoot } from '../tools/project-root.ts';
import { describeRequiring } from '../tools/tool-detection.ts';
import { runTool, testDirectory } from './temporary-pki.ts';
import { wholePki } from './verifier-cases.ts';

describeRequiring(['java-tools', 'keytool', 'openssl'], 'Java, with revocation', () => {
  it.each(KEY_TYPES)('accepts what is issued and refuses what is revoked, %s', async (keyType) => {
    const dir = wholePki(keyType);
    const pki = setCrlBaseUrl(openPki(dir), 'http://pki.example/crl');
    const revoked = issueDevice(pki, { tenant: 'acme', device: `revoked-${keyType}` }, { keyType });
    const entry = { revokedAtMs: Date.now(), reason: 'keyCompromise' } as const;
    const serial = revoked.certificate.serialNumber;
    const crls = {
      acme: writeTenantCrl(pki, 'acme', [{ serial, ...entry }], { days: 7 }).path,
      client: writeRootCrl(pki, 'client', [], { days: 7 }).path,
      operator: writeRootCrl(pki, 'operator', [], { days: 7 }).path,
      server: writeRootCrl(pki, 'server', [], { days: 7 }).path,
    };
    const file = (name: string): string => join(dir, name);
    const acme = file('acme/ca.crt');
    const cases: [anchor: string, leaf: string, crl: string, verdict: string][] = [
      [acme, file('acme/device-1.crt'), crls.acme, 'valid'],
      [acme, file('acme/service-1.crt'), crls.acme, 'valid'],
      [acme, file(`acme/revoked-${keyType}.crt`), crls.acme, 'REVOKED'],
      [file('client-ca.crt'), acme, crls.client, 'valid'],
      [file('operator-ca.crt'), file('operator.crt'), crls.operator, 'valid'],
      [file('ca.crt'), file('broker.crt'), crls.server, 'valid'],
      // Without the CRL of the right CA nothing is known.
      [acme, file('acme/device-1.crt'), crls.client, 'UNDETERMINED_REVOCATION_STATUS'],
    ];
    const run = await runJava(
      join(projectRoot, 'test/pki/PkixCheck.java'),
      cases.flatMap((one) => one.slice(0, 3)),
      {
        timeoutMs: 60_000,
      },
    );
    expect(run.code, run.text).toBe(0);
    const verdicts = run.stdout.toString().trim().split('\n');
    expect(verdicts).toEqual(cases.map(([, , , verdict]) => verdict));
    const bundle = join(testDirectory('crls'), 'all.pem');
    writeFileSync(
      bundle,
      [crls.acme, crls.client].map((crl) => readFileSync(crl, 'utf8')).join(''),
    );
    const opensslSays = (leaf: string) =>
      runTool('openssl', [
        ...[
          'verify',
          '-x509_strict',
          '-crl_check_all',
          '-CRLfile',
          bundle,
          '-purpose',
          'sslclient',
        ],
        ...['-CAfile', file('client-ca.crt'), '-untrusted', leaf, leaf],
      ]);
    expect(opensslSays(file('acme/device-1.crt'))).toMatchObject({ status: 0 });
    expect(opensslSays(file(`acme/revoked-${keyType}.crt`)).text).toContain('certificate revoked');
  });

  it.each(KEY_TYPES)(
    'keytool prints and imports a certificate with its CRL place, %s',
    (keyType) => {
      const dir = wholePki(keyType);
      const pki = setCrlBaseUrl(openPki(dir), 'http://pki.example/crl');
      const device = `placed-${keyType}`;
      issueDevice(pki, { tenant: 'acme', device }, { keyType });
      const [leaf] = parseChain(readFileSync(join(dir, 'acme', `${device}.crt`), 'utf8'), device);
      const path = join(testDirectory('keytool'), 'leaf.crt');
      writeFileSync(path, pemOf(leaf!));
      const printed = runTool('keytool', ['-J-Duser.language=en', '-printcert', '-file', path]);
      expect(printed.status, printed.text).toBe(0);
      expect(printed.text).toContain('CRLDistributionPoints');
      const ca = new X509Certificate(readFileSync(join(dir, 'acme', 'ca.crt')));
      const place = /URIName: (http:\/\/pki\.example\/crl\/[0-9a-f]{40}\.crl)/.exec(
        printed.text,
      )?.[1];
      expect(place).toBe(`http://pki.example/crl/${crlNameOf(ca)}`);
      const store = join(testDirectory('keytool'), 'store.p12');
      const imported = runTool('keytool', [
        ...['-J-Duser.language=en', '-importcert', '-noprompt', '-alias', 'x', '-file', path],
        ...['-keystore', store, '-storepass', 'changeit', '-storetype', 'PKCS12'],
      ]);
      expect(imported.status, imported.text).toBe(0);
    },
  );
});
