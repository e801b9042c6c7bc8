/**
 * What is kept of one device, service or user, as it leaves the table; and the small closed sets of
 * words that a record keeps as a byte.
 */

export interface DeviceRecord {
  readonly tenant: string;
  readonly name: string;
  readonly kind: DeviceKind;
  readonly fleet: string | null;
  /** `mTLS` or a SASL mechanism: the last one that succeeded; null: none has. */
  readonly authentication: string | null;
  readonly firstSeenMs: number;
  /** Null: it has never been let in. */
  readonly lastSeenMs: number | null;
  readonly lastConnectedMs: number | null;
  readonly address: string | null;
  readonly clientId: string | null;
  readonly softwareName: string | null;
  readonly softwareVersion: string | null;
  /** The one presented last; null: none was. */
  readonly certificate: PresentedCertificate | null;
  readonly bytesIn: number;
  readonly bytesOut: number;
  readonly requests: number;
  readonly denials: number;
  readonly connects: number;
  /** Now. */
  readonly connections: number;
  readonly authenticationFailures: number;
  readonly lastFailure: DeviceFailure | null;
  readonly lastDisconnect: { readonly atMs: number; readonly reason: string } | null;
  /** When it last pushed metrics (KIP-714); null: never. */
  readonly telemetryMs: number | null;
}

export interface PresentedCertificate {
  /** Hexadecimal, upper case. */
  readonly serial: string;
  /** SHA-256 of the signing CA's public key, hexadecimal. */
  readonly issuerKeyId: string;
  readonly validFromMs: number;
  readonly expiresMs: number;
}

export interface DeviceFailure {
  readonly atMs: number;
  /** A stable code, as in the access log. */
  readonly reason: string;
  readonly detail: string;
  readonly address: string | null;
}

export const DEVICE_KINDS = ['device', 'service', 'user'] as const;
export type DeviceKind = (typeof DEVICE_KINDS)[number];

const CODES_MAX = 255;

/** Words that our own code makes up, as numbers. Beyond 254 of them all others are one: `other`. */
export class CodeWords {
  readonly #words: string[] = ['', 'other'];
  readonly #codes = new Map<string, number>([
    ['', 0],
    ['other', 1],
  ]);

  codeOf(word: string): number {
    const known = this.#codes.get(word);
    if (known !== undefined) return known;
    if (this.#words.length >= CODES_MAX || !/^[A-Za-z0-9._-]{1,48}$/.test(word)) return 1;
    this.#codes.set(word, this.#words.length);
    return this.#words.push(word) - 1;
  }

  wordOf(code: number): string {
    return this.#words[code] ?? 'other';
  }
}
