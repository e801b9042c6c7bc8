/**
 * Owns the two forms of a uuid: 16 bytes on the wire, 22 characters of URL-safe base64 inside.
 * Topic ids come with every Produce and Fetch, so recent ones are remembered, one slot a hash.
 */
import { ZERO_UUID } from './schema.ts';

const SLOTS = 1024;
const TEXT_LENGTH = 22;
const BYTES = 16;
const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';

const rememberedBytes = Buffer.alloc(SLOTS * BYTES);
const rememberedText: string[] = new Array<string>(SLOTS).fill(ZERO_UUID);

const sextets = new Int8Array(128).fill(-1);
for (let i = 0; i < ALPHABET.length; i++) sextets[ALPHABET.charCodeAt(i)] = i;

/** The text of the 16 bytes at `at`. */
export function readUuid(buffer: Buffer, at: number): string {
  let hash = 0;
  let seen = 0;
  for (let i = 0; i < BYTES; i++) {
    const byte = buffer[at + i]!;
    seen |= byte;
    hash = (Math.imul(hash, 31) + byte) | 0;
  }
  if (seen === 0) return ZERO_UUID;
  const slot = (hash ^ (hash >>> 10)) & (SLOTS - 1);
  if (remembered(slot, buffer, at)) return rememberedText[slot]!;
  const text = buffer.toString('base64url', at, at + BYTES);
  const base = slot * BYTES;
  for (let i = 0; i < BYTES; i++) rememberedBytes[base + i] = buffer[at + i]!;
  rememberedText[slot] = text;
  return text;
}

function remembered(slot: number, buffer: Buffer, at: number): boolean {
  const base = slot * BYTES;
  for (let i = 0; i < BYTES; i++) {
    if (rememberedBytes[base + i] !== buffer[at + i]) return false;
  }
  return true;
}

/** Writes the 16 bytes of `text` at `at`. Throws RangeError unless it is a uuid's canonical text. */
export function writeUuid(buffer: Buffer, at: number, text: string): void {
  if (text === ZERO_UUID) {
    buffer.fill(0, at, at + BYTES);
    return;
  }
  if (text.length !== TEXT_LENGTH) refuse(text);
  let bits = 0;
  let pending = 0;
  let out = at;
  for (let i = 0; i < TEXT_LENGTH; i++) {
    const code = text.charCodeAt(i);
    const sextet = code < 128 ? sextets[code]! : -1;
    if (sextet < 0) refuse(text);
    bits = ((bits << 6) | sextet) & 0x3fff;
    pending += 6;
    if (pending >= 8) {
      pending -= 8;
      buffer[out++] = bits >> pending;
    }
  }
  if ((bits & 0x0f) !== 0) refuse(text);
}

function refuse(text: string): never {
  throw new RangeError(`not a uuid of 22 base64url characters: ${JSON.stringify(text)}`);
}
