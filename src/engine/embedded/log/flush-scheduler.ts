/**
 * Owns when logs write and sync: queued batches of one event-loop turn go out in one write a log,
 * at the turn's end (setImmediate: after the sockets were read, before the next poll), and a few
 * syncs at most are under way over all logs, each log in turn (group commit).
 *
 * Invariant: a log is in at most one sync at a time; a sync covers all that was written before it
 * began; a request during a sync leads to one more. Requests are served first come, first served.
 *
 *   idle --request--> queued --a place is free--> running --done--> idle
 *                                     running --request--> again --done--> queued
 */
import type { Clock, Timer } from '../../../base/clock.ts';

/** What the scheduler knows of a log. */
export interface FlushTarget {
  readonly flushMs: number;
  flushState: FlushState;
  /** Writes what is queued. Never throws. */
  writePending(): void;
  /** Syncs what is written. Never rejects. */
  sync(): Promise<void>;
}

export type FlushState = 'idle' | 'queued' | 'running' | 'again';

export class FlushScheduler {
  readonly #clock: Clock;
  readonly #inFlightMax: number;
  #toWrite: FlushTarget[] = [];
  #isTurnScheduled = false;
  readonly #toSync = new Set<FlushTarget>();
  #inFlight = 0;
  readonly #unsyncedSinceMs = new Map<FlushTarget, number>();
  #timer: Timer | undefined;
  #timerAtMs = Number.POSITIVE_INFINITY;

  constructor(clock: Clock, inFlightMax: number) {
    this.#clock = clock;
    this.#inFlightMax = inFlightMax;
  }

  /** Calls `writePending` at the end of this turn. The log asks once a turn. */
  scheduleWrite(log: FlushTarget): void {
    this.#toWrite.push(log);
    if (this.#isTurnScheduled) return;
    this.#isTurnScheduled = true;
    setImmediate(() => this.#endTurn());
  }

  /** Syncs the log as soon as its turn comes. */
  requestSync(log: FlushTarget): void {
    if (log.flushState === 'running') log.flushState = 'again';
    if (log.flushState !== 'idle') return;
    log.flushState = 'queued';
    this.#toSync.add(log);
    this.#startSyncs();
  }

  /** Written bytes that nobody waits for: they are synced within flush.ms. */
  noteUnsynced(log: FlushTarget): void {
    if (this.#unsyncedSinceMs.has(log)) return;
    const nowMs = this.#clock.monotonicMs();
    this.#unsyncedSinceMs.set(log, nowMs);
    this.#armTimer(nowMs + log.flushMs, nowMs);
  }

  /** The log's flush.ms became shorter. */
  flushMsChanged(log: FlushTarget): void {
    const sinceMs = this.#unsyncedSinceMs.get(log);
    if (sinceMs !== undefined) this.#armTimer(sinceMs + log.flushMs, this.#clock.monotonicMs());
  }

  /** The log is gone: no more timer or sync on its behalf. */
  forget(log: FlushTarget): void {
    this.#unsyncedSinceMs.delete(log);
    if (this.#toSync.delete(log)) log.flushState = 'idle';
  }

  stop(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#unsyncedSinceMs.clear();
  }

  #endTurn(): void {
    this.#isTurnScheduled = false;
    const logs = this.#toWrite;
    this.#toWrite = [];
    for (const log of logs) log.writePending();
  }

  #startSyncs(): void {
    for (const log of this.#toSync) {
      if (this.#inFlight >= this.#inFlightMax) return;
      this.#toSync.delete(log);
      this.#unsyncedSinceMs.delete(log);
      this.#inFlight += 1;
      log.flushState = 'running';
      void log.sync().then(() => this.#finished(log));
    }
  }

  #finished(log: FlushTarget): void {
    this.#inFlight -= 1;
    const isWantedAgain = log.flushState === 'again';
    log.flushState = 'idle';
    if (isWantedAgain) this.requestSync(log);
    this.#startSyncs();
  }

  #armTimer(dueMs: number, nowMs: number): void {
    if (dueMs >= this.#timerAtMs || dueMs === Number.POSITIVE_INFINITY) return;
    this.#timer?.cancel();
    this.#timerAtMs = dueMs;
    this.#timer = this.#clock.setTimer(Math.max(0, dueMs - nowMs), () => this.#syncOverdue());
  }

  #syncOverdue(): void {
    this.#timer = undefined;
    this.#timerAtMs = Number.POSITIVE_INFINITY;
    const nowMs = this.#clock.monotonicMs();
    let nextDueMs = Number.POSITIVE_INFINITY;
    for (const [log, sinceMs] of this.#unsyncedSinceMs) {
      const dueMs = sinceMs + log.flushMs;
      if (dueMs > nowMs) {
        nextDueMs = Math.min(nextDueMs, dueMs);
        continue;
      }
      this.#unsyncedSinceMs.delete(log);
      this.requestSync(log);
    }
    this.#armTimer(nextDueMs, nowMs);
  }
}
