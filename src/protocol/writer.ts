/**
 * Owns writing of Kafka's primitives into a list of buffers for a vectored write. Small values go
 * into a growable slab; `records` of some size are passed on as they are, as a chunk of their own,
 * so they are never copied. Lengths that are known late are patched. Invariant: a slab belongs to
 * one writer at a time and no byte of it is handed out twice. A value that the wire cannot hold is
 * a mistake of ours: RangeError or TypeError.
 */
import { EMPTY_BYTES, INT64_MAX, INT64_MIN } from './schema.ts';
import { STRING_BYTES_MAX } from './wire-text.ts';

const SLAB_BYTES = 32 * 1024;
/** A slab with less room than this is not worth handing on. */
const SLAB_REST_MIN = 2 * 1024;
/** Records below this size are copied: a chunk of their own costs more. */
const CHUNK_BYTES_MIN = 2 * 1024;
/** Up to this length a string is written character by character, in the hope that it is ASCII. */
const SHORT_STRING = 40;
/** UTF-8 bytes that one UTF-16 unit takes at most. */
const UTF8_BYTES_MAX = 3;
const UVARINT_BYTES_MAX = 5;
const TWO_32 = 2 ** 32;

/** A slab, and a view of the same bytes: numbers are fastest written through a DataView. */
interface Slab {
  readonly bytes: Buffer;
  readonly view: DataView;
}

const NO_SLAB = slabOf(EMPTY_BYTES);

/** The slab that the last writer left unfinished, and where its free rest begins. */
let spare = NO_SLAB;
let spareOffset = 0;

function slabOf(bytes: Buffer): Slab {
  return { bytes, view: new DataView(bytes.buffer, bytes.byteOffset, bytes.length) };
}

export class Writer {
  /** The slab and its view; `reserve` may replace both, so they are read anew after each. */
  buffer: Buffer;
  view: DataView;
  /** The next byte to write in the slab. */
  offset: number;
  /** Where the bytes begin that are not yet in `#chunks`. */
  #start: number;
  #slab: Slab;
  readonly #chunks: Buffer[] = [];
  #chunkBytes = 0;
  /** Sized sections that are open: inside one, records are copied, since its size is patched. */
  #sized = 0;

  constructor() {
    this.buffer = spare.bytes;
    this.view = spare.view;
    this.#slab = spare;
    this.offset = spareOffset;
    this.#start = spareOffset;
    spare = NO_SLAB;
    spareOffset = 0;
  }

  /** Bytes written so far. */
  get length(): number {
    return this.#chunkBytes + this.offset - this.#start;
  }

  /** Makes room for `count` bytes and returns where they go in `buffer`. */
  reserve(count: number): number {
    if (this.offset + count > this.buffer.length) this.#grow(count);
    const at = this.offset;
    this.offset = at + count;
    return at;
  }

  #grow(count: number): void {
    const pending = this.offset - this.#start;
    const slab = slabOf(Buffer.allocUnsafeSlow(Math.max(SLAB_BYTES, 2 * (pending + count))));
    this.buffer.copy(slab.bytes, 0, this.#start, this.offset);
    this.#use(slab);
    this.#start = 0;
    this.offset = pending;
  }

  #use(slab: Slab): void {
    this.#slab = slab;
    this.buffer = slab.bytes;
    this.view = slab.view;
  }

  uint8(value: number): void {
    const at = this.reserve(1);
    this.buffer[at] = value;
  }

  int32(value: number): void {
    const at = this.reserve(4);
    putInt32(this.view, at, value);
  }

  nullInt16(): void {
    const at = this.reserve(2);
    putInt16(this.view, at, -1);
  }

  uvarint(value: number): void {
    const at = this.reserve(UVARINT_BYTES_MAX);
    this.offset = putUvarint(this.buffer, at, value);
  }

  /** A string after an int16 length. */
  string(text: string): void {
    if (text.length > SHORT_STRING) {
      const size = stringSize(text);
      const at = this.reserve(2 + size);
      putInt16(this.view, at, size);
      this.buffer.write(text, at + 2, size, 'utf8');
      return;
    }
    const at = this.reserve(2 + text.length * UTF8_BYTES_MAX);
    const size = putShort(this.buffer, at + 2, text);
    putInt16(this.view, at, size);
    this.offset = at + 2 + size;
  }

  /** A string after the varint of its length plus one. */
  compactString(text: string): void {
    if (text.length > SHORT_STRING) {
      const size = stringSize(text);
      this.uvarint(size + 1);
      const at = this.reserve(size);
      this.buffer.write(text, at, size, 'utf8');
      return;
    }
    // At most 120 bytes, so the length is one byte.
    const at = this.reserve(1 + text.length * UTF8_BYTES_MAX);
    const size = putShort(this.buffer, at + 1, text);
    this.buffer[at] = size + 1;
    this.offset = at + 1 + size;
  }

  /** Bytes without a length before them. */
  raw(bytes: Buffer): void {
    const at = this.reserve(bytes.length);
    this.buffer.set(bytes, at);
  }

  /** Record batches: large ones become a chunk of their own and must not change until written. */
  chunk(bytes: Buffer): void {
    if (bytes.length < CHUNK_BYTES_MIN || this.#sized > 0) {
      this.raw(bytes);
      return;
    }
    this.#flush();
    this.#chunks.push(bytes);
    this.#chunkBytes += bytes.length;
  }

  #flush(): void {
    if (this.offset === this.#start) return;
    this.#chunks.push(this.buffer.subarray(this.#start, this.offset));
    this.#chunkBytes += this.offset - this.#start;
    this.#start = this.offset;
  }

  /** Opens a section that its size in bytes precedes, as a varint; `endSized` takes the result. */
  beginSized(): number {
    this.#sized++;
    return this.reserve(1) - this.#start;
  }

  endSized(mark: number): void {
    this.#sized--;
    const size = this.offset - this.#start - mark - 1;
    const extra = uvarintSize(size) - 1;
    if (extra > 0) this.reserve(extra);
    const at = this.#start + mark;
    if (extra > 0) this.buffer.copyWithin(at + 1 + extra, at + 1, at + 1 + size);
    putUvarint(this.buffer, at, size);
  }

  /** Ends the writing: all of it, in order. The buffers are the caller's. */
  finish(): Buffer[] {
    this.#flush();
    if (this.buffer.length === SLAB_BYTES && SLAB_BYTES - this.offset >= SLAB_REST_MIN) {
      spare = this.#slab;
      spareOffset = this.offset;
    }
    this.#use(NO_SLAB);
    this.offset = 0;
    this.#start = 0;
    return this.#chunks;
  }
}

function stringSize(text: string): number {
  const size = Buffer.byteLength(text, 'utf8');
  if (size > STRING_BYTES_MAX) throw new RangeError(`a string of ${size} bytes`);
  return size;
}

/** Writes a short string's UTF-8 form, for which there is room, and returns its size. */
function putShort(buffer: Buffer, at: number, text: string): number {
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code >= 0x80) return buffer.write(text, at, text.length * UTF8_BYTES_MAX, 'utf8');
    buffer[at + i] = code;
  }
  return text.length;
}

export function uvarintSize(value: number): number {
  let size = 1;
  for (let rest = value; rest > 0x7f; rest >>>= 7) size++;
  return size;
}

function putUvarint(buffer: Buffer, start: number, value: number): number {
  let at = start;
  let rest = value;
  while (rest > 0x7f) {
    buffer[at++] = (rest & 0x7f) | 0x80;
    rest >>>= 7;
  }
  buffer[at++] = rest;
  return at;
}

function refuse(value: number, type: string): never {
  throw new RangeError(`${String(value)} is no ${type}`);
}

export function putBool(view: DataView, at: number, value: boolean): void {
  view.setInt8(at, value ? 1 : 0);
}

export function putInt8(view: DataView, at: number, value: number): void {
  if ((value << 24) >> 24 !== value) refuse(value, 'int8');
  view.setInt8(at, value);
}

export function putInt16(view: DataView, at: number, value: number): void {
  if ((value << 16) >> 16 !== value) refuse(value, 'int16');
  view.setInt16(at, value);
}

export function putUint16(view: DataView, at: number, value: number): void {
  if ((value & 0xffff) !== value) refuse(value, 'uint16');
  view.setUint16(at, value);
}

export function putInt32(view: DataView, at: number, value: number): void {
  if ((value | 0) !== value) refuse(value, 'int32');
  view.setInt32(at, value);
}

/** Safe integers, and the two extremes of the type; see `int64` in reader.ts. */
export function putInt64(view: DataView, at: number, value: number): void {
  if ((value | 0) === value) {
    view.setInt32(at, value >> 31);
    view.setInt32(at + 4, value);
  } else if (Number.isSafeInteger(value)) {
    const high = Math.floor(value / TWO_32);
    view.setInt32(at, high);
    view.setUint32(at + 4, value - high * TWO_32);
  } else {
    putExtreme(view, at, value);
  }
}

function putExtreme(view: DataView, at: number, value: number): void {
  if (value === INT64_MAX) view.setBigInt64(at, 2n ** 63n - 1n);
  else if (value === INT64_MIN) view.setBigInt64(at, -(2n ** 63n));
  else refuse(value, 'int64 that a number holds exactly');
}

export function putFloat64(view: DataView, at: number, value: number): void {
  view.setFloat64(at, value);
}
