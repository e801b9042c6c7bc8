/**
 * Owns where records are kept: the two streams, the checkpoints over them, the files that they left,
 * and the space that is kept for operators.
 *
 *   ready --disk full--> on reserve (only operators' records are written) --room--> ready
 *
 * Invariants: while either stream cannot be written, or the reserve is in use, `healthy` is false and
 * `durable()` rejects; `healthyForOperators` and `durableForOperators()` ask the SECURITY stream alone.
 * On the reserve the ACCESS stream waits, so that the space goes to those that it is kept for.
 */
import { type Clock, systemClock, type Timer } from '../base/clock.ts';
import { StorageError } from '../base/errors.ts';
import { extendCopy } from '../base/file-copy.ts';
import {
  type FileSystem,
  isOutOfSpace,
  makeDirectoriesSync,
  nodeFileSystem,
} from '../base/file-system.ts';
import { type Logger, silentLogger } from '../base/logger.ts';
import { systemRandom } from '../base/random.ts';
import type { SecurityEvent } from './audit-event.ts';
import { AuditKeeper } from './audit-keeper.ts';
import type { AuditSettings, FileAuditLogOptions } from './audit-options.ts';
import type { UnchainedRecord } from './audit-record.ts';
import { AuditStream, type ChainedLine, type LineOwner } from './audit-stream.ts';
import type { StreamName } from './checkpoint.ts';
import { CheckpointCopy } from './checkpoint-copy.ts';
import { type RecoveredCheckpoints, recoverCheckpoints } from './checkpoint-files.ts';
import { CheckpointLog } from './checkpoint-log.ts';
import { DiskReserve } from './disk-reserve.ts';

export interface AuditStoreParts {
  /** Writes a record of the broker's own. */
  readonly record: (event: SecurityEvent) => void;
  readonly onCommit: (stream: StreamName, lines: readonly ChainedLine[]) => void;
}

const ACCESS_COMMIT_DELAY_MS = 50;
const ACCESS_SYNC_EVERY_MS = 5_000;
const RESTORE_EVERY_MS = 1_000;

export class AuditStore {
  readonly security: AuditStream;
  readonly access: AuditStream;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #parts: AuditStoreParts;
  readonly #reserve: DiskReserve;
  readonly #checkpoints: CheckpointLog | null;
  readonly #keeper: AuditKeeper | null;
  readonly #copy: CheckpointCopy | null;
  readonly #recovered: RecoveredCheckpoints;
  #isOnReserve = false;
  #restoreTimer: Timer | null = null;
  #closed = false;

  /** Throws Node's error when the folder cannot be used. */
  constructor(options: FileAuditLogOptions, settings: AuditSettings, parts: AuditStoreParts) {
    const { clock = systemClock, files = nodeFileSystem, logger = silentLogger } = options;
    const { directory } = options;
    this.#clock = clock;
    this.#logger = logger;
    this.#parts = parts;
    makeDirectoriesSync(files, directory);
    this.#recovered = recoverCheckpoints(files, directory);
    const common = { directory, files, clock, logger };
    const streams = this.#openStreams(common, settings);
    this.security = streams.security;
    this.access = streams.access;
    this.#reserve = new DiskReserve({ directory, files, logger, sizeBytes: settings.reserveBytes });
    this.#copy = this.#openCopy(options);
    this.#checkpoints = this.#openCheckpoints(options, { ...common, streams }, settings);
    this.#keeper = this.#openKeeper(options, common);
  }

  #openStreams(
    common: { directory: string; files: FileSystem; clock: Clock; logger: Logger },
    { fileBytesMax, queueBytesMax }: AuditSettings,
  ): Record<StreamName, AuditStream> {
    const open = (name: StreamName, rhythm: { commitDelayMs: number; syncEveryMs: number }) => {
      const signedHead = this.#recovered.heads[name];
      return new AuditStream({
        ...{ ...common, name, fileBytesMax, queueBytesMax, ...rhythm },
        ...(signedHead !== undefined && { signedHead }),
        onLoss: (records) => this.#parts.record(lossOf(name, records)),
        onFailure: (cause) => this.#onFailure(cause),
        onCommit: (lines) => {
          this.#checkpoints?.note();
          this.#parts.onCommit(name, lines);
        },
      });
    };
    return {
      security: open('security', { commitDelayMs: 0, syncEveryMs: 0 }),
      access: open('access', {
        commitDelayMs: ACCESS_COMMIT_DELAY_MS,
        syncEveryMs: ACCESS_SYNC_EVERY_MS,
      }),
    };
  }

  #openCopy({ directory, checkpointCopyDirectory = null }: FileAuditLogOptions) {
    if (checkpointCopyDirectory === null) return null;
    return new CheckpointCopy({
      from: directory,
      to: checkpointCopyDirectory,
      extend: extendCopy,
      logger: this.#logger,
      record: this.#parts.record,
    });
  }

  #openCheckpoints(
    { signingKey: key }: FileAuditLogOptions,
    common: {
      directory: string;
      files: FileSystem;
      clock: Clock;
      logger: Logger;
      streams: Record<StreamName, AuditStream>;
    },
    { checkpointIntervalMs: intervalMs }: AuditSettings,
  ): CheckpointLog | null {
    if (key === undefined) return null;
    const recovered = this.#recovered;
    const onWritten = (file: string): void => this.#copy?.note(file);
    return new CheckpointLog({
      ...common,
      ...{ key, intervalMs, recovered, random: systemRandom, onWritten },
    });
  }

  #openKeeper(
    { keeping, onCompressed = () => {} }: FileAuditLogOptions,
    common: { directory: string; files: FileSystem; clock: Clock; logger: Logger },
  ): AuditKeeper | null {
    const checkpoints = this.#checkpoints;
    if (keeping === undefined || checkpoints === null) return null;
    return new AuditKeeper({
      ...common,
      ...keeping,
      onCompressed,
      syncedFile: (stream) => this[stream].synced?.file ?? null,
      state: (begins) => checkpoints.state(begins),
      record: async (event) => {
        this.#parts.record(event);
        await this.durable();
      },
    });
  }

  /** What opening found is recorded; then the passes over old files begin. */
  start(): void {
    const { record } = this.#parts;
    record({
      type: 'server',
      outcome: 'success',
      reason: 'audit-opened',
      facts: {
        securityTornBytes: this.security.tornBytes,
        accessTornBytes: this.access.tornBytes,
      },
    });
    for (const stream of ['security', 'access'] as const) {
      const records = this[stream].missingRecords;
      if (records > 0) record(missingOf(stream, records));
    }
    this.#checkpoints?.announce(record);
    this.#keeper?.start();
  }

  get healthy(): boolean {
    return this.healthyForOperators && this.access.healthy && !this.#isOnReserve;
  }

  get healthyForOperators(): boolean {
    return this.security.healthy && !this.#closed;
  }

  /** True while the disk is full for everybody but operators. */
  get isOnReserve(): boolean {
    return this.#isOnReserve;
  }

  get pending(): boolean {
    return this.security.pending || this.#isOnReserve;
  }

  durable(): Promise<void> {
    if (!this.#isOnReserve) return this.security.durable();
    return Promise.reject(new StorageError('The disk of the audit log is full.'));
  }

  durableForOperators(): Promise<void> {
    return this.security.durable();
  }

  /** The bytes of the line; 0 when the queue is full, and it was counted. */
  append(stream: StreamName, record: UnchainedRecord, owner: LineOwner): number {
    return this[stream].append(record, owner);
  }

  /** Signs what was written so far; never rejects. */
  async checkpoint(): Promise<void> {
    await this.#checkpoints?.run();
  }

  /** A pass over old files; never rejects. */
  async keep(): Promise<void> {
    await this.#keeper?.run();
  }

  /** The last lines are signed, too; SECURITY last: closing ACCESS may have something to report. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#restoreTimer?.cancel();
    await this.#keeper?.close();
    this.access.hold(false);
    try {
      await this.access.drain();
      await this.security.drain();
    } finally {
      await this.#checkpoints?.close();
      await this.#copy?.close();
      try {
        await this.access.close();
      } finally {
        await this.security.close();
      }
    }
  }

  #onFailure(cause: unknown): void {
    if (this.#isOnReserve || this.#closed || !isOutOfSpace(cause)) return;
    if (!this.#reserve.release()) return;
    this.#isOnReserve = true;
    this.access.hold(true);
    this.#armRestore();
  }

  #armRestore(): void {
    this.#restoreTimer = this.#clock.setTimer(RESTORE_EVERY_MS, () => {
      this.#reserve.restore().then(
        (isHeld) => this.#restored(isHeld),
        () => this.#restored(false),
      );
    });
  }

  #restored(isHeld: boolean): void {
    if (this.#closed) return;
    if (!isHeld) {
      this.#armRestore();
      return;
    }
    this.#isOnReserve = false;
    this.access.hold(false);
    this.#logger.warn('the disk of the audit log has room again');
  }
}

function lossOf(stream: StreamName, lines: number): SecurityEvent {
  return {
    type: 'server',
    outcome: 'failure',
    reason: 'audit-lines-lost',
    detail: `The disk did not take the ${stream} audit log in time; its queue overflowed.`,
    facts: { stream, lines },
  };
}

/** What was signed was on stable storage, so that no crash took it. */
function missingOf(stream: StreamName, records: number): SecurityEvent {
  return {
    type: 'server',
    outcome: 'failure',
    reason: 'audit-records-missing',
    detail: `Signed checkpoints tell of records at the end of the ${stream} log that are gone.`,
    facts: { stream, records },
  };
}
