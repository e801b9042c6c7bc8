/**
 * Owns the removal of old segments in all logs of a directory: by retention every
 * log.retention.check.interval.ms, and below a log's start after DeleteRecords.
 *
 *   advance the log's start  ->  make it durable (one write for all logs)  ->  segment by segment:
 *   settle (indexes, producer snapshot)  ->  take it out and rename  ->  unlink in the thread pool
 *
 * Invariants: before a file goes, either the start behind it is durable or, on a full disk, it lies
 * below the durable recovery point and goes alone, oldest first. A log always has a file where it
 * begins. One pass at a time, a few milliseconds a turn of the event loop. What an end interrupts,
 * the next start finishes.
 */
import type { Timer } from '../../../base/clock.ts';
import { systemErrorCode } from '../../../base/file-system.ts';
import { runInSlices } from '../../../protocol/records/event-loop-slices.ts';
import { isPassing } from './local-log.ts';
import type { LogCheckpoints } from './log-checkpoints.ts';
import type { LogDirectory } from './log-directory.ts';
import { BELOW_START_ONLY, type RetentionLimits, retainedFrom } from './retention-rules.ts';
import type { UnifiedLog } from './unified-log.ts';

/** How long one turn may take. */
const TURN_MS = 5;

type LimitsOf = (log: UnifiedLog) => RetentionLimits;

export class LogRetention {
  readonly #directory: LogDirectory;
  readonly #logs: ReadonlyMap<string, UnifiedLog>;
  readonly #checkpoints: LogCheckpoints;
  /** Whose start was advanced: their turn comes with the next pass. */
  readonly #due = new Set<UnifiedLog>();
  #timer: Timer | undefined;
  #work: Promise<void> = Promise.resolve();
  #isStopped = false;

  constructor(
    directory: LogDirectory,
    logs: ReadonlyMap<string, UnifiedLog>,
    checkpoints: LogCheckpoints,
  ) {
    this.#directory = directory;
    this.#logs = logs;
    this.#checkpoints = checkpoints;
  }

  start(): void {
    const { clock, config } = this.#directory;
    this.#timer = clock.setTimer(config.retentionCheckIntervalMs, () => {
      void this.check().then(() => {
        if (!this.#isStopped && this.#directory.failure === undefined) this.start();
      });
    });
  }

  /** Resolves when nothing is at work any more. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#timer?.cancel();
    await this.#work;
  }

  /** Looks at all logs, and resolves when what may go is gone. */
  check(): Promise<void> {
    return this.#queue(() => this.#pass([...this.#logs.values()], ({ config }) => config));
  }

  /** Soon removes what lies below the log's start. */
  removeBelowStart(log: UnifiedLog): void {
    if (this.#due.size === 0) {
      void this.#queue(() => {
        const logs = [...this.#due];
        this.#due.clear();
        return this.#pass(logs, () => BELOW_START_ONLY);
      });
    }
    this.#due.add(log);
  }

  /** What the disk refuses is told by the directory's failure, or tried again at the next check. */
  #queue(pass: () => Promise<void>): Promise<void> {
    this.#work = this.#work.then(pass).catch((error: unknown) => {
      const isDiskError = systemErrorCode(error) !== undefined && !isPassing(error);
      if (isDiskError && !this.#isStopped) this.#directory.fail(error);
    });
    return this.#work;
  }

  async #pass(logs: readonly UnifiedLog[], limitsOf: LimitsOf): Promise<void> {
    const removable = await this.#advanceStarts(logs, limitsOf);
    if (removable.length === 0 || this.#isStopped) return;
    await this.#makeStartsDurable(removable);
    for (const log of removable) {
      await this.#removeSegments(log).catch((error: unknown) => {
        // A log that was deleted or broke meanwhile is no reason to leave out the others.
        if (log.failure === undefined || this.#directory.failure !== undefined) throw error;
      });
    }
  }

  /** The logs that have something to remove. */
  async #advanceStarts(logs: readonly UnifiedLog[], limitsOf: LimitsOf): Promise<UnifiedLog[]> {
    const { clock } = this.#directory;
    const removable: UnifiedLog[] = [];
    let next = 0;
    await runInSlices(() => {
      const beganMs = clock.monotonicMs();
      while (next < logs.length && !this.#isStopped) {
        const log = logs[next]!;
        next += 1;
        if (advanceStart(log, limitsOf(log), clock.nowMs())) removable.push(log);
        if (clock.monotonicMs() - beganMs > TURN_MS) break;
      }
      return next >= logs.length || this.#isStopped;
    });
    return removable;
  }

  /** On a full disk there may be no room to say where the logs begin: then one segment goes first. */
  async #makeStartsDurable(logs: readonly UnifiedLog[]): Promise<void> {
    for (const log of [undefined, ...logs]) {
      if (log !== undefined && !(await this.#removeOneBelowRecoveryPoint(log))) continue;
      try {
        return await this.#checkpoints.persistLogStarts(logs);
      } catch (error) {
        if (!isPassing(error)) throw error;
      }
    }
  }

  async #removeOneBelowRecoveryPoint(log: UnifiedLog): Promise<boolean> {
    const { recoveryPoint } = log.durable;
    const below = Math.min(log.logStartOffset, recoveryPoint);
    if (!mayRemoveOldest(log, below) || log.local.settledCount === 0) return false;
    await this.#unlink(log.local.detachOldest());
    await log.local.syncEntries();
    return true;
  }

  async #removeSegments(log: UnifiedLog): Promise<void> {
    const isBelowStart = (): boolean => mayRemoveOldest(log, log.durable.logStartOffset);
    if (!isBelowStart()) return;
    await log.local.materializeActive();
    while (!this.#isStopped && isBelowStart()) {
      if (log.local.settledCount === 0) await log.checkpoint(false).catch(ignorePassing);
      if (log.local.settledCount === 0) return;
      await log.local.keepProducers(log.local.segments[1]!.baseOffset, log.producers);
      // The log may have been deleted meanwhile.
      if (isBelowStart()) await this.#unlink(log.local.detachOldest());
    }
  }

  async #unlink(paths: readonly string[]): Promise<void> {
    for (const path of paths) {
      await this.#directory.files.unlink(path).catch((error: unknown) => {
        // The log was deleted meanwhile, and its folder is another's to empty.
        if (systemErrorCode(error) !== 'ENOENT') throw error;
      });
    }
  }
}

/** Moves the log's start to where its settings say; whether there are segments below it. */
function advanceStart(log: UnifiedLog, limits: RetentionLimits, nowMs: number): boolean {
  if (log.failure !== undefined) return false;
  const from = retainedFrom(log, limits, nowMs);
  // All of it may go: only a closed segment can.
  if (from > log.local.active.baseOffset && !log.rollSynced()) return false;
  log.advanceLogStart(from);
  const second = log.local.segments[1];
  return second !== undefined && second.baseOffset <= log.logStartOffset;
}

function mayRemoveOldest(log: UnifiedLog, below: number): boolean {
  const second = log.local.segments[1];
  return second !== undefined && second.baseOffset <= below && log.failure === undefined;
}

function ignorePassing(error: unknown): void {
  if (!isPassing(error)) throw error;
}
