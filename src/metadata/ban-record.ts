/**
 * Reads stored `bans` records. Invariant: what cannot be matched against an address or a name is
 * malformed, since skipping it would let somebody back in.
 */
import { formatNetwork, parseNetwork } from '../base/ip-address.ts';
import type { Ban, BanId } from '../security/abuse/bans.ts';
import { TENANT_GRAMMAR } from '../security/policy-rule.ts';
import type { BansRecord } from './metadata-log.ts';
import { type Data, fields, list, malformed, text } from './record-fields.ts';

export function bansIn(data: Data): Pick<BansRecord, 'lifted' | 'banned'> {
  return {
    lifted: list(data.lifted).map((item) => banId(fields(item))),
    banned: list(data.banned).map((item) => ban(fields(item))),
  };
}

function ban(stored: Data): Ban {
  return {
    ...banId(stored),
    sinceMs: timeMs(stored.sinceMs),
    untilMs: timeMs(stored.untilMs),
    reason: text(stored.reason),
  };
}

function banId(stored: Data): BanId {
  const { kind } = stored;
  if (kind === 'address') {
    const network = text(stored.network);
    const parsed = parseNetwork(network);
    if (parsed === null || formatNetwork(parsed) !== network)
      throw malformed('a ban of no address');
    return { kind, network };
  }
  if (kind !== 'principal') throw malformed('a ban is of nothing known');
  const tenant = text(stored.tenant);
  if (!TENANT_GRAMMAR.test(tenant)) throw malformed('a ban of no tenant');
  return { kind, tenant, name: text(stored.name) };
}

function timeMs(value: unknown): number {
  if (typeof value !== 'number' || !Number.isFinite(value)) throw malformed('a time is missing');
  return value;
}
