/**
 * Owns a bulk issue: which certificates of a list are missing, and the making of those.
 *
 *   missing -> made (in memory, by a thread) -> recorded (durable) -> written, whole files only
 *
 * Invariant: a run that was killed anywhere is completed by running it again: what has all its files
 * is left alone, what was recorded and not written is made anew. Two runs never work on one tenant,
 * or in one folder, at the same time.
 */
import { availableParallelism } from 'node:os';
import { join, resolve } from 'node:path';
import { Worker } from 'node:worker_threads';
import {
  ASIDE_PREFIX,
  listDirectory,
  makeDirectory,
  removeFile,
  writeTogether,
} from '../base/credential-files.ts';
import { type DataDirectoryLock, lockDataDirectory } from '../base/data-directory-lock.ts';
import { ConfigError, PkiError } from '../base/errors.ts';
import {
  BulkBatches,
  type BulkEntry,
  type BulkFailure,
  type BulkJob,
  type MadeBatch,
} from './bulk-batch.ts';
import { type BulkPlanOptions, planBulk } from './bulk-plan.ts';
import type { FromWorker, ToWorker } from './bulk-worker.ts';
import type { ListedIdentity } from './device-list.ts';
import { type LeafOptions, leafFileOptionsOf, serverCaOf } from './issue.ts';
import { keyIsShared, recordIssued } from './issue-record.ts';
import { DEFAULT_KEY_TYPE } from './key-pair.ts';
import { sharedFiles } from './leaf-files.ts';
import { loadTenantCa, type Pki } from './pki-directory.ts';

export interface BulkOptions extends Omit<LeafOptions, 'request' | 'keepKey' | 'outDir'> {
  readonly outDir: string;
  /** Certify the requests `<name>.csr` of this folder; no keys are made. */
  readonly requestsDir?: string;
  /** Certificates that end within it are made anew. */
  readonly renewsWithinMs?: number;
  /** Threads; one for each core when absent, 0 for none. */
  readonly threads?: number;
  readonly onProgress?: (done: number, total: number) => void;
}

export interface BulkResult {
  readonly issued: number;
  /** Was there already, from an earlier run. */
  readonly kept: number;
  readonly failures: readonly BulkFailure[];
}

/** Large enough to share the cost of an fsync, small enough that progress is seen. */
const BATCH_ENTRIES = 256;
/** A thread makes the next batch while the records of the one before are being written. */
const BATCHES_AHEAD = 2;

export async function issueBulk(
  pki: Pki,
  tenant: string,
  list: readonly ListedIdentity[],
  options: BulkOptions,
): Promise<BulkResult> {
  const issuer = loadTenantCa(pki, tenant);
  const files = leafFileOptionsOf(pki, options.outDir, {
    ...options,
    outputs: options.outputs ?? [],
  });
  makeDirectory(options.outDir, 'public');
  const folders = new Set([resolve(pki.caKeysDir, tenant), resolve(options.outDir)]);
  const locks: DataDirectoryLock[] = [];
  try {
    for (const folder of folders) locks.push(await lock(pki, folder));
    removeAsides(options.outDir);
    const plan = planBulk(pki, tenant, list, planOptionsOf(options));
    writeTogether(sharedFiles(serverCaOf(pki), files), pki.mode === 'production');
    const { spec } = issuer.signer;
    if (spec === null) throw new PkiError('this signer cannot be used in bulk');
    const { random: _, replace: __, ...fileOptions } = files;
    const job: BulkJob = {
      tenant,
      trustDomain: pki.trustDomain,
      crlUrl: issuer.crlUrl ?? null,
      issuerDer: issuer.certificate.raw,
      signer: spec,
      keyType: options.keyType ?? DEFAULT_KEY_TYPE,
      days: options.days ?? null,
      requestsDir: options.requestsDir ?? null,
      files: fileOptions,
      durable: pki.mode === 'production',
    };
    return await new BulkRun(pki, job, plan.missing, plan.kept, plan.holders, options).run();
  } finally {
    for (const held of locks) await held.release();
  }
}

const planOptionsOf = (options: BulkOptions): BulkPlanOptions => ({
  outDir: options.outDir,
  outputs: options.outputs ?? [],
  keysAreTheirs: options.requestsDir !== undefined,
  force: options.force ?? false,
  renewsWithinMs: options.renewsWithinMs ?? 0,
});

async function lock(pki: Pki, directory: string): Promise<DataDirectoryLock> {
  try {
    return await lockDataDirectory(directory, pki.random);
  } catch (cause) {
    if (!(cause instanceof ConfigError)) throw cause;
    throw new PkiError(`another process is issuing into ${directory}: wait for its end`, { cause });
  }
}

/** What a killed run was about to write: half files under names that nobody asked for. */
function removeAsides(dir: string): void {
  for (const { name } of listDirectory(dir)) {
    if (name.startsWith(ASIDE_PREFIX)) removeFile(join(dir, name));
  }
}

/** Where batches are worked on. */
interface Hand {
  send(message: ToWorker): void;
  stop(): Promise<void>;
}

class BulkRun {
  readonly #pki: Pki;
  readonly #job: BulkJob;
  readonly #missing: readonly BulkEntry[];
  readonly #kept: number;
  /** Name by id of its key. */
  readonly #holders: Map<string, string>;
  readonly #options: BulkOptions;
  readonly #failures: BulkFailure[] = [];
  /** By batch: how many of it will be written. */
  readonly #sizes = new Map<number, number>();
  #nextEntry = 0;
  #nextBatch = 0;
  #issued = 0;
  #finish: (error?: Error) => void = () => undefined;

  constructor(
    pki: Pki,
    job: BulkJob,
    missing: readonly BulkEntry[],
    kept: number,
    holders: Map<string, string>,
    options: BulkOptions,
  ) {
    this.#pki = pki;
    this.#job = job;
    this.#missing = missing;
    this.#kept = kept;
    this.#holders = holders;
    this.#options = options;
  }

  async run(): Promise<BulkResult> {
    if (this.#missing.length > 0) await this.#work();
    return { issued: this.#issued, kept: this.#kept, failures: this.#failures };
  }

  async #work(): Promise<void> {
    const batches = Math.ceil(this.#missing.length / BATCH_ENTRIES);
    const threads = Math.min(this.#options.threads ?? availableParallelism(), batches);
    const finished = new Promise<void>((resolve, reject) => {
      this.#finish = (error) => (error === undefined ? resolve() : reject(error));
    });
    const hands: Hand[] = [];
    for (let thread = 0; thread < Math.max(1, threads); thread++) {
      const receive = (message: FromWorker): void => this.#receive(hand, message);
      const failed = (error: Error): void => this.#finish(error);
      const hand: Hand = canStartThreads(threads)
        ? threadHand(this.#job, receive, failed)
        : localHand(this.#job, receive, failed);
      hands.push(hand);
    }
    try {
      this.#report();
      for (let ahead = 0; ahead < BATCHES_AHEAD; ahead++) {
        for (const hand of hands) this.#sendNext(hand);
      }
      await finished;
    } finally {
      await Promise.all(hands.map((hand) => hand.stop()));
    }
  }

  #sendNext(hand: Hand): void {
    const entries = this.#missing.slice(this.#nextEntry, this.#nextEntry + BATCH_ENTRIES);
    if (entries.length === 0) return;
    this.#nextEntry += entries.length;
    this.#sizes.set(this.#nextBatch, entries.length);
    hand.send({ type: 'make', batch: this.#nextBatch, entries });
    this.#nextBatch++;
  }

  #receive(hand: Hand, message: FromWorker): void {
    try {
      if (message.type === 'failed') this.#finish(new PkiError(message.message));
      else if (message.type === 'made') this.#record(hand, message.batch, message.made);
      else this.#written(hand, message.batch);
    } catch (error) {
      this.#finish(error instanceof Error ? error : new Error(String(error)));
    }
  }

  /** The list first, the files after it. */
  #record(hand: Hand, batch: number, { records, failures }: MadeBatch): void {
    const except: string[] = [];
    const accepted = records.filter(({ name, keyId }) => {
      const holder = this.#holders.get(keyId ?? '');
      if (holder !== undefined && holder !== name && this.#options.force !== true) {
        this.#failures.push({ name, message: keyIsShared(name, holder) });
        except.push(name);
        return false;
      }
      this.#holders.set(keyId ?? '', name);
      return true;
    });
    this.#failures.push(...failures);
    recordIssued(this.#pki, this.#job.tenant, ...accepted);
    this.#sizes.set(batch, accepted.length);
    hand.send({ type: 'write', batch, except });
    this.#sendNext(hand);
  }

  #written(_: Hand, batch: number): void {
    this.#issued += this.#sizes.get(batch) ?? 0;
    this.#sizes.delete(batch);
    this.#report();
    if (this.#sizes.size === 0 && this.#nextEntry >= this.#missing.length) this.#finish();
  }

  #report(): void {
    const done = this.#kept + this.#issued + this.#failures.length;
    this.#options.onProgress?.(done, this.#kept + this.#missing.length);
  }
}

/** Sources that were not compiled cannot be started as threads on every Node: tests work here. */
const canStartThreads = (threads: number): boolean =>
  threads > 1 && import.meta.url.endsWith('.js');

function threadHand(
  job: BulkJob,
  receive: (message: FromWorker) => void,
  failed: (error: Error) => void,
): Hand {
  const worker = new Worker(new URL('./bulk-worker.js', import.meta.url), { workerData: job });
  let stopping = false;
  worker.on('message', receive);
  worker.on('error', failed);
  worker.on('exit', (code) => {
    if (!stopping) failed(new PkiError(`a thread ended early (${code}): run the command again`));
  });
  return {
    send: (message) => worker.postMessage(message),
    stop: async () => {
      stopping = true;
      await worker.terminate();
    },
  };
}

function localHand(
  job: BulkJob,
  receive: (message: FromWorker) => void,
  failed: (error: Error) => void,
): Hand {
  const batches = new BulkBatches(job);
  const work = (message: ToWorker): void => {
    try {
      const { batch } = message;
      if (message.type === 'make') {
        receive({ type: 'made', batch, made: batches.make(batch, message.entries) });
      } else {
        batches.write(batch, message.except);
        receive({ type: 'written', batch });
      }
    } catch (error) {
      failed(error instanceof Error ? error : new Error(String(error)));
    }
  };
  return {
    send: (message) => void setImmediate(work, message),
    stop: async () => undefined,
  };
}
