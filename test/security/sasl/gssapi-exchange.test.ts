/**
 * The exchange with an acceptor that accepts whatever is under the service's key: what the exchange
 * refuses, it refuses itself. The same cases meet the real libkrb5 in gssapi-libkrb5.full.test.ts.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { systemClock } from '../../../src/base/clock.ts';
import type { Acceptor } from '../../../src/security/sasl/gssapi-acceptor.ts';
import {
  GSS_TOKEN_TAG,
  KERBEROS_OID,
  openApReq,
  readInitialToken,
  TOKEN_ID_AP_REP,
  TOKEN_ID_AP_REQ,
} from '../../../src/security/sasl/gssapi-ap-req.ts';
import { element, readElement } from '../../../src/security/sasl/gssapi-der.ts';
import { gssapiMechanism } from '../../../src/security/sasl/gssapi-exchange.ts';
import { makeInitialToken } from '../../../src/security/sasl/gssapi-initiator.ts';
import { Keytab, type KeytabEntry } from '../../../src/security/sasl/gssapi-keytab.ts';
import { parseNameRules } from '../../../src/security/sasl/gssapi-name-rules.ts';
import { parseRealms } from '../../../src/security/sasl/gssapi-realms.ts';
import type { SaslExchange } from '../../../src/security/sasl/sasl-mechanism.ts';
import { forgedParts, loginForged, randomKey } from '../../tools/forged-ticket.ts';
import { ACCEPTED, peer, REALMS, REFUSED_BY_US, RULES } from './gssapi-refusals.ts';
import { keytabBytes } from './keytab-bytes.ts';

/** RFC 4178, and the mechanism of draft-swift-win2k-krb-user2user. */
const SPNEGO_OID = Buffer.from('06062b0601050502', 'hex');
const USER_TO_USER_OID = Buffer.from('060a2a864886f71201020203', 'hex');
const EMPTY_BYTE = Buffer.from([0]);

const service: KeytabEntry = {
  names: ['kafka', 'localhost'],
  realm: 'FLEET.TEST',
  version: 2,
  key: randomKey(18),
};

/** Checks nothing: neither time nor replay nor whom the ticket is for. */
const lenient: Acceptor = async (token) => {
  const sealed = readInitialToken(token);
  const { names, realm } = { names: sealed.serviceNames, realm: sealed.serviceRealm };
  const base = { service: `${names.join('/')}@${realm}`, response: Buffer.alloc(0) };
  try {
    const opened = openApReq(sealed, service.key);
    return { ...base, client: `${opened.clientNames.join('/')}@${opened.clientRealm}` };
  } catch {
    return { ...base, client: 'alice@FLEET.TEST' };
  }
};

const begin = (serverTenant: string | null = null, accept: Acceptor = lenient): SaslExchange =>
  gssapiMechanism({
    accept,
    keytab: new Keytab({
      read: () => keytabBytes([service]),
      serviceName: 'kafka',
      clock: systemClock,
      onChange: () => undefined,
    }),
    realms: parseRealms(REALMS),
    rules: parseNameRules(RULES),
    clock: systemClock,
  }).begin(peer(serverTenant));

describe('GSSAPI refuses, whatever libkrb5 says,', () => {
  it.each(REFUSED_BY_US)('$title', async ({ forgery, serverTenant, step }) => {
    const last = await loginForged(begin(serverTenant ?? null), service, forgery());
    expect(last).toMatchObject(step);
  });

  it.each<[string, Partial<KeytabEntry>]>([
    ['another service', { names: ['http', 'localhost'] }],
    ['another host', { names: ['kafka', 'elsewhere'] }],
    ['another realm of the service', { realm: 'OTHER.TEST' }],
    ['another version of the key', { version: 3 }],
    ['the key under another type', { key: { type: 20, bytes: service.key.bytes } }],
    ['another key', { key: randomKey(18) }],
  ])('a ticket for %s', async (_title, change) => {
    const last = await loginForged(begin(), { ...service, ...change });
    expect(last.kind).toBe('failure');
  });

  it('a client that libkrb5 names otherwise', async () => {
    const accept: Acceptor = async () => ({
      client: 'bob@FLEET.TEST',
      service: 'kafka/localhost@FLEET.TEST',
      response: Buffer.alloc(0),
    });
    expect(await loginForged(begin(null, accept), service)).toMatchObject({
      kind: 'failure',
      reason: 'sasl_unusable',
    });
  });

  it('what libkrb5 refuses, and says so in the log alone', async () => {
    const accept: Acceptor = async () => ({ problem: 'Request is a replay', isBusy: false });
    expect(await loginForged(begin(null, accept), service)).toMatchObject({
      kind: 'failure',
      reason: 'sasl_bad_credentials',
      detail: 'Request is a replay',
    });
  });

  it('a second AP-REQ, and every token after the end', async () => {
    const exchange = begin();
    const token = (): Buffer => makeInitialToken(forgedParts(service));
    expect((await exchange.evaluate(token())).kind).toBe('challenge');
    expect((await exchange.evaluate(token())).kind).toBe('failure');
    expect((await exchange.evaluate(token())).kind).toBe('failure');
    const done = begin();
    expect((await loginForged(done, service)).kind).toBe('success');
    expect((await done.evaluate(Buffer.alloc(0))).kind).toBe('failure');
  });

  it('a changed bit anywhere in the first token', async () => {
    const token = makeInitialToken(forgedParts(service));
    // The lenient acceptor says yes to all of it; only the exchange stands in the way.
    await fc.assert(
      fc.asyncProperty(fc.nat({ max: token.length * 8 - 1 }), async (bit) => {
        const changed = Buffer.from(token);
        changed[bit >> 3]! ^= 1 << (bit & 7);
        const step = await begin().evaluate(changed);
        // Outside the two ciphers stand bits that nobody protects and that decide nothing.
        if (step.kind === 'challenge')
          expect(readInitialToken(changed)).toEqual(readInitialToken(token));
      }),
      { numRuns: 500, examples: [[0], [token.length * 8 - 1]] },
    );
  });

  it('a changed bit anywhere in the last token', async () => {
    const bits = Array.from({ length: (16 + 4 + 12) * 8 }, (_, bit) => bit);
    // RRC, in bytes 6 and 7, is under no checksum: it only turns the body, here by whole rounds.
    for (const changedBit of bits.filter((bit) => bit < 48 || bit >= 64)) {
      const last = await loginForged(begin(), service, { changedBit });
      expect(last, `bit ${changedBit}`).toMatchObject({ kind: 'failure' });
    }
  });

  it.each<[string, (apReq: Buffer) => Buffer]>([
    ['SPNEGO around it', (apReq) => element(GSS_TOKEN_TAG, SPNEGO_OID, apReq)],
    [
      'the object identifier of SPNEGO',
      (apReq) => element(GSS_TOKEN_TAG, SPNEGO_OID, TOKEN_ID_AP_REQ, apReq),
    ],
    [
      'the object identifier of Kerberos among users',
      (apReq) => element(GSS_TOKEN_TAG, USER_TO_USER_OID, TOKEN_ID_AP_REQ, apReq),
    ],
    [
      'the number of an answer',
      (apReq) => element(GSS_TOKEN_TAG, KERBEROS_OID, TOKEN_ID_AP_REP, apReq),
    ],
    ['no frame of GSS-API', (apReq) => apReq],
    [
      'a byte behind it inside',
      (apReq) =>
        element(GSS_TOKEN_TAG, KERBEROS_OID, TOKEN_ID_AP_REQ, Buffer.concat([apReq, EMPTY_BYTE])),
    ],
    [
      'a byte behind it outside',
      (apReq) =>
        Buffer.concat([element(GSS_TOKEN_TAG, KERBEROS_OID, TOKEN_ID_AP_REQ, apReq), EMPTY_BYTE]),
    ],
  ])('an AP-REQ with %s', async (_title, dress) => {
    const token = makeInitialToken(forgedParts(service));
    const framed = readElement(token).content;
    const apReq = framed.subarray(KERBEROS_OID.length + TOKEN_ID_AP_REQ.length);
    const plain = element(GSS_TOKEN_TAG, KERBEROS_OID, TOKEN_ID_AP_REQ, apReq);
    expect(plain).toEqual(token);
    const step = await begin().evaluate(dress(apReq));
    expect(step).toMatchObject({ kind: 'failure', reason: 'sasl_malformed' });
  });

  it('a ticket that has ended before it offers anything', async () => {
    const times = { startsAtMs: Date.now() - 3_600_000, endsAtMs: Date.now() - 2000 };
    const token = makeInitialToken(forgedParts(service, times));
    expect(await begin().evaluate(token)).toMatchObject({ reason: 'sasl_token_expired' });
  });

  it('every token that is cut short, and any bytes', async () => {
    const token = makeInitialToken(forgedParts(service));
    for (let length = 0; length < token.length; length += 1) {
      const step = await begin().evaluate(token.subarray(0, length));
      expect(step.kind).toBe('failure');
    }
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 200 }), async (bytes) => {
        expect((await begin().evaluate(Buffer.from(bytes))).kind).toBe('failure');
      }),
    );
  });
});

describe('GSSAPI takes', () => {
  it.each(ACCEPTED)('$title', async ({ forgery, serverTenant, step }) => {
    const last = await loginForged(begin(serverTenant ?? null), service, forgery());
    expect(last).toMatchObject(step);
  });

  it('the end of the ticket for the end of the session', async () => {
    const endsAtMs = Math.floor(Date.now() / 1000) * 1000 + 90_000;
    expect(await loginForged(begin(), service, { endsAtMs })).toMatchObject({
      kind: 'success',
      identity: { expiresAtMs: endsAtMs },
    });
  });
});
