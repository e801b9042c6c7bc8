/**
 * Owns accepted sockets until their TLS handshake ends: it looks at the ClientHello without taking it
 * away, lets them wait in a fair queue, works on a few at a time, and ends what takes too long.
 *
 *     accepted -- hello --> ready -- turn --> handshake -- finished --> (the caller's)
 *         \________________/  \______________________/
 *          one time-out        another, from its turn on
 *
 * Invariants: who says nothing takes nobody's turn; what waits is bounded in number and bytes, and a
 * crowd makes room, not the newcomer of another network. Only few of one source are worked on at a
 * time; who is alone at its address begins at once, the others at a pace that leaves the event loop
 * time. A handshake that takes longer than its turn waits for its peer, not for us: it goes on, and
 * its place is another's.
 */
import type { Socket } from 'node:net';
import { addressPrefix } from '../base/address-prefix.ts';
import { CLIENT_HELLO_BYTES_MAX, lookForServerName } from './client-hello.ts';
import { HandshakePace } from './handshake-pace.ts';
import { HandshakeQueue, type HandshakeSource, type Waiting } from './handshake-queue.ts';

export type HandshakeRefusal = 'handshake-queue-full' | 'handshake-timeout' | 'handshake-failed';

export interface HandshakeLimits {
  readonly handshakesMax: number;
  readonly handshakeTimeoutMs: number;
  /** Accepted sockets that may wait for their handshake. */
  readonly handshakeQueueMax: number;
}

export interface HandshakeHooks {
  /** Its turn has come; nothing of what it sent has been consumed. */
  start(socket: Socket): void;
  refused(refusal: HandshakeRefusal, peer: HandshakePeer, detail: string): void;
  /** Its turn came after so long a wait. */
  begun?(waitedMs: number): void;
  /**
   * The lane of a connection among those of its address, by the server name that it asks for: one of
   * few, whatever the name.
   */
  laneOf(serverName: string | null): string;
}

export interface HandshakePeer {
  readonly remoteAddress: string;
  readonly remotePort: number;
}

export interface FinishedHandshake extends HandshakePeer {
  /**
   * What the hello asked for; OpenSSL does not tell on a resumed TLS 1.2 session. Proven by now to be
   * what the peer sent, since the handshake covers it.
   */
  readonly serverName: string | null;
  /** Since its turn came. */
  readonly tookMs: number;
}

/** Told of every handshake; durations in milliseconds. */
export interface HandshakeMeter {
  /** Its turn came, so long after the connection was accepted. */
  begun(waitedMs: number): void;
  succeeded(tookMs: number, isResumed: boolean): void;
  /** `reason`: one of few codes of ours. */
  failed(reason: string): void;
}

/** What happened since the last look. */
export interface HandshakeFigures {
  readonly waiting: number;
  readonly started: number;
  readonly refused: number;
  readonly longestWaitMs: number;
}

/** What a host, and what a site, is given of an address. */
const HOST_BITS = { ipv4: 32, ipv6: 64 };
const SITE_BITS = { ipv4: 24, ipv6: 48 };
/** How long a handshake counts as being worked on. */
const TURN_MS = 10;
/** How often those that wait are looked at when the pace holds them back. */
const PACE_MS = 1;
/** So many of an address are listened to at once, and the others when there is time for them. */
const HEARD_AT_ONCE = 8;
/** How many of those that are not listened to yet begin to be in a round of the loop. */
const HEARD_A_ROUND = 8;
/** Addresses whose source is remembered. */
const SOURCES_MAX = 4096;
/** Of the handshakes at a time: half for one network, a quarter for one address. */
const NETWORK_SHARE = 1 / 2;
const ADDRESS_SHARE = 1 / 4;
/** Of what waiting connections said, all together. */
const HELLO_BYTES_TOTAL_MAX = 32 * 1024 * 1024;
const EMPTY = Buffer.alloc(0);
const NO_FIGURES = { started: 0, refused: 0, longestWaitMs: 0 };

interface Pending {
  readonly socket: Socket;
  readonly peer: HandshakePeer;
  readonly acceptedAtMs: number;
  begunAtMs: number;
  place: Waiting<Pending> | null;
  hello: Buffer;
  /** It is not worth a look before there are so many. */
  helloBytesNeeded: number;
  serverName: string | null;
  isReady: boolean;
  hasBegun: boolean;
  /** The time-out. */
  timer: NodeJS.Timeout | null;
  /** Ends its turn among the handshakes that are worked on. */
  turn: NodeJS.Timeout | null;
  onReadable: (() => void) | null;
}

export class HandshakeAdmission {
  readonly #limits: HandshakeLimits;
  readonly #hooks: HandshakeHooks;
  readonly #queue: HandshakeQueue<Pending>;
  readonly #pending = new Map<Socket, Pending>();
  /** Accepted, and nothing read of them yet; in the order in which they came. */
  readonly #unheard = new Set<Pending>();
  readonly #pace = new HandshakePace();
  #hearing: NodeJS.Timeout | NodeJS.Immediate | null = null;
  #paceTimer: NodeJS.Timeout | null = null;
  #inTurn = 0;
  #helloBytes = 0;
  #figures = NO_FIGURES;

  constructor(limits: HandshakeLimits, hooks: HandshakeHooks) {
    this.#limits = limits;
    this.#hooks = hooks;
    const places = (share: number): number => Math.max(1, Math.floor(limits.handshakesMax * share));
    this.#queue = new HandshakeQueue({
      ofNetworkMax: places(NETWORK_SHARE),
      ofAddressMax: places(ADDRESS_SHARE),
    });
  }

  /** Takes a socket that was just accepted; it is gone from here once `finished` or closed. */
  add(socket: Socket, peer: HandshakePeer): void {
    const pending: Pending = {
      socket,
      peer,
      acceptedAtMs: performance.now(),
      begunAtMs: 0,
      place: null,
      hello: EMPTY,
      helloBytesNeeded: 0,
      serverName: null,
      isReady: false,
      hasBegun: false,
      timer: null,
      turn: null,
      onReadable: null,
    };
    this.#pending.set(socket, pending);
    this.#pace.accepted();
    const source = sourceOf(peer.remoteAddress);
    pending.place = this.#queue.arrive(source, pending);
    pending.timer = setTimeout(() => this.#expire(pending), this.#limits.handshakeTimeoutMs);
    if (this.#queue.waitingOf(source) <= HEARD_AT_ONCE) this.#hear(pending);
    else {
      this.#unheard.add(pending);
      this.#hearLater();
    }
    if (this.#queue.size > this.#limits.handshakeQueueMax) this.#dropOneOfTheCrowd();
  }

  /**
   * Makes room for a connection of that address at the cost of a source that has more waiting; false
   * when there is none.
   */
  makeRoomFor(remoteAddress: string): boolean {
    const source = sourceOf(remoteAddress);
    const crowded = this.#queue.oldestOfTheCrowd();
    if (crowded === null) return false;
    const other = sourceOf(crowded.item.peer.remoteAddress);
    const isSame = other.network === source.network && other.address === source.address;
    if (isSame || this.#queue.waitingOf(other) <= this.#queue.waitingOf(source) + 1) return false;
    return this.#dropOneOfTheCrowd();
  }

  /** The handshake of that socket is done or has failed: whose it was; null when it is unknown. */
  finished(socket: Socket | undefined): FinishedHandshake | null {
    const pending = socket && this.#pending.get(socket);
    if (pending === undefined) return null;
    this.#forget(pending);
    const tookMs = performance.now() - pending.begunAtMs;
    return { ...pending.peer, serverName: pending.serverName, tookMs };
  }

  /** The socket has closed, whatever became of it. */
  closed(socket: Socket): void {
    const pending = this.#pending.get(socket);
    if (pending === undefined) return;
    this.#forget(pending);
    this.startNext();
  }

  /** Begins what there are places for. */
  startNext(): void {
    if (this.#paceTimer !== null) return;
    while (this.#inTurn < this.#limits.handshakesMax && this.#queue.hasReady) {
      if (!this.#pace.mayStart()) {
        this.#paceTimer = setTimeout(() => {
          this.#paceTimer = null;
          this.startNext();
        }, PACE_MS);
        return;
      }
      const next = this.#queue.take();
      if (next === null) return;
      this.#pace.started();
      this.#begin(next.item);
    }
  }

  /** Drops everybody: the listener closes. */
  stop(): void {
    if (this.#paceTimer !== null) clearTimeout(this.#paceTimer);
    if (this.#hearing !== null) clearTimeout(this.#hearing as NodeJS.Timeout);
    for (const { socket } of [...this.#pending.values()]) socket.destroy();
  }

  get waiting(): number {
    return this.#queue.size;
  }

  takeFigures(): HandshakeFigures {
    const figures = { waiting: this.#queue.size, ...this.#figures };
    this.#figures = NO_FIGURES;
    return figures;
  }

  #hear(pending: Pending): void {
    pending.onReadable = () => this.#onReadable(pending);
    pending.socket.on('readable', pending.onReadable);
  }

  /** While connections pour in they are accepted first: to listen to a crowd costs as much again. */
  #hearLater(): void {
    if (this.#hearing !== null || this.#unheard.size === 0) return;
    const hear = (countMax: number): void => {
      this.#hearing = null;
      let count = 0;
      for (const pending of this.#unheard) {
        if (++count > countMax) break;
        this.#unheard.delete(pending);
        this.#hear(pending);
      }
      this.#hearLater();
    };
    this.#hearing = this.#pace.isPouring
      ? setTimeout(() => hear(1), PACE_MS)
      : setImmediate(() => hear(HEARD_A_ROUND));
  }

  /** Bytes that have come before the turn has: the hello, and nothing behind it. */
  #onReadable(pending: Pending): void {
    const { socket } = pending;
    const chunk = socket.read() as Buffer | null;
    if (chunk === null || pending.hasBegun) return;
    this.#helloBytes += chunk.length;
    pending.hello = pending.hello.length === 0 ? chunk : Buffer.concat([pending.hello, chunk]);
    if (pending.hello.length > CLIENT_HELLO_BYTES_MAX) {
      this.#refuse(pending, 'handshake-failed', 'it said too much before it was its turn');
      return;
    }
    while (this.#helloBytes > HELLO_BYTES_TOTAL_MAX && this.#dropOneOfTheCrowd());
    if (pending.place === null || pending.isReady) return;
    if (pending.hello.length < pending.helloBytesNeeded) return;
    const look = lookForServerName(pending.hello);
    if (!look.isComplete) {
      pending.helloBytesNeeded = look.bytesNeeded;
      return;
    }
    pending.isReady = true;
    pending.serverName = look.serverName;
    pending.place = this.#queue.ready(pending.place, this.#hooks.laneOf(look.serverName));
    const isAlone =
      this.#inTurn < this.#limits.handshakesMax && this.#queue.takeIfAlone(pending.place) !== null;
    if (isAlone) this.#begin(pending);
    else this.startNext();
  }

  #begin(pending: Pending): void {
    const { socket } = pending;
    this.#inTurn++;
    pending.hasBegun = true;
    pending.begunAtMs = performance.now();
    const waitedMs = pending.begunAtMs - pending.acceptedAtMs;
    this.#hooks.begun?.(waitedMs);
    const { started, refused, longestWaitMs } = this.#figures;
    this.#figures = {
      started: started + 1,
      refused,
      longestWaitMs: Math.max(longestWaitMs, Math.round(waitedMs)),
    };
    pending.turn = setTimeout(() => {
      this.#endTurn(pending);
      this.startNext();
    }, TURN_MS);
    // What is left of its wait may be too short for the handshake.
    pending.timer?.refresh();
    const { hello } = pending;
    this.#stopListening(pending);
    socket.unshift(hello);
    this.#hooks.start(socket);
  }

  #stopListening(pending: Pending): void {
    if (pending.onReadable !== null) pending.socket.off('readable', pending.onReadable);
    pending.onReadable = null;
    this.#helloBytes -= pending.hello.length;
    pending.hello = EMPTY;
  }

  #endTurn(pending: Pending): void {
    if (pending.turn !== null) {
      clearTimeout(pending.turn);
      this.#inTurn--;
    }
    pending.turn = null;
    if (pending.place !== null) this.#queue.leave(pending.place);
    pending.place = null;
  }

  #expire(pending: Pending): void {
    pending.timer = null;
    const what = pending.isReady && !pending.hasBegun ? 'its turn did not come' : 'no handshake';
    this.#refuse(pending, 'handshake-timeout', `${what} in time`);
  }

  #dropOneOfTheCrowd(): boolean {
    const crowded = this.#queue.oldestOfTheCrowd();
    if (crowded === null) return false;
    const detail = 'too many wait, and most of them come from there';
    this.#refuse(crowded.item, 'handshake-queue-full', detail);
    return true;
  }

  #refuse(pending: Pending, refusal: HandshakeRefusal, detail: string): void {
    this.#figures = { ...this.#figures, refused: this.#figures.refused + 1 };
    this.#forget(pending);
    pending.socket.destroy();
    this.#hooks.refused(refusal, pending.peer, detail);
  }

  #forget(pending: Pending): void {
    this.#pending.delete(pending.socket);
    this.#unheard.delete(pending);
    if (pending.timer !== null) clearTimeout(pending.timer);
    pending.timer = null;
    this.#stopListening(pending);
    this.#endTurn(pending);
  }
}

const sources = new Map<string, HandshakeSource>();

/** A crowd comes from few addresses: reading them is remembered for a while. */
function sourceOf(remoteAddress: string): HandshakeSource {
  const known = sources.get(remoteAddress);
  if (known !== undefined) return known;
  const source = {
    network: addressPrefix(remoteAddress, SITE_BITS),
    address: addressPrefix(remoteAddress, HOST_BITS),
  };
  if (sources.size >= SOURCES_MAX) sources.clear();
  sources.set(remoteAddress, source);
  return source;
}
