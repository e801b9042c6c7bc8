/**
 * Owns how the bytes of a string become text. Bytes that are no UTF-8 are replaced, as Kafka does.
 *
 * Invariant: whatever text comes out can be written again in one string of the wire, so that an
 * answer may repeat it: where replacing would make it too long (U+FFFD takes three bytes), each byte
 * beyond ASCII is a question mark instead.
 */

/** Kafka's own limit on the UTF-8 length of a string, in both encodings. */
export const STRING_BYTES_MAX = 32_767;

/** Bytes that U+FFFD takes. */
const REPLACEMENT_BYTES = 3;

export function wireText(buffer: Buffer, at: number, end: number): string {
  const text = buffer.toString('utf8', at, end);
  if ((end - at) * REPLACEMENT_BYTES <= STRING_BYTES_MAX) return text;
  if (Buffer.byteLength(text) <= STRING_BYTES_MAX) return text;
  return buffer.toString('latin1', at, end).replaceAll(/[^\0-\x7f]/g, '?');
}
