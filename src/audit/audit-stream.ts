/**
 * Owns one stream of the audit log: a sequence of NDJSON files, `<name>-<day>-<number>.ndjson`, one
 * a day or more by size, opened when the first line is written.
 *
 * Invariants: lines are ASCII, in the order of `append`, and a file that was left holds whole lines
 * only. The queue is bounded: a line that does not fit is counted, never forgotten (`onLoss`).
 * After a failed write or sync the batch stays in memory, the file is cut back to where the batch
 * began and never synced again; the next attempt writes the batch to another file.
 * Concurrency: one commit at a time; what is appended meanwhile goes with the next one.
 *
 *   idle --append--> scheduled --> committing --ok--> idle (or scheduled, when more came)
 *                        ^              |
 *                        +--retry--- failing (durable() rejects, `healthy` is false)
 */
import { join } from 'node:path';
import type { Clock, Timer } from '../base/clock.ts';
import { StorageError } from '../base/errors.ts';
import type { FileHandle, FileSystem } from '../base/file-system.ts';
import type { Logger } from '../base/logger.ts';
import { type AuditFileName, formatAuditFile, recoverAuditFiles } from './audit-files.ts';

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
  /** Lines did not fit into the queue, which now has room again. */
  readonly onLoss: (lines: number) => void;
  /** Called with each line in order, once its commit has succeeded. */
  readonly onWritten?: (line: string) => void;
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

const RETRY_AFTER_MS = 100;
const RETRY_TIMER_MS = 1_000;
const DONE = Promise.resolve();

export class AuditStream {
  readonly #options: AuditStreamOptions;
  #sequence: number;
  #queue: string[] = [];
  #queuedBytes = 0;
  #lost = 0;
  #lostInAll = 0;
  #appended = 0;
  #handle: FileHandle | null = null;
  /** The newest file of the stream; null before there is any. */
  #file: AuditFileName | null;
  #positionBytes = 0;
  #syncedAtMs = 0;
  #unsynced = false;
  /** True at first: an earlier run may have been killed before it synced the folder. */
  #directoryDirty = true;
  #committing = false;
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

  /** Opens the stream where it ended; throws Node's error when the folder cannot be used. */
  constructor(options: AuditStreamOptions) {
    this.#options = options;
    const { files, directory, name } = options;
    const recovered = recoverAuditFiles(files, directory, name);
    this.#sequence = recovered.nextSequence;
    this.tornBytes = recovered.tornBytes;
    this.#file = recovered.newest;
    if (recovered.newest === null || !recovered.continuable) return;
    this.#handle = files.openSync(join(directory, formatAuditFile(recovered.newest)), 'create');
    this.#positionBytes = this.#handle.sizeBytesSync();
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

  /** The name of the file that is being written, or null before the first line. */
  get fileName(): string | null {
    return this.#file === null ? null : formatAuditFile(this.#file);
  }

  /** The `seq` of the next line; consumed by the call, so a lost line shows as a gap. */
  nextSequence(): number {
    this.#sequence += 1;
    return this.#sequence - 1;
  }

  append(line: string): void {
    const closed = this.#closed;
    if (closed || this.#queuedBytes + line.length > this.#options.queueBytesMax) {
      this.#lost += 1;
      this.#lostInAll += 1;
      return;
    }
    this.#queue.push(line);
    this.#appended += 1;
    this.#queuedBytes += line.length;
    this.#schedule();
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

  /** Writes and syncs what is queued, then closes the file; rejects when that fails. */
  async close(): Promise<void> {
    if (this.#closed) return;
    try {
      await this.drain();
      await this.#sync();
    } finally {
      this.#closed = true;
      this.#commitTimer?.cancel();
      this.#retryTimer?.cancel();
      this.#handle?.closeSync();
      this.#handle = null;
    }
  }

  #overflow(): StorageError {
    return new StorageError(`The ${this.#options.name} audit queue is full.`);
  }

  #mayRetry(): boolean {
    return this.#options.clock.monotonicMs() >= this.#retryAtMs;
  }

  #schedule(): void {
    if (this.#scheduled || this.#committing || this.#closed) return;
    if (this.#failure !== null && !this.#mayRetry()) return;
    this.#scheduled = true;
    const { commitDelayMs, clock } = this.#options;
    const run = (): void => {
      if (!this.#scheduled) return;
      this.#scheduled = false;
      this.#commitTimer = null;
      if (!this.#committing) void this.#commit();
    };
    if (commitDelayMs === 0 || this.#waiting !== null) queueMicrotask(run);
    else this.#commitTimer = clock.setTimer(commitDelayMs, run);
  }

  /** Never rejects: its outcome goes to those who wait. */
  async #commit(): Promise<void> {
    const lines = this.#queue;
    this.#queue = [];
    this.#inFlight = this.#waiting;
    this.#waiting = null;
    this.#committing = true;
    const batch = Buffer.from(lines.join(''), 'latin1');
    let isWritten = false;
    try {
      await this.#write(batch);
      this.#committing = false;
      this.#succeeded(batch.length);
      isWritten = true;
    } catch (cause) {
      this.#committing = false;
      this.#queue = [...lines, ...this.#queue];
      this.#failed(cause);
    }
    const { onWritten } = this.#options;
    if (isWritten && onWritten !== undefined) for (const line of lines) onWritten(line);
    if (this.#queue.length > 0) this.#schedule();
  }

  async #write(batch: Buffer): Promise<void> {
    const handle = await this.#handleFor(batch.length);
    handle.writevSync([batch], this.#positionBytes);
    this.#unsynced = true;
    const { clock, syncEveryMs } = this.#options;
    if (clock.monotonicMs() - this.#syncedAtMs >= syncEveryMs) await this.#sync();
    this.#positionBytes += batch.length;
  }

  async #sync(): Promise<void> {
    if (this.#handle === null || !this.#unsynced) return;
    await this.#handle.datasync();
    if (this.#directoryDirty) await this.#options.files.syncDirectory(this.#options.directory);
    this.#directoryDirty = false;
    this.#unsynced = false;
    this.#syncedAtMs = this.#options.clock.monotonicMs();
  }

  /** The file that the batch goes to: a new one on a new day, or when this one is large enough. */
  async #handleFor(batchBytes: number): Promise<FileHandle> {
    const { clock, files, directory, name, fileBytesMax } = this.#options;
    const day = new Date(clock.nowMs()).toISOString().slice(0, 10).replaceAll('-', '');
    const full = this.#positionBytes > 0 && this.#positionBytes + batchBytes > fileBytesMax;
    if (this.#handle !== null && !full && this.#file?.day === day) return this.#handle;
    if (this.#handle !== null) {
      await this.#sync();
      this.#handle.closeSync();
      this.#handle = null;
    }
    const number = this.#file?.day === day ? this.#file.number + 1 : 1;
    const file = { name, day, number };
    this.#handle = files.openSync(join(directory, formatAuditFile(file)), 'create');
    this.#file = file;
    this.#positionBytes = this.#handle.sizeBytesSync();
    this.#directoryDirty = true;
    return this.#handle;
  }

  #succeeded(batchBytes: number): void {
    this.#queuedBytes -= batchBytes;
    if (this.#failure !== null) {
      this.#options.logger.warn(
        { stream: this.#options.name },
        'the audit log can be written again',
      );
      this.#failure = null;
      this.#retryTimer?.cancel();
    }
    this.#inFlight?.resolve();
    this.#inFlight = null;
    if (this.#lost === 0 || this.#queuedBytes > this.#options.queueBytesMax / 2) return;
    const lost = this.#lost;
    this.#lost = 0;
    this.#options.onLoss(lost);
  }

  #failed(cause: unknown): void {
    const { name, clock, logger } = this.#options;
    const failure = new StorageError(`The ${name} audit log cannot be written.`, { cause });
    if (this.#failure === null) logger.error({ stream: name, err: cause }, failure.message);
    this.#failure = failure;
    this.#abandonFile();
    this.#retryAtMs = clock.monotonicMs() + RETRY_AFTER_MS;
    this.#retryTimer?.cancel();
    this.#retryTimer = clock.setTimer(RETRY_TIMER_MS, () => this.#schedule());
    this.#inFlight?.reject(failure);
    this.#waiting?.reject(failure);
    this.#inFlight = null;
    this.#waiting = null;
  }

  /** Leaves the file as it was before the batch; one that holds nothing is used again. */
  #abandonFile(): void {
    const handle = this.#handle;
    if (handle === null) return;
    this.#handle = null;
    this.#unsynced = false;
    try {
      handle.truncateSync(this.#positionBytes);
      const file = this.#file;
      if (this.#positionBytes === 0 && file !== null) {
        this.#file = { ...file, number: file.number - 1 };
      }
    } catch (err) {
      this.#options.logger.error({ err, file: handle.path }, 'the audit file keeps a torn tail');
    }
    try {
      handle.closeSync();
    } catch (err) {
      this.#options.logger.error({ err, file: handle.path }, 'the audit file could not be closed');
    }
  }
}
