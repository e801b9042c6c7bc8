/**
 * Owns the broker's own reading of its keytab (MIT's format, version 5.2), which libkrb5 reads too.
 *
 * Invariant: a key is found by service principal, key version and encryption type together, never
 * by trying; a keytab that cannot be read any more leaves the last good one in place here, while
 * libkrb5, which opens the file at every login, refuses.
 */
import type { Clock } from '../../base/clock.ts';
import { isServedEncryptionType, type KerberosKey } from './gssapi-crypto.ts';

const MAGIC = 0x0502;
const RELOAD_INTERVAL_MS = 1000;

export interface KeytabEntry {
  readonly names: readonly string[];
  readonly realm: string;
  readonly version: number;
  readonly key: KerberosKey;
}

/** Throws RangeError or Error when it is not a keytab. Keys of other types are left out. */
export function parseKeytab(bytes: Buffer): KeytabEntry[] {
  if (bytes.length < 2 || bytes.readUInt16BE(0) !== MAGIC) throw new Error('not a keytab');
  const entries: KeytabEntry[] = [];
  for (let at = 2; at < bytes.length; ) {
    const size = bytes.readInt32BE(at);
    at += 4;
    if (size === 0) break;
    if (at + Math.abs(size) > bytes.length) throw new Error('a keytab that was cut off');
    // A hole, left by an entry that was removed, has a negative size.
    if (size > 0) {
      const entry = entryIn(bytes.subarray(at, at + size));
      if (isServedEncryptionType(entry.key.type)) entries.push(entry);
    }
    at += Math.abs(size);
  }
  return entries;
}

function entryIn(bytes: Buffer): KeytabEntry {
  let at = 0;
  const number = (size: 1 | 2 | 4): number => {
    const value = bytes.readUIntBE(at, size);
    at += size;
    return value;
  };
  const counted = (): Buffer => {
    const length = number(2);
    if (at + length > bytes.length) throw new Error('a keytab entry that was cut off');
    at += length;
    return bytes.subarray(at - length, at);
  };
  const count = number(2);
  const realm = counted().toString('latin1');
  const names: string[] = [];
  for (let left = count; left > 0; left -= 1) names.push(counted().toString('latin1'));
  number(4); // the type of the name
  number(4); // when it was written
  const shortVersion = number(1);
  const type = number(2);
  const keyBytes = Buffer.from(counted());
  // The version in 32 bits, where the writer had room for it and meant it.
  const longVersion = bytes.length - at >= 4 ? number(4) : 0;
  const version = longVersion === 0 ? shortVersion : longVersion;
  return { names, realm, version, key: { type, bytes: keyBytes } };
}

export interface KeytabOptions {
  /** The file's bytes; throws when it cannot be read. */
  readonly read: () => Buffer;
  /** sasl.kerberos.service.name: keys of other services are not looked at. */
  readonly serviceName: string;
  readonly clock: Clock;
  /** Called when a changed file is in use, or with why it is not, once for each change. */
  readonly onChange: (problem: Error | null) => void;
}

/** The keys of our service, as the file has them now, give or take a second. */
export class Keytab {
  readonly #options: KeytabOptions;
  #bytes: Buffer;
  #keys: ReadonlyMap<string, KeytabEntry>;
  #lookedAtMs: number;
  #problem: string | undefined;

  /** Throws what reading or parsing throws. */
  constructor(options: KeytabOptions) {
    this.#options = options;
    this.#bytes = options.read();
    this.#keys = keysOf(parseKeytab(this.#bytes), options.serviceName);
    this.#lookedAtMs = options.clock.monotonicMs();
  }

  /** Of our service alone. */
  get entries(): KeytabEntry[] {
    return [...this.#keys.values()];
  }

  keyFor(
    names: readonly string[],
    realm: string,
    version: number,
    type: number,
  ): KerberosKey | undefined {
    this.#refresh();
    return this.#keys.get(JSON.stringify([names, realm, version, type]))?.key;
  }

  #refresh(): void {
    const { clock, read, serviceName, onChange } = this.#options;
    const nowMs = clock.monotonicMs();
    if (nowMs - this.#lookedAtMs < RELOAD_INTERVAL_MS) return;
    this.#lookedAtMs = nowMs;
    try {
      const bytes = read();
      if (bytes.equals(this.#bytes)) {
        this.#problem = undefined;
        return;
      }
      const keys = keysOf(parseKeytab(bytes), serviceName);
      if (keys.size === 0) throw new Error(`it holds no key of the service ${serviceName}`);
      this.#bytes = bytes;
      this.#keys = keys;
      this.#problem = undefined;
      onChange(null);
    } catch (cause) {
      const problem = cause instanceof Error ? cause : new Error(String(cause));
      if (problem.message === this.#problem) return;
      this.#problem = problem.message;
      onChange(problem);
    }
  }
}

function keysOf(
  entries: readonly KeytabEntry[],
  serviceName: string,
): ReadonlyMap<string, KeytabEntry> {
  const keys = new Map<string, KeytabEntry>();
  for (const entry of entries) {
    const { names, realm, version, key } = entry;
    // As Kafka: service/host, one of them for each name that the broker is reached by.
    if (names.length !== 2 || names[0] !== serviceName) continue;
    keys.set(JSON.stringify([names, realm, version, key.type]), entry);
  }
  return keys;
}
