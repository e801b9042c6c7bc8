/**
 * Damaged messages, and what decoding one may cost. Whatever arrives, decoding either gives a value
 * whose memory is a small multiple of the frame, or throws ProtocolError.
 */
import fc from 'fast-check';
import { ProtocolError } from '../../src/base/errors.ts';
import { decodeBody, encodeBody } from '../../src/protocol/codec.ts';
import type { Message } from '../../src/protocol/schema.ts';
import { Writer } from '../../src/protocol/writer.ts';
import { arbitraryMessage } from './arbitrary-message.ts';

/** Heap bytes that one byte on the wire may become, and what a message costs in any case. */
const HEAP_BYTES_PER_WIRE_BYTE = 64;
const HEAP_BYTES_AT_LEAST = 8192;

interface Damage {
  readonly kind: 'flip' | 'byte' | 'length' | 'cut' | 'insert' | 'repeat';
  readonly where: number;
  readonly value: number;
}

const damage: fc.Arbitrary<Damage> = fc.record({
  kind: fc.constantFrom('flip', 'byte', 'length', 'cut', 'insert', 'repeat'),
  where: fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true }),
  value: fc.oneof(
    fc.nat(255),
    fc.constantFrom(0x7f, 0x80, 0xff, 0x7fff, 0x8000, 0x7fffffff, 0xffffffff, 1_000_001),
  ),
});

function damaged(frame: Buffer, { kind, where, value }: Damage): Buffer {
  const at = Math.floor(where * frame.length);
  const copy = Buffer.from(frame);
  if (kind === 'cut') return copy.subarray(0, at);
  if (kind === 'insert')
    return Buffer.concat([copy.subarray(0, at), lengthBytes(value), copy.subarray(at)]);
  if (kind === 'repeat') return Buffer.concat([copy, copy.subarray(at)]);
  if (frame.length === 0) return copy;
  if (kind === 'flip') copy[at]! ^= 1 << (value % 8);
  else if (kind === 'byte') copy[at] = value;
  else lengthBytes(value).copy(copy, at);
  return copy;
}

/** A length as an array, a string or a compact field would have it. */
function lengthBytes(value: number): Buffer {
  if (value < 256) return Buffer.from([value]);
  if (value === 0xffffffff) return Buffer.from([0xff, 0xff, 0xff, 0xff, 0x0f]);
  if (value < 65536) return Buffer.from([value >> 8, value]);
  return Buffer.from([value >>> 24, value >> 16, value >> 8, value]);
}

/** A guess at the heap bytes of a decoded value; slices of the frame count as objects only. */
export function heapBytes(value: unknown): number {
  if (typeof value === 'string') return 16 + value.length;
  if (value === null || typeof value !== 'object') return 0;
  if (Buffer.isBuffer(value)) return value.length === 0 ? 0 : 96;
  const items = Object.values(value);
  return 24 + items.length * 8 + items.reduce<number>((sum, item) => sum + heapBytes(item), 0);
}

/** Decodes what may be damaged; returns false if it was refused, as it should be. */
export function survives(message: Message, version: number, frame: Buffer): boolean {
  let value: object;
  try {
    value = decodeBody(message, version, frame, 0, frame.length);
  } catch (error) {
    if (error instanceof ProtocolError) return false;
    throw error;
  }
  const cost = heapBytes(value);
  const allowed = HEAP_BYTES_AT_LEAST + HEAP_BYTES_PER_WIRE_BYTE * frame.length;
  if (cost > allowed) throw new Error(`${frame.length} bytes became about ${cost}`);
  return true;
}

/** A valid message of one version after one to three damages, as a property. */
export function damageProperty(message: Message, version: number) {
  return fc.property(
    arbitraryMessage(message, version),
    fc.array(damage, { minLength: 1, maxLength: 3 }),
    (value, damages) => {
      const writer = new Writer();
      encodeBody(message, version, value, writer);
      const frame = damages.reduce(damaged, Buffer.concat(writer.finish()));
      survives(message, version, frame);
    },
  );
}
