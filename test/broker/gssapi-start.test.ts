/** A broker that is to take Kerberos logins and cannot says what to do, and does not start. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { ConfigError } from '../../src/base/errors.ts';
import { enabledGssapi, type GssapiParts, type KerberosConfig } from '../../src/broker/gssapi.ts';
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

/** Nothing is recorded before the sentence. */
const PARTS: GssapiParts = {
  get audit(): never {
    throw new Error('the audit log was asked for');
  },
  get logger(): never {
    throw new Error('the log was asked for');
  },
};

let directory: string;
const file = (name: string): string => join(directory, name);

beforeAll(() => {
  directory = temporaryDirectory('gssapi-start');
  const service = {
    names: ['kafka', 'localhost'],
    realm: 'FLEET.TEST',
    version: 1,
    key: randomKey(18),
  };
  writeFileSync(file('good'), keytabBytes([service]), { mode: 0o600 });
  writeFileSync(file('other'), keytabBytes([{ ...service, names: ['http', 'localhost'] }]));
  writeFileSync(file('broken'), 'not a keytab');
  writeFileSync(file('resolve.mjs'), RESOLVE);
  writeFileSync(file('register.mjs'), REGISTER);
});
afterAll(() => removeDirectory(directory));

describe('GSSAPI enabled with', () => {
  const before = { ...process.env };
  const good = (): KerberosConfig => ({
    'sasl.kerberos.service.name': 'kafka',
    'sasl.kerberos.keytab': file('good'),
    'sasl.kerberos.realms': 'FLEET.TEST=acme',
    'sasl.kerberos.principal.to.local.rules': 'DEFAULT',
  });
  afterEach(() => {
    for (const name of ['KRB5RCACHENAME', 'KRB5RCACHETYPE']) {
      if (before[name] === undefined) delete process.env[name];
      else process.env[name] = before[name];
    }
  });

  it.each<[string, () => Partial<KerberosConfig>, RegExp]>([
    [
      'no realms',
      () => ({ 'sasl.kerberos.realms': null }),
      /sasl\.kerberos\.realms is not set: name each realm/,
    ],
    [
      'realms that are no table',
      () => ({ 'sasl.kerberos.realms': 'FLEET.TEST' }),
      /not of the form REALM=tenant/,
    ],
    [
      'rules that are none',
      () => ({ 'sasl.kerberos.principal.to.local.rules': 'RULE:[1:$2]' }),
      /principal\.to\.local\.rules: .*there is no \$2/,
    ],
    [
      'no keytab',
      () => ({ 'sasl.kerberos.keytab': null }),
      /sasl\.kerberos\.keytab is not set: name the keytab/,
    ],
    [
      'a keytab that is not there',
      () => ({ 'sasl.kerberos.keytab': file('none') }),
      /missing.*ktadd/,
    ],
    [
      'a file that is no keytab',
      () => ({ 'sasl.kerberos.keytab': file('broken') }),
      /not a keytab/,
    ],
    [
      'a keytab of another service',
      () => ({ 'sasl.kerberos.keytab': file('other') }),
      /no key.*kafka\/HOST/,
    ],
  ])('%s', async (_title, change, sentence) => {
    const start = enabledGssapi({ ...good(), ...change() }, PARTS);
    await expect(start).rejects.toThrow(sentence);
    await expect(start).rejects.toBeInstanceOf(ConfigError);
  });

  it.each([
    ['KRB5RCACHENAME', 'none:'],
    ['KRB5RCACHETYPE', 'none'],
  ])('%s=%s', async (name, value) => {
    process.env[name] = value;
    const sentence = new RegExp(`${name}=${value} switches the replay cache.*remove it`);
    await expect(enabledGssapi(good(), PARTS)).rejects.toThrow(sentence);
  });
});

describeRequiring(['built-broker'], 'a broker with GSSAPI enabled', () => {
  it('and without the addon ends, and says how to build it', async () => {
    const start = startBroker({
      env: {
        BREAKWATER_SASL_ENABLED_MECHANISMS: 'SCRAM-SHA-256,GSSAPI',
        BREAKWATER_SASL_KERBEROS_REALMS: 'FLEET.TEST=acme',
        BREAKWATER_SASL_KERBEROS_KEYTAB: file('good'),
        NODE_OPTIONS: `--import=${file('register.mjs')}`,
      },
    });
    await expect(start.then((broker) => broker.dispose())).rejects.toThrow(
      /"kerberos" cannot be loaded .*apt-get install libkrb5-dev.*npm run build:kerberos/,
    );
  });
});
