/**
 * Owns from which networks the live connections of each certificate come, and says when one comes
 * from two at once: a private key that was copied looks like that. (So does a key that is shared on
 * purpose, or a device that changed networks before its old connection was found dead.)
 *
 * Invariants: only live connections are counted, so memory is bounded by their number; who was told
 * of is remembered in bounded memory, and told of again only after a while. A login without a
 * certificate is nobody here.
 */
import { addressPrefix, type PrefixBits } from '../base/address-prefix.ts';
import type { Clock } from '../base/clock.ts';
import type { KafkaPrincipal } from './principal.ts';
import { canonicalSerial } from './revocations.ts';

export interface NetworksAlarm {
  readonly tenant: string;
  readonly name: string;
  /** As node:crypto prints it. */
  readonly serial: string;
  /** Two of them at least, the newest last. */
  readonly networks: readonly string[];
}

/** How often the same certificate raises the alarm. */
const ALARM_EVERY_MS = 10 * 60 * 1000;
/** Certificates that are remembered to have raised it. */
const ALARMED_MAX = 10_000;

export class CertificateNetworks {
  readonly #bits: PrefixBits;
  readonly #clock: Clock;
  readonly #live = new Map<string, Map<string, number>>();
  readonly #alarmedAtMs = new Map<string, number>();

  constructor(bits: PrefixBits, clock: Clock) {
    this.#bits = bits;
    this.#clock = clock;
  }

  /** Certificates with a live connection. */
  get size(): number {
    return this.#live.size;
  }

  /** A connection of the principal is live; the alarm that this is, or null. End it with `closed`. */
  opened(principal: KafkaPrincipal, remoteAddress: string): NetworksAlarm | null {
    const { tenant, name, certificateSerial: serial } = principal;
    if (serial === null) return null;
    const key = keyOf(tenant, serial);
    const network = addressPrefix(remoteAddress, this.#bits);
    const networks = this.#live.get(key) ?? new Map<string, number>();
    this.#live.set(key, networks);
    const isNew = !networks.has(network);
    networks.set(network, (networks.get(network) ?? 0) + 1);
    if (!isNew || networks.size < 2 || !this.#isDue(key)) return null;
    return { tenant, name, serial, networks: [...networks.keys()] };
  }

  closed({ tenant, certificateSerial: serial }: KafkaPrincipal, remoteAddress: string): void {
    if (serial === null) return;
    const key = keyOf(tenant, serial);
    const network = addressPrefix(remoteAddress, this.#bits);
    const networks = this.#live.get(key);
    const left = (networks?.get(network) ?? 0) - 1;
    if (networks === undefined) return;
    if (left > 0) networks.set(network, left);
    else networks.delete(network);
    if (networks.size === 0) this.#live.delete(key);
  }

  #isDue(key: string): boolean {
    const nowMs = this.#clock.monotonicMs();
    const beforeMs = this.#alarmedAtMs.get(key);
    if (beforeMs !== undefined && nowMs - beforeMs < ALARM_EVERY_MS) return false;
    // Again at the end: the first one is the one that was told of longest ago.
    this.#alarmedAtMs.delete(key);
    this.#alarmedAtMs.set(key, nowMs);
    if (this.#alarmedAtMs.size > ALARMED_MAX) {
      const [oldest] = this.#alarmedAtMs.keys();
      this.#alarmedAtMs.delete(oldest!);
    }
    return true;
  }

  /** A certificate that was let in again is judged anew. */
  forget(tenant: string, serial: string): void {
    this.#alarmedAtMs.delete(keyOf(tenant, serial));
  }
}

const keyOf = (tenant: string, serial: string): string =>
  `${tenant} ${canonicalSerial(serial) ?? serial}`;
