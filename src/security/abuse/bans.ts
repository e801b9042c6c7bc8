/**
 * Owns whom operators have banned for a time: addresses and networks, and names of a tenant.
 *
 * Invariants: an object of this class never changes; a change makes another one. A ban is in force
 * until its end by the wall clock, so that a restart neither lengthens nor forgets it. A ban of a
 * name is of the name, whatever it proves itself with.
 */
import { parseAddress, parseNetwork } from '../../base/ip-address.ts';

export type BanId =
  /** `network` as `formatNetwork` writes it. */
  | { readonly kind: 'address'; readonly network: string }
  | { readonly kind: 'principal'; readonly tenant: string; readonly name: string };

export type Ban = BanId & {
  readonly sinceMs: number;
  readonly untilMs: number;
  /** The operator's words; for operators. */
  readonly reason: string;
};

export interface BanExclusion {
  readonly reason: 'banned';
  /** For our own log and audit, never for the peer. */
  readonly detail: string;
}

export const banKey = (id: BanId): string =>
  id.kind === 'address' ? `address ${id.network}` : `principal ${id.tenant} ${id.name}`;

export class Bans {
  static readonly NONE: Bans = new Bans(new Map());

  readonly #bans: ReadonlyMap<string, Ban>;
  /** Address length and prefix length -> prefix -> ban: few look-ups however many bans. */
  readonly #networks = new Map<
    string,
    { readonly bits: number; readonly ignoredBits: bigint; readonly bans: Map<bigint, Ban> }
  >();

  /** Takes the map, by `banKey`, as it is now. */
  constructor(bans: ReadonlyMap<string, Ban>) {
    this.#bans = new Map(bans);
    for (const ban of this.#bans.values()) if (ban.kind === 'address') this.#index(ban);
  }

  get size(): number {
    return this.#bans.size;
  }

  /** Those that ended too, until the next change removes them. */
  all(): Iterable<Ban> {
    return this.#bans.values();
  }

  get(id: BanId): Ban | undefined {
    return this.#bans.get(banKey(id));
  }

  ofAddress(text: string, nowMs: number): BanExclusion | null {
    const address = this.#networks.size === 0 ? null : parseAddress(text);
    if (address === null) return null;
    for (const { bits, ignoredBits, bans } of this.#networks.values()) {
      const ban = bits === address.bits ? bans.get(address.value >> ignoredBits) : undefined;
      if (ban !== undefined && ban.untilMs > nowMs) return exclusion(ban);
    }
    return null;
  }

  ofPrincipal(tenant: string, name: string, nowMs: number): BanExclusion | null {
    const ban = this.#bans.get(banKey({ kind: 'principal', tenant, name }));
    return ban !== undefined && ban.untilMs > nowMs ? exclusion(ban) : null;
  }

  #index(ban: Ban & { readonly kind: 'address' }): void {
    const network = parseNetwork(ban.network);
    if (network === null) throw new Error('a ban of a network that is none');
    const { bits, prefixLength, value } = network;
    const key = `${bits}/${prefixLength}`;
    let known = this.#networks.get(key);
    if (known === undefined) {
      known = { bits, ignoredBits: BigInt(bits - prefixLength), bans: new Map() };
      this.#networks.set(key, known);
    }
    known.bans.set(value >> known.ignoredBits, ban);
  }
}

function exclusion(ban: Ban): BanExclusion {
  const whom = ban.kind === 'address' ? ban.network : ban.name;
  return {
    reason: 'banned',
    detail: `${whom} is banned until ${new Date(ban.untilMs).toISOString()}`,
  };
}
