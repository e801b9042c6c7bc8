/** What counts as a failed authentication, and what does not; what is recorded of it. */
import { describe, expect, it } from 'vitest';
import type { AuditSubject } from '../../src/audit/audit-event.ts';
import { AuthenticationGuard } from '../../src/security/abuse/authentication-guard.ts';
import { AbuseGate } from '../../src/server/abuse-gate.ts';
import { RecordingAudit } from '../admin/admin-fixture.ts';
import { type HandClock, handClock } from '../tools/hand-clock.ts';

const DELAY_MS = 100;
const SUBJECT: AuditSubject = {
  connectionId: 'c',
  listener: 'sasl',
  remoteAddress: '203.0.113.9',
  remotePort: 1,
  tenant: null,
  principal: null,
  fleet: null,
  certificateSerial: null,
};

function gateWith(banned: string | null = null): {
  gate: AbuseGate;
  audit: RecordingAudit;
  clock: HandClock;
} {
  const clock = handClock();
  const audit = new RecordingAudit();
  const guard = new AuthenticationGuard(
    {
      delayMs: DELAY_MS,
      holdMaxMs: 60_000,
      windowMs: 600_000,
      failuresPerPrincipalMax: 1,
      failuresPerAddressMax: 2,
      failuresToBan: 5,
      banMs: 600_000,
      exempt: [],
    },
    clock,
  );
  const banOfAddress = (address: string) =>
    address === banned ? ({ reason: 'banned', detail: 'by the test' } as const) : null;
  return { gate: new AbuseGate({ guard, banOfAddress }, audit, DELAY_MS), audit, clock };
}

const turnsAway = (gate: AbuseGate) => gate.turnsAway(SUBJECT.remoteAddress, () => SUBJECT);

const threeTimes = (act: () => unknown): void => {
  for (let at = 0; at < 3; at++) act();
};

describe('what a server tells the guard', () => {
  it.each(['revoked', 'no_certificate', 'unknown_issuer', 'expired', 'bad_signature'])(
    'a certificate refused as %s counts',
    (reason) => {
      const { gate } = gateWith();
      threeTimes(() => gate.certificateRefused(SUBJECT, reason));
      expect(turnsAway(gate)?.reason).toBe('backed_off');
    },
  );

  it.each(['suspended', 'banned', 'tenant_inactive'])(
    'a good certificate shut out as %s does not, and waits the plain delay',
    (reason) => {
      const { gate } = gateWith();
      threeTimes(() => expect(gate.certificateRefused(SUBJECT, reason)).toBe(DELAY_MS));
      expect(turnsAway(gate)).toBeNull();
    },
  );

  it.each([
    ['ERR_SSL_WRONG_VERSION_NUMBER', true],
    ['ERR_SSL_HTTP_REQUEST', true],
    ['ERR_SSL_TLSV1_ALERT_UNKNOWN_CA', false],
    ['ECONNRESET', false],
    ['TLS handshake failed', false],
  ])('a handshake that failed with %s: %s', (code, counts) => {
    const { gate } = gateWith();
    threeTimes(() => gate.handshakeFailed(SUBJECT, code));
    expect(turnsAway(gate) !== null).toBe(counts);
  });

  it('a login that is refused waits longer each time, and is forgiven once it proved itself', () => {
    const { gate, clock } = gateWith();
    const claim = { tenant: 'acme', name: 'pump-1' };
    expect([0, 1].map(() => gate.loginRefused(SUBJECT, claim))).toEqual([DELAY_MS, 1000]);
    expect(gate.judge(SUBJECT, claim).refusal?.reason).toBe('backed_off');
    clock.pass(1000);
    expect(gate.judge(SUBJECT, claim).refusal).toBeNull();
    gate.connected(SUBJECT, claim, true)();
    expect(gate.judge(SUBJECT, claim)).toEqual({ refusal: null, delayMs: 0 });
  });

  it('an operator bans before anything is counted', () => {
    const { gate, audit } = gateWith(SUBJECT.remoteAddress);
    for (let at = 0; at < 20; at++) expect(turnsAway(gate)?.detail).toBe('by the test');
    expect(audit.events).toEqual([]);
  });

  it('an automatic ban is recorded once, with its network and its end', () => {
    const { gate, audit, clock } = gateWith();
    for (let at = 0; at < 20; at++) gate.certificateRefused(SUBJECT, 'no_certificate');
    expect(audit.events).toHaveLength(1);
    expect(audit.events[0]).toMatchObject({
      subject: SUBJECT,
      security: {
        type: 'connection',
        outcome: 'failure',
        reason: 'banned_automatically',
        facts: {
          network: SUBJECT.remoteAddress,
          failures: 5,
          until: new Date(clock.nowMs() + 600_000).toISOString(),
        },
      },
    });
    expect(turnsAway(gate)?.reason).toBe('banned');
  });
});
