/**
 * Owns the audit log on disk: which events become lines of the SECURITY stream (refusals,
 * authentication, administration, certificates, policy; synced by group commit) and of the ACCESS
 * stream (allowed accesses; written within a tenth of a second, synced every few seconds), and which
 * are counted.
 *
 * Invariants: nothing is dropped in silence: repeats, floods and what is beyond a tenant's budget
 * become counted lines, lines that the bounded queue could not take become a record of their number.
 * A kill loses at most the counts of the running window and the ACCESS lines of the last tenth of a
 * second, never a record that `durable()` confirmed.
 */
import { type Clock, systemClock, type Timer } from '../base/clock.ts';
import { ConfigError } from '../base/errors.ts';
import type { AccessEvent, AuditSubject, SecurityEvent } from './audit-event.ts';
import { hideFields } from './audit-hmac.ts';
import type { AuditLog } from './audit-log.ts';
import { AUDIT_DEFAULTS, type AuditSettings, type FileAuditLogOptions } from './audit-options.ts';
import {
  accessFields,
  type FloodSource,
  floodFields,
  overBudgetFields,
  type RecordFields,
  type Repeats,
  securityFields,
} from './audit-record.ts';
import { AuditStore } from './audit-store.ts';
import type { AuditStream, AuditStreamFigures, ChainedLine, LineOwner } from './audit-stream.ts';
import type { StreamName } from './checkpoint.ts';
import { type FloodBudget, FloodGuard } from './flood-guard.ts';
import { RepeatCounter } from './repeat-counter.ts';
import { TenantBudgets } from './tenant-budgets.ts';

export type { DurableRecord, FileAuditLogOptions } from './audit-options.ts';

const FLOOD_BUCKETS = { buckets: 10_000, bucketsPerTenant: 500 };
const FLOOD_WINDOW_MS = 1_000;
/** Of a resource's name, to tell refusals apart. */
const ABOUT_LENGTH_MAX = 255;
/** Of the queue, for one tenant. */
const TENANT_PART = 1 / 4;
/** Entries that one turn of the loop looks at, and the pause before the next turn. */
const SWEEP_BUDGET = 1_024;
const SWEEP_PAUSE_MS = 1;

/** What strangers can cause in any number. */
const FLOODABLE: ReadonlySet<SecurityEvent['type']> = new Set([
  'authentication',
  'connection',
  'protocol',
]);

const BROKER: LineOwner = { tenant: null, isReserved: true };

export class FileAuditLog implements AuditLog {
  readonly #clock: Clock;
  readonly #settings: AuditSettings;
  readonly #options: FileAuditLogOptions;
  readonly #detailTenants: ReadonlySet<string | null>;
  readonly #store: AuditStore;
  readonly #allows: RepeatCounter;
  readonly #denials: RepeatCounter;
  readonly #floods: FloodGuard;
  /** Counts what tenants do beyond their budgets. */
  readonly #overBudget: FloodGuard;
  readonly #budgets: TenantBudgets;
  #repeatTimer: Timer | null = null;
  #floodTimer: Timer | null = null;
  #closed = false;

  /** Throws Node's error when the folder cannot be used. */
  constructor(options: FileAuditLogOptions) {
    const clock = options.clock ?? systemClock;
    this.#clock = clock;
    this.#options = options;
    this.#settings = { ...AUDIT_DEFAULTS, ...options };
    const { queueBytesMax, tenantDailyBytes, repeatEntriesMax, detailTenants } = this.#settings;
    this.#detailTenants = new Set(detailTenants);
    this.#budgets = new TenantBudgets({
      queueBytesMax: queueBytesMax * TENANT_PART,
      dailyBytesMax: tenantDailyBytes,
    });
    this.#store = new AuditStore(options, this.#settings, {
      record: (event) => this.security(null, event),
      onCommit: (stream, lines) => this.#onCommit(stream, lines),
    });
    this.#allows = new RepeatCounter(clock, repeatEntriesMax, (subject, event, repeats) =>
      this.#writeAllow(subject, event, repeats),
    );
    this.#denials = new RepeatCounter(clock, repeatEntriesMax, (subject, event, repeats) =>
      this.#writeDenial(subject, event, repeats),
    );
    this.#floods = new FloodGuard(FLOOD_BUCKETS, (source, repeats) =>
      this.#writeCounted(source, floodFields(source, repeats)),
    );
    this.#overBudget = new FloodGuard(FLOOD_BUCKETS, (source, repeats) =>
      this.#writeCounted(source, overBudgetFields(source, repeats)),
    );
    this.#store.start();
  }

  get healthy(): boolean {
    return this.#store.healthy && !this.#closed;
  }

  get healthyForOperators(): boolean {
    return this.#store.healthyForOperators && !this.#closed;
  }

  /** Of the streams, for metrics. */
  get figures(): Readonly<Record<StreamName, AuditStreamFigures>> {
    const { security, access } = this.#store;
    return { security: security.figures, access: access.figures };
  }

  get pending(): boolean {
    return this.#store.pending;
  }

  accepts(subject: AuditSubject): boolean {
    return isOperator(subject) || this.#budgets.hasDaily(subject.tenant, this.#clock.nowMs());
  }

  access(subject: AuditSubject, event: AccessEvent): void {
    const isDetailed = event.allowed && this.#detailTenants.has(subject.tenant);
    if (this.#settings.repeatWindowMs === 0 || isDetailed) {
      if (event.allowed) this.#writeAllow(subject, event, null);
      else this.#writeDenial(subject, event, null);
      return;
    }
    if (event.allowed) this.#allows.record(subject, event);
    else this.#denials.record(subject, event);
    if (this.#repeatTimer === null) this.#armRepeatTimer(this.#settings.repeatWindowMs);
  }

  security(subject: AuditSubject | null, event: SecurityEvent): void {
    const { type, reason, outcome } = event;
    const owner = ownerOf(subject);
    if (subject !== null) {
      const source = sourceOf(subject, type, reason);
      // On the reserve a change is refused by `durable`: its record would only eat what is left.
      const isCountable = FLOODABLE.has(type) || outcome === 'failure' || this.#store.isOnReserve;
      if (isCountable && this.#isCounted(source, owner, null)) return;
      if (outcome === 'failure' && FLOODABLE.has(type)) {
        this.#armFloodTimer();
        if (!this.#floods.admit(source, '', this.#clock.nowMs(), this.#failureBudget)) return;
      }
    }
    const level = outcome === 'success' ? 'info' : 'warn';
    this.#append('security', level, securityFields(subject, event), owner);
  }

  durable(): Promise<void> {
    return this.#store.durable();
  }

  durableForOperators(): Promise<void> {
    return this.#store.durableForOperators();
  }

  /** Signs what was written so far; never rejects: what could not be signed is signed later. */
  checkpoint(): Promise<void> {
    return this.#store.checkpoint();
  }

  /** Compresses old files and lets retention take others, now; never rejects. */
  keep(): Promise<void> {
    return this.#store.keep();
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#repeatTimer?.cancel();
    this.#floodTimer?.cancel();
    try {
      await drainCounter(this.#denials, this.#store.security);
      await drainCounter(this.#allows, this.#store.access);
    } finally {
      this.#floods.sweep();
      this.#overBudget.sweep();
      await this.#store.close();
    }
  }

  #onCommit(stream: StreamName, lines: readonly ChainedLine[]): void {
    const { onRecord } = this.#options;
    for (const { line, owner } of lines) {
      const { tenant, isReserved } = owner;
      if (!isReserved && stream === 'security') this.#budgets.committed(tenant, line.length);
      onRecord?.({ stream, tenant, line: line.slice(0, -1) });
    }
  }

  #writeAllow(subject: AuditSubject, event: AccessEvent, repeats: Repeats | null): void {
    const owner = ownerOf(subject);
    if (!owner.isReserved && !this.#budgets.hasDaily(owner.tenant, this.#clock.nowMs())) {
      this.#count(sourceOf(subject, 'access', 'allowed'), repeats);
      return;
    }
    this.#append('access', 'info', accessFields(subject, event, repeats), owner);
  }

  #writeDenial(subject: AuditSubject, event: AccessEvent, repeats: Repeats | null): void {
    const source = sourceOf(subject, 'access', 'denied');
    const owner = ownerOf(subject);
    if (this.#isCounted(source, owner, repeats)) return;
    this.#armFloodTimer();
    const name = event.resourceName.slice(0, ABOUT_LENGTH_MAX);
    const about = `${event.operation} ${event.resourceType} ${name}`;
    const admitted =
      repeats === null
        ? this.#floods.admit(source, about, this.#clock.nowMs(), this.#denialBudget)
        : this.#floods.admitCounted(source, about, repeats, this.#denialBudget);
    if (!admitted) return;
    this.#append('security', 'warn', accessFields(subject, event, repeats), owner);
  }

  /** True: there is no room for its owner's events, and it was counted. */
  #isCounted(source: FloodSource, owner: LineOwner, repeats: Repeats | null): boolean {
    if (owner.isReserved) return false;
    const mayQueue = this.#budgets.mayQueue(owner.tenant, this.#clock.nowMs());
    if (mayQueue && !this.#store.isOnReserve) return false;
    this.#count(source, repeats);
    return true;
  }

  #count(source: FloodSource, repeats: Repeats | null): void {
    const nowMs = this.#clock.nowMs();
    this.#overBudget.count(source, repeats ?? { count: 1, firstMs: nowMs, lastMs: nowMs });
    this.#armFloodTimer();
  }

  /** What a flood came to: few lines, and of nobody's budget. */
  #writeCounted(source: FloodSource, fields: RecordFields): void {
    this.#append('security', 'warn', fields, { tenant: source.tenant, isReserved: true });
  }

  #append(
    stream: StreamName,
    level: 'info' | 'warn',
    fields: RecordFields,
    owner: LineOwner,
  ): void {
    const { hmac } = this.#options;
    const atMs = this.#clock.nowMs();
    const shown = hmac === undefined ? fields : hideFields(fields, hmac);
    const bytes = this.#store.append(stream, { level, atMs, fields: shown }, owner);
    if (owner.isReserved || bytes === 0) return;
    this.#budgets.spent(owner.tenant, bytes, atMs);
    if (stream === 'security') this.#budgets.queued(owner.tenant, bytes);
  }

  get #denialBudget(): FloodBudget {
    const { denialsPerSecond, tenantDenialsPerSecond, equalPerSecond } = this.#settings;
    return {
      ofSource: denialsPerSecond,
      ofTenant: tenantDenialsPerSecond,
      ofEqual: equalPerSecond,
    };
  }

  /** A failure's reason says what it is about: its source has no more than one thing. */
  get #failureBudget(): FloodBudget {
    const { equalPerSecond, tenantFailuresPerSecond } = this.#settings;
    return { ofSource: equalPerSecond, ofTenant: tenantFailuresPerSecond, ofEqual: equalPerSecond };
  }

  #armFloodTimer(): void {
    if (this.#floodTimer !== null || this.#closed) return;
    this.#floodTimer = this.#clock.setTimer(FLOOD_WINDOW_MS, () => {
      this.#floodTimer = null;
      this.#floods.sweep();
      // On the reserve the counts wait as well: they are strangers' and tenants'.
      if (this.#store.isOnReserve) this.#armFloodTimer();
      else this.#overBudget.sweep();
    });
  }

  #armRepeatTimer(delayMs: number): void {
    if (this.#closed) return;
    this.#repeatTimer = this.#clock.setTimer(delayMs, () => {
      this.#repeatTimer = null;
      const more = [this.#allows.sweep(SWEEP_BUDGET), this.#denials.sweep(SWEEP_BUDGET)];
      if (more.includes(true)) this.#armRepeatTimer(SWEEP_PAUSE_MS);
      else if (this.#allows.size + this.#denials.size > 0) {
        this.#armRepeatTimer(this.#settings.repeatWindowMs);
      }
    });
  }
}

/**
 * An operator on the admin listener, who belongs to no tenant: strangers there are strangers like any
 * others, and a tenant's administrator or auditor has the tenant's budgets.
 */
const isOperator = ({ listener, principal, tenant }: AuditSubject): boolean =>
  listener === 'admin' && principal !== null && tenant === null;

function ownerOf(subject: AuditSubject | null): LineOwner {
  if (subject === null) return BROKER;
  return { tenant: subject.tenant, isReserved: isOperator(subject) };
}

function sourceOf(
  { tenant, principal, remoteAddress: address }: AuditSubject,
  type: FloodSource['type'],
  reason: string,
): FloodSource {
  return { type, reason, tenant, principal, address };
}

/** Writes all counts, in slices that fit into the bounded queue. */
async function drainCounter(counter: RepeatCounter, stream: AuditStream): Promise<void> {
  counter.restartSweep();
  while (counter.sweep(SWEEP_BUDGET)) await stream.drain();
}

/** Opens the audit log in a folder; throws ConfigError when the folder cannot be used. */
export function openFileAuditLog(options: FileAuditLogOptions): FileAuditLog {
  try {
    return new FileAuditLog(options);
  } catch (cause) {
    const advice = 'Check that it exists, has room and belongs to the user of the broker.';
    throw new ConfigError(`The audit log cannot be opened in ${options.directory}. ${advice}`, {
      cause,
    });
  }
}
