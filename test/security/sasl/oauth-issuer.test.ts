/** What an issuer may say, and what nobody may: tokens against `OauthIssuers`. */
import { createHmac, generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { systemClock } from '../../../src/base/clock.ts';
import { type OauthIssuerSettings, OauthIssuers } from '../../../src/security/sasl/oauth-issuer.ts';
import { oauthBearerMechanism } from '../../../src/security/sasl/oauthbearer-exchange.ts';

const ISSUER = 'https://login.example.com/';
const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const other = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const jwk = { ...publicKey.export({ format: 'jwk' }), kid: 'k1', alg: 'ES256', use: 'sig' };

const SETTINGS: OauthIssuerSettings = {
  issuer: ISSUER,
  audience: 'breakwater',
  jwks: { keys: [jwk] },
  algorithms: ['ES256'],
  tenants: ['acme', 'globex'],
  tenantClaim: 'tenant',
  principalClaim: 'sub',
  principalPrefix: '',
  scopeRoles: null,
  clockToleranceMs: 30_000,
  tokenAgeMaxMs: 3_600_000,
};

const base64 = (value: unknown): string =>
  Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url');
const nowS = (): number => Math.floor(Date.now() / 1000);
const claims = (more: Readonly<Record<string, unknown>> = {}) => ({
  iss: ISSUER,
  aud: 'breakwater',
  sub: 'service-1',
  tenant: 'acme',
  iat: nowS(),
  exp: nowS() + 60,
  ...more,
});

function token(
  payload: unknown = claims(),
  header: Readonly<Record<string, unknown>> = {},
  key: KeyObject = privateKey,
): string {
  const signed = `${base64({ alg: 'ES256', kid: 'k1', ...header })}.${base64(payload)}`;
  const signature = sign('sha256', Buffer.from(signed), { key, dsaEncoding: 'ieee-p1363' });
  return `${signed}.${signature.toString('base64url')}`;
}

const verify = (
  text: string,
  options: { settings?: Partial<OauthIssuerSettings>; serverTenant?: string | null } = {},
) =>
  new OauthIssuers([{ ...SETTINGS, ...options.settings }], systemClock).verify(
    text,
    options.serverTenant ?? null,
  );

describe('a token of the issuer', () => {
  test('is an identity of a tenant that the issuer is bound to, until it expires', async () => {
    const exp = nowS() + 60;
    expect(await verify(token(claims({ exp })))).toEqual({
      identity: {
        tenant: 'acme',
        name: 'service-1',
        expiresAtMs: exp * 1000,
        roles: [],
        facts: { issuer: ISSUER },
      },
    });
    expect(await verify(token(claims({ tenant: 'globex' })))).toMatchObject({
      identity: { tenant: 'globex' },
    });
  });

  test('bears the prefix of the issuer, within which it stays', async () => {
    const settings = { principalPrefix: 'sso-' };
    expect(await verify(token(), { settings })).toMatchObject({
      identity: { name: 'sso-service-1' },
    });
    for (const sub of ['', 'a/b', 'a'.repeat(60), 5]) {
      const verdict = await verify(token(claims({ sub })), { settings });
      expect(verdict).toMatchObject({ reason: 'sasl_bad_token' });
    }
  });

  test('says as attributes what the operator listed, and nothing else', async () => {
    const settings = { attributeClaims: ['site', 'shift', 'plant', 'level'] };
    const payload = claims({ site: 's1', shift: ['a'], level: 'x'.repeat(100), secret: 'no' });
    const verdict = await verify(token(payload), { settings });
    expect('identity' in verdict && verdict.identity.attributes).toEqual({
      'token.site': 's1',
      // No name can be so: rules with them never grant.
      'token.shift': '?',
      'token.level': 'x'.repeat(64),
    });
    const unlisted = await verify(token(payload));
    expect('identity' in unlisted && unlisted.identity.attributes).toBeUndefined();
  });

  test('without the claim the server name chooses, or the only tenant', async () => {
    const plain = token(claims({ tenant: undefined }));
    expect(await verify(plain, { serverTenant: 'globex' })).toMatchObject({
      identity: { tenant: 'globex' },
    });
    expect(await verify(plain, { settings: { tenants: ['acme'] } })).toMatchObject({
      identity: { tenant: 'acme' },
    });
    expect(await verify(plain)).toMatchObject({ reason: 'sasl_no_tenant' });
  });

  test.each([
    ['another tenant', { tenant: 'initech' }, null],
    ['operators', { tenant: '' }, null],
    ['a tenant in other letters', { tenant: 'Acme' }, null],
    ['another tenant than the server name', { tenant: 'acme' }, 'globex'],
  ])('does not lead to %s', async (_what, more, serverTenant) => {
    const verdict = await verify(token(claims(more)), { serverTenant });
    expect(verdict).toMatchObject({ reason: 'sasl_no_tenant' });
  });

  test('a server name of a tenant that is not its own is refused', async () => {
    const plain = token(claims({ tenant: undefined }));
    expect(await verify(plain, { serverTenant: 'initech' })).toMatchObject({
      reason: 'sasl_no_tenant',
    });
  });
});

describe('a token is refused', () => {
  const secret = publicKey.export({ type: 'spki', format: 'pem' }) as string;
  const hs256 = (() => {
    const signed = `${base64({ alg: 'HS256', kid: 'k1' })}.${base64(claims())}`;
    return `${signed}.${createHmac('sha256', secret).update(signed).digest('base64url')}`;
  })();
  const embedded = { jwk: other.publicKey.export({ format: 'jwk' }), kid: undefined };

  test.each([
    ['without a signature', `${base64({ alg: 'none' })}.${base64(claims())}.`],
    ['signed with the public key as a secret', hs256],
    ['of another key', token(claims(), {}, other.privateKey)],
    ['with a key of its own inside', token(claims(), embedded, other.privateKey)],
    ['with an extension that must be understood', token(claims(), { crit: ['x'], x: 1 })],
    ['for another audience', token(claims({ aud: 'other' }))],
    ['of another issuer', token(claims({ iss: 'https://evil.example.com/' }))],
    ['without an end', token(claims({ exp: undefined }))],
    ['without a beginning', token(claims({ iat: undefined }))],
    ['of the future', token(claims({ iat: nowS() + 600, exp: nowS() + 700 }))],
    ['not valid yet', token(claims({ nbf: nowS() + 600 }))],
    ['without a principal', token(claims({ sub: undefined }))],
    ['with a principal that is no name', token(claims({ sub: 'a/b' }))],
    ['with a NUL in its principal', token(claims({ sub: 'admin-1\0x' }))],
    ['with a principal that is a list', token(claims({ sub: ['admin-1'] }))],
    ['with white space', ` ${token()}`],
    ['with a line feed', token().replace('.', '.\n')],
    ['with padding', token().replace('.', '=.')],
    ['in four parts', `${token()}.x`],
    ['that is no JSON', token('{"iss":')],
    ['that only the holder of a key may use', token(claims({ cnf: { jkt: 'x' } }))],
    ['that is empty', ''],
    ['that is enormous', `${'a'.repeat(20_000)}.b.c`],
  ])('%s', async (_what, text) => {
    const verdict = await verify(text);
    expect(verdict).toMatchObject({ reason: 'sasl_bad_token' });
    // Nothing of the token may reach a log.
    expect(JSON.stringify(verdict)).not.toContain('eyJ');
  });

  test('after its end, or when it is too old, with a reason of its own', async () => {
    const past = claims({ iat: nowS() - 600, exp: nowS() - 60 });
    const tooOld = claims({ iat: nowS() - 7200 });
    for (const each of [past, tooOld]) {
      expect(await verify(token(each))).toMatchObject({ reason: 'sasl_token_expired' });
    }
  });

  test('when the keys cannot be had, as nobody', async () => {
    const jwks = new URL('http://127.0.0.1:9/jwks');
    expect(await verify(token(), { settings: { jwks } })).toMatchObject({
      reason: 'sasl_unusable',
    });
  });
});

describe('the scopes of a token', () => {
  const roles = new Map([
    ['telemetry.write', ['Role:writer']],
    ['ops', ['Role:reader', 'Role:writer']],
  ]);
  const scopeRoles = { claims: ['scope', 'scp'], roles };
  const rolesFor = async (more: Readonly<Record<string, unknown>>, claimNames = scopeRoles) => {
    const verdict = await verify(token(claims(more)), { settings: { scopeRoles: claimNames } });
    return 'identity' in verdict ? verdict.identity.roles : verdict.reason;
  };

  test.each([
    ['a text', { scope: 'telemetry.write openid' }, ['Role:writer']],
    ['a list', { scp: ['ops', 'x'] }, ['Role:reader', 'Role:writer']],
    ['a text in scp', { scp: 'ops' }, ['Role:reader', 'Role:writer']],
    ['both, each role once', { scope: 'ops', scp: ['telemetry.write'] }, [...roles.get('ops')!]],
    ['none', {}, []],
    ['an empty text', { scope: '' }, []],
  ])('in %s are mapped', async (_what, more, expected) => {
    expect(await rolesFor(more)).toEqual(expected);
  });

  test.each([
    ['roles by their name', { scope: 'Role:writer writer', roles: ['Role:writer'] }],
    ['a mapped scope in other letters', { scope: 'OPS' }],
    ['a scope with more to it', { scope: 'ops.read,ops telemetry.writes' }],
    ['what an object inherits', { scope: 'constructor __proto__ toString' }],
    ['a scope of another claim', { permissions: 'ops' }],
  ])('give no role for %s', async (_what, more) => {
    expect(await rolesFor(more)).toEqual([]);
  });

  test.each([
    ['a number', { scope: 5 }],
    ['an object', { scope: { ops: true } }],
    ['a list with a number', { scp: ['ops', 5] }],
    ['null', { scope: null }],
  ])('that are %s refuse the token, since a deny may hang on a role', async (_what, more) => {
    expect(await rolesFor(more)).toBe('sasl_bad_token');
  });

  test('stand in the claim that is configured, and in no other', async () => {
    const configured = { claims: ['permissions'], roles };
    expect(await rolesFor({ permissions: ['ops'] }, configured)).toHaveLength(2);
    expect(await rolesFor({ scope: 'ops' }, configured)).toEqual([]);
  });

  test('are told to the access log as roles, with the issuer', async () => {
    const verdict = await verify(token(claims({ scope: 'ops' })), { settings: { scopeRoles } });
    expect(verdict).toMatchObject({
      identity: { facts: { issuer: ISSUER, tokenRoles: 'Role:reader Role:writer' } },
    });
  });
});

describe('the exchange', () => {
  const begin = () =>
    oauthBearerMechanism(new OauthIssuers([SETTINGS], systemClock)).begin({
      remoteAddress: '127.0.0.1',
      serverTenant: null,
    });
  const message = (text: string, header = 'n,,') =>
    Buffer.from(`${header}\u0001auth=Bearer ${text}\u0001\u0001`);

  test('a good token is a success with nothing more to say', async () => {
    const step = await begin().evaluate(message(token()));
    expect(step).toMatchObject({ kind: 'success', token: Buffer.alloc(0) });
  });

  test('a bad one gets the challenge, and is refused whatever follows', async () => {
    const exchange = begin();
    const challenge = await exchange.evaluate(message('a.b.c'));
    expect(challenge).toMatchObject({ kind: 'challenge' });
    expect(challenge.kind === 'challenge' && JSON.parse(challenge.token.toString())).toEqual({
      status: 'invalid_token',
    });
    expect(await exchange.evaluate(message(token()))).toMatchObject({ kind: 'failure' });
  });

  test('acting for somebody else is refused, for oneself is fine', async () => {
    const asOther = await begin().evaluate(message(token(), 'n,a=admin-1,'));
    expect(asOther).toMatchObject({ kind: 'failure', reason: 'sasl_bad_credentials' });
    const asSelf = await begin().evaluate(message(token(), 'n,a=service-1,'));
    expect(asSelf).toMatchObject({ kind: 'success' });
  });

  test.each([
    ['nothing', ''],
    ['no end', `n,,\u0001auth=Bearer ${'a.b.c'}`],
    ['two tokens', 'n,,\u0001auth=Bearer a.b.c\u0001auth=Bearer d.e.f\u0001\u0001'],
    ['channel binding', 'p=tls-unique,,\u0001auth=Bearer a.b.c\u0001\u0001'],
    ['another scheme', 'n,,\u0001auth=Basic YTpi\u0001\u0001'],
    ['a field without a name', 'n,,\u0001=x\u0001auth=Bearer a.b.c\u0001\u0001'],
  ])('%s is malformed', async (_what, text) => {
    const step = await begin().evaluate(Buffer.from(text));
    expect(step).toMatchObject({ kind: 'failure', reason: 'sasl_malformed' });
  });
});
