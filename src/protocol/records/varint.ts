/**
 * Owns the zig-zag varints of records (not the unsigned ones of flexible messages): sizes and
 * writing. Reading is in record-cursor.ts, where the limits are known.
 */

/** Bytes of an int32 as a zig-zag varint: 1 to 5. */
export function varintSizeBytes(value: number): number {
  const zigzag = ((value << 1) ^ (value >> 31)) >>> 0;
  if (zigzag < 0x80) return 1;
  if (zigzag < 0x4000) return 2;
  if (zigzag < 0x20_0000) return 3;
  return zigzag < 0x1000_0000 ? 4 : 5;
}

/** Writes an int32 as a zig-zag varint and returns the position after it. */
export function writeVarint(buffer: Buffer, at: number, value: number): number {
  let zigzag = ((value << 1) ^ (value >> 31)) >>> 0;
  let position = at;
  while (zigzag >= 0x80) {
    buffer[position++] = (zigzag & 0x7f) | 0x80;
    zigzag >>>= 7;
  }
  buffer[position++] = zigzag;
  return position;
}

function isInt32(value: number): boolean {
  return value === (value | 0);
}

function zigzag64(value: number): bigint {
  if (!Number.isSafeInteger(value)) throw new RangeError(`not a safe integer: ${value}`);
  const wide = BigInt(value);
  return BigInt.asUintN(64, (wide << 1n) ^ (wide >> 63n));
}

/** Bytes of a safe integer as a zig-zag varlong: 1 to 8. */
export function varlongSizeBytes(value: number): number {
  if (isInt32(value)) return varintSizeBytes(value);
  let sizeBytes = 1;
  for (let rest = zigzag64(value) >> 7n; rest > 0n; rest >>= 7n) sizeBytes++;
  return sizeBytes;
}

/** Writes a safe integer as a zig-zag varlong and returns the position after it. */
export function writeVarlong(buffer: Buffer, at: number, value: number): number {
  if (isInt32(value)) return writeVarint(buffer, at, value);
  let zigzag = zigzag64(value);
  let position = at;
  while (zigzag >= 0x80n) {
    buffer[position++] = Number(zigzag & 0x7fn) | 0x80;
    zigzag >>= 7n;
  }
  buffer[position++] = Number(zigzag);
  return position;
}
