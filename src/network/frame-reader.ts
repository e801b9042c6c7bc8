/**
 * Cuts a byte stream into Kafka frames: int32 size (big endian, itself excluded), then the payload.
 *
 * Invariant: nothing is allocated from a length that was not checked. A frame's API key is read
 * before its body is buffered, because the size allowed depends on it (large only for Produce).
 * A frame that lies whole inside one chunk is a view of that chunk; a split one is copied once
 * into a buffer that grows with what has really arrived.
 */
import { ProtocolError } from '../base/errors.ts';

/** What a frame of a given API may weigh, in bytes without the size field. */
export type FrameLimit = (apiKey: number) => number;

const SIZE_BYTES = 4;
/** Enough to know the size and the API key. */
const PREFIX_BYTES = 6;
/** A split frame's first buffer; it doubles as bytes arrive. */
const FIRST_BUFFER_BYTES_MAX = 1 << 20;

export class FrameReader {
  readonly #limit: FrameLimit;
  readonly #onFrame: (frame: Buffer) => void;
  readonly #prefix = Buffer.alloc(PREFIX_BYTES);
  #prefixBytes = 0;
  #body: Buffer | null = null;
  #bodyBytes = 0;
  #frameBytes = 0;

  constructor(limit: FrameLimit, onFrame: (frame: Buffer) => void) {
    this.#limit = limit;
    this.#onFrame = onFrame;
  }

  /** True while a frame has begun but not ended. */
  get midFrame(): boolean {
    return this.#body !== null || this.#prefixBytes > 0;
  }

  /** Bytes of memory that the open frame holds. */
  get heldBytes(): number {
    return this.#body?.length ?? 0;
  }

  /** Takes the next bytes of the stream. Throws ProtocolError on a size that is not allowed. */
  push(chunk: Buffer): void {
    let at = 0;
    while (at < chunk.length) {
      if (this.#body !== null) {
        at += this.#fill(chunk, at);
        continue;
      }
      if (this.#prefixBytes === 0 && chunk.length - at >= PREFIX_BYTES) {
        const frameBytes = this.#checkedSize(chunk, at);
        const end = at + SIZE_BYTES + frameBytes;
        if (end <= chunk.length) {
          this.#onFrame(chunk.subarray(at + SIZE_BYTES, end));
          at = end;
        } else {
          this.#startBody(frameBytes);
          at += SIZE_BYTES;
        }
        continue;
      }
      this.#prefix[this.#prefixBytes++] = chunk[at++]!;
      if (this.#prefixBytes === SIZE_BYTES) this.#refuseBadSize(this.#prefix.readInt32BE(0));
      if (this.#prefixBytes === PREFIX_BYTES) {
        this.#startBody(this.#checkedSize(this.#prefix, 0));
        this.#prefixBytes = 0;
        this.#fill(this.#prefix, SIZE_BYTES);
      }
    }
  }

  #refuseBadSize(frameBytes: number): void {
    // The smallest header: API key, version, correlation id (null client id comes with 2 more).
    if (frameBytes < 8) throw new ProtocolError(`frame of ${frameBytes} bytes is too short`);
  }

  #checkedSize(buffer: Buffer, at: number): number {
    const frameBytes = buffer.readInt32BE(at);
    this.#refuseBadSize(frameBytes);
    const apiKey = buffer.readInt16BE(at + SIZE_BYTES);
    const limitBytes = this.#limit(apiKey);
    if (frameBytes > limitBytes) {
      throw new ProtocolError(
        `frame of ${frameBytes} bytes exceeds the ${limitBytes} allowed for API key ${apiKey}`,
      );
    }
    return frameBytes;
  }

  #startBody(frameBytes: number): void {
    this.#frameBytes = frameBytes;
    this.#bodyBytes = 0;
    this.#body = Buffer.allocUnsafe(Math.min(frameBytes, FIRST_BUFFER_BYTES_MAX));
  }

  /** Copies what belongs to the open frame; returns how many bytes it took. */
  #fill(chunk: Buffer, at: number): number {
    let body = this.#body!;
    const taken = Math.min(chunk.length - at, this.#frameBytes - this.#bodyBytes);
    if (this.#bodyBytes + taken > body.length) {
      const grown = Buffer.allocUnsafe(
        Math.min(this.#frameBytes, Math.max(body.length * 2, this.#bodyBytes + taken)),
      );
      body.copy(grown, 0, 0, this.#bodyBytes);
      this.#body = body = grown;
    }
    chunk.copy(body, this.#bodyBytes, at, at + taken);
    this.#bodyBytes += taken;
    if (this.#bodyBytes === this.#frameBytes) {
      this.#body = null;
      this.#onFrame(body.length === this.#frameBytes ? body : body.subarray(0, this.#frameBytes));
    }
    return taken;
  }
}
