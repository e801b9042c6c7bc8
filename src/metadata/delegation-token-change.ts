/**
 * Decides what a change of a tenant's delegation tokens comes to. Invariants: what is stored reads
 * back; tokens are bounded, for an owner and for the tenant, and those that have expired count no
 * longer: they go with the next one that is made.
 */
import {
  type DelegationTokenChange,
  type DelegationTokenDecision,
  type DelegationTokens,
  tokenProblem,
} from '../security/tokens/delegation-token.ts';
import { MetadataError } from './metadata-error.ts';

export interface DelegationTokenLimits {
  readonly delegationTokensPerTenantMax: number;
  readonly delegationTokensPerOwnerMax: number;
}

/** Throws MetadataError 'invalid' or 'limit'. */
export function decidedTokenChange(
  now: DelegationTokens,
  nowMs: number,
  decide: DelegationTokenDecision,
  limits: DelegationTokenLimits,
): DelegationTokenChange {
  const { set, removed } = decide(now, nowMs);
  for (const token of set) {
    const problem = tokenProblem(token);
    if (problem !== null) throw new MetadataError('invalid', `A token is refused: ${problem}.`);
  }
  const added = set.filter(({ id }) => now.get(id) === undefined);
  const kept = new Set(set.map(({ id }) => id));
  const going = new Set([...removed, ...(added.length > 0 ? now.expired(nowMs) : [])]);
  const gone = [...going].filter((id) => now.get(id) !== undefined && !kept.has(id));
  if (added.length > 0) {
    refuseBeyond(
      now.size - gone.length + added.length,
      limits.delegationTokensPerTenantMax,
      'delegation tokens',
    );
    for (const owner of new Set(added.map((token) => token.owner))) {
      const freed = gone.filter((id) => now.get(id)?.owner === owner).length;
      const count = now.countOf(owner) - freed + added.filter((one) => one.owner === owner).length;
      refuseBeyond(count, limits.delegationTokensPerOwnerMax, 'delegation tokens of an owner');
    }
  }
  return { set, removed: gone };
}

function refuseBeyond(count: number, most: number, what: string): void {
  if (count <= most) return;
  throw new MetadataError('limit', `The limit of ${most} ${what} is reached.`);
}
