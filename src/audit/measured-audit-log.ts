/**
 * Counts what goes into the audit log: authentications, refused connections and handshakes, broken
 * frames, changes; and how long the waits for its disk are.
 *
 * Invariants: it changes nothing of what the log does; everything is counted, also what the log
 * itself makes one counted line of; labels are listeners and stable codes of our own, and even of
 * those at most REASONS_MAX a family.
 */
import type { Clock } from '../base/clock.ts';
import type { Counter, Family, Histogram, MetricRegistry } from '../base/metrics.ts';
import type { AccessEvent, AuditSubject, SecurityEvent } from './audit-event.ts';
import type { AuditLog } from './audit-log.ts';

const REASONS_MAX = 100;
/** What our own codes look like; anything else is no label. */
const CODE = /^[A-Za-z0-9_-]{1,64}$/;
const OTHER = 'other';
/** ` renewed` follows the mechanism of a login that was renewed. */
const RENEWED = / renewed$/;

export class MeasuredAuditLog implements AuditLog {
  readonly #log: AuditLog;
  readonly #clock: Clock;
  readonly #authentications: Family<Counter>;
  readonly #failures: Family<Counter>;
  readonly #refusals: Family<Counter>;
  readonly #protocolErrors: Family<Counter>;
  readonly #events: Family<Counter>;
  readonly #waitSeconds: Histogram;
  readonly #reasons = new Map<Family<Counter>, Set<string>>();

  constructor(log: AuditLog, registry: MetricRegistry, clock: Clock) {
    this.#log = log;
    this.#clock = clock;
    this.#authentications = registry.counter(
      'breakwater_authentications_total',
      'Logins and certificates that were judged; method "none": before a mechanism was chosen.',
      ['listener', 'method', 'outcome'],
    );
    this.#failures = registry.counter(
      'breakwater_authentication_failures_total',
      'Why authentications and handshakes failed.',
      ['listener', 'reason'],
    );
    this.#refusals = registry.counter(
      'breakwater_connections_refused_total',
      'Connections that were turned away or cut off by the broker.',
      ['listener', 'reason'],
    );
    this.#protocolErrors = registry.counter(
      'breakwater_protocol_errors_total',
      'Connections closed because of what a client sent.',
      ['listener'],
    );
    this.#events = registry.counter(
      'breakwater_audit_security_events_total',
      'Security events told to the audit log, repeats included.',
      ['type', 'outcome'],
    );
    this.#waitSeconds = registry
      .histogram(
        'breakwater_audit_wait_seconds',
        'Waits until the security stream was on stable storage.',
      )
      .of();
  }

  get healthy(): boolean {
    return this.#log.healthy;
  }

  get healthyForOperators(): boolean {
    return this.#log.healthyForOperators;
  }

  get pending(): boolean {
    return this.#log.pending;
  }

  accepts(subject: AuditSubject): boolean {
    return this.#log.accepts(subject);
  }

  access(subject: AuditSubject, event: AccessEvent): void {
    this.#log.access(subject, event);
  }

  security(subject: AuditSubject | null, event: SecurityEvent): void {
    this.#log.security(subject, event);
    this.#events.of(event.type, event.outcome).inc();
    if (subject !== null) this.#count(subject.listener, event);
  }

  durable(): Promise<void> {
    return this.#measured(this.#log.durable());
  }

  durableForOperators(): Promise<void> {
    return this.#measured(this.#log.durableForOperators());
  }

  #measured(durable: Promise<void>): Promise<void> {
    if (!this.#log.pending) return durable;
    const beganMs = this.#clock.monotonicMs();
    const measure = (): void =>
      this.#waitSeconds.observe((this.#clock.monotonicMs() - beganMs) / 1000);
    durable.then(measure, measure);
    return durable;
  }

  close(): Promise<void> {
    return this.#log.close();
  }

  #count(listener: AuditSubject['listener'], event: SecurityEvent): void {
    const { type, outcome, reason } = event;
    if (type === 'authentication') {
      const isHandshake = outcome === 'failure' && reason.startsWith('handshake-');
      if (!isHandshake) {
        const method = this.#label(this.#authentications, methodOf(listener, event));
        this.#authentications.of(listener, method, outcome).inc();
      }
      if (outcome === 'success') return;
      this.#failures.of(listener, this.#label(this.#failures, reason)).inc();
    } else if (type === 'connection' && outcome === 'failure') {
      this.#refusals.of(listener, this.#label(this.#refusals, reason)).inc();
    } else if (type === 'protocol') this.#protocolErrors.of(listener).inc();
  }

  #label(family: Family<Counter>, code: string): string {
    let known = this.#reasons.get(family);
    if (known === undefined) {
      known = new Set();
      this.#reasons.set(family, known);
    }
    if (known.has(code)) return code;
    if (known.size >= REASONS_MAX || !CODE.test(code)) return OTHER;
    known.add(code);
    return code;
  }
}

/** A success says how it came about; a refused login says its mechanism, if it chose one. */
function methodOf(
  listener: AuditSubject['listener'],
  { outcome, reason, facts }: SecurityEvent,
): string {
  if (outcome === 'success') return reason.replace(RENEWED, '');
  if (listener === 'mtls') return 'mutual-tls';
  if (listener === 'admin') return 'operator';
  const mechanism = facts?.mechanism;
  return typeof mechanism === 'string' ? mechanism : 'none';
}
