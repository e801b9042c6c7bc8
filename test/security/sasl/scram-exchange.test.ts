/** SCRAM against the vectors of RFC 5802's family and against clients that lie. */
import { createHash, createHmac, pbkdf2Sync } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import type { SaslStep } from '../../../src/security/sasl/sasl-mechanism.ts';
import { type ScramLookup, scramSaslMechanism } from '../../../src/security/sasl/scram-exchange.ts';
import {
  SCRAM_MECHANISMS,
  type ScramMechanism,
  scramKeys,
} from '../../../src/security/scram/scram-mechanism.ts';

const USER = 'user';
const TENANT = 'acme';
const PASSWORD = 'pencil';
const SALT = Buffer.from('W22ZaJ0SNY7soEsUEjb6gQ==', 'base64');
const ITERATIONS = 4096;
const sha256 = SCRAM_MECHANISMS[0]!;
/** RFC 7677 section 3; the server's part of its nonce is given out by the random source below. */
const RFC = {
  clientNonce: 'rOprNGfwEbeRWgbNEkqO',
  serverNonce: '%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0',
  proof: 'dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=',
  signature: '6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=',
};

const saltedPassword = (mechanism: ScramMechanism, password: string): Buffer =>
  pbkdf2Sync(password, SALT, ITERATIONS, mechanism.digestBytes, mechanism.digest);

const lookup: ScramLookup = ({ tenant, user }, name) => {
  if (tenant !== TENANT || user !== USER) return undefined;
  const mechanism = SCRAM_MECHANISMS.find((each) => each.name === name)!;
  const keys = scramKeys(mechanism, saltedPassword(mechanism, PASSWORD));
  return {
    salt: SALT.toString('base64'),
    iterations: ITERATIONS,
    storedKey: keys.storedKey.toString('base64'),
    serverKey: keys.serverKey.toString('base64'),
  };
};

/** Its bytes in base64 are the server nonce; RFC 7677's own is no base64. */
const fixedNonce = {
  bytes: (count: number): Buffer => Object.assign(Buffer.alloc(count, 7), {}),
};

const begin = (mechanism = sha256, random: { bytes(count: number): Buffer } = fixedNonce) =>
  scramSaslMechanism(mechanism, {
    lookup,
    tokens: null,
    random: random as never,
    decoySecret: Buffer.alloc(32, 1),
  }).begin({ remoteAddress: '127.0.0.1', serverTenant: TENANT });

const evaluate = async (
  exchange: ReturnType<typeof begin>,
  text: string | Buffer,
): Promise<SaslStep> => exchange.evaluate(Buffer.from(text));

/** A client of RFC 5802 that can be told to lie. */
async function login(
  options: {
    mechanism?: ScramMechanism;
    first?: string;
    bare?: string;
    user?: string;
    password?: string;
    binding?: string;
    nonce?: (clientNonce: string, whole: string) => string;
    proof?: (proof: Buffer) => Buffer;
  } = {},
): Promise<SaslStep> {
  const mechanism = options.mechanism ?? sha256;
  const exchange = begin(mechanism);
  const bare = options.bare ?? `n=${options.user ?? USER},r=cnonce`;
  const challenge = await evaluate(exchange, `${options.first ?? 'n,,'}${bare}`);
  if (challenge.kind !== 'challenge') return challenge;
  const serverFirst = challenge.token.toString();
  const [, whole = '', salt = '', iterations] = /^r=(.*),s=(.*),i=(\d+)$/.exec(serverFirst) ?? [];
  const { digest, digestBytes } = mechanism;
  const salted = pbkdf2Sync(
    options.password ?? PASSWORD,
    Buffer.from(salt, 'base64'),
    Number(iterations),
    digestBytes,
    digest,
  );
  const hmac = (key: Buffer, text: string): Buffer => createHmac(digest, key).update(text).digest();
  const clientKey = hmac(salted, 'Client Key');
  const nonce = options.nonce?.('cnonce', whole) ?? whole;
  const binding = options.binding ?? Buffer.from(options.first ?? 'n,,').toString('base64');
  const withoutProof = `c=${binding},r=${nonce}`;
  const message = `${bare},${serverFirst},${withoutProof}`;
  const signature = hmac(createHash(digest).update(clientKey).digest(), message);
  const proof = Buffer.from(clientKey.map((byte, at) => byte ^ signature[at]!));
  const sent = (options.proof?.(proof) ?? proof).toString('base64');
  return evaluate(exchange, `${withoutProof},p=${sent}`);
}

describe.each(SCRAM_MECHANISMS)('$name', (mechanism) => {
  test('the right password is an identity, and the server proves that it knew', async () => {
    const step = await login({ mechanism });
    expect(step).toMatchObject({
      kind: 'success',
      identity: { tenant: TENANT, name: USER, expiresAtMs: null },
    });
    expect(step.kind === 'success' && step.token.toString()).toMatch(/^v=[A-Za-z0-9+/]+=*$/);
  });

  test('a wrong password, an unknown user and another tenant are refused', async () => {
    for (const lie of [
      { password: 'Pencil' },
      { user: 'nobody' },
      { user: 'globex/user' },
      { proof: () => Buffer.alloc(0) },
      { proof: (proof: Buffer) => proof.subarray(1) },
      { proof: (proof: Buffer) => Buffer.concat([proof, Buffer.alloc(1)]) },
      { proof: (proof: Buffer) => Buffer.alloc(proof.length) },
    ]) {
      expect(await login({ mechanism, ...lie }), JSON.stringify(lie)).toMatchObject({
        kind: 'failure',
      });
    }
  });
});

test('RFC 7677 section 3: the proof of its client is accepted, and the answer is its own', () => {
  const { storedKey, serverKey } = scramKeys(sha256, saltedPassword(sha256, PASSWORD));
  const { clientNonce, serverNonce, proof, signature } = RFC;
  const message =
    `n=user,r=${clientNonce},r=${clientNonce}${serverNonce},s=${SALT.toString('base64')},i=4096,` +
    `c=biws,r=${clientNonce}${serverNonce}`;
  const mac = (key: Buffer) => createHmac('sha256', key).update(message).digest();
  const clientKey = Buffer.from(
    Buffer.from(proof, 'base64').map((byte, at) => byte ^ mac(storedKey)[at]!),
  );
  expect(createHash('sha256').update(clientKey).digest()).toEqual(storedKey);
  expect(mac(serverKey).toString('base64')).toBe(signature);
});

describe('a nonce', () => {
  test('must be the whole of what the server said', async () => {
    const lies: ((client: string, whole: string) => string)[] = [
      (client) => client,
      (client, whole) => whole.slice(client.length),
      (_client, whole) => whole.slice(0, -1),
      (_client, whole) => `x${whole}`,
      (_client, whole) => `${whole}x`,
      (client, whole) => client + client + whole,
    ];
    for (const nonce of lies) expect(await login({ nonce })).toMatchObject({ kind: 'failure' });
  });

  test('may have the client part twice, as librdkafka before 2.6.1 writes it', async () => {
    const step = await login({ nonce: (client, whole) => client + whole });
    expect(step.kind).toBe('success');
  });
});

describe('what a client may say first', () => {
  test.each([
    ['p=tls-unique,,n=user,r=x', 'channel binding that was not offered'],
    ['n,a=other,n=user,r=x', 'another user to act for'],
    ['n,,m=ext,n=user,r=x', 'a mandatory extension before the name'],
    ['n,,n=user,r=x,m=ext', 'a mandatory extension after the nonce'],
    ['n,,n=us=er,r=x', 'a bad escape'],
    ['n,,n=,r=x', 'no name'],
    ['n,,n=user,r=', 'no nonce'],
    ['n,,n=user', 'no nonce at all'],
    ['', 'nothing'],
    ['n,,n=a/b/c,r=x', 'two slashes'],
    ['n,,n=../user,r=x', 'a path'],
    ['n,,n=acme/user\0,r=x', 'a NUL'],
    ['n,,n=User:user,r=x', 'a principal'],
    ['n,,n=token,r=x,tokenauth=true', 'a delegation token'],
  ])('%j is refused: %s', async (text) => {
    expect(await evaluate(begin(), text)).toMatchObject({ kind: 'failure' });
  });

  test('is bounded, and must be text', async () => {
    const long = `n,,n=user,r=${'x'.repeat(5000)}`;
    expect(await evaluate(begin(), long)).toMatchObject({ kind: 'failure' });
    const noText = Buffer.from([0x6e, 0x2c, 0x2c, 0xff, 0xfe]);
    expect(await evaluate(begin(), noText)).toMatchObject({ kind: 'failure' });
  });

  test('the tenant may stand in the login, but must agree with the server name', async () => {
    expect((await login({ user: 'acme/user' })).kind).toBe('success');
    expect(await login({ user: 'globex/user' })).toMatchObject({ reason: 'sasl_no_tenant' });
  });

  test('another channel binding in the end than at first is refused', async () => {
    expect(await login({ binding: Buffer.from('y,,').toString('base64') })).toMatchObject({
      kind: 'failure',
    });
    expect((await login({ first: 'y,,' })).kind).toBe('success');
  });
});

test('an unknown user looks like a known one: a salt of its own that stays', async () => {
  const challenge = async (user: string): Promise<string> => {
    const step = await evaluate(begin(), `n,,n=${user},r=x`);
    return step.kind === 'challenge' ? step.token.toString().replace(/^r=[^,]*/, '') : '';
  };
  expect(await challenge('nobody')).toBe(await challenge('nobody'));
  expect(await challenge('nobody')).not.toBe(await challenge('nobody2'));
  const salt = /s=([^,]*)/.exec(await challenge('nobody'))![1]!;
  // As Kafka's tools make them: 130 bits in base 36.
  expect(Buffer.from(salt, 'base64').toString()).toMatch(/^[0-9a-z]{20,26}$/);
});

test('nothing is answered after the end', async () => {
  const exchange = begin();
  await evaluate(exchange, 'nonsense');
  expect(await evaluate(exchange, 'n,,n=user,r=x')).toMatchObject({ kind: 'failure' });
});
