/**
 * Owns the order in which connections get their TLS handshake: a tree of network, address and lane,
 * in which those that have something ready take turns at every level, first come first served within
 * a lane. Five thousand of one address are one turn, like the single one of another.
 *
 *     arrive -> waiting (silent) -> ready -> taken -> ended
 *                     \______________/ \___ leave ___/
 *
 * Invariants: every step costs the same however many wait; only who is ready is taken, and of one
 * network and one address only so many at a time; names that a peer may choose freely are bounded by
 * the caller (a lane is one of few, not what the peer wrote). Pure: no sockets, no time.
 */
import { CrowdRanking } from './crowd-ranking.ts';

export interface HandshakeSource {
  /** The network of the address, so that a thousand addresses of one are not a thousand turns. */
  readonly network: string;
  readonly address: string;
}

export interface HandshakePlaces {
  /** Taken and not ended at a time, of one network and of one address. */
  readonly ofNetworkMax: number;
  readonly ofAddressMax: number;
}

/** One connection's place in the queue. */
export interface Waiting<T> {
  readonly item: T;
}

/** Lane of those that have not said anything yet: they wait, and nobody's turn is spent on them. */
const SILENT = Symbol('silent');
type Lane = string | typeof SILENT;

class Ticket<T> implements Waiting<T> {
  readonly item: T;
  lane: Branch<T>;
  state: 'waiting' | 'taken' | 'ended' = 'waiting';

  constructor(item: T, lane: Branch<T>) {
    this.item = item;
    this.lane = lane;
  }
}

/** The root, a network, an address, or (with tickets) a lane. */
class Branch<T> {
  readonly parent: Branch<T> | null;
  readonly key: Lane;
  readonly takenMax: number;
  readonly children = new Map<Lane, Branch<T>>();
  readonly tickets = new Set<Ticket<T>>();
  /** Children whose turn may come, in the order in which it comes. */
  readonly ring = new Set<Branch<T>>();
  /** Who of the children has how many waiting. */
  readonly crowds = new CrowdRanking<Branch<T>>();
  waiting = 0;
  taken = 0;

  constructor(parent: Branch<T> | null, key: Lane, takenMax: number) {
    this.parent = parent;
    this.key = key;
    this.takenMax = takenMax;
  }

  get isReady(): boolean {
    if (this.taken >= this.takenMax || this.key === SILENT) return false;
    return this.tickets.size > 0 || this.ring.size > 0;
  }

  child(key: Lane, takenMax: number): Branch<T> {
    let child = this.children.get(key);
    if (child === undefined) {
      child = new Branch(this, key, takenMax);
      this.children.set(key, child);
    }
    return child;
  }
}

export class HandshakeQueue<T> {
  readonly #root = new Branch<T>(null, '', Number.POSITIVE_INFINITY);
  readonly #places: HandshakePlaces;

  constructor(places: HandshakePlaces) {
    this.#places = places;
  }

  /** Those that wait, silent ones included. */
  get size(): number {
    return this.#root.waiting;
  }

  /** Whether `take` would give one. */
  get hasReady(): boolean {
    return this.#root.isReady;
  }

  /** Networks, addresses and lanes in memory: of those that wait or are taken, and no others. */
  get branchCount(): number {
    const count = (branch: Branch<T>): number =>
      [...branch.children.values()].reduce((sum, child) => sum + 1 + count(child), 0);
    return count(this.#root);
  }

  waitingOf({ network, address }: HandshakeSource): number {
    return this.#root.children.get(network)?.children.get(address)?.waiting ?? 0;
  }

  /** A connection that has not said anything yet. */
  arrive({ network, address }: HandshakeSource, item: T): Waiting<T> {
    const { ofNetworkMax, ofAddressMax } = this.#places;
    const lane = this.#root
      .child(network, ofNetworkMax)
      .child(address, ofAddressMax)
      .child(SILENT, 0);
    return this.#enter(lane, item);
  }

  /** It said what is needed for its turn to come; `lane` is among those of its address. */
  ready(waiting: Waiting<T>, lane: string): Waiting<T> {
    const ticket = ticketOf(waiting);
    const address = ticket.lane.parent;
    if (ticket.state !== 'waiting' || address === null) return ticket;
    const to = address.child(lane, Number.POSITIVE_INFINITY);
    const moved = this.#enter(to, ticket.item);
    this.leave(ticket);
    return moved;
  }

  /** Takes this one out of turn if it is alone: nobody else of its address waits; else null. */
  takeIfAlone(waiting: Waiting<T>): Waiting<T> | null {
    const { state, lane } = ticketOf(waiting);
    const [network, address] = [lane.parent?.parent, lane.parent];
    if (state !== 'waiting' || address?.waiting !== 1) return null;
    if (!address.isReady || network?.isReady !== true) return null;
    return this.#takeFrom(lane);
  }

  /** The next whose turn it is, until `leave`; null when nobody may. */
  take(): Waiting<T> | null {
    let branch = this.#root;
    if (!branch.isReady) return null;
    while (branch.tickets.size === 0) {
      const [next] = branch.ring;
      // To the end of the line at each level.
      branch.ring.delete(next!);
      branch.ring.add(next!);
      branch = next!;
    }
    return this.#takeFrom(branch);
  }

  /** Its handshake has ended or counts no longer, or it gave up waiting. May be called again. */
  leave(waiting: Waiting<T>): void {
    const ticket = ticketOf(waiting);
    const { state, lane } = ticket;
    if (state === 'ended') return;
    ticket.state = 'ended';
    if (state === 'waiting') lane.tickets.delete(ticket);
    this.#count(lane, state === 'waiting' ? -1 : 0, state === 'taken' ? -1 : 0);
  }

  /** The one that waits longest in the most crowded lane of the most crowded network and address. */
  oldestOfTheCrowd(): Waiting<T> | null {
    let branch: Branch<T> | undefined = this.#root;
    while (branch !== undefined && branch.tickets.size === 0) branch = branch.crowds.top();
    const [ticket] = branch?.tickets ?? [];
    return ticket ?? null;
  }

  /** All that wait. */
  *[Symbol.iterator](): Generator<T> {
    yield* itemsOf(this.#root);
  }

  #takeFrom(lane: Branch<T>): Ticket<T> {
    const [ticket] = lane.tickets;
    ticket!.state = 'taken';
    lane.tickets.delete(ticket!);
    this.#count(lane, -1, 1);
    return ticket!;
  }

  #enter(lane: Branch<T>, item: T): Ticket<T> {
    const ticket = new Ticket(item, lane);
    lane.tickets.add(ticket);
    this.#count(lane, 1, 0);
    return ticket;
  }

  /** From the lane to the root: how many, whose turn may come, and who is gone. */
  #count(lane: Branch<T>, waiting: -1 | 0 | 1, taken: -1 | 0 | 1): void {
    for (let branch: Branch<T> | null = lane; branch !== null; branch = branch.parent) {
      branch.waiting += waiting;
      branch.taken += taken;
      const parent: Branch<T> | null = branch.parent;
      if (parent === null) return;
      if (waiting > 0) parent.crowds.add(branch);
      if (waiting < 0) parent.crowds.remove(branch);
      if (!branch.isReady) parent.ring.delete(branch);
      else if (!parent.ring.has(branch)) parent.ring.add(branch);
      if (branch.waiting + branch.taken === 0) parent.children.delete(branch.key);
    }
  }
}

function ticketOf<T>(waiting: Waiting<T>): Ticket<T> {
  if (waiting instanceof Ticket) return waiting;
  throw new TypeError('that is no place in this queue');
}

function* itemsOf<T>(branch: Branch<T>): Generator<T> {
  for (const { item } of branch.tickets) yield item;
  for (const child of branch.children.values()) yield* itemsOf(child);
}
