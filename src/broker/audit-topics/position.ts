/**
 * Owns how far an audit topic has come in both streams of the audit log, and the form in which a
 * record of the topic carries it: sealed, because sequence numbers count the events of all tenants.
 *
 * Sealed form: one AES-256 block of mark (4 bytes), security (6), access (6) as base64url. It hides
 * the numbers and needs no authenticity: nobody but the broker writes to the topic.
 */
import { createCipheriv, createDecipheriv } from 'node:crypto';

export interface Position {
  /** Lines up to these were published, or were not for this topic. */
  readonly security: number;
  readonly access: number;
}

export const START: Position = { security: 0, access: 0 };

export const SEAL_KEY_BYTES = 32;
export const POSITION_HEADER = 'position';

const ALGORITHM = 'aes-256-ecb';
const BLOCK_BYTES = 16;
const MARK = 0x62776174;
const NUMBER_BYTES = 6;

export const laterOf = (a: Position, b: Position): Position => ({
  security: Math.max(a.security, b.security),
  access: Math.max(a.access, b.access),
});

export const earlierOf = (a: Position, b: Position): Position => ({
  security: Math.min(a.security, b.security),
  access: Math.min(a.access, b.access),
});

export const isBehind = (a: Position, b: Position): boolean =>
  a.security < b.security || a.access < b.access;

export function sealPosition(key: Buffer, { security, access }: Position): string {
  const block = Buffer.alloc(BLOCK_BYTES);
  block.writeUInt32BE(MARK, 0);
  block.writeUIntBE(security, 4, NUMBER_BYTES);
  block.writeUIntBE(access, 4 + NUMBER_BYTES, NUMBER_BYTES);
  const cipher = createCipheriv(ALGORITHM, key, null).setAutoPadding(false);
  return Buffer.concat([cipher.update(block), cipher.final()]).toString('base64url');
}

/** Null for what was not sealed with this key. */
export function openPosition(key: Buffer, text: string): Position | null {
  const sealed = Buffer.from(text, 'base64url');
  if (sealed.length !== BLOCK_BYTES) return null;
  const decipher = createDecipheriv(ALGORITHM, key, null).setAutoPadding(false);
  const block = Buffer.concat([decipher.update(sealed), decipher.final()]);
  if (block.readUInt32BE(0) !== MARK) return null;
  return {
    security: block.readUIntBE(4, NUMBER_BYTES),
    access: block.readUIntBE(4 + NUMBER_BYTES, NUMBER_BYTES),
  };
}
