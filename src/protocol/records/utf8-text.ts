/** Owns telling UTF-8 (RFC 3629) from other bytes, also where a native call would cost too much. */
import { isUtf8 } from 'node:buffer';

/** Longer texts are left to the native check, whose call costs some 200 ns. */
const SHORT_TEXT_BYTES_MAX = 64;

/** Whether `buffer[start, end)` is well-formed: no overlong forms, no surrogates, none cut short. */
export function isUtf8Text(buffer: Buffer, start: number, end: number): boolean {
  if (end - start > SHORT_TEXT_BYTES_MAX) return isUtf8(buffer.subarray(start, end));
  for (let at = start; at < end; ) {
    const length = characterBytes(buffer, at, end);
    if (length === 0) return false;
    at += length;
  }
  return true;
}

/** Bytes of the character at `at`: 1 to 4, or 0 when there is none (RFC 3629, section 4). */
function characterBytes(buffer: Buffer, at: number, end: number): number {
  const lead = buffer[at]!;
  if (lead < 0x80) return 1;
  if (lead < 0xc2 || lead > 0xf4) return 0;
  const length = lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
  if (length > end - at) return 0;
  const second = buffer[at + 1]!;
  const lowest = lead === 0xe0 ? 0xa0 : lead === 0xf0 ? 0x90 : 0x80;
  const highest = lead === 0xed ? 0x9f : lead === 0xf4 ? 0x8f : 0xbf;
  if (second < lowest || second > highest) return 0;
  for (let index = 2; index < length; index++) {
    if ((buffer[at + index]! & 0xc0) !== 0x80) return 0;
  }
  return length;
}
