/**
 * Owns the audit log on disk: the SECURITY stream (refusals, authentication, administration,
 * certificates, policy; synced by group commit) and the ACCESS stream (allowed accesses; written
 * within a tenth of a second, synced every few seconds).
 *
 * Invariants: nothing is dropped in silence: repeats and floods become counted lines, lines that the
 * bounded queue could not take become a record of their number. While either stream cannot be
 * written `healthy` is false and `durable()` rejects. A kill loses at most the counts of the
 * running window and the ACCESS lines of the last tenth of a second, never a record that
 * `durable()` confirmed.
 */
import { type Clock, systemClock, type Timer } from '../base/clock.ts';
import { ConfigError } from '../base/errors.ts';
import { type FileSystem, makeDirectoriesSync, nodeFileSystem } from '../base/file-system.ts';
import { type Logger, silentLogger } from '../base/logger.ts';
import type { AccessEvent, AuditSubject, SecurityEvent } from './audit-event.ts';
import type { AuditLog } from './audit-log.ts';
import {
  accessFields,
  floodFields,
  openRecordWriter,
  type RecordWriter,
  type Repeats,
  securityFields,
} from './audit-record.ts';
import { AuditStream, type AuditStreamFigures } from './audit-stream.ts';
import { type FloodBudget, FloodGuard } from './flood-guard.ts';
import { RepeatCounter } from './repeat-counter.ts';

export interface FileAuditLogOptions {
  /** `<data>/audit`; made when missing. */
  readonly directory: string;
  readonly clock?: Clock;
  readonly files?: FileSystem;
  readonly logger?: Logger;
  /** Within it equal accesses of a connection become one counted line; 0: a line for each. */
  readonly repeatWindowMs?: number;
  /** A file is left for a new one when it would grow beyond this. */
  readonly fileBytesMax?: number;
  /** What each stream holds in memory while the disk does not take it. */
  readonly queueBytesMax?: number;
  /** Kinds of access that are counted at the same time, for all connections together. */
  readonly repeatEntriesMax?: number;
  /** Refused accesses a second and source that are written out. */
  readonly denialsPerSecond?: number;
  /** The same for a tenant, whose CA may make any number of sources. */
  readonly tenantDenialsPerSecond?: number;
  /** Failed authentications, connections and broken frames a second and source, likewise. */
  readonly failuresPerSecond?: number;
  /** The same for a tenant; strangers together are one. */
  readonly tenantFailuresPerSecond?: number;
  /** Called for each line, in the order of its stream: SECURITY once durable, ACCESS once written. */
  readonly onRecord?: (record: WrittenRecord) => void;
}

/** A line of the log, as it stands there. */
export interface WrittenRecord {
  readonly stream: 'security' | 'access';
  readonly tenant: string | null;
  readonly line: string;
}

const DEFAULTS = {
  repeatWindowMs: 1_000,
  fileBytesMax: 256 * 1024 * 1024,
  queueBytesMax: 16 * 1024 * 1024,
  repeatEntriesMax: 65_536,
  denialsPerSecond: 1_000,
  tenantDenialsPerSecond: 2_000,
  failuresPerSecond: 10,
  tenantFailuresPerSecond: 500,
};
const FLOOD_BUCKETS = { buckets: 10_000, bucketsPerTenant: 500 };
const FLOOD_WINDOW_MS = 1_000;
const ACCESS_COMMIT_DELAY_MS = 50;
const ACCESS_SYNC_EVERY_MS = 5_000;
/** Entries that one turn of the loop looks at, and the pause before the next turn. */
const SWEEP_BUDGET = 1_024;
const SWEEP_PAUSE_MS = 1;

/** What strangers can cause in any number. */
const FLOODABLE: ReadonlySet<SecurityEvent['type']> = new Set([
  'authentication',
  'connection',
  'protocol',
]);

export class FileAuditLog implements AuditLog {
  readonly #clock: Clock;
  readonly #settings: typeof DEFAULTS;
  readonly #security: AuditStream;
  readonly #access: AuditStream;
  readonly #securityWriter: RecordWriter;
  readonly #accessWriter: RecordWriter;
  readonly #allows: RepeatCounter;
  readonly #denials: RepeatCounter;
  readonly #floods: FloodGuard;
  #repeatTimer: Timer | null = null;
  #floodTimer: Timer | null = null;
  #closed = false;

  /** Throws Node's error when the folder cannot be used. */
  constructor(options: FileAuditLogOptions) {
    const { clock = systemClock, files = nodeFileSystem, logger = silentLogger } = options;
    this.#clock = clock;
    this.#settings = { ...DEFAULTS, ...options };
    const { directory } = options;
    const { fileBytesMax, queueBytesMax, repeatEntriesMax } = this.#settings;
    makeDirectoriesSync(files, directory);
    const shared = { directory, files, clock, logger, fileBytesMax, queueBytesMax };
    const { onRecord } = options;
    const written = (stream: WrittenRecord['stream']) =>
      onRecord !== undefined && {
        onWritten: (line: string) => onRecord({ stream, tenant: tenantOf(line), line }),
      };
    this.#security = new AuditStream({
      ...shared,
      name: 'security',
      commitDelayMs: 0,
      syncEveryMs: 0,
      onLoss: (lines) => this.#recordLoss('security', lines),
      ...written('security'),
    });
    this.#access = new AuditStream({
      ...shared,
      name: 'access',
      commitDelayMs: ACCESS_COMMIT_DELAY_MS,
      syncEveryMs: ACCESS_SYNC_EVERY_MS,
      onLoss: (lines) => this.#recordLoss('access', lines),
      ...written('access'),
    });
    this.#securityWriter = openRecordWriter((line) => this.#security.append(line));
    this.#accessWriter = openRecordWriter((line) => this.#access.append(line));
    this.#allows = new RepeatCounter(clock, repeatEntriesMax, (subject, event, repeats) =>
      this.#writeAllow(subject, event, repeats),
    );
    this.#denials = new RepeatCounter(clock, repeatEntriesMax, (subject, event, repeats) =>
      this.#writeDenial(subject, event, repeats),
    );
    this.#floods = new FloodGuard(FLOOD_BUCKETS, (source, repeats) =>
      this.#writeSecurity('warn', floodFields(source, repeats)),
    );
    this.#recordOpening();
  }

  get healthy(): boolean {
    return this.#security.healthy && this.#access.healthy && !this.#closed;
  }

  /** Of the streams, for metrics. */
  get figures(): Readonly<Record<'security' | 'access', AuditStreamFigures>> {
    return { security: this.#security.figures, access: this.#access.figures };
  }

  get pending(): boolean {
    return this.#security.pending;
  }

  access(subject: AuditSubject, event: AccessEvent): void {
    if (this.#settings.repeatWindowMs === 0) {
      if (event.allowed) this.#writeAllow(subject, event, null);
      else this.#writeDenial(subject, event, null);
      return;
    }
    if (event.allowed) this.#allows.record(subject, event);
    else this.#denials.record(subject, event);
    if (this.#repeatTimer === null) this.#armRepeatTimer(this.#settings.repeatWindowMs);
  }

  security(subject: AuditSubject | null, event: SecurityEvent): void {
    if (event.outcome === 'failure' && FLOODABLE.has(event.type) && subject !== null) {
      const { type, reason } = event;
      const { tenant, principal, remoteAddress: address } = subject;
      const source = { type, reason, tenant, principal, address };
      this.#armFloodTimer();
      if (!this.#floods.admit(source, this.#clock.nowMs(), this.#failureBudget)) return;
    }
    const level = event.outcome === 'success' ? 'info' : 'warn';
    this.#writeSecurity(level, securityFields(subject, event));
  }

  durable(): Promise<void> {
    return this.#security.durable();
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#repeatTimer?.cancel();
    this.#floodTimer?.cancel();
    try {
      await drainCounter(this.#denials, this.#security);
      await drainCounter(this.#allows, this.#access);
    } finally {
      this.#floods.sweep();
      await this.#closeStreams();
    }
  }

  /** SECURITY last: closing ACCESS may have something to report. */
  async #closeStreams(): Promise<void> {
    try {
      await this.#access.close();
    } finally {
      await this.#security.close();
    }
  }

  #writeAllow(subject: AuditSubject, event: AccessEvent, repeats: Repeats | null): void {
    const fields = accessFields(subject, event, repeats);
    this.#accessWriter.write('info', this.#access.nextSequence(), this.#clock.nowMs(), fields);
  }

  #writeDenial(subject: AuditSubject, event: AccessEvent, repeats: Repeats | null): void {
    const { tenant, principal, remoteAddress: address } = subject;
    const source = { type: 'access', reason: 'denied', tenant, principal, address } as const;
    this.#armFloodTimer();
    const admitted =
      repeats === null
        ? this.#floods.admit(source, this.#clock.nowMs(), this.#denialBudget)
        : this.#floods.admitCounted(source, repeats, this.#denialBudget);
    if (!admitted) return;
    this.#writeSecurity('warn', accessFields(subject, event, repeats));
  }

  #writeSecurity(level: 'info' | 'warn', fields: Record<string, unknown>): void {
    this.#securityWriter.write(level, this.#security.nextSequence(), this.#clock.nowMs(), fields);
  }

  get #denialBudget(): FloodBudget {
    const { denialsPerSecond: ofSource, tenantDenialsPerSecond: ofTenant } = this.#settings;
    return { ofSource, ofTenant };
  }

  get #failureBudget(): FloodBudget {
    const { failuresPerSecond: ofSource, tenantFailuresPerSecond: ofTenant } = this.#settings;
    return { ofSource, ofTenant };
  }

  #armFloodTimer(): void {
    if (this.#floodTimer !== null || this.#closed) return;
    this.#floodTimer = this.#clock.setTimer(FLOOD_WINDOW_MS, () => {
      this.#floodTimer = null;
      this.#floods.sweep();
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

  #recordOpening(): void {
    this.security(null, {
      type: 'server',
      outcome: 'success',
      reason: 'audit-opened',
      facts: {
        securityTornBytes: this.#security.tornBytes,
        accessTornBytes: this.#access.tornBytes,
      },
    });
  }

  #recordLoss(stream: string, lines: number): void {
    this.security(null, {
      type: 'server',
      outcome: 'failure',
      reason: 'audit-lines-lost',
      detail: `The disk did not take the ${stream} audit log in time; its queue overflowed.`,
      facts: { stream, lines },
    });
  }
}

/** Our own line: it is an object, and what it is about stands beside `type`. */
function tenantOf(line: string): string | null {
  const { tenant } = JSON.parse(line) as { readonly tenant?: string | null };
  return tenant ?? null;
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
