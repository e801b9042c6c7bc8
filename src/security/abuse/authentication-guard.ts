/**
 * Owns what failed authentications lead to. Whoever fails is a source: an IPv4 address, or the /64
 * of an IPv6 address. What is counted, and what it leads to:
 *
 * - source and name: beyond a few failures the name is held up FOR THAT SOURCE, for a time that
 *   doubles. A login during a hold is refused whether its proof was right or wrong, so that guesses
 *   made meanwhile, however many at once, tell nothing.
 * - source: the same for every name, so that spraying names or forged certificates ends as well; new
 *   connections of a source that is held up are dropped before the TLS handshake.
 * - name, from wherever: answers, good ones too, come up to a second later. Never a hold: nobody is
 *   locked out by strangers that fail in his name from elsewhere.
 * - source, far beyond: an automatic ban, with an end.
 *
 * Who authenticated lately from the same source, or is connected from it, has credit: the name (from
 * that source) and the source may fail ten times as often before they are held up, a right proof is
 * not delayed, and the source is neither dropped before the handshake nor banned (a NAT has many
 * behind it). Beyond ten times the allowance a hold is a hold: somebody at the same address is
 * guessing. A certificate is no guess: one that is good is admitted from wherever TLS was spoken.
 *
 * Invariants: memory is bounded, see LevelTable for what a full table does; counting is synchronous
 * with the verdict, so that attempts made at once do not slip through; time is monotonic. Bans made
 * here live in memory: a restart forgets them, because strangers must not be able to make us write.
 */
import type { Clock } from '../../base/clock.ts';
import {
  formatNetwork,
  inNetworks,
  type Network,
  networkOf,
  parseAddress,
} from '../../base/ip-address.ts';
import { LevelTable } from './level-table.ts';
import { RecentSuccesses } from './recent-successes.ts';

export interface GuardSettings {
  /** connection.failed.authentication.delay.ms: the least that a refusal takes. */
  readonly delayMs: number;
  /** The longest hold; 0: nobody is held up. */
  readonly holdMaxMs: number;
  readonly windowMs: number;
  readonly failuresPerPrincipalMax: number;
  readonly failuresPerAddressMax: number;
  /** Failures of an address in a window that ban it; 0: none is banned. */
  readonly failuresToBan: number;
  readonly banMs: number;
  /** Never held up or banned as an address; names are still held up for it. */
  readonly exempt: readonly Network[];
  /** Of each table; for tests. */
  readonly entriesMax?: number;
}

/** Whom a peer claimed to be, as far as it got. */
export interface Claim {
  readonly tenant: string | null;
  readonly name: string | null;
}

export interface AutomaticBan {
  /** An address, or a /64. */
  readonly network: string;
  readonly failures: number;
  readonly sinceMs: number;
  readonly untilMs: number;
}

export interface Failure {
  /** How long to wait before the peer is told. */
  readonly delayMs: number;
  /** The ban that this failure led to. */
  readonly ban: AutomaticBan | null;
}

/** Stable codes: they stand in the audit log. */
export interface TurnedAway {
  readonly reason: 'banned' | 'backed_off';
  /** For our own log and audit, never for the peer. */
  readonly detail: string;
}

const ENTRIES_MAX = 50_000;
/** Bans in memory; when there are as many, further addresses are only held up. */
const BANS_MAX = 10_000;
const FIRST_HOLD_MS = 1000;
/** The longest that a refusal keeps a connection: what holds attempts up is the hold. */
const ANSWER_MAX_MS = 5000;
/** The most that failures elsewhere delay anybody. */
const ELSEWHERE_MAX_MS = 1000;
/** How many times as often who has credit may fail. */
const CREDIT = 10;
const CREDIT_LASTS_MS = 60 * 60 * 1000;
const IPV6_SOURCE_BITS = 64;

export class AuthenticationGuard {
  readonly #settings: GuardSettings;
  readonly #clock: Clock;
  readonly #bySource: LevelTable;
  readonly #byPair: LevelTable;
  readonly #byName: LevelTable;
  /** Of all failures of a source, those during a hold too. */
  readonly #towardsBan: LevelTable | null;
  readonly #recent: RecentSuccesses;
  /** Source -> ban and its end in monotonic time, the first to end first. */
  readonly #bans = new Map<string, { readonly ban: AutomaticBan; readonly endMs: number }>();

  constructor(settings: GuardSettings, clock: Clock) {
    this.#settings = settings;
    this.#clock = clock;
    const { windowMs, holdMaxMs, failuresPerAddressMax, failuresPerPrincipalMax } = settings;
    const entriesMax = settings.entriesMax ?? ENTRIES_MAX;
    const firstHoldMs = Math.min(FIRST_HOLD_MS, holdMaxMs);
    const table = (allowance: number): LevelTable =>
      new LevelTable({ entriesMax, allowance, windowMs, firstHoldMs, longestHoldMs: holdMaxMs });
    this.#bySource = table(failuresPerAddressMax);
    this.#byPair = table(failuresPerPrincipalMax);
    this.#byName = table(failuresPerAddressMax);
    this.#towardsBan = settings.failuresToBan === 0 ? null : table(settings.failuresToBan);
    this.#recent = new RecentSuccesses({ entriesMax: 2 * entriesMax, lastsMs: CREDIT_LASTS_MS });
  }

  /** Asked of a new connection, before TLS; null: it may go on. To come during a hold counts. */
  turnsAway(address: string): (TurnedAway & { readonly ban: AutomaticBan | null }) | null {
    const source = sourceOf(address);
    const nowMs = this.#clock.monotonicMs();
    if (this.#banned(source, nowMs)) {
      const detail = 'banned after too many failed authentications';
      return { reason: 'banned', detail, ban: null };
    }
    const isHeld = this.#bySource.holdOf(source, nowMs) > 0 && !this.#recent.has(source, nowMs);
    if (!isHeld) return null;
    const ban = this.#countTowardsBan(source, address, nowMs);
    return { reason: 'backed_off', detail: 'too many failed authentications', ban };
  }

  /** Asked of a login whose proof was right: why it is refused all the same, or how late it is. */
  judge(address: string, claim: Claim): { readonly refusal: TurnedAway | null; delayMs: number } {
    const source = sourceOf(address);
    const nowMs = this.#clock.monotonicMs();
    if (this.#isHeldUp(source, claim, nowMs)) {
      const detail = 'the proof was right, during a back-off';
      return {
        refusal: { reason: 'backed_off', detail },
        delayMs: this.#answerInMs(this.#holdOf(source, claim, nowMs), claim, nowMs),
      };
    }
    const hasCredit = this.#recent.has(pairOf(source, claim), nowMs);
    return { refusal: null, delayMs: hasCredit ? 0 : this.#elsewhereMs(claim, nowMs) };
  }

  /** Counts a failure. `claim` null: a peer that claimed nothing, or whose claim proves nothing. */
  failed(address: string, claim: Claim | null): Failure {
    const source = sourceOf(address);
    const nowMs = this.#clock.monotonicMs();
    const ban = this.#countTowardsBan(source, address, nowMs);
    if (this.#isHeldUp(source, claim, nowMs)) {
      // Not counted again: the hold would never end for who tries too often with a right proof.
      const holdMs = this.#holdOf(source, claim, nowMs);
      return { delayMs: this.#answerInMs(holdMs, claim, nowMs), ban };
    }
    if (hasName(claim)) this.#byName.fail(nameOf(claim), nowMs);
    const holds = [
      this.#isExempt(address) ? 0 : this.#fail(this.#bySource, source, source, nowMs),
      hasName(claim) ? this.#failPair(source, claim, nowMs) : 0,
    ];
    return { delayMs: this.#answerInMs(Math.max(...holds), claim, nowMs), ban };
  }

  /** An authenticated connection stands, until the function that is answered is called. */
  connected(address: string, claim: Claim): () => void {
    const source = sourceOf(address);
    const pair = pairOf(source, claim);
    const openedMs = this.#clock.monotonicMs();
    for (const key of [source, pair]) this.#recent.opened(key, openedMs);
    let isOpen = true;
    return () => {
      if (!isOpen) return;
      isOpen = false;
      const nowMs = this.#clock.monotonicMs();
      for (const key of [source, pair]) this.#recent.closed(key, nowMs);
    };
  }

  /** How much longer a name is held up or banned at an address, in milliseconds. Only looks. */
  heldUpMs(address: string, claim: Claim): number {
    const source = sourceOf(address);
    const nowMs = this.#clock.monotonicMs();
    const bannedMs = (this.#bans.get(source)?.endMs ?? nowMs) - nowMs;
    const heldMs = this.#isHeldUp(source, claim, nowMs) ? this.#holdOf(source, claim, nowMs) : 0;
    return Math.max(0, bannedMs, heldMs);
  }

  /** A name proved itself by a login: its own failures from there are forgiven, not the source's. */
  proved(address: string, claim: Claim): void {
    this.#byPair.clear(pairOf(sourceOf(address), claim));
  }

  bans(): readonly AutomaticBan[] {
    const nowMs = this.#clock.monotonicMs();
    return [...this.#bans.values()].filter(({ endMs }) => endMs > nowMs).map(({ ban }) => ban);
  }

  /** Ends an automatic ban, and what led to it; false when there is none. */
  lift(network: string): boolean {
    if (!this.#bans.delete(network)) return false;
    this.#bySource.clear(network);
    this.#towardsBan?.clear(network);
    return true;
  }

  /** Entries in memory, for the bound that tests hold. */
  get size(): number {
    const levels = [this.#bySource, this.#byPair, this.#byName, this.#towardsBan];
    return levels.reduce((sum, table) => sum + (table?.size ?? 0), this.#recent.size);
  }

  #banned(source: string, nowMs: number): boolean {
    const found = this.#bans.get(source);
    if (found === undefined) return false;
    if (found.endMs > nowMs) return true;
    this.#bans.delete(source);
    return false;
  }

  #countTowardsBan(source: string, address: string, nowMs: number): AutomaticBan | null {
    const levels = this.#towardsBan;
    if (levels === null || this.#isExempt(address) || this.#banned(source, nowMs)) return null;
    levels.fail(source, nowMs);
    const failures = levels.levelOf(source, nowMs);
    const { failuresToBan, banMs } = this.#settings;
    if (failures < failuresToBan || this.#recent.has(source, nowMs)) return null;
    for (const [ended, { endMs }] of this.#bans) {
      if (endMs > nowMs) break;
      this.#bans.delete(ended);
    }
    if (this.#bans.size >= BANS_MAX) return null;
    const sinceMs = this.#clock.nowMs();
    const ban = { network: source, failures, sinceMs, untilMs: sinceMs + banMs };
    this.#bans.set(source, { ban, endMs: nowMs + banMs });
    levels.clear(source);
    return ban;
  }

  #isHeldUp(source: string, claim: Claim | null, nowMs: number): boolean {
    const isHeld = (table: LevelTable, key: string, allowance: number): boolean =>
      table.holdOf(key, nowMs) > 0 &&
      !(this.#recent.has(key, nowMs) && table.levelOf(key, nowMs) <= CREDIT * allowance);
    const { failuresPerAddressMax, failuresPerPrincipalMax } = this.#settings;
    if (isHeld(this.#bySource, source, failuresPerAddressMax)) return true;
    return hasName(claim) && isHeld(this.#byPair, pairOf(source, claim), failuresPerPrincipalMax);
  }

  #holdOf(source: string, claim: Claim | null, nowMs: number): number {
    const ofPair = hasName(claim) ? this.#byPair.holdOf(pairOf(source, claim), nowMs) : 0;
    return Math.max(ofPair, this.#bySource.holdOf(source, nowMs));
  }

  #failPair(source: string, claim: Claim, nowMs: number): number {
    const pair = pairOf(source, claim);
    return this.#fail(this.#byPair, pair, pair, nowMs);
  }

  #fail(table: LevelTable, key: string, credited: string, nowMs: number): number {
    const { failuresPerAddressMax, failuresPerPrincipalMax, holdMaxMs } = this.#settings;
    if (holdMaxMs === 0) return 0;
    const allowance = table === this.#byPair ? failuresPerPrincipalMax : failuresPerAddressMax;
    return table.fail(
      key,
      nowMs,
      this.#recent.has(credited, nowMs) ? CREDIT * allowance : allowance,
    );
  }

  /** The same whether the proof was right or wrong. */
  #answerInMs(holdMs: number, claim: Claim | null, nowMs: number): number {
    const { delayMs } = this.#settings;
    return Math.max(delayMs, Math.min(holdMs, ANSWER_MAX_MS), this.#elsewhereMs(claim, nowMs));
  }

  #elsewhereMs(claim: Claim | null, nowMs: number): number {
    const holdMs = hasName(claim) ? this.#byName.holdOf(nameOf(claim), nowMs) : 0;
    return Math.min(holdMs, ELSEWHERE_MAX_MS);
  }

  #isExempt(address: string): boolean {
    return inNetworks(this.#settings.exempt, address);
  }
}

/** What counts as one peer: an address, or the network that a subscriber of IPv6 has to himself. */
export function sourceOf(address: string): string {
  const parsed = parseAddress(address);
  if (parsed === null) return address;
  return formatNetwork(networkOf(parsed, parsed.bits === 32 ? parsed.bits : IPV6_SOURCE_BITS));
}

type Named = { readonly tenant: string | null; readonly name: string };

const hasName = (claim: Claim | null): claim is Named => claim !== null && claim.name !== null;

/** Names of logins and tenants are short and hold no line end, or they are no claims. */
const NAME_LENGTH_MAX = 63;
const bounded = (text: string | null): string => (text ?? '').slice(0, NAME_LENGTH_MAX);
const nameOf = ({ tenant, name }: Claim): string => ownText(`${bounded(tenant)}\n${bounded(name)}`);
const pairOf = (source: string, claim: Claim): string => ownText(`${source}\n${nameOf(claim)}`);

/** A part of a string keeps the whole of it in memory, which is the peer's message here. */
const ownText = (text: string): string => Buffer.from(text).toString();
