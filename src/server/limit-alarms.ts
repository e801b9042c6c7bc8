/**
 * Owns the audit records of limits that bite: the first time at once, then one a minute with how often
 * it was, and never one for each request.
 *
 * Invariant: memory is bounded: one entry for each limit that was set and bit in the last minute, and
 * for a tenant with very many of them one for all the rest.
 */
import type { AuditSubject } from '../audit/audit-event.ts';
import type { AuditLog } from '../audit/audit-log.ts';

const REPEAT_MS = 60_000;
const ENTRIES_PER_TENANT_MAX = 200;

export interface Bite {
  /** The limit, as it is named where it is set: `producer_byte_rate`. */
  readonly key: string;
  /** Whose limit: `tenant`, `fleet plant-a`, `user pump-1`, `client-id *`. */
  readonly scope: string;
  readonly limit: number;
  /** It slows down, or it refuses. */
  readonly effect: 'throttled' | 'refused';
}

interface Entry {
  readonly subject: AuditSubject;
  readonly bite: Bite;
  count: number;
  sinceMs: number;
}

export class LimitAlarms {
  readonly #audit: Pick<AuditLog, 'security'>;
  readonly #entries = new Map<string, Map<string, Entry>>();
  #total = 0;

  constructor(audit: Pick<AuditLog, 'security'>) {
    this.#audit = audit;
  }

  /** How often a limit bit since the start. */
  get total(): number {
    return this.#total;
  }

  bit(subject: AuditSubject, bite: Bite, nowMs: number): void {
    this.#total += 1;
    const tenant = subject.tenant ?? '';
    let ofTenant = this.#entries.get(tenant);
    if (ofTenant === undefined) {
      ofTenant = new Map();
      this.#entries.set(tenant, ofTenant);
    }
    const id = `${bite.key}\n${bite.scope}\n${bite.effect}`;
    const known = ofTenant.get(id);
    if (known !== undefined) {
      known.count += 1;
      return;
    }
    const isOther = ofTenant.size >= ENTRIES_PER_TENANT_MAX;
    const others = isOther ? ofTenant.get('') : undefined;
    if (others !== undefined) {
      others.count += 1;
      return;
    }
    const named = isOther ? { ...bite, key: 'others', scope: 'others' } : bite;
    ofTenant.set(isOther ? '' : id, { subject, bite: named, count: 0, sinceMs: nowMs });
    this.#write(subject, named, 1);
  }

  /** Writes what was counted for a minute, and forgets what did not come again. */
  sweep(nowMs: number): void {
    for (const [tenant, ofTenant] of this.#entries) {
      for (const [id, entry] of ofTenant) {
        if (nowMs - entry.sinceMs < REPEAT_MS) continue;
        if (entry.count === 0) ofTenant.delete(id);
        else this.#write(entry.subject, entry.bite, entry.count);
        entry.count = 0;
        entry.sinceMs = nowMs;
      }
      if (ofTenant.size === 0) this.#entries.delete(tenant);
    }
  }

  /** Writes what was counted so far; at the end. */
  flush(): void {
    for (const tenant of this.#entries.keys()) this.forget(tenant);
  }

  /** The tenant is gone: what was counted of it is written now, and not to a later one of its name. */
  forget(tenant: string): void {
    for (const { subject, bite, count } of this.#entries.get(tenant)?.values() ?? []) {
      if (count > 0) this.#write(subject, bite, count);
    }
    this.#entries.delete(tenant);
  }

  #write(subject: AuditSubject, { key, scope, limit, effect }: Bite, count: number): void {
    this.#audit.security(subject, {
      type: 'quota',
      outcome: 'failure',
      reason: effect === 'throttled' ? 'quota_throttled' : 'limit_reached',
      facts: { limit: key, scope, value: limit, count },
    });
  }
}
