/**
 * Owns what becomes of files that a stream has left: they are compressed, and go by retention.
 *
 * Invariants: only files before one with durable lines are touched, so that after a power cut the end
 * of the stream is in a file that recovery reads. What goes by retention is told first by a
 * durable record and by a signed statement of where the log begins from then on, so that a verifier
 * can tell retention from theft; files go oldest first. A failure is logged and tried again.
 * Concurrency: one pass at a time, all of it off the event loop but for reading folders.
 */
import { join } from 'node:path';
import type { Clock, Timer } from '../base/clock.ts';
import type { FileSystem } from '../base/file-system.ts';
import type { Logger } from '../base/logger.ts';
import { auditBytesOf } from './audit-bytes.ts';
import type { SecurityEvent } from './audit-event.ts';
import { formatAuditFile, listStreamFiles, parseAuditFile } from './audit-files.ts';
import { GENESIS, lineHeadIn } from './chain.ts';
import {
  type Beginnings,
  parseCheckpoint,
  STREAMS,
  type StreamBeginning,
  type StreamName,
} from './checkpoint.ts';
import { formatCheckpointFile, listCheckpointFiles } from './checkpoint-files.ts';
import { areSame, compressFile, type OnCompressed, TEMPORARY_ENDING } from './compress-file.ts';

/** 0: no bound. */
export interface Retention {
  readonly days: number;
  readonly bytes: number;
}

export interface Keeping {
  readonly isCompressing: boolean;
  readonly security: Retention;
  readonly access: Retention;
}

export interface AuditKeeperOptions extends Keeping {
  readonly directory: string;
  readonly files: FileSystem;
  readonly clock: Clock;
  readonly logger: Logger;
  /** The file of the newest line that this run put on stable storage; null before there is any. */
  readonly syncedFile: (stream: StreamName) => string | null;
  /** Resolves when the record is on stable storage. */
  readonly record: (event: SecurityEvent) => Promise<void>;
  /** Resolves when the statement is signed and on stable storage. */
  readonly state: (begins: Beginnings) => Promise<void>;
  readonly onCompressed: OnCompressed;
}

const DAY_MS = 86_400_000;
const PASS_EVERY_MS = 60_000;

export class AuditKeeper {
  readonly #options: AuditKeeperOptions;
  #timer: Timer | null = null;
  #pass: Promise<void> | null = null;
  #hasFailed = false;
  #closed = false;

  constructor(options: AuditKeeperOptions) {
    this.#options = options;
  }

  /** Begins the passes: now and every minute. */
  start(): void {
    if (this.#closed) return;
    void this.run();
    this.#timer = this.#options.clock.setTimer(PASS_EVERY_MS, () => this.start());
  }

  /** A pass; never rejects. */
  run(): Promise<void> {
    this.#pass ??= this.#once().finally(() => {
      this.#pass = null;
    });
    return this.#pass;
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#timer?.cancel();
    await this.#pass;
  }

  async #once(): Promise<void> {
    try {
      for (const stream of STREAMS) {
        await this.#settle(stream);
        if (this.#options.isCompressing) await this.#compress(stream);
        await this.#retain(stream);
      }
      await this.#retainCheckpoints();
      this.#hasFailed = false;
    } catch (err) {
      if (!this.#hasFailed) {
        this.#options.logger.error({ err }, 'old audit files could not be looked after');
      }
      this.#hasFailed = true;
    }
  }

  /** What a crash in the middle of compressing left. */
  async #settle(stream: StreamName): Promise<void> {
    const { files, directory, logger } = this.#options;
    const entries = files.readdirSync(directory).filter((name) => name.startsWith(`${stream}-`));
    const present = new Set(entries);
    for (const name of entries) {
      const path = join(directory, name);
      if (name.endsWith(TEMPORARY_ENDING)) await files.unlink(path);
      if (!name.endsWith('.ndjson') || !present.has(`${name}.gz`)) continue;
      if (await areSame(files, path)) await files.unlink(path);
      else
        logger.error({ file: path }, 'an audit file and its compressed form differ: both are kept');
    }
  }

  async #compress(stream: StreamName): Promise<void> {
    const { files, directory, onCompressed } = this.#options;
    for (const name of this.#left(stream)) {
      if (this.#closed) return;
      if (name.endsWith('.gz')) continue;
      const path = join(directory, name);
      if ((files.statSync(path)?.sizeBytes ?? 0) === 0) continue;
      await compressFile(files, path, onCompressed);
    }
  }

  /** The files before the newest one of which a power cut leaves lines. */
  #left(stream: StreamName): string[] {
    const { files, directory, syncedFile } = this.#options;
    const names = listStreamFiles(files, directory, stream);
    const synced = syncedFile(stream);
    const hasLines = (name: string): boolean =>
      (files.statSync(join(directory, name))?.sizeBytes ?? 0) > 0;
    // What was there at the start was synced by the recovery.
    const newest = synced === null ? names.findLastIndex(hasLines) : names.indexOf(synced);
    return names.slice(0, Math.max(0, newest));
  }

  async #retain(stream: StreamName): Promise<void> {
    const { files, directory, record, state } = this.#options;
    const names = listStreamFiles(files, directory, stream);
    const doomed = names.slice(0, this.#expired(stream, names, this.#left(stream).length));
    const kept = names[doomed.length];
    if (doomed.length === 0 || kept === undefined || this.#closed) return;
    const begin = await this.#beginningOf(kept);
    // An empty file, or one that is not ours, says nothing of where the log begins: all is kept.
    if (begin === null) return;
    await record({
      type: 'server',
      outcome: 'success',
      reason: 'audit-retention',
      detail: `The oldest files of the ${stream} log go by retention.`,
      facts: { stream, files: doomed.length, until: doomed.at(-1)!, keptFrom: begin.first },
    });
    await state({ [stream]: begin });
    for (const name of doomed) await this.#remove(name);
    await files.syncDirectory(directory);
  }

  /** How many of the oldest files go. */
  #expired(stream: StreamName, names: readonly string[], countMax: number): number {
    const { files, directory, clock } = this.#options;
    const { days, bytes } = this.#options[stream];
    const sizes = names.map((name) => files.statSync(join(directory, name))?.sizeBytes ?? 0);
    let totalBytes = sizes.reduce((sum, size) => sum + size, 0);
    let count = 0;
    for (const [at, name] of names.slice(0, countMax).entries()) {
      const isOld = days > 0 && clock.nowMs() >= endOf(parseAuditFile(name)!.day) + days * DAY_MS;
      if (!isOld && (bytes === 0 || totalBytes <= bytes)) break;
      totalBytes -= sizes[at]!;
      count = at + 1;
    }
    return count;
  }

  async #beginningOf(name: string): Promise<StreamBeginning | null> {
    const { files, directory } = this.#options;
    for await (const window of auditBytesOf(files, join(directory, name))) {
      const head = lineHeadIn(window, 0, window.length);
      if (head === null) return null;
      const file = formatAuditFile(parseAuditFile(name)!);
      return { file, first: head.sequence, prev: head.previous ?? GENESIS };
    }
    return null;
  }

  /** The file and what stands beside it: its index, and torn ends. */
  async #remove(name: string): Promise<void> {
    const { files, directory } = this.#options;
    const plain = formatAuditFile(parseAuditFile(name)!);
    const beside = files.readdirSync(directory).filter((entry) => entry.startsWith(plain));
    for (const entry of beside) await files.unlink(join(directory, entry));
  }

  /** Those of days before the first record that is left of either stream: they tell of nothing. */
  async #retainCheckpoints(): Promise<void> {
    const { files, directory, record, state } = this.#options;
    const days = STREAMS.map((stream) => {
      const [first] = listStreamFiles(files, directory, stream);
      return first === undefined ? null : parseAuditFile(first)!.day;
    }).filter((day) => day !== null);
    const [oldest] = days.sort();
    if (oldest === undefined || this.#closed) return;
    const names = listCheckpointFiles(files, directory);
    const doomed = names.filter(({ day }, at) => day < oldest && at < names.length - 1);
    const kept = names[doomed.length];
    if (doomed.length === 0 || kept === undefined) return;
    const file = formatCheckpointFile(kept);
    const text = files.readFileSync(join(directory, file)).toString('latin1');
    const first = parseCheckpoint(text.slice(0, text.indexOf('\n')));
    if (first === null) return;
    const { n, prev } = first.checkpoint;
    await record({
      type: 'server',
      outcome: 'success',
      reason: 'audit-retention',
      detail: 'Checkpoints of records that retention took go as well.',
      facts: { stream: 'checkpoints', files: doomed.length, keptFrom: n },
    });
    await state({ checkpoints: { file, n, prev } });
    for (const name of doomed) await files.unlink(join(directory, formatCheckpointFile(name)));
    await files.syncDirectory(directory);
  }
}

/** The first moment after a day `20261122`. */
const endOf = (day: string): number =>
  Date.UTC(Number(day.slice(0, 4)), Number(day.slice(4, 6)) - 1, Number(day.slice(6)) + 1);
