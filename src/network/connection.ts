/**
 * One client connection after admission: frames in, answers out.
 *
 * Invariants: answers leave in the order of their requests; only a Produce may overlap a Produce,
 * every other API is a barrier; at most MAX_BEGUN requests are begun at a time; the next request
 * is not begun before the one ahead has its place in the log (`ordered`); nothing is read from a
 * peer that does not take its answers, and nothing is begun for it; beyond a little, its tenant's
 * lane says when the next request is begun (fair-turns). Everything happens on the event loop: no
 * locks.
 *
 *   data -> FrameReader -> waiting -> begun (in order) -> answers -> one write per loop turn
 */
import type { Duplex } from 'node:stream';
import { ProtocolError } from '../base/errors.ts';
import { ApiKey } from '../protocol/api-keys.ts';
import type { FairLane, TurnWaiter } from './fair-turns.ts';
import { type FrameLimit, FrameReader } from './frame-reader.ts';
import { Mute } from './mute.ts';
import type { ReceiveShare } from './receive-budget.ts';
import type { UnsentShare } from './unsent-budget.ts';

/** An answer: the frame's buffers; null = none is sent (acks=0); 'close' = hang up, no answer. */
export type Answer =
  | {
      readonly frame: readonly Buffer[] | null;
      readonly muteMs: number;
      /** Asked when that is over, and now and then before: what is left of it by now. */
      readonly stillMuteMs?: () => number;
    }
  | 'close';

/** Handles one request. Calls `ordered` as soon as a later Produce may begin. */
export type RequestHandler = (frame: Buffer, ordered: () => void) => Answer | Promise<Answer>;

/** A request that was begun; times by the clock of the hooks. */
export interface BegunRequest {
  readonly apiKey: number;
  readonly frameBytes: number;
  /** When its last byte was read, when its turn came, and when the handler had no more to do at once. */
  readonly arrivedMs: number;
  readonly begunMs: number;
  readonly returnedMs: number;
}

/** Told of every request that is answered. */
export interface RequestMeter {
  /** It is not answered at once; `answered` or `failed` follows. */
  suspended(request: BegunRequest): void;
  answered(request: BegunRequest, answer: Answer, wasSuspended: boolean): void;
  /** A suspended one ended without an answer. */
  failed(request: BegunRequest): void;
}

export interface ConnectionLimits {
  readonly frameLimit: FrameLimit;
  /** Requests begun at a time; Kafka's clients keep at most five in flight. */
  readonly maxBegun: number;
  /** Unsent answer bytes above which no further request is begun and nothing is read. */
  readonly maxUnsentBytes: number;
}

/** What the connections of one tenant share, beside those of others. */
export interface ConnectionShares {
  readonly lane: FairLane;
  readonly receive: ReceiveShare;
  readonly unsent: UnsentShare;
  /** The connection is gone. */
  leave(): void;
}

export type CloseReason =
  | 'peer-closed'
  | 'protocol-error'
  | 'internal-error'
  | 'refused-by-handler'
  | 'idle'
  | 'slow-reader'
  | 'shutdown'
  | 'socket-error'
  | 'revoked'
  | 'expired';

export interface ConnectionHooks {
  onClose(reason: CloseReason, detail: string | null): void;
  /** A fault of ours, for our own log: the connection is closed and the peer told nothing. */
  onInternalError(error: unknown): void;
  /** Monotonic. */
  nowMs(): number;
  readonly requests?: RequestMeter;
}

interface Slot extends BegunRequest {
  answer: Answer | null;
  ordered: boolean;
  returnedMs: number;
}

export class Connection {
  readonly #socket: Duplex;
  readonly #handle: RequestHandler;
  readonly #limits: ConnectionLimits;
  readonly #shares: ConnectionShares;
  readonly #reader: FrameReader;
  readonly #hooks: ConnectionHooks;
  readonly #waiting: Buffer[] = [];
  /** When each of `#waiting` was read. */
  readonly #arrivedMs: number[] = [];
  readonly #begun: Slot[] = [];
  #closed = false;
  #draining = false;
  #flushScheduled = false;
  #paused = false;
  /** The next request may begin but for its tenant's turn. */
  #isHeld = false;
  #isPeerGone = false;
  #pumping = false;
  readonly #mute: Mute;
  #lastActiveMs: number;
  /** Bytes of the frames that wait or are begun, and what the budget knows of this connection. */
  #frameBytes = 0;
  #accountedBytes = 0;
  /** Of answers that are finished and not written to the socket yet. */
  #readyBytes = 0;
  #accountedUnsentBytes = 0;
  readonly #roomAgain = (): void => this.#pump();
  readonly #waiter: TurnWaiter = { turn: () => this.#pump(), held: () => this.#pause() };

  constructor(
    socket: Duplex,
    handle: RequestHandler,
    limits: ConnectionLimits & { readonly shares: ConnectionShares },
    hooks: ConnectionHooks,
  ) {
    this.#socket = socket;
    this.#handle = handle;
    this.#limits = limits;
    this.#shares = limits.shares;
    this.#hooks = hooks;
    this.#lastActiveMs = hooks.nowMs();
    this.#mute = new Mute(hooks.nowMs, () => this.#pump());
    this.#reader = new FrameReader(limits.frameLimit, (frame) => {
      this.#waiting.push(frame);
      this.#arrivedMs.push(this.#lastActiveMs);
      this.#frameBytes += frame.length;
    });
    socket.on('data', (chunk: Buffer) => this.#onData(chunk));
    socket.on('drain', () => this.#onDrain());
    socket.on('end', () => this.#onPeerGone());
    socket.on('close', () => this.#onPeerGone());
    socket.on('error', (error: Error) => this.close('socket-error', error.message));
  }

  /** Milliseconds (monotonic) of the last byte read or the last answer taken by the peer. */
  get lastActiveMs(): number {
    return this.#lastActiveMs;
  }

  /** True while a request has been begun and not answered, or an answer has not left yet. */
  get busy(): boolean {
    return this.#begun.length > 0 || this.#socket.writableLength > 0;
  }

  /** True while the peer leaves answers untaken: then idleness counts from the last progress. */
  get unsent(): boolean {
    return this.#socket.writableLength > 0;
  }

  /** Answer bytes in memory that the peer has not taken. */
  get unsentBytes(): number {
    return this.#readyBytes + this.#socket.writableLength;
  }

  /** The same of all connections of its tenant, as the budget counts it. */
  get tenantUnsentBytes(): number {
    return this.#shares.unsent.heldBytes;
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** Graceful end: begins nothing more, answers what was begun, then closes. */
  drain(): void {
    this.#draining = true;
    this.#waiting.length = 0;
    this.#pause();
    this.#endWhenDrained();
  }

  close(reason: CloseReason, detail: string | null = null): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#waiting.length = 0;
    const { lane, receive, unsent } = this.#shares;
    lane.forget(this.#waiter);
    receive.forget(this.#roomAgain);
    receive.change(-this.#accountedBytes);
    this.#accountedBytes = 0;
    unsent.change(-this.#accountedUnsentBytes);
    this.#accountedUnsentBytes = 0;
    this.#shares.leave();
    this.#mute.end();
    this.#socket.destroy();
    this.#hooks.onClose(reason, detail);
  }

  #onData(chunk: Buffer): void {
    if (this.#closed || this.#draining) return;
    this.#lastActiveMs = this.#hooks.nowMs();
    this.#shares.lane.received(chunk.length);
    try {
      this.#reader.push(chunk);
    } catch (error) {
      this.#fail(error);
      return;
    }
    this.#pump(this.#lastActiveMs);
  }

  #onDrain(): void {
    this.#lastActiveMs = this.#hooks.nowMs();
    if (this.#draining) this.#endWhenDrained();
    else this.#pump();
  }

  /**
   * What was sent before it went still counts: with acks=0 a producer hangs up as soon as it has
   * written. Only its turn is waited for.
   */
  #onPeerGone(): void {
    this.#isPeerGone = true;
    if (!this.#isHeld || this.#draining) this.close('peer-closed');
  }

  #fail(error: unknown): void {
    if (error instanceof ProtocolError) {
      this.close('protocol-error', error.message);
      return;
    }
    this.#hooks.onInternalError(error);
    this.close('internal-error');
  }

  /** Begins what may begin, then sends what is ready and reads or stops reading. */
  #pump(sinceMs: number = this.#hooks.nowMs()): void {
    if (this.#pumping) return;
    this.#pumping = true;
    const { lane, receive } = this.#shares;
    this.#isHeld = false;
    let nowMs = sinceMs;
    while (!this.#closed && this.#waiting.length > 0 && this.#mayBegin(this.#waiting[0]!)) {
      this.#isHeld = !lane.mayWork;
      if (this.#isHeld) break;
      const beganMs = nowMs;
      nowMs = this.#begin(this.#waiting.shift()!, this.#arrivedMs.shift()!, beganMs);
      lane.spend(nowMs - beganMs);
    }
    this.#pumping = false;
    if (this.#closed) return;
    if (this.#isPeerGone && !this.#isHeld) {
      this.close('peer-closed');
      return;
    }
    if (this.#ready.length > 0) lane.charge(() => this.#flush());
    this.#account();
    if (this.#isHeld) lane.whenTurn(this.#waiter);
    if (this.#waiting.length > this.#limits.maxBegun || this.#choked()) this.#pause();
    else if (receive.spent) {
      this.#pause();
      receive.whenRoom(this.#roomAgain);
    } else if (!this.#isHeld) this.#resume();
  }

  #account(): void {
    const heldBytes = this.#reader.heldBytes + this.#frameBytes;
    this.#shares.receive.change(heldBytes - this.#accountedBytes);
    this.#accountedBytes = heldBytes;
    // What the socket takes at once has no `drain` that would take it off the books again.
    const { writableLength, writableHighWaterMark } = this.#socket;
    const unsentBytes = writableLength < writableHighWaterMark ? 0 : writableLength;
    this.#shares.unsent.change(unsentBytes - this.#accountedUnsentBytes);
    this.#accountedUnsentBytes = unsentBytes;
  }

  #choked(): boolean {
    return this.#mute.isMute || this.unsentBytes > this.#limits.maxUnsentBytes;
  }

  #mayBegin(frame: Buffer): boolean {
    if (this.#draining || this.#choked()) return false;
    const last = this.#begun.at(-1);
    if (last === undefined) return true;
    if (this.#begun.length >= this.#limits.maxBegun) return false;
    return last.apiKey === ApiKey.Produce && last.ordered && isProduce(frame);
  }

  /** When the handler had no more to do at once. */
  #begin(frame: Buffer, arrivedMs: number, begunMs: number): number {
    const { requests } = this.#hooks;
    const slot: Slot = {
      answer: null,
      apiKey: frame.readInt16BE(0),
      frameBytes: frame.length,
      ordered: false,
      arrivedMs,
      begunMs,
      returnedMs: 0,
    };
    this.#begun.push(slot);
    let begun: Answer | Promise<Answer>;
    try {
      const ordered = (): void => {
        if (slot.ordered) return;
        slot.ordered = true;
        if (!this.#pumping && this.#waiting.length > 0) this.#schedule();
      };
      begun = this.#handle(frame, ordered);
    } catch (error) {
      this.#fail(error);
      return begunMs;
    }
    slot.returnedMs = this.#hooks.nowMs();
    if (!(begun instanceof Promise)) {
      slot.answer = begun;
      requests?.answered(slot, begun, false);
      if (this.#begun[0] === slot) this.#collect();
      return slot.returnedMs;
    }
    requests?.suspended(slot);
    begun.then(
      (answer) => {
        slot.answer = answer;
        requests?.answered(slot, answer, true);
        if (this.#begun[0] === slot) this.#schedule();
      },
      (error: unknown) => {
        requests?.failed(slot);
        this.#fail(error);
      },
    );
    return slot.returnedMs;
  }

  /** Coalesces: whatever else completes in this turn goes out in the same write. */
  #schedule(): void {
    if (this.#flushScheduled || this.#closed) return;
    this.#flushScheduled = true;
    queueMicrotask(() => {
      this.#flushScheduled = false;
      if (this.#closed) return;
      this.#collect();
      if (this.#closed) return;
      if (this.#draining) this.#endWhenDrained();
      else this.#pump();
    });
  }

  #ready: Buffer[] = [];

  /** Moves finished answers, in order, to `#ready`. */
  #collect(): void {
    while (this.#begun.length > 0 && this.#begun[0]!.answer !== null) {
      const { answer: done, frameBytes } = this.#begun.shift()!;
      const answer = done!;
      this.#frameBytes -= frameBytes;
      if (answer === 'close') {
        this.#endAfterFlush('refused-by-handler');
        return;
      }
      for (const chunk of answer.frame ?? []) {
        this.#ready.push(chunk);
        this.#readyBytes += chunk.length;
      }
      if (answer.muteMs > 0) this.#mute.add(answer.muteMs, answer.stillMuteMs);
    }
  }

  #flush(): void {
    const chunks = this.#ready;
    if (chunks.length === 0) return;
    this.#ready = [];
    this.#readyBytes = 0;
    if (this.#isPeerGone) return;
    if (chunks.length === 1) {
      this.#socket.write(chunks[0]!);
      return;
    }
    this.#socket.cork();
    for (const chunk of chunks) this.#socket.write(chunk);
    this.#socket.uncork();
  }

  #endWhenDrained(): void {
    if (this.#begun.length === 0) this.#endAfterFlush('shutdown');
  }

  /** The answers before it still reach the peer; nothing is begun any more. */
  #endAfterFlush(reason: CloseReason): void {
    this.#draining = true;
    this.#waiting.length = 0;
    this.#flush();
    if (this.#socket.writableLength === 0) this.close(reason);
    else this.#socket.end(() => this.close(reason));
  }

  #pause(): void {
    if (this.#paused) return;
    this.#paused = true;
    this.#socket.pause();
  }

  #resume(): void {
    if (!this.#paused || this.#draining) return;
    this.#paused = false;
    this.#socket.resume();
  }
}

function isProduce(frame: Buffer): boolean {
  return frame.readInt16BE(0) === ApiKey.Produce;
}
