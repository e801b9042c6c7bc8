/**
 * Owns a small table of names seen lately. The same topic names and group ids arrive with every
 * request, and finding one here is cheaper than decoding it. Bounded: one slot a hash, overwritten
 * by the latest; a hit is compared byte by byte, so a collision costs time and nothing else.
 */
import { wireText } from './wire-text.ts';

const SLOTS = 1024;
const NAME_BYTES_MAX = 20;

const names: string[] = new Array<string>(SLOTS).fill('');

export function internedName(buffer: Buffer, at: number, length: number): string {
  if (length > NAME_BYTES_MAX) return wireText(buffer, at, at + length);
  let hash = length;
  for (let i = 0; i < length; i++) hash = (Math.imul(hash, 31) + buffer[at + i]!) | 0;
  const slot = (hash ^ (hash >>> 10)) & (SLOTS - 1);
  const known = names[slot]!;
  if (known.length === length && holds(known, buffer, at)) return known;
  const text = buffer.toString('utf8', at, at + length);
  names[slot] = text;
  return text;
}

/** True only for ASCII: no other character has the code of its bytes. */
function holds(text: string, buffer: Buffer, at: number): boolean {
  for (let i = 0; i < text.length; i++) {
    if (text.charCodeAt(i) !== buffer[at + i]) return false;
  }
  return true;
}
