/**
 * Owns one stream of the audit log: a chain of lines in a sequence of NDJSON files,
 * `<name>-<day>-<number>.ndjson`, one a day or more by size, opened when the first line is written.
 *
 * Invariants: lines are ASCII, in the order of `append`; each names the hash of the one before it, also
 * across files, and has the next `seq`. The queue is bounded: a record that does not fit takes no
 * `seq` and is counted, never forgotten (`onLoss`). After a failed write or sync the batch stays in
 * memory as it is, and the next attempt writes it to another file. `synced` is what a power cut
 * cannot take.
 * Concurrency: one commit at a time; what is appended meanwhile goes with the next one.
 *
 *   idle --append--> scheduled --> committing --ok--> idle (or scheduled, when more came)
 *                        ^              |
 *                        +--retry--- failing (durable() rejects, `healthy` is false)
 */
import type { Clock, Timer } from '../base/clock.ts';
import { StorageError } from '../base/errors.ts';
import type { FileSystem } from '../base/file-system.ts';
import type { Logger } from '../base/logger.ts';
import { recoverAuditFiles } from './audit-files.ts';
import { lineAfter, type UnchainedRecord } from './audit-record.ts';
import { type ChainHead, hashOf } from './chain.ts';
import { StreamFile } from './stream-file.ts';

/** A line in the queue, with its newline. */
export interface ChainedLine {
  readonly line: string;
  readonly owner: LineOwner;
}

/** Whose record it is. */
export interface LineOwner {
  /** Null: the broker's, an operator's or a stranger's. */
  readonly tenant: string | null;
  /** An operator's or the broker's own: may use the part of the queue that is kept for them. */
  readonly isReserved: boolean;
}

/** Where a stream stands on stable storage. */
export interface SyncedHead extends ChainHead {
  /** The file of the last line. */
  readonly file: string;
}

export interface AuditStreamOptions {
  readonly name: string;
  readonly directory: string;
  readonly files: FileSystem;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly fileBytesMax: number;
  readonly queueBytesMax: number;
  /** 0: lines of one turn of the loop are committed together, right after it. */
  readonly commitDelayMs: number;
  /** How far apart syncs are at most while lines come; 0: every commit is synced. */
  readonly syncEveryMs: number;
  /** What signed checkpoints say of the stream's end: the chain goes on from there if it is more. */
  readonly signedHead?: ChainHead;
  /** Records did not fit into the queue, which now has room again. */
  readonly onLoss: (records: number) => void;
  /** Lines were written (and, with syncEveryMs 0, synced), in order. Must not throw. */
  readonly onCommit?: (lines: readonly ChainedLine[]) => void;
  /** A write failed. */
  readonly onFailure?: (cause: unknown) => void;
}

/** Of this run; `lostRecords` did not fit into the queue. */
export interface AuditStreamFigures {
  readonly records: number;
  readonly lostRecords: number;
  readonly queuedRecords: number;
  readonly queuedBytes: number;
  readonly isHealthy: boolean;
}

interface Deferred {
  readonly promise: Promise<void>;
  readonly resolve: () => void;
  readonly reject: (error: StorageError) => void;
}

function deferred(): Deferred {
  let resolve!: () => void;
  let reject!: (error: StorageError) => void;
  const promise = new Promise<void>((onDone, onError) => {
    resolve = onDone;
    reject = onError;
  });
  return { promise, resolve, reject };
}

/** Of the queue, for operators and the broker itself. */
const RESERVED_PART = 1 / 8;
const RETRY_AFTER_MS = 100;
const RETRY_TIMER_MS = 1_000;
const DONE = Promise.resolve();

export class AuditStream {
  readonly #options: AuditStreamOptions;
  readonly #file: StreamFile;
  /** Of everything that was appended. */
  #head: ChainHead;
  /** Of everything that was written. */
  #written: ChainHead;
  #synced: SyncedHead | null = null;
  #queue: ChainedLine[] = [];
  #queuedBytes = 0;
  #lost = 0;
  #lostInAll = 0;
  #appended = 0;
  #syncedAtMs = 0;
  #committing = false;
  #syncWanted = false;
  #isHeld = false;
  #scheduled = false;
  #commitTimer: Timer | null = null;
  #failure: StorageError | null = null;
  #retryAtMs = 0;
  #retryTimer: Timer | null = null;
  #closed = false;
  /** Who waits for the batch being committed, and who for the lines still queued. */
  #inFlight: Deferred | null = null;
  #waiting: Deferred | null = null;
  /** Bytes of a torn last line that opening cut off. */
  readonly tornBytes: number;
  /** Records that signed checkpoints tell of and that opening did not find. */
  readonly missingRecords: number;

  /** Opens the stream where it ended; throws Node's error when the folder cannot be used. */
  constructor(options: AuditStreamOptions) {
    this.#options = options;
    const { files, directory, name, signedHead } = options;
    const recovered = recoverAuditFiles(files, directory, name);
    this.tornBytes = recovered.tornBytes;
    this.#head = recovered.head;
    this.missingRecords = Math.max(0, (signedHead?.sequence ?? 0) - recovered.head.sequence);
    if (signedHead !== undefined && this.missingRecords > 0) this.#head = signedHead;
    this.#written = this.#head;
    this.#file = new StreamFile(options, recovered);
  }

  get healthy(): boolean {
    return this.#failure === null && this.#lost === 0 && !this.#closed;
  }

  get pending(): boolean {
    return this.#committing || this.#queue.length > 0 || this.#lost > 0;
  }

  get figures(): AuditStreamFigures {
    return {
      records: this.#appended,
      lostRecords: this.#lostInAll,
      queuedRecords: this.#queue.length,
      queuedBytes: this.#queuedBytes,
      isHealthy: this.healthy,
    };
  }

  get queuedBytes(): number {
    return this.#queuedBytes;
  }

  /** The name of the newest file, or null before the first line. */
  get fileName(): string | null {
    return this.#file.fileName;
  }

  /** What is on stable storage of this run's lines; null before there is any. */
  get synced(): SyncedHead | null {
    return this.#synced;
  }

  /** What was written by this run or found by it, synced or not. */
  get written(): ChainHead {
    return this.#written;
  }

  /** While held nothing is written: what comes waits in the queue. */
  hold(isHeld: boolean): void {
    this.#isHeld = isHeld;
    if (!isHeld && this.#queue.length > 0) this.#schedule();
  }

  /**
   * Takes its place in the chain; the bytes of the line, or 0 when the queue is full, and it was
   * counted.
   */
  append(record: UnchainedRecord, owner: LineOwner): number {
    const line = this.#closed ? '' : lineAfter(this.#head, record);
    const { queueBytesMax } = this.#options;
    const roomBytes = owner.isReserved ? queueBytesMax : queueBytesMax * (1 - RESERVED_PART);
    if (this.#closed || this.#queuedBytes + line.length > roomBytes) {
      this.#lost += 1;
      this.#lostInAll += 1;
      return 0;
    }
    this.#appended += 1;
    this.#head = { sequence: this.#head.sequence + 1, hash: hashOf(line.slice(0, -1)) };
    this.#queue.push({ line, owner });
    this.#queuedBytes += line.length;
    this.#schedule();
    return line.length;
  }

  /** Resolves once every line so far is written and, with syncEveryMs 0, synced. */
  durable(): Promise<void> {
    if (!this.pending) return DONE;
    if (this.#lost > 0) return Promise.reject(this.#overflow());
    if (this.#failure !== null && !this.#mayRetry()) return Promise.reject(this.#failure);
    if (this.#committing && this.#queue.length === 0) {
      this.#inFlight ??= deferred();
      return this.#inFlight.promise;
    }
    this.#waiting ??= deferred();
    this.#schedule();
    return this.#waiting.promise;
  }

  /** Writes everything that is queued; rejects with StorageError when that fails. */
  async drain(): Promise<void> {
    while (this.#committing || this.#queue.length > 0) {
      if (this.#committing) {
        this.#inFlight ??= deferred();
        await this.#inFlight.promise;
        continue;
      }
      await this.#commit();
      if (this.#failure !== null) throw this.#failure;
    }
  }

  /** Puts what is written on stable storage; rejects with StorageError when that fails. */
  async sync(): Promise<void> {
    while (this.#committing) {
      this.#inFlight ??= deferred();
      await this.#inFlight.promise;
    }
    if (!this.#file.unsynced || this.#closed || this.#isHeld) return;
    this.#syncWanted = true;
    await this.#commit();
    if (this.#failure !== null) throw this.#failure;
  }

  /** Writes and syncs what is queued, then closes the file; rejects when that fails. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#isHeld = false;
    try {
      await this.drain();
      await this.#syncNow();
    } finally {
      this.#closed = true;
      this.#commitTimer?.cancel();
      this.#retryTimer?.cancel();
      this.#file.closeSync();
    }
  }

  #overflow(): StorageError {
    return new StorageError(`The ${this.#options.name} audit queue is full.`);
  }

  #mayRetry(): boolean {
    return this.#options.clock.monotonicMs() >= this.#retryAtMs;
  }

  #schedule(): void {
    if (this.#scheduled || this.#committing || this.#closed || this.#isHeld) return;
    if (this.#failure !== null && !this.#mayRetry()) return;
    this.#scheduled = true;
    const { commitDelayMs, clock } = this.#options;
    const run = (): void => {
      if (!this.#scheduled) return;
      this.#scheduled = false;
      this.#commitTimer = null;
      if (!this.#committing && !this.#isHeld) void this.#commit();
    };
    if (commitDelayMs === 0 || this.#waiting !== null) queueMicrotask(run);
    else this.#commitTimer = clock.setTimer(commitDelayMs, run);
  }

  /** Never rejects: its outcome goes to those who wait. */
  async #commit(): Promise<void> {
    const lines = this.#queue;
    const head = this.#head;
    this.#queue = [];
    this.#inFlight = this.#waiting;
    this.#waiting = null;
    this.#committing = true;
    try {
      const bytes = await this.#write(lines, head);
      this.#committing = false;
      this.#succeeded(bytes, lines);
    } catch (cause) {
      this.#committing = false;
      this.#queue = lines.concat(this.#queue);
      this.#failed(cause);
    }
    if (this.#queue.length > 0) this.#schedule();
  }

  async #write(lines: readonly ChainedLine[], head: ChainHead): Promise<number> {
    const { clock, syncEveryMs } = this.#options;
    const isSyncDue = this.#syncWanted || clock.monotonicMs() - this.#syncedAtMs >= syncEveryMs;
    this.#syncWanted = false;
    if (lines.length === 0) {
      await this.#syncNow();
      return 0;
    }
    const batch = Buffer.from(lines.map(({ line }) => line).join(''), 'latin1');
    const leaves = this.#file.fileName;
    if (await this.#file.prepare(batch.length)) this.#noteSynced(leaves);
    this.#file.write(batch);
    if (isSyncDue) await this.#file.sync();
    this.#file.keep(batch.length);
    this.#written = head;
    if (isSyncDue) this.#noteSynced(this.#file.fileName);
    return batch.length;
  }

  async #syncNow(): Promise<void> {
    if (!this.#file.unsynced) return;
    await this.#file.sync();
    this.#noteSynced(this.#file.fileName);
  }

  #noteSynced(file: string | null): void {
    this.#syncedAtMs = this.#options.clock.monotonicMs();
    if (file !== null) this.#synced = { ...this.#written, file };
  }

  #succeeded(batchBytes: number, lines: readonly ChainedLine[]): void {
    this.#queuedBytes -= batchBytes;
    if (this.#failure !== null) {
      this.#options.logger.warn(
        { stream: this.#options.name },
        'the audit log can be written again',
      );
      this.#failure = null;
      this.#retryTimer?.cancel();
    }
    if (lines.length > 0) this.#options.onCommit?.(lines);
    this.#inFlight?.resolve();
    this.#inFlight = null;
    if (this.#lost === 0 || this.#queuedBytes > this.#options.queueBytesMax / 2) return;
    const lost = this.#lost;
    this.#lost = 0;
    this.#options.onLoss(lost);
  }

  #failed(cause: unknown): void {
    const { name, clock, logger, onFailure } = this.#options;
    const failure = new StorageError(`The ${name} audit log cannot be written.`, { cause });
    if (this.#failure === null) logger.error({ stream: name, err: cause }, failure.message);
    this.#failure = failure;
    this.#file.abandon();
    this.#retryAtMs = clock.monotonicMs() + RETRY_AFTER_MS;
    this.#retryTimer?.cancel();
    this.#retryTimer = clock.setTimer(RETRY_TIMER_MS, () => {
      if (this.#queue.length > 0) this.#schedule();
      else this.#failure = null;
    });
    this.#inFlight?.reject(failure);
    this.#waiting?.reject(failure);
    this.#inFlight = null;
    this.#waiting = null;
    onFailure?.(cause);
  }
}
