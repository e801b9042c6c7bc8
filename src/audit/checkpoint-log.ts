/**
 * Owns the writing of checkpoints: within a second of something new, or every 10,000 records, each
 * stream's synced end is signed and appended to `checkpoints-<day>-<number>.jws`.
 *
 * Invariants: only what a power cut cannot take is signed, so that a checkpoint never tells of a record
 * that a crash undid; a checkpoint is synced before the next one names it. A checkpoint that cannot be
 * written is made anew with the next: records wait for none, they are chained either way.
 * Concurrency: one round at a time; what comes meanwhile is in the next one. Signing is in the thread
 * pool.
 */
import { join } from 'node:path';
import type { Clock, Timer } from '../base/clock.ts';
import type { FileHandle, FileSystem } from '../base/file-system.ts';
import type { Logger } from '../base/logger.ts';
import { type Random, randomUuid } from '../base/random.ts';
import type { SecurityEvent } from './audit-event.ts';
import type { AuditStream } from './audit-stream.ts';
import { hashOf } from './chain.ts';
import {
  type Beginnings,
  CHECKPOINT_VERSION,
  type Checkpoint,
  parseCheckpoint,
  STREAMS,
  type StreamName,
  signatureProblem,
  signCheckpoint,
} from './checkpoint.ts';
import {
  type CheckpointFileName,
  formatCheckpointFile,
  type RecoveredCheckpoints,
} from './checkpoint-files.ts';
import type { SigningKey } from './signing-key.ts';

export interface CheckpointLogOptions {
  readonly directory: string;
  readonly files: FileSystem;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly key: SigningKey;
  readonly intervalMs: number;
  readonly recovered: RecoveredCheckpoints;
  readonly streams: Readonly<Record<StreamName, AuditStream>>;
  /** A checkpoint is on stable storage in `path`. Must not throw. */
  readonly onWritten: (path: string) => void;
}

const RECORDS_PER_CHECKPOINT = 10_000;
const FILE_BYTES_MAX = 64 * 1024 * 1024;

export class CheckpointLog {
  readonly #options: CheckpointLogOptions;
  readonly #logId: string;
  readonly #boot: string;
  /** The last `seq` that is signed. */
  readonly #signed: Record<StreamName, number>;
  #number: number;
  #hash: string;
  #file: CheckpointFileName | null;
  #handle: FileHandle | null = null;
  #positionBytes = 0;
  #timer: Timer | null = null;
  #round: Promise<void> | null = null;
  #isAgain = false;
  #begins: Beginnings | null = null;
  #hasFailed = false;
  #closed = false;

  constructor(options: CheckpointLogOptions) {
    const { recovered, random } = options;
    this.#options = options;
    this.#logId = recovered.logId ?? randomUuid(random);
    this.#boot = randomUuid(random);
    const { security, access } = recovered.heads;
    this.#signed = { security: security?.sequence ?? 0, access: access?.sequence ?? 0 };
    this.#number = recovered.number;
    this.#hash = recovered.hash;
    this.#file = recovered.newest;
  }

  /** The file that the next checkpoint goes to, or null before there is any. */
  get fileName(): string | null {
    return this.#file === null ? null : formatCheckpointFile(this.#file);
  }

  /**
   * Records what the newest checkpoint of an earlier run says of the keys: a new key is announced, and
   * an end that is not what this key signed is told of.
   */
  announce(record: (event: SecurityEvent) => void): void {
    const { recovered, key, logger } = this.#options;
    const { lastLine } = recovered;
    if (lastLine === null) return;
    const earlier = parseCheckpoint(lastLine);
    if (earlier !== null && earlier.keyId !== key.id) {
      const facts = { from: earlier.keyId, to: key.id };
      record({ type: 'server', outcome: 'success', reason: 'audit-signing-key-changed', facts });
      return;
    }
    signatureProblem(lastLine, [{ ...key, path: '' }]).then(
      (problem) => {
        if (problem === null) return;
        const detail = `The newest checkpoint of the run before does not count: ${problem}.`;
        record({ type: 'server', outcome: 'failure', reason: 'audit-checkpoint-forged', detail });
        logger.error({ problem }, 'the newest checkpoint of the audit log is not what was signed');
      },
      (err: unknown) => logger.error({ err }, 'the newest checkpoint could not be checked'),
    );
  }

  /** Lines were written: they are signed within the interval, or at once when they are many. */
  note(): void {
    if (this.#closed) return;
    const { streams, clock, intervalMs } = this.#options;
    const isMany = STREAMS.some(
      (name) => streams[name].written.sequence - this.#signed[name] >= RECORDS_PER_CHECKPOINT,
    );
    if (isMany && !this.#hasFailed) {
      void this.run();
      return;
    }
    this.#timer ??= clock.setTimer(intervalMs, () => {
      this.#timer = null;
      void this.run();
    });
  }

  /** Signs what is new in both streams. Never rejects: what could not be signed is tried again. */
  run(): Promise<void> {
    if (this.#round !== null) {
      this.#isAgain = true;
      return this.#round;
    }
    this.#round = this.#rounds().finally(() => {
      this.#round = null;
    });
    return this.#round;
  }

  /** Signs where the log begins from now on; rejects when that did not reach the disk. */
  async state(begins: Beginnings): Promise<void> {
    await this.#round;
    this.#begins = begins;
    await this.run();
    if (this.#begins !== null) {
      this.#begins = null;
      throw new Error('the checkpoint that tells of the new beginning could not be written');
    }
  }

  async close(): Promise<void> {
    this.#timer?.cancel();
    await this.#round;
    await this.run();
    this.#closed = true;
    this.#timer?.cancel();
    this.#handle?.closeSync();
    this.#handle = null;
  }

  async #rounds(): Promise<void> {
    do {
      this.#isAgain = false;
      try {
        for (const stream of STREAMS) await this.#sign(stream);
        this.#succeeded();
      } catch (err) {
        this.#failed(err);
        return;
      }
    } while (this.#isAgain);
  }

  async #sign(stream: StreamName): Promise<void> {
    const { streams, clock, key } = this.#options;
    await streams[stream].sync();
    const head = streams[stream].synced;
    const begins = stream === 'security' ? this.#begins : null;
    if (head === null || (head.sequence <= this.#signed[stream] && begins === null)) return;
    const checkpoint: Checkpoint = {
      v: CHECKPOINT_VERSION,
      log: this.#logId,
      boot: this.#boot,
      n: this.#number + 1,
      prev: this.#hash,
      time: new Date(clock.nowMs()).toISOString(),
      stream,
      file: head.file,
      first: this.#signed[stream] + 1,
      last: head.sequence,
      head: head.hash,
      ...(begins !== null && { begins }),
    };
    const line = await signCheckpoint(checkpoint, key);
    await this.#append(line);
    this.#number += 1;
    this.#hash = hashOf(line);
    this.#signed[stream] = head.sequence;
    if (begins !== null) this.#begins = null;
    this.#options.onWritten(join(this.#options.directory, this.fileName!));
  }

  async #append(line: string): Promise<void> {
    const { files, directory } = this.#options;
    const bytes = Buffer.from(`${line}\n`, 'latin1');
    const isNew = this.#open(bytes.length);
    const handle = this.#handle!;
    try {
      handle.writevSync([bytes], this.#positionBytes);
      await handle.datasync();
      if (isNew) await files.syncDirectory(directory);
      this.#positionBytes += bytes.length;
    } catch (error) {
      this.#abandon();
      throw error;
    }
  }

  /** True when the file is one that this run has not written to yet. */
  #open(bytes: number): boolean {
    const { clock, files, directory } = this.#options;
    const day = new Date(clock.nowMs()).toISOString().slice(0, 10).replaceAll('-', '');
    const isOfToday = this.#file !== null && this.#file.day >= day;
    const isFull = this.#positionBytes > 0 && this.#positionBytes + bytes > FILE_BYTES_MAX;
    if (this.#handle !== null && isOfToday && !isFull) return false;
    const isLeft = this.#handle !== null || this.#hasFailed;
    this.#handle?.closeSync();
    this.#handle = null;
    const file =
      this.#file === null || !isOfToday
        ? { day, number: 1 }
        : { ...this.#file, number: this.#file.number + (isLeft ? 1 : 0) };
    this.#handle = files.openSync(join(directory, formatCheckpointFile(file)), 'create');
    this.#file = file;
    this.#positionBytes = this.#handle.sizeBytesSync();
    return true;
  }

  /** Cuts back what a failed write left, and goes on in another file; an empty one is used again. */
  #abandon(): void {
    const handle = this.#handle;
    this.#handle = null;
    if (handle === null || this.#file === null) return;
    try {
      handle.truncateSync(this.#positionBytes);
      handle.datasyncSync();
      if (this.#positionBytes === 0) this.#file = { ...this.#file, number: this.#file.number - 1 };
    } catch (err) {
      this.#options.logger.error(
        { err, file: handle.path },
        'a file of checkpoints keeps a torn end',
      );
    }
    handle.closeSync();
  }

  #succeeded(): void {
    if (this.#hasFailed)
      this.#options.logger.warn('checkpoints of the audit log are written again');
    this.#hasFailed = false;
  }

  #failed(err: unknown): void {
    if (!this.#hasFailed) {
      this.#options.logger.error({ err }, 'the audit log goes on without new checkpoints for now');
    }
    this.#hasFailed = true;
    this.note();
  }
}
