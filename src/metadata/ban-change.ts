/**
 * Decides what a ban, or its removal, comes to, and applies records of both. Invariant: what a record
 * leads to does not depend on the time at which it is applied; bans that ended are removed by the
 * record of the next ban, so that they neither add up nor count.
 */
import { formatNetwork, parseNetwork } from '../base/ip-address.ts';
import { type Ban, type BanId, type Bans, banKey } from '../security/abuse/bans.ts';
import { NAME_GRAMMAR } from '../security/policy-rule.ts';
import { MetadataError } from './metadata-error.ts';
import type { BansRecord } from './metadata-log.ts';

export interface BanLimits {
  /** Of addresses and names, all tenants together. */
  readonly bansMax: number;
  readonly banReasonLengthMax: number;
  readonly banMsMax: number;
}

export interface WantedBan {
  readonly id: BanId;
  readonly durationMs: number;
  readonly reason: string;
}

/** Ended bans that one record removes. */
const ENDED_PER_RECORD = 1000;

export function applyBans(bans: Map<string, Ban>, { lifted, banned }: BansRecord): void {
  for (const id of lifted) bans.delete(banKey(id));
  for (const ban of banned) bans.set(banKey(ban), ban);
}

/** What is to be stored. A ban of the same address or name takes the place of an earlier one. */
export function banOf(now: Bans, wanted: WantedBan, nowMs: number, limits: BanLimits): BansRecord {
  const id = inOneForm(wanted.id);
  const { durationMs, reason } = wanted;
  if (!Number.isSafeInteger(durationMs) || durationMs < 1 || durationMs > limits.banMsMax) {
    throw invalid('A ban lasts a positive time, of at most ten years.');
  }
  if (reason.length > limits.banReasonLengthMax) throw invalid('The reason is too long.');
  const key = banKey(id);
  const lifted: BanId[] = [];
  for (const ban of now.all()) {
    if (lifted.length === ENDED_PER_RECORD) break;
    if (ban.untilMs <= nowMs && banKey(ban) !== key) lifted.push(idOf(ban));
  }
  const count = now.size - lifted.length + Number(now.get(id) === undefined);
  if (count > limits.bansMax) {
    throw new MetadataError('limit', `The limit of ${limits.bansMax} bans is reached.`);
  }
  const ban: Ban = { ...id, sinceMs: nowMs, untilMs: nowMs + durationMs, reason };
  return { type: 'bans', lifted, banned: [ban] };
}

/** What is to be stored; null when there is no such ban. */
export function liftOf(now: Bans, wanted: BanId): BansRecord | null {
  const id = inOneForm(wanted);
  return now.get(id) === undefined ? null : { type: 'bans', lifted: [id], banned: [] };
}

function idOf(ban: Ban): BanId {
  return ban.kind === 'address'
    ? { kind: ban.kind, network: ban.network }
    : { kind: ban.kind, tenant: ban.tenant, name: ban.name };
}

/** Equal networks have one text. */
function inOneForm(id: BanId): BanId {
  if (id.kind === 'principal') {
    if (!NAME_GRAMMAR.test(id.name)) throw invalid('Nobody can have that name.');
    return idOf({ ...id, sinceMs: 0, untilMs: 0, reason: '' });
  }
  const network = parseNetwork(id.network);
  if (network === null) {
    throw invalid('That is neither an address nor a network whose host bits are zero.');
  }
  if (network.prefixLength === 0) throw invalid('A ban of every address is refused.');
  return { kind: 'address', network: formatNetwork(network) };
}

const invalid = (message: string): MetadataError => new MetadataError('invalid', message);
