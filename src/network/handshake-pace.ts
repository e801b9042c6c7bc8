/**
 * Owns how fast handshakes of those that had to wait are begun: such that the event loop keeps some
 * time for everybody else. A connection, new or old, gets on by a few rounds of the loop, so what
 * delays it is not how many wait but how long a round takes.
 *
 * Invariants: after a start the loop has to have been idle for a share of the time before the next
 * one, and while connections are pouring in they are accepted first, since libuv accepts one a round
 * and the kernel's queue of them is one for all; whatever else keeps the loop busy, there is a start
 * every GAP_MAX_MS.
 */

/** The event loop's time since the process began. */
export interface LoopTime {
  readonly nowMs: number;
  readonly idleMs: number;
}

/** How much of the time since the last start must have been idle. */
const IDLE_SHARE = 0.3;
/** Who came so lately may not be the last one. */
const POURING_MS = 2;
/** A start is due after so long in any case: a busy broker still lets people in. */
const GAP_MAX_MS = 20;

export class HandshakePace {
  readonly #loopTime: () => LoopTime;
  #last: LoopTime | null = null;
  #acceptedAtMs = Number.NEGATIVE_INFINITY;

  constructor(loopTime: () => LoopTime = loopTimeOfThisThread) {
    this.#loopTime = loopTime;
  }

  /** Whether connections are still coming one upon the other. */
  get isPouring(): boolean {
    return this.#loopTime().nowMs - this.#acceptedAtMs < POURING_MS;
  }

  mayStart(): boolean {
    if (this.#last === null) return true;
    const { nowMs, idleMs } = this.#loopTime();
    const elapsedMs = nowMs - this.#last.nowMs;
    if (elapsedMs >= GAP_MAX_MS) return true;
    if (nowMs - this.#acceptedAtMs < POURING_MS) return false;
    return elapsedMs > 0 && idleMs - this.#last.idleMs >= elapsedMs * IDLE_SHARE;
  }

  /** A connection was accepted. */
  accepted(): void {
    this.#acceptedAtMs = this.#loopTime().nowMs;
  }

  started(): void {
    this.#last = this.#loopTime();
  }
}

function loopTimeOfThisThread(): LoopTime {
  return { nowMs: performance.now(), idleMs: performance.eventLoopUtilization().idle };
}
