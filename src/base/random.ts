/** Owns randomness: ids and secrets come from here, so that tests can make them repeatable. */
import { randomBytes } from 'node:crypto';

export interface Random {
  /** `length` bytes from a cryptographic source. */
  bytes(length: number): Buffer;
}

export const systemRandom: Random = { bytes: (length) => randomBytes(length) };

/**
 * A version-4 UUID in Kafka's text form: URL-safe base64 without padding, 22 characters, never
 * beginning with "-" (Kafka's command line tools read that as an option; KIP-516).
 */
export function randomUuid(random: Random): string {
  for (;;) {
    const bytes = random.bytes(16);
    bytes[6] = (bytes[6]! & 0x0f) | 0x40;
    bytes[8] = (bytes[8]! & 0x3f) | 0x80;
    const text = bytes.toString('base64url');
    if (!text.startsWith('-')) return text;
  }
}
