/**
 * Owns whose requests the event loop works on next when it has more to do than time: tenants take
 * turns by the time that their work really took (deficit round robin), whatever the number of their
 * connections and requests.
 *
 *   idle --request--> works at once, while its lane has taken little of this round of the loop
 *        \--beyond--> queued in its lane --turn of the lane--> works
 *
 * Invariants: who has something to do gets a turn in every round, a quantum of time each, and pays
 * back what a long request took beyond it; a tenant that is alone waits for nobody; a lane is in
 * memory only while it has connections. What a lane uses is measured, not estimated, except for what
 * happens before JavaScript is reached (reading TLS records), which is charged by the byte.
 */

/** Work of one lane in one round before it is queued behind the others, in milliseconds. */
const QUANTUM_MS = 1;
/** So long the queue is worked on before new bytes are looked for. */
const ROUND_MS = 5;
/**
 * What one request took beyond its turn is paid back, at most so much: time on the clock is also time
 * in which the system let another process run, and that is nobody's doing.
 */
const DEBT_MAX_MS = 8;
/** Reading a chunk from a TLS socket costs about this, and this for each byte (1 GB/s). */
const CHUNK_MS = 0.01;
const BYTE_MS = 1e-6;

/** A connection that has a request and may not begin it yet. */
export interface TurnWaiter {
  /** It is its turn. Called once for each `whenTurn`. */
  turn(): void;
  /** Its turn did not come in this round: it had better read nothing more. */
  held(): void;
}

export class FairTurns {
  readonly #nowMs: () => number;
  readonly #soon: (run: () => void) => void;
  readonly #lanes = new Map<string, FairLane>();
  /** Lanes with something queued, in the order of their turns. */
  readonly #ring = new Set<FairLane>();
  #round = 0;
  #isArmed = false;
  #serving: FairLane | null = null;

  /** `nowMs` is monotonic; `soon` runs after the bytes at hand were looked at (setImmediate). */
  constructor(nowMs: () => number, soon: (run: () => void) => void = setImmediate) {
    this.#nowMs = nowMs;
    this.#soon = soon;
  }

  /** The lane of one more connection of `name`; given back by `leave`. */
  join(name: string): FairLane {
    let lane = this.#lanes.get(name);
    if (lane === undefined) {
      lane = new FairLane(name, this);
      this.#lanes.set(name, lane);
    }
    lane.members++;
    return lane;
  }

  leave(lane: FairLane): void {
    lane.members--;
    if (lane.members > 0) return;
    this.#lanes.delete(lane.name);
    this.#ring.delete(lane);
  }

  get laneCount(): number {
    return this.#lanes.size;
  }

  /** Lanes that wait for their turn: more than one means that the loop is saturated. */
  get waitingLanes(): number {
    return this.#ring.size;
  }

  get nowMs(): number {
    return this.#nowMs();
  }

  mayWork(lane: FairLane): boolean {
    if (lane === this.#serving) return lane.creditMs > 0;
    if (lane.waiting.size > 0) return false;
    if (lane.round !== this.#round) {
      lane.round = this.#round;
      lane.spentMs = 0;
      // Nobody waits: what was taken harmed nobody.
      if (this.#ring.size === 0) lane.creditMs = 0;
    }
    return lane.spentMs < QUANTUM_MS && lane.creditMs >= 0;
  }

  spend(lane: FairLane, tookMs: number): void {
    if (lane === this.#serving) {
      lane.creditMs -= tookMs;
      return;
    }
    if (lane.round !== this.#round) {
      lane.round = this.#round;
      lane.spentMs = 0;
    }
    lane.spentMs += tookMs;
    const beyondMs = Math.min(tookMs, lane.spentMs - QUANTUM_MS);
    if (beyondMs > 0) lane.creditMs = Math.max(-DEBT_MAX_MS, lane.creditMs - beyondMs);
    this.#arm();
  }

  enqueue(lane: FairLane, waiter: TurnWaiter): void {
    lane.waiting.add(waiter);
    this.#ring.add(lane);
    this.#arm();
  }

  #arm(): void {
    if (this.#isArmed) return;
    this.#isArmed = true;
    this.#soon(() => this.#serve());
  }

  /** A new round: the lanes that wait, in turns, until none waits or the time of a round is over. */
  #serve(): void {
    this.#isArmed = false;
    this.#round++;
    const untilMs = this.#nowMs() + ROUND_MS;
    while (this.#ring.size > 0 && this.#nowMs() < untilMs) {
      const [lane] = this.#ring;
      this.#serveLane(lane!);
    }
    if (this.#ring.size === 0) return;
    for (const lane of this.#ring) lane.hold();
    this.#arm();
  }

  #serveLane(lane: FairLane): void {
    this.#ring.delete(lane);
    const isAlone = this.#ring.size === 0;
    lane.creditMs = isAlone ? QUANTUM_MS : lane.creditMs + QUANTUM_MS;
    this.#serving = lane;
    try {
      for (const waiter of lane.waiting) {
        if (lane.creditMs <= 0) break;
        lane.forget(waiter);
        waiter.turn();
      }
    } finally {
      this.#serving = null;
      // Nobody saves up turns for later.
      lane.creditMs = Math.max(-DEBT_MAX_MS, Math.min(0, lane.creditMs));
      if (lane.waiting.size > 0) this.#ring.add(lane);
    }
  }
}

/** One tenant's connections. */
export class FairLane {
  readonly name: string;
  readonly #turns: FairTurns;
  /** Connections that wait for the lane's turn, in the order in which they came. */
  readonly waiting = new Set<TurnWaiter>();
  /** Of these, those that have not been told so. */
  readonly #notHeld = new Set<TurnWaiter>();
  members = 0;
  round = -1;
  /** Taken in this round outside the queue. */
  spentMs = 0;
  /** What is left of its turn; negative: a debt. */
  creditMs = 0;

  constructor(name: string, turns: FairTurns) {
    this.name = name;
    this.#turns = turns;
  }

  /** Whether a connection may begin a request now; when not, it asks for `whenTurn`. */
  get mayWork(): boolean {
    return this.#turns.mayWork(this);
  }

  /** Does `work` and charges the time that it took. */
  charge(work: () => void): void {
    const beganMs = this.#turns.nowMs;
    work();
    this.#turns.spend(this, this.#turns.nowMs - beganMs);
  }

  /** Charges for work that took so long. */
  spend(tookMs: number): void {
    this.#turns.spend(this, tookMs);
  }

  /** Charges for bytes that were read. */
  received(bytes: number): void {
    this.#turns.spend(this, CHUNK_MS + bytes * BYTE_MS);
  }

  /** Has the waiter called in the lane's turn; one that waits already keeps its place. */
  whenTurn(waiter: TurnWaiter): void {
    if (this.waiting.has(waiter)) return;
    this.#notHeld.add(waiter);
    this.#turns.enqueue(this, waiter);
  }

  forget(waiter: TurnWaiter): void {
    this.waiting.delete(waiter);
    this.#notHeld.delete(waiter);
  }

  hold(): void {
    for (const waiter of this.#notHeld) waiter.held();
    this.#notHeld.clear();
  }

  /** A connection is gone. */
  leave(): void {
    this.#turns.leave(this);
  }
}
