/**
 * Owns what a delegation token is (KIP-48, KIP-373) and one tenant's tokens as they are looked at.
 *
 * Invariants: a token here holds no secret: its HMAC and its keys are made anew from the broker's
 * secret (token-keys.ts), so that who reads the disk logs in by none. An object of DelegationTokens
 * never changes; a change makes another one. A token outlives neither its longest time nor the
 * certificate that it was made with.
 */

import type { Random } from '../../base/random.ts';
import { isSubjectName } from '../../pki/identity-name.ts';

export interface DelegationToken {
  /** 22 characters; clients see it behind their tenant (`tokenName`). */
  readonly id: string;
  /** Whom it stands for: the name of a principal, as are the requester and the renewers. */
  readonly owner: string;
  /** The fleet of an owner who made it with a certificate: its rules hold for the token too. */
  readonly fleet: string | null;
  readonly requester: string;
  readonly renewers: readonly string[];
  /** What it was made with, where that was a certificate: revoked with it. */
  readonly certificate: TokenCertificate | null;
  readonly issuedAtMs: number;
  readonly expiresAtMs: number;
  /** No renewal goes beyond it. */
  readonly maxAtMs: number;
}

export interface TokenCertificate {
  /** SHA-256 over the signing CA's public key, hexadecimal. */
  readonly issuerKeyId: string;
  readonly serial: string;
}

/** Tokens that come or are replaced, and ids of those that go. */
export interface DelegationTokenChange {
  readonly set: readonly DelegationToken[];
  readonly removed: readonly string[];
}

/** Says what to change, when it is known what there is. What it throws, the caller gets. */
export type DelegationTokenDecision = (
  now: DelegationTokens,
  nowMs: number,
) => DelegationTokenChange;

export const TOKEN_RENEWERS_MAX = 10;
export const TOKEN_ID_BYTES = 16;
/** The base64url of 16 bytes, of those that may be the user of a login. */
const TOKEN_ID = /^[A-Za-z0-9][A-Za-z0-9_-]{20}[AQgw]$/;

export const isTokenId = (text: string): boolean => TOKEN_ID.test(text);

export function newTokenId(random: Random): string {
  for (;;) {
    const id = random.bytes(TOKEN_ID_BYTES).toString('base64url');
    if (isTokenId(id)) return id;
  }
}

/** What clients know a token by: also the user name with which it logs in, as it is. */
export const tokenName = (tenant: string, { id }: Pick<DelegationToken, 'id'>): string =>
  `${tenant}/${id}`;

export function hasExpired(token: DelegationToken, nowMs: number): boolean {
  return token.expiresAtMs <= nowMs || token.maxAtMs <= nowMs;
}

/** Owners and renewers may see, renew and end a token. */
export function isOwnerOrRenewer({ owner, renewers }: DelegationToken, name: string): boolean {
  return owner === name || renewers.includes(name);
}

/** What is wrong with a token; null when it may be kept. */
export function tokenProblem(token: DelegationToken): string | null {
  if (!isTokenId(token.id)) return 'its id is none';
  const names = [token.owner, token.requester, ...token.renewers];
  if (!names.every(isSubjectName)) return 'it names somebody who cannot be';
  if (token.fleet !== null && !isSubjectName(token.fleet)) return 'its fleet cannot be';
  if (token.renewers.length > TOKEN_RENEWERS_MAX) return 'it has too many renewers';
  const times = [token.issuedAtMs, token.expiresAtMs, token.maxAtMs];
  if (!times.every((time) => Number.isSafeInteger(time) && time >= 0)) return 'a time is none';
  return token.expiresAtMs <= token.maxAtMs ? null : 'it expires after its longest time';
}

/** Applies the removals, and then what comes or is replaced. */
export function applyTokenChange(
  byId: Map<string, DelegationToken>,
  { set, removed }: DelegationTokenChange,
): void {
  for (const id of removed) byId.delete(id);
  for (const token of set) byId.set(token.id, token);
}

export class DelegationTokens {
  static readonly NONE: DelegationTokens = new DelegationTokens(new Map());

  readonly #byId: ReadonlyMap<string, DelegationToken>;

  /** Takes the tokens as they are now. */
  constructor(byId: ReadonlyMap<string, DelegationToken>) {
    this.#byId = new Map(byId);
  }

  get size(): number {
    return this.#byId.size;
  }

  get(id: string): DelegationToken | undefined {
    return this.#byId.get(id);
  }

  all(): Iterable<DelegationToken> {
    return this.#byId.values();
  }

  countOf(owner: string): number {
    let count = 0;
    for (const token of this.#byId.values()) if (token.owner === owner) count += 1;
    return count;
  }

  expired(nowMs: number): string[] {
    const ids: string[] = [];
    for (const token of this.#byId.values()) if (hasExpired(token, nowMs)) ids.push(token.id);
    return ids;
  }
}
