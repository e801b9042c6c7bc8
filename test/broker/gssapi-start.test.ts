/** A broker that is to take Kerberos logins and cannot says what to do, and does not start. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { keytabBytes } from '../security/sasl/keytab-bytes.ts';
import { startBroker } from '../tools/broker-process.ts';
import { randomKey } from '../tools/forged-ticket.ts';
import { removeDirectory, temporaryDirectory } from '../tools/temporary-directory.ts';
import { describeRequiring } from '../tools/tool-detection.ts';

/** Makes the package one that is not there, whatever this machine has. */
const RESOLVE = `export async function resolve(name, context, next) {
  if (name === 'kerberos') throw new Error('no such package');
  return next(name, context);
}`;
const REGISTER =
  "import { register } from 'node:module'; register('./resolve.mjs', import.meta.url);";

describeRequiring(['built-broker'], 'GSSAPI enabled', () => {
  let directory: string;
  const file = (name: string): string => join(directory, name);

  beforeAll(() => {
    directory = temporaryDirectory('gssapi-start');
    const key = randomKey(18);
    const realm = 'FLEET.TEST';
    const service = { names: ['kafka', 'localhost'], realm, version: 1, key };
    writeFileSync(file('good'), keytabBytes([service]), { mode: 0o600 });
    writeFileSync(file('other'), keytabBytes([{ ...service, names: ['http', 'localhost'] }]));
    writeFileSync(file('broken'), 'not a keytab');
    writeFileSync(file('resolve.mjs'), RESOLVE);
    writeFileSync(file('register.mjs'), REGISTER);
  });
  afterAll(() => removeDirectory(directory));

  const REALMS = { BREAKWATER_SASL_KERBEROS_REALMS: 'FLEET.TEST=acme' };
  const keytab = (name: string) => ({ BREAKWATER_SASL_KERBEROS_KEYTAB: file(name) });

  it.each<[string, () => Record<string, string>, RegExp]>([
    ['no realms', () => keytab('good'), /sasl\.kerberos\.realms is not set: name each realm/],
    [
      'realms that are no table',
      () => ({ ...keytab('good'), BREAKWATER_SASL_KERBEROS_REALMS: 'FLEET.TEST' }),
      /not of the form REALM=tenant/,
    ],
    [
      'rules that are none',
      () => ({
        ...REALMS,
        ...keytab('good'),
        BREAKWATER_SASL_KERBEROS_PRINCIPAL_TO_LOCAL_RULES: 'RULE:[1:$2]',
      }),
      /principal\.to\.local\.rules: .*there is no \$2/,
    ],
    ['no keytab', () => REALMS, /sasl\.kerberos\.keytab is not set: name the keytab/],
    ['a keytab that is not there', () => ({ ...REALMS, ...keytab('no') }), /missing.*ktadd/],
    ['a file that is no keytab', () => ({ ...REALMS, ...keytab('broken') }), /not a keytab/],
    [
      'a keytab of another service',
      () => ({ ...REALMS, ...keytab('other') }),
      /no key.*kafka\/HOST/,
    ],
    [
      'the replay cache off',
      () => ({ ...REALMS, ...keytab('good'), KRB5RCACHENAME: 'none:' }),
      /KRB5RCACHENAME=none: switches the replay cache.*remove it/,
    ],
    [
      'the replay cache off in the old way',
      () => ({ ...REALMS, ...keytab('good'), KRB5RCACHETYPE: 'none' }),
      /KRB5RCACHETYPE=none switches the replay cache/,
    ],
    [
      'no addon',
      () => ({ ...REALMS, ...keytab('good'), NODE_OPTIONS: `--import=${file('register.mjs')}` }),
      /"kerberos" cannot be loaded .*apt-get install libkrb5-dev.*npm run build:kerberos/,
    ],
  ])('%s', async (_title, env, sentence) => {
    const enabled = { BREAKWATER_SASL_ENABLED_MECHANISMS: 'SCRAM-SHA-256,GSSAPI' };
    const start = startBroker({ certsDir: file('certs'), env: { ...enabled, ...env() } });
    await expect(start.then((broker) => broker.dispose())).rejects.toThrow(sentence);
  });
});
