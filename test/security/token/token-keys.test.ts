/** Keys of an issuer that change while the broker runs: by address, and in a file. */
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import { systemClock } from '../../../src/base/clock.ts';
import { JwksFile } from '../../../src/security/token/jwks-file.ts';
import { type TokenIssuer, TokenTrust } from '../../../src/security/token/token-trust.ts';
import { claimsFor, type SigningKey, signedToken, signingKey } from '../../tools/token-issuer.ts';

const ISSUER = 'https://login.example.com/';
const old = signingKey('old');
const fresh = signingKey('fresh');
const settings = (jwks: TokenIssuer['jwks']): TokenIssuer => ({
  issuer: ISSUER,
  audience: 'breakwater',
  jwks,
  algorithms: ['ES256'],
  principalClaim: 'sub',
  principalPrefix: '',
  scopeRoles: null,
  clockToleranceMs: 0,
  tokenAgeMaxMs: 3_600_000,
});
const tokenBy = (key: SigningKey): string =>
  signedToken(key, claimsFor(ISSUER, 'breakwater', { sub: 'ada', exp: 9_000_000_000 }));
const reasonFor = async (trust: TokenTrust<TokenIssuer>, key: SigningKey) => {
  const verdict = await trust.verify(tokenBy(key));
  return 'reason' in verdict ? verdict.reason : null;
};

describe('keys at an address', () => {
  let server: Server;
  let served: readonly SigningKey[] = [old];
  let fetches = 0;
  beforeAll(async () => {
    server = createServer((_request, answer) => {
      fetches += 1;
      answer.setHeader('content-type', 'application/json');
      answer.end(JSON.stringify({ keys: served.map(({ jwk }) => jwk) }));
    });
    await new Promise<void>((resolve) => {
      server.listen(0, '127.0.0.1', resolve);
    });
  });
  afterAll(() => {
    server.close();
    server.closeAllConnections();
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  test('are fetched again for a key that is new, and not for each that nobody knows', async () => {
    const { port } = server.address() as AddressInfo;
    const trust = new TokenTrust([settings(new URL(`http://127.0.0.1:${port}/jwks`))], systemClock);
    expect(await reasonFor(trust, old)).toBeNull();
    expect(fetches).toBe(1);
    served = [fresh];
    for (let count = 0; count < 20; count += 1) {
      expect(await reasonFor(trust, signingKey(`unknown-${count}`))).toBe('bad_token');
    }
    expect(fetches).toBe(1);
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 31_000 });
    expect(await reasonFor(trust, fresh)).toBeNull();
    expect(await reasonFor(trust, old)).toBe('bad_token');
    expect(fetches).toBe(2);
  });
});

describe('keys in a file', () => {
  const text = (...keys: readonly SigningKey[]): string =>
    JSON.stringify({ keys: keys.map(({ jwk }) => jwk) });
  const open = (first: string) => {
    const state = { nowMs: 0, text: first as string | Error };
    const changes: (string | null)[] = [];
    const file = new JwksFile({
      read: () => {
        if (state.text instanceof Error) throw state.text;
        return state.text;
      },
      clock: { ...systemClock, monotonicMs: () => state.nowMs },
      onChange: (problem) => changes.push(problem?.message ?? null),
    });
    const trust = new TokenTrust([settings(file.getKey)], systemClock);
    return { state, changes, trust };
  };

  test('are used within a second, the old ones no more', async () => {
    const { state, changes, trust } = open(text(old));
    state.text = text(fresh);
    expect(await reasonFor(trust, old)).toBeNull();
    state.nowMs += 1000;
    expect(await reasonFor(trust, fresh)).toBeNull();
    expect(await reasonFor(trust, old)).toBe('bad_token');
    expect(changes).toEqual([null]);
  });

  test.each<[string, string | Error]>([
    ['cut off', '{"keys":['],
    ['without keys', '{"keys":[]}'],
    ['no set', '[]'],
    ['with a secret', JSON.stringify({ keys: [{ kty: 'oct', k: 'c2VjcmV0' }] })],
    ['with a private key', JSON.stringify({ keys: [{ ...old.jwk, d: 'AAAA' }] })],
    ['gone', new Error('no such file')],
  ])('that are %s leave the last good ones, and that is said once', async (_what, bad) => {
    const { state, changes, trust } = open(text(old));
    state.text = bad;
    for (let look = 0; look < 3; look += 1) {
      state.nowMs += 1000;
      expect(await reasonFor(trust, old)).toBeNull();
    }
    expect(changes).toEqual([expect.any(String)]);
    state.text = text(fresh);
    state.nowMs += 1000;
    expect(await reasonFor(trust, fresh)).toBeNull();
    expect(changes).toHaveLength(2);
  });

  test('that are not in order at first stop the start', () => {
    expect(() => open('{"keys":[]}')).toThrow('no list of keys');
  });
});
