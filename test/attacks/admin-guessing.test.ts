/**
 * Guessing at the admin listener: strangers who try tokens, certificates or handshakes there are held
 * up and banned like those at the listeners for clients, while who is on the machine can undo it.
 */
import { once } from 'node:events';
import { connect } from 'node:net';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { systemClock } from '../../src/base/clock.ts';
import { adminAbuse } from '../../src/broker/admin-abuse.ts';
import { AuthenticationGuard } from '../../src/security/abuse/authentication-guard.ts';
import type { OperatorTokens } from '../../src/security/token/operator-tokens.ts';
import { AbuseGate, type AbuseRules } from '../../src/server/abuse-gate.ts';
import { type AdminFixture, RecordingAudit, startFixture } from '../admin/admin-fixture.ts';

const SETTINGS = {
  delayMs: 1,
  holdMaxMs: 20,
  windowMs: 60_000,
  failuresPerPrincipalMax: 100,
  failuresPerAddressMax: 5,
  failuresToBan: 8,
  banMs: 60_000,
  exempt: [],
};
const noTokens: Pick<OperatorTokens, 'verify'> = {
  verify: async () => ({ reason: 'bad_token', detail: 'a guess' }),
};

let admin: AdminFixture;
let guard: AuthenticationGuard;
let gate: AbuseGate;

/** A guard that knows nothing yet, for the listener that stands. */
function begin(rules: Partial<AbuseRules> = {}, delayMs = SETTINGS.delayMs): void {
  guard = new AuthenticationGuard({ ...SETTINGS, delayMs }, systemClock);
  gate = new AbuseGate({ guard, banOfAddress: () => null, ...rules }, admin.audit, delayMs);
  admin.audit.events.length = 0;
}

beforeAll(async () => {
  admin = await startFixture({
    tokens: noTokens,
    abuse: () => ({
      turnsAway: (subject) => gate.turnsAway(subject.remoteAddress, () => subject),
      handshakeFailed: (subject, code) => gate.handshakeFailed(subject, code),
      certificateRefused: (subject, reason) => gate.certificateRefused(subject, reason),
      loginRefused: (subject, claim) => gate.loginRefused(subject, claim),
      connected: (subject, who, isLogin) => gate.connected(subject, who, isLogin),
    }),
  });
});
afterAll(() => admin.dispose());
beforeEach(() => begin());

const guess = (authorization = 'Bearer x.y.z') =>
  admin.call('GET', '/v1/tenants', { as: null, headers: { authorization } });

describe('who guesses at the admin listener', () => {
  test.each([
    ['tokens', () => guess()],
    ['headers', () => guess('Basic YTpi')],
    ['nothing at all', () => admin.call('GET', '/v1/tenants', { as: null })],
    ['certificates of others', () => admin.call('GET', '/v1/tenants', { as: 'acme/device-1' })],
  ])('with %s is turned away before the handshake', async (_what, attempt) => {
    const statuses: (number | 'closed')[] = [];
    for (let count = 0; count < 12; count += 1) {
      await attempt().then(
        ({ status }) => statuses.push(status),
        () => statuses.push('closed'),
      );
    }
    expect(statuses.slice(-4)).toEqual(Array(4).fill('closed'));
    expect(admin.audit.story()).toContain('security banned failure');
    expect(guard.bans()).toHaveLength(1);
    // From the same address nothing is read, an operator's certificate neither.
    await expect(admin.call('GET', '/v1/tenants')).rejects.toThrow();
  });

  test('with handshakes that are none is counted', async () => {
    for (let count = 0; count < 8; count += 1) {
      const socket = connect(admin.port, '127.0.0.1');
      socket.on('error', () => {});
      socket.resume();
      socket.end(Buffer.from('\u0016\u0003\u0001\u0000\u0005hello'));
      await once(socket, 'close');
    }
    await expect.poll(() => guard.turnsAway('127.0.0.1')?.reason).toMatch(/backed_off|banned/);
  });

  test('is answered later, as the guard says', async () => {
    begin({}, 250);
    const begunMs = performance.now();
    expect((await guess()).status).toBe(401);
    expect(performance.now() - begunMs).toBeGreaterThanOrEqual(245);
  });

  test('from an address where an operator is connected does not lock the operator out', async () => {
    const held = await admin.connect();
    try {
      held.write('GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n');
      await once(held, 'data');
      for (let count = 0; count < 12; count += 1) await guess().catch(() => undefined);
      expect((await admin.call('GET', '/v1/tenants')).status).toBe(200);
    } finally {
      held.destroy();
    }
  });
});

test('an address that an operator banned gets no handshake, and it is recorded', async () => {
  begin({ banOfAddress: () => ({ reason: 'banned', detail: 'by an operator' }) });
  await expect(admin.call('GET', '/healthz')).rejects.toThrow();
  expect(admin.audit.story()).toEqual(['security banned failure']);
});

describe('a ban can be taken back', () => {
  const subjectAt = (remoteAddress: string) => ({
    connectionId: 'c',
    listener: 'admin' as const,
    remoteAddress,
    remotePort: 1,
    tenant: null,
    principal: null,
    fleet: null,
    certificateSerial: null,
  });

  test.each([
    ['127.0.0.1', false],
    ['127.8.0.1', false],
    ['::1', false],
    ['192.0.2.7', false],
    ['192.0.3.7', true],
    ['2001:db8::1', true],
  ])('%s: turned away %s, though everybody is banned', async (address, isTurnedAway) => {
    const ban = { reason: 'banned', detail: 'all' } as const;
    const abuse = adminAbuse(
      {
        'failed.authentication.exempt.addresses': '192.0.2.0/24',
        'connection.failed.authentication.delay.ms': 0,
      },
      { guard, banOfAddress: () => ban, audit: new RecordingAudit() },
    );
    expect(abuse.turnsAway(subjectAt(address)) !== null).toBe(isTurnedAway);
  });
});
