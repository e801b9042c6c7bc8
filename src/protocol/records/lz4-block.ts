/**
 * Owns the LZ4 block format: measuring a block without inflating it, and inflating a measured one.
 * Measuring checks everything that a decoder of any language would refuse, the restrictions at a
 * block's end included (LZ4 block format, "End of block conditions"): the last five bytes are
 * literals and the last match begins twelve bytes or more before the end.
 */

/** `measureLz4Block` returns it for a block that is not well formed. */
export const MALFORMED = -1;

const MATCH_LENGTH_MIN = 4;
const LAST_LITERALS_MIN = 5;
const LAST_MATCH_DISTANCE_MIN = 12;
/** A length nibble of 15 goes on in further bytes. */
const NIBBLE_MAX = 15;
/** From here on a native copy is faster than a loop. */
const NATIVE_COPY_BYTES_MIN = 64;

/** The exact size of `source[start, end)` once inflated, or MALFORMED. Touches no other memory. */
export function measureLz4Block(source: Buffer, start: number, end: number): number {
  let at = start;
  let sizeBytes = 0;
  let lastMatchAt = -1;
  while (at < end) {
    const token = source[at++]!;
    let literals = token >>> 4;
    if (literals === NIBBLE_MAX) {
      let more: number;
      do {
        if (at >= end) return MALFORMED;
        more = source[at++]!;
        literals += more;
      } while (more === 255);
    }
    if (literals > end - at) return MALFORMED;
    at += literals;
    sizeBytes += literals;
    if (at === end) return endsWell(sizeBytes, literals, lastMatchAt) ? sizeBytes : MALFORMED;
    if (end - at < 2) return MALFORMED;
    const distance = source[at]! | (source[at + 1]! << 8);
    at += 2;
    if (distance === 0 || distance > sizeBytes) return MALFORMED;
    lastMatchAt = sizeBytes;
    let matched = token & NIBBLE_MAX;
    if (matched === NIBBLE_MAX) {
      let more: number;
      do {
        if (at >= end) return MALFORMED;
        more = source[at++]!;
        matched += more;
      } while (more === 255);
    }
    sizeBytes += matched + MATCH_LENGTH_MIN;
  }
  return MALFORMED;
}

function endsWell(sizeBytes: number, lastLiterals: number, lastMatchAt: number): boolean {
  if (lastMatchAt < 0) return true;
  return lastLiterals >= LAST_LITERALS_MIN && sizeBytes - lastMatchAt >= LAST_MATCH_DISTANCE_MIN;
}

/**
 * Inflates `source[start, end)` into `target` from `targetAt` on and returns where it ended. The
 * block has been measured: it is well formed and fits.
 */
export function inflateLz4Block(
  source: Buffer,
  start: number,
  end: number,
  target: Buffer,
  targetAt: number,
): number {
  let at = start;
  let to = targetAt;
  for (;;) {
    const token = source[at++]!;
    let literals = token >>> 4;
    if (literals === NIBBLE_MAX) {
      let more: number;
      do {
        more = source[at++]!;
        literals += more;
      } while (more === 255);
    }
    if (literals < NATIVE_COPY_BYTES_MIN) {
      for (const stop = at + literals; at < stop; ) target[to++] = source[at++]!;
    } else {
      source.copy(target, to, at, at + literals);
      at += literals;
      to += literals;
    }
    if (at >= end) return to;
    const distance = source[at]! | (source[at + 1]! << 8);
    at += 2;
    let matched = token & NIBBLE_MAX;
    if (matched === NIBBLE_MAX) {
      let more: number;
      do {
        more = source[at++]!;
        matched += more;
      } while (more === 255);
    }
    to = copyMatch(target, to, distance, matched + MATCH_LENGTH_MIN);
  }
}

/** Repeats what lies `distance` bytes back; the ranges overlap when it is shorter than the match. */
function copyMatch(target: Buffer, to: number, distance: number, length: number): number {
  const stop = to + length;
  if (length < NATIVE_COPY_BYTES_MIN) {
    for (let from = to - distance; to < stop; ) target[to++] = target[from++]!;
    return stop;
  }
  const from = to - distance;
  while (to < stop) {
    const ready = Math.min(to - from, stop - to);
    target.copyWithin(to, from, from + ready);
    to += ready;
  }
  return stop;
}
