/**
 * Owns texts that a caller carries for us and neither reads nor makes: where a page ended. Encrypted,
 * since what stands in them counts what other tenants have, and authenticated (synthetic IV: the MAC
 * of the text is the first counter block).
 *
 * Invariant: a text is opened only for what it was sealed about, by the process that sealed it; its
 * length tells nothing of a text up to 40 characters.
 */
import { createCipheriv, createDecipheriv, createHmac, timingSafeEqual } from 'node:crypto';
import type { Random } from '../base/random.ts';

const CIPHER = 'aes-256-ctr';
const KEY_BYTES = 32;
const MAC_BYTES = 16;
const LENGTH_LEAST = 40;

export class SealedTexts {
  readonly #macKey: Buffer;
  readonly #cipherKey: Buffer;

  constructor(random: Random) {
    this.#macKey = random.bytes(KEY_BYTES);
    this.#cipherKey = random.bytes(KEY_BYTES);
  }

  /** Of a text that does not end in a space. In base64url. */
  seal(about: string, text: string): string {
    const padded = text.padEnd(LENGTH_LEAST);
    const mac = this.#mac(about, padded);
    const cipher = createCipheriv(CIPHER, this.#cipherKey, mac);
    return Buffer.concat([mac, cipher.update(padded, 'utf8')]).toString('base64url');
  }

  /** Null: it was not sealed here, or about something else. */
  open(about: string, sealed: string): string | null {
    const bytes = Buffer.from(sealed, 'base64url');
    if (bytes.length <= MAC_BYTES) return null;
    const mac = bytes.subarray(0, MAC_BYTES);
    const decipher = createDecipheriv(CIPHER, this.#cipherKey, mac);
    const padded = decipher.update(bytes.subarray(MAC_BYTES)).toString('utf8');
    return timingSafeEqual(this.#mac(about, padded), mac) ? padded.trimEnd() : null;
  }

  /** A name for something: the same for the same, and only here. */
  nameOf(text: string): string {
    return this.#mac('name', text).toString('base64url');
  }

  #mac(about: string, text: string): Buffer {
    const message = JSON.stringify([about, text]);
    return createHmac('sha256', this.#macKey).update(message).digest().subarray(0, MAC_BYTES);
  }
}
