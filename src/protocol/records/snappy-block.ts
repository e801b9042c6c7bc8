/**
 * Owns the raw snappy block format (snappy's format_description.txt): the size it states, and the
 * inflating of small blocks, for which a call into native code would cost more than the work. A
 * stream of thousands of tiny blocks would otherwise cost far more than its size.
 */

/** The densest element: three bytes for a copy of 64. */
const EXPANSION_MAX = 64 / 3;

/** Bytes of the varint at the start of a block. */
function preambleBytes(stream: Buffer, start: number): number {
  let at = start;
  while (stream[at]! >= 0x80) at++;
  return at + 1 - start;
}

/** The size that a block states; -1 when it is broken or so few bytes could not hold as many. */
export function statedSnappyBytes(stream: Buffer, start: number, end: number): number {
  let bytes = 0;
  for (let index = 0; index < 5 && start + index < end; index++) {
    const byte = stream[start + index]!;
    bytes += (byte & 0x7f) * 2 ** (7 * index);
    if (byte < 0x80) return bytes > (end - start) * EXPANSION_MAX ? -1 : bytes;
  }
  return -1;
}

/**
 * Inflates the block `stream[start, end)`, which states `size` bytes, into `target` from `targetAt`.
 * False when it is malformed or would not be exactly `size` bytes; nothing else is written.
 */
export function inflateSnappyBlock(
  stream: Buffer,
  start: number,
  end: number,
  target: Buffer,
  targetAt: number,
  size: number,
): boolean {
  const stop = targetAt + size;
  let at = start + preambleBytes(stream, start);
  let to = targetAt;
  while (at < end) {
    const tag = stream[at++]!;
    if ((tag & 3) === 0) {
      let length = tag >>> 2;
      if (length >= 60) {
        const extra = length - 59;
        if (extra > end - at) return false;
        length = stream.readUIntLE(at, extra);
        at += extra;
      }
      length++;
      if (length > end - at || length > stop - to) return false;
      to += stream.copy(target, to, at, at + length);
      at += length;
      continue;
    }
    const offsetBytes = [0, 1, 2, 4][tag & 3]!;
    if (offsetBytes > end - at) return false;
    let distance = stream.readUIntLE(at, offsetBytes);
    let length = (tag >>> 2) + 1;
    if (offsetBytes === 1) {
      distance |= (tag & 0xe0) << 3;
      length = ((tag >>> 2) & 7) + 4;
    }
    at += offsetBytes;
    if (distance === 0 || distance > to - targetAt || length > stop - to) return false;
    for (const copyStop = to + length; to < copyStop; to++) target[to] = target[to - distance]!;
  }
  return to === stop;
}
