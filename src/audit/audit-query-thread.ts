/**
 * Owns the thread in which a broker reads its own audit log back, so that no question about the past
 * holds up the event loop.
 *
 * Invariants: one page at a time, a bounded number waiting; the thread is started by the first
 * question, does not keep the process alive, and a failed one is replaced by the next question.
 */
import { Worker } from 'node:worker_threads';
import { systemClock } from '../base/clock.ts';
import {
  type FileSystem,
  nodeFileSystem,
  replaceFileSync,
  systemErrorCode,
} from '../base/file-system.ts';
import { BlockSource, unpackAtOnce } from './audit-blocks.ts';
import { type Bounds, PageReader, type PageRequest } from './audit-page.ts';
import type { AuditStreamName } from './audit-query.ts';
import { buildFileIndex, indexPathOf } from './file-index.ts';

/** A page as it crosses from thread to thread: lines as they stand in the log. */
export interface LinePage {
  readonly lines: readonly { readonly stream: AuditStreamName; readonly line: string }[];
  readonly after: Bounds;
  readonly isLast: boolean;
  readonly badLines: number;
}

export type Question =
  | { readonly type: 'page'; readonly request: PageRequest }
  | { readonly type: 'end' }
  | { readonly type: 'index'; readonly path: string };

export type Answered = LinePage | Bounds | null;

/** Too many questions wait already. */
export class AuditBusyError extends Error {
  override readonly name = 'AuditBusyError';
}

interface Waiting {
  readonly resolve: (answer: Answered) => void;
  readonly reject: (error: Error) => void;
}

const WAITING_MAX = 32;
/** Sources that were not compiled cannot be started as threads on every Node: tests work here. */
const CAN_START_THREADS = import.meta.url.endsWith('.js');

export class AuditQueryThread {
  readonly #directory: string;
  readonly #waiting = new Map<number, Waiting>();
  #worker: Worker | null = null;
  #local: ((question: Question) => Promise<Answered>) | null = null;
  #lastId = 0;

  constructor(directory: string) {
    this.#directory = directory;
  }

  async page(request: PageRequest): Promise<LinePage> {
    const answer = await this.#ask({ type: 'page', request });
    if (answer !== null && 'lines' in answer) return answer;
    throw new TypeError('the audit thread gave no page');
  }

  /** Behind the newest records. */
  async end(): Promise<Bounds> {
    const answer = await this.#ask({ type: 'end' });
    if (answer !== null && 'security' in answer) return answer;
    throw new TypeError('the audit thread gave no position');
  }

  /** Makes the index of a file that is not written any more. */
  async index(path: string): Promise<void> {
    await this.#ask({ type: 'index', path });
  }

  async close(): Promise<void> {
    const worker = this.#worker;
    this.#worker = null;
    await worker?.terminate();
    this.#failAll(new Error('the broker stops'));
  }

  #ask(question: Question): Promise<Answered> {
    if (this.#waiting.size >= WAITING_MAX) {
      return Promise.reject(new AuditBusyError('too many questions about the audit log at once'));
    }
    this.#lastId += 1;
    const id = this.#lastId;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      if (CAN_START_THREADS) this.#post(id, question);
      else void this.#workHere(id, question);
    });
  }

  #post(id: number, question: Question): void {
    this.#worker ??= this.#start();
    this.#worker.ref();
    this.#worker.postMessage({ id, question });
  }

  #start(): Worker {
    const worker = new Worker(new URL('./audit-query-worker.js', import.meta.url), {
      workerData: this.#directory,
    });
    const ended = (error: Error): void => {
      if (this.#worker !== worker) return;
      this.#worker = null;
      this.#failAll(error);
    };
    worker.on('message', (message: FromThread) => this.#settle(message));
    worker.on('error', ended);
    worker.on('exit', (code) => ended(new Error(`the audit thread ended early (${code})`)));
    return worker;
  }

  #settle({ id, answer, error }: FromThread): void {
    const waiting = this.#waiting.get(id);
    this.#waiting.delete(id);
    if (this.#waiting.size === 0) this.#worker?.unref();
    if (error === undefined) waiting?.resolve(answer);
    else waiting?.reject(new Error(error));
  }

  #failAll(error: Error): void {
    for (const { reject } of this.#waiting.values()) reject(error);
    this.#waiting.clear();
  }

  async #workHere(id: number, question: Question): Promise<void> {
    this.#local ??= answerer(this.#directory);
    try {
      this.#settle({ id, answer: await this.#local(question) });
    } catch (error) {
      this.#settle({ id, answer: null, error: textOf(error) });
    }
  }
}

export interface FromThread {
  readonly id: number;
  readonly answer: Answered;
  /** What went wrong, for our log. */
  readonly error?: string;
}

export const textOf = (error: unknown): string =>
  error instanceof Error ? error.message : String(error);

/** A full or read-only disk keeps nobody from reading: the index is made again for the next question. */
function keepIndex(files: FileSystem, path: string, index: Buffer): void {
  try {
    replaceFileSync(files, indexPathOf(path), index);
  } catch (error) {
    if (systemErrorCode(error) === undefined) throw error;
  }
}

/** What answers, in the thread or without one. */
export function answerer(directory: string): (question: Question) => Promise<Answered> {
  const files = nodeFileSystem;
  const source = new BlockSource({
    files,
    onIndexMade: (path, index) => keepIndex(files, path, index),
  });
  const unpack = unpackAtOnce;
  const reader = new PageReader({
    files,
    clock: systemClock,
    directory,
    source,
    unpack,
    readAhead: 1,
  });
  return async (question) => {
    if (question.type === 'end') return reader.end();
    if (question.type === 'index') {
      await buildFileIndex(files, question.path);
      return null;
    }
    const { records, after, isLast, counts } = await reader.page(question.request);
    const lines = records.map(({ stream, line }) => ({ stream, line }));
    return { lines, after, isLast, badLines: counts.badLines };
  };
}
