/**
 * The GSSAPI exchange with the real libkrb5 behind it, and tickets forged with the service's key:
 * what libkrb5 refuses, what it lets pass and we refuse, and what has to work. No KDC is needed.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { systemClock } from '../../../src/base/clock.ts';
import { systemRandom } from '../../../src/base/random.ts';
import {
  type Acceptor,
  type KerberosPackage,
  libkrb5Acceptor,
} from '../../../src/security/sasl/gssapi-acceptor.ts';
import { readInitialToken } from '../../../src/security/sasl/gssapi-ap-req.ts';
import { gssapiMechanism } from '../../../src/security/sasl/gssapi-exchange.ts';
import { makeInitialToken } from '../../../src/security/sasl/gssapi-initiator.ts';
import { Keytab, type KeytabEntry } from '../../../src/security/sasl/gssapi-keytab.ts';
import { parseNameRules } from '../../../src/security/sasl/gssapi-name-rules.ts';
import { parseRealms } from '../../../src/security/sasl/gssapi-realms.ts';
import { kerberosProblem } from '../../../src/security/sasl/gssapi-self-check.ts';
import type { SaslExchange } from '../../../src/security/sasl/sasl-mechanism.ts';
import {
  type Forgery,
  forgedParts,
  loginForged,
  MUTUAL,
  randomKey,
} from '../../tools/forged-ticket.ts';
import { removeDirectory, temporaryDirectory } from '../../tools/temporary-directory.ts';
import { describeRequiring } from '../../tools/tool-detection.ts';
import { ACCEPTED, peer, REALMS, REFUSED_BY_US, RULES } from './gssapi-refusals.ts';
import { keytabBytes } from './keytab-bytes.ts';

const MINUTE_MS = 60_000;

const entry = (type: number, host = 'localhost', version = 2): KeytabEntry => ({
  names: ['kafka', host],
  realm: 'FLEET.TEST',
  version,
  key: randomKey(type),
});

describeRequiring(['kerberos-addon'], 'GSSAPI by libkrb5', () => {
  const entries = [entry(18), entry(17), entry(19), entry(20), entry(18, 'other')];
  const service = entries[0]!;
  const other = { ...entry(18), names: ['http', 'localhost'] };
  const before = { ...process.env };
  let directory: string;
  let accept: Acceptor;

  beforeAll(() => {
    directory = temporaryDirectory('libkrb5');
    const config = join(directory, 'krb5.conf');
    writeFileSync(
      config,
      `[libdefaults]\n  default_realm = FLEET.TEST\n  dns_lookup_kdc = false\n` +
        '  dns_lookup_realm = false\n  rdns = false\n',
    );
    const keytab = join(directory, 'kafka.keytab');
    writeFileSync(keytab, keytabBytes([...entries, other]));
    mkdirSync(join(directory, 'rcache'));
    process.env.KRB5_CONFIG = config;
    process.env.KRB5_KTNAME = `FILE:${keytab}`;
    process.env.KRB5RCACHENAME = `file2:${join(directory, 'rcache', 'replay')}`;
    const require = createRequire(import.meta.url);
    accept = libkrb5Acceptor(require('kerberos') as KerberosPackage, systemClock);
  });
  afterAll(() => {
    for (const name of ['KRB5_CONFIG', 'KRB5_KTNAME', 'KRB5RCACHENAME']) {
      if (before[name] === undefined) delete process.env[name];
      else process.env[name] = before[name];
    }
    removeDirectory(directory);
  });

  const begin = (serverTenant: string | null = null): SaslExchange =>
    gssapiMechanism({
      accept,
      keytab: new Keytab({
        read: () => keytabBytes([...entries, other]),
        serviceName: 'kafka',
        clock: systemClock,
        onChange: () => undefined,
      }),
      realms: parseRealms(REALMS),
      rules: parseNameRules(RULES),
      clock: systemClock,
    }).begin(peer(serverTenant));
  const mutual = (forgery: Forgery): Forgery => ({
    ...forgery,
    contextFlags: forgery.contextFlags === null ? null : (forgery.contextFlags ?? 0) | MUTUAL,
    apOptions: 0x2000_0000,
  });

  describe.each([false, true])('with mutual authentication: %s', (isMutual) => {
    const form = (forgery: Forgery): Forgery => (isMutual ? mutual(forgery) : forgery);

    it.each(ACCEPTED)('takes $title', async ({ forgery, serverTenant, step }) => {
      const last = await loginForged(begin(serverTenant ?? null), service, form(forgery()));
      expect(last).toMatchObject(step);
    });

    it.each(REFUSED_BY_US)('refuses $title', async ({ forgery, serverTenant, step }) => {
      const last = await loginForged(begin(serverTenant ?? null), service, form(forgery()));
      expect(last).toMatchObject(step);
    });

    it.each([0, 1, 2, 3, 4])('takes a ticket under key %i of the keytab', async (at) => {
      const last = await loginForged(begin(), entries[at]!, form({}));
      expect(last).toMatchObject({ kind: 'success', identity: { tenant: 'acme', name: 'alice' } });
    });
  });

  it('refuses a token where the empty one belongs', async () => {
    const forgery = { ...mutual({}), acknowledgement: Buffer.from([0]) };
    expect(await loginForged(begin(), service, forgery)).toMatchObject({ kind: 'failure' });
  });

  it.each<[string, () => Forgery, RegExp]>([
    [
      'a ticket that ended ten minutes ago',
      () => ({ startsAtMs: Date.now() - 60 * MINUTE_MS, endsAtMs: Date.now() - 10 * MINUTE_MS }),
      /expired/i,
    ],
    [
      'a ticket that begins in ten minutes',
      () => ({ startsAtMs: Date.now() + 10 * MINUTE_MS }),
      /not yet valid/i,
    ],
    ['a client clock six minutes ahead', () => ({ nowMs: Date.now() + 6 * MINUTE_MS }), /skew/i],
    ['a client clock six minutes behind', () => ({ nowMs: Date.now() - 6 * MINUTE_MS }), /skew/i],
  ])('libkrb5 refuses %s', async (_title, forgery, detail) => {
    expect(await loginForged(begin(), service, forgery())).toMatchObject({
      kind: 'failure',
      reason: 'sasl_bad_credentials',
      detail: expect.stringMatching(detail),
    });
  });

  it.each<[string, KeytabEntry]>([
    ['another service, whose key is in the keytab', other],
    ['our service, under the key of another', { ...other, names: service.names }],
    ['another version of a key that fits', { ...service, version: 7 }],
    ['another host, under a key that fits', { ...service, names: ['kafka', 'elsewhere'] }],
    ['a key that is not in the keytab', { ...service, key: randomKey(18) }],
  ])('refuses a ticket for %s', async (_title, forgedFor) => {
    expect(await loginForged(begin(), forgedFor)).toMatchObject({ kind: 'failure' });
  });

  /** What these tests are for: were libkrb5 to refuse them, a case above would prove nothing. */
  it.each<[string, Forgery, KeytabEntry]>([
    [
      'a ticket that ended two minutes ago',
      { startsAtMs: Date.now() - 60 * MINUTE_MS, endsAtMs: Date.now() - 2 * MINUTE_MS },
      service,
    ],
    ['a client of another realm', { clientRealm: 'OTHER.TEST' }, service],
    ['the anonymous principal', { clientNames: ['WELLKNOWN', 'ANONYMOUS'] }, service],
    ['a client without a name', { clientNames: [] }, service],
    ['no checksum of GSS-API', { contextFlags: null }, service],
    ['another service, whose key is in the keytab', {}, other],
    ['another name of the service under a key that fits', {}, { ...other, key: service.key }],
    ['another version of a key that fits', {}, { ...service, version: 7 }],
  ])('libkrb5 alone lets in %s', async (_title, forgery, forgedFor) => {
    const accepted = await accept(makeInitialToken(forgedParts(forgedFor, forgery)));
    expect(accepted).not.toHaveProperty('problem');
    expect((await loginForged(begin(), forgedFor, forgery)).kind).toBe('failure');
  });

  it('refuses garbage, and a token with any bit changed that means something', async () => {
    const length = makeInitialToken(forgedParts(service)).length;
    await fc.assert(
      fc.asyncProperty(fc.nat({ max: length * 8 - 1 }), async (bit) => {
        const token = makeInitialToken(forgedParts(service));
        const changed = Buffer.from(token);
        if (changed.length <= bit >> 3) return;
        changed[bit >> 3]! ^= 1 << (bit & 7);
        const step = await begin().evaluate(changed);
        if (step.kind === 'challenge') {
          expect(readInitialToken(changed)).toEqual(readInitialToken(token));
        }
      }),
      { numRuns: 400 },
    );
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 900 }), async (bytes) => {
        const [direct, step] = [
          await accept(Buffer.from(bytes)),
          await begin().evaluate(Buffer.from(bytes)),
        ];
        expect(direct).toHaveProperty('problem');
        expect(step.kind).toBe('failure');
      }),
      { numRuns: 100 },
    );
  });

  it('refuses a login that was recorded, in the same exchange form and in another', async () => {
    for (const contextFlags of [0, MUTUAL]) {
      const token = makeInitialToken(forgedParts(service, { contextFlags }));
      expect((await begin().evaluate(token)).kind).toBe('challenge');
      expect(await begin().evaluate(token)).toMatchObject({
        kind: 'failure',
        detail: expect.stringMatching(/replay/i),
      });
    }
  });

  it('the self-check passes here, and not without a replay cache', async () => {
    const parts = { clock: systemClock, random: systemRandom };
    expect(await kerberosProblem(accept, service, parts)).toBeNull();
    const cache = process.env.KRB5RCACHENAME!;
    process.env.KRB5RCACHENAME = 'none:';
    expect(await kerberosProblem(accept, service, parts)).toMatch(/replay cache is off/);
    process.env.KRB5RCACHENAME = cache;
    const config = process.env.KRB5_CONFIG!;
    process.env.KRB5_CONFIG = '/dev/null';
    expect(await kerberosProblem(accept, service, parts), 'without krb5.conf').toBeNull();
    process.env.KRB5_CONFIG = config;
    const stranger = { ...service, key: randomKey(18) };
    expect(await kerberosProblem(accept, stranger, parts)).toMatch(/check the keytab/);
  });

  it('200 logins at once all get through, few at a time', async () => {
    const logins = Array.from({ length: 200 }, () => loginForged(begin(), service, mutual({})));
    const kinds = new Set((await Promise.all(logins)).map(({ kind }) => kind));
    expect([...kinds]).toEqual(['success']);
  });
});
