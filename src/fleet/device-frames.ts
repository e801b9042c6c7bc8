/**
 * Owns the form of device records on disk. A file is a header and frames:
 *
 *   frame: length of the body u32 | CRC-32C of the body u32 | body
 *   body:  type u8 | fields; texts are a length (u8) and UTF-8
 *
 * Names of tenants and codes are ASCII. A later frame about a name replaces an earlier one. Little endian throughout.
 */
import { crc32c } from '../protocol/records/crc32c.ts';
import { type CodeWords, DEVICE_KINDS } from './device-record.ts';
import {
  ADDRESS_BYTES,
  AddressAt,
  Code,
  type Figure,
  Figure as Figures,
  type Word,
  Word as Words,
} from './device-slabs.ts';
import type { DeviceTable } from './device-table.ts';
import { nameIn } from './device-texts.ts';
import { TEXT_BYTES_MAX } from './text-arena.ts';

export const FILE_HEADER = Buffer.from('BWFLEET\u0001', 'latin1');
export const FRAME_HEADER_BYTES = 8;
/** No frame is longer: a length beyond it is damage. */
export const FRAME_BYTES_MAX = 2048;

const FrameType = { device: 1, removed: 2, tenantRemoved: 3, whole: 4 } as const;

const FIGURES: readonly Figure[] = [Figures.bytesIn, Figures.bytesOut, Figures.requests];
/** In the order of the file: only ever added to at its end, with a new number in FILE_HEADER. */
const WORDS: readonly Word[] = [
  Words.firstSeenS,
  Words.lastSeenS,
  Words.connectedS,
  Words.disconnectedS,
  Words.failedS,
  Words.certificateExpiresS,
  Words.certificateValidFromS,
  Words.denials,
  Words.failures,
  Words.connects,
  Words.telemetryS,
];
const CODES = [Code.authentication, Code.disconnectReason, Code.failureReason] as const;
const ADDRESSES = [AddressAt.last, AddressAt.failed] as const;

/** Collects frames for one write. */
export class FrameWriter {
  readonly #buffer: Buffer;
  #at = 0;

  constructor(sizeBytes: number) {
    this.#buffer = Buffer.alloc(sizeBytes);
  }

  get hasRoom(): boolean {
    return this.#at + FRAME_BYTES_MAX <= this.#buffer.length;
  }

  /** The frames so far: good until the next one is added. */
  take(): Buffer {
    const frames = this.#buffer.subarray(0, this.#at);
    this.#at = 0;
    return frames;
  }

  device(table: DeviceTable, words: CodeWords, slot: number): void {
    const began = this.#begin(FrameType.device);
    const { slabs } = table;
    this.#text(table.tenantOf(slot).name);
    for (const which of FIGURES) {
      this.#at = this.#buffer.writeDoubleLE(slabs.figure(slot, which), this.#at);
    }
    for (const which of WORDS) {
      this.#at = this.#buffer.writeUInt32LE(slabs.word(slot, which), this.#at);
    }
    this.#at = this.#buffer.writeUInt8(slabs.code(slot, Code.kind), this.#at);
    for (const which of CODES) this.#text(words.wordOf(slabs.code(slot, which)));
    for (const which of ADDRESSES) {
      this.#at += slabs.address(slot, which).copy(this.#buffer, this.#at);
    }
    const texts = table.packedTextsOf(slot);
    this.#at = this.#buffer.writeUInt16LE(texts.length, this.#at);
    this.#at += texts.copy(this.#buffer, this.#at);
    this.#end(began);
  }

  removed(tenant: string, name: string): void {
    const began = this.#begin(FrameType.removed);
    this.#text(tenant);
    this.#text(name);
    this.#end(began);
  }

  tenantRemoved(tenant: string): void {
    const began = this.#begin(FrameType.tenantRemoved);
    this.#text(tenant);
    this.#end(began);
  }

  /** From the header to here the file holds all devices: the files before it are not needed. */
  whole(): void {
    this.#end(this.#begin(FrameType.whole));
  }

  #begin(type: number): number {
    const began = this.#at;
    this.#at = this.#buffer.writeUInt8(type, began + FRAME_HEADER_BYTES);
    return began;
  }

  #text(text: string): void {
    const length = this.#buffer.write(text, this.#at + 1, 255, 'utf8');
    this.#buffer[this.#at] = length;
    this.#at += 1 + length;
  }

  #end(began: number): void {
    const from = began + FRAME_HEADER_BYTES;
    this.#buffer.writeUInt32LE(this.#at - from, began);
    this.#buffer.writeUInt32LE(crc32c(this.#buffer, from, this.#at), began + 4);
  }
}

/** The length of the whole frame at `at`; 0: there is no good frame. */
export function frameBytes(buffer: Buffer, at: number, end: number): number {
  if (at + FRAME_HEADER_BYTES > end) return 0;
  const length = buffer.readUInt32LE(at);
  const from = at + FRAME_HEADER_BYTES;
  if (length === 0 || length > FRAME_BYTES_MAX || from + length > end) return 0;
  const isGood = buffer.readUInt32LE(at + 4) === crc32c(buffer, from, from + length);
  return isGood ? FRAME_HEADER_BYTES + length : 0;
}

/** Takes a good frame into the table. 'unknown': it is none of this version's. */
export function applyFrame(
  frame: Buffer,
  table: DeviceTable,
  words: CodeWords,
): 'applied' | 'whole' | 'unknown' {
  const reader = new FrameReader(frame.subarray(FRAME_HEADER_BYTES));
  try {
    switch (reader.byte()) {
      case FrameType.device:
        return applyDevice(reader, table, words) ? 'applied' : 'unknown';
      case FrameType.removed: {
        const slot = table.find(reader.text(), reader.text());
        if (slot !== 0) table.remove(slot);
        return 'applied';
      }
      case FrameType.tenantRemoved:
        removeTenant(table, reader.text());
        return 'applied';
      case FrameType.whole:
        return 'whole';
      default:
        return 'unknown';
    }
  } catch (error) {
    if (error instanceof RangeError) return 'unknown';
    throw error;
  }
}

export function removeTenant(table: DeviceTable, tenant: string): void {
  for (;;) {
    const first = table.tenant(tenant)?.firstMade ?? 0;
    if (first === 0) return;
    table.remove(first);
  }
}

function applyDevice(reader: FrameReader, table: DeviceTable, words: CodeWords): boolean {
  const { slabs } = table;
  const tenant = reader.text();
  const figures = FIGURES.map(() => reader.double());
  const numbers = WORDS.map(() => reader.word());
  const kind = reader.byte();
  const codes = CODES.map(() => words.codeOf(reader.text()));
  const addresses = ADDRESSES.map(() => reader.bytes(ADDRESS_BYTES));
  const packed = reader.bytes(reader.short());
  const name = nameIn(packed);
  if (name === null || packed.length > TEXT_BYTES_MAX || kind >= DEVICE_KINDS.length) return false;
  const slot = table.ensure(tenant, name);
  if (slot === 0) return false;
  table.touch(slot);
  table.setPackedTexts(slot, packed);
  for (const [index, which] of FIGURES.entries()) slabs.setFigure(slot, which, figures[index]!);
  for (const [index, which] of WORDS.entries()) slabs.setWord(slot, which, numbers[index]!);
  slabs.setCode(slot, Code.kind, kind);
  for (const [index, which] of CODES.entries()) slabs.setCode(slot, which, codes[index]!);
  for (const [index, which] of ADDRESSES.entries()) {
    addresses[index]!.copy(slabs.address(slot, which));
  }
  return true;
}

/** Throws RangeError at the end of what there is. */
class FrameReader {
  readonly #body: Buffer;
  #at = 0;

  constructor(body: Buffer) {
    this.#body = body;
  }

  byte(): number {
    return this.#body.readUInt8(this.#skip(1));
  }

  short(): number {
    return this.#body.readUInt16LE(this.#skip(2));
  }

  word(): number {
    return this.#body.readUInt32LE(this.#skip(4));
  }

  double(): number {
    return this.#body.readDoubleLE(this.#skip(8));
  }

  text(): string {
    const length = this.byte();
    const from = this.#skip(length);
    return length === 0 ? '' : this.#body.toString('latin1', from, from + length);
  }

  bytes(length: number): Buffer {
    const from = this.#skip(length);
    return this.#body.subarray(from, from + length);
  }

  #skip(length: number): number {
    const from = this.#at;
    if (from + length > this.#body.length) throw new RangeError('a frame that ends too soon');
    this.#at += length;
    return from;
  }
}
