/**
 * What the server of a listener asks and tells of abuse: bans that operators made, and the
 * AuthenticationGuard that counts failures. Both listeners share one guard.
 *
 * Invariant: a failure is counted in the turn in which it is known, before anything is awaited.
 */
import type { AuditSubject } from '../audit/audit-event.ts';
import type { AuditLog } from '../audit/audit-log.ts';
import type {
  AuthenticationGuard,
  AutomaticBan,
  Claim,
  TurnedAway,
} from '../security/abuse/authentication-guard.ts';
import type { BanExclusion } from '../security/abuse/bans.ts';

export interface AbuseRules {
  readonly guard: AuthenticationGuard;
  /** The ban of an operator that covers the address by now. */
  readonly banOfAddress: (address: string) => BanExclusion | null;
}

/**
 * Who is shut out for these showed a good certificate: it is no guess, and to count it would keep
 * the device away longer than was meant. (A login that is shut out is counted like a wrong password,
 * so that the time of the answer does not tell which it was.)
 */
const PROVEN: ReadonlySet<string> = new Set(['suspended', 'banned', 'tenant_inactive']);

export class AbuseGate {
  readonly #rules: AbuseRules;
  readonly #audit: AuditLog;
  /** connection.failed.authentication.delay.ms */
  readonly #delayMs: number;

  constructor(rules: AbuseRules, audit: AuditLog, delayMs: number) {
    this.#rules = rules;
    this.#audit = audit;
    this.#delayMs = delayMs;
  }

  /**
   * Why a connection is dropped before its handshake; null: it is not. Asked of every one that is
   * accepted, so the subject is made only for a record.
   */
  turnsAway(address: string, subjectOf: () => AuditSubject): TurnedAway | null {
    const { guard, banOfAddress } = this.#rules;
    const ban = banOfAddress(address);
    if (ban !== null) return ban;
    const verdict = guard.turnsAway(address);
    if (verdict !== null && verdict.ban !== null) this.#record(subjectOf(), verdict.ban);
    return verdict;
  }

  banOfAddress(address: string): BanExclusion | null {
    return this.#rules.banOfAddress(address);
  }

  /** A handshake that failed: counted when it is the peer's doing, and no mere going away. */
  handshakeFailed(subject: AuditSubject, code: string): void {
    if (!code.startsWith('ERR_SSL_') || code.includes('_ALERT_')) return;
    this.#record(subject, this.#rules.guard.failed(subject.remoteAddress, null).ban);
  }

  /** A certificate that was refused; answers how long to wait before the peer is told. */
  certificateRefused(subject: AuditSubject, reason: string): number {
    return PROVEN.has(reason) ? this.#delayMs : this.loginRefused(subject, null);
  }

  /** The same for a login. */
  loginRefused(subject: AuditSubject, claim: Claim | null): number {
    const { delayMs, ban } = this.#rules.guard.failed(subject.remoteAddress, claim);
    this.#record(subject, ban);
    return delayMs;
  }

  /** Asked of a login whose proof was right. */
  judge(subject: AuditSubject, claim: Claim): ReturnType<AuthenticationGuard['judge']> {
    return this.#rules.guard.judge(subject.remoteAddress, claim);
  }

  /** The connection is authenticated, until the function that is answered is called. */
  connected({ remoteAddress }: AuditSubject, who: Claim, isLogin: boolean): () => void {
    if (isLogin) this.#rules.guard.proved(remoteAddress, who);
    return this.#rules.guard.connected(remoteAddress, who);
  }

  #record(subject: AuditSubject, ban: AutomaticBan | null): void {
    if (ban === null) return;
    this.#audit.security(subject, {
      type: 'connection',
      outcome: 'failure',
      reason: 'banned_automatically',
      detail: 'too many failed authentications',
      facts: {
        network: ban.network,
        failures: ban.failures,
        until: new Date(ban.untilMs).toISOString(),
      },
    });
  }
}
