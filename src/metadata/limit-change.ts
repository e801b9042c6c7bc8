/**
 * The operator's limits in the security state: what a change of them comes to, and how a stored record
 * of one is read. Invariant: what is stored reads back; each alteration is checked both times.
 */
import {
  applyLimits,
  isLimitKey,
  type LimitAlteration,
  type LimitEntry,
  type LimitHolder,
  type LimitKey,
  type LimitScope,
  limitProblem,
  scopeKey,
  type TenantLimits,
} from '../quota/tenant-limits.ts';
import { MetadataError } from './metadata-error.ts';
import { type Data, fields, list, malformed, text } from './record-fields.ts';

/** Of the broker as a whole: the ceiling over all tenants. */
export interface BrokerLimitsRecord {
  readonly type: 'broker-limits';
  readonly alterations: readonly LimitAlteration[];
}

export interface TenantLimitsRecord {
  readonly type: 'tenant-limits';
  readonly tenant: string;
  readonly alterations: readonly LimitAlteration[];
}

/** Those that alter anything. Throws MetadataError 'invalid' or 'limit'. */
export function effectiveLimits(
  holder: LimitHolder,
  now: TenantLimits,
  wanted: readonly LimitAlteration[],
  scopesMax: number,
): LimitAlteration[] {
  for (const alteration of wanted) {
    const problem = limitProblem(holder, alteration);
    if (problem !== null) throw new MetadataError('invalid', `The limit is refused: ${problem}.`);
  }
  const effective = wanted.filter(({ scope, values }) => {
    const current = now.get(scope);
    return valuesOf(values).some(([key, value]) => (current?.[key] ?? null) !== value);
  });
  const after = new Map<string, LimitEntry>();
  for (const entry of now.entries()) after.set(scopeKey(entry.scope), entry);
  for (const alteration of effective) applyLimits(after, alteration);
  if (after.size > scopesMax && after.size > now.size) {
    const message = `The limit of ${scopesMax} fleets and devices with limits is reached.`;
    throw new MetadataError('limit', message);
  }
  return effective;
}

export function limitAlterations(holder: LimitHolder, data: Data): readonly LimitAlteration[] {
  return list(data.alterations).map((item) => {
    const stored = fields(item);
    const scope = scopeIn(fields(stored.scope));
    const values: Partial<Record<LimitKey, number | null>> = {};
    for (const [key, value] of Object.entries(fields(stored.values))) {
      if (!isLimitKey(key)) throw malformed('a limit has a key that is none');
      if (value !== null && typeof value !== 'number') throw malformed('a limit has no value');
      values[key] = value;
    }
    const alteration = { scope, values };
    if (limitProblem(holder, alteration) !== null) throw malformed('a limit is none');
    return alteration;
  });
}

function scopeIn(stored: Data): LimitScope {
  return {
    ...(stored.fleet !== undefined && { fleet: text(stored.fleet) }),
    ...(stored.device !== undefined && { device: text(stored.device) }),
  };
}

const valuesOf = (values: LimitAlteration['values']): [LimitKey, number | null][] =>
  Object.entries(values) as [LimitKey, number | null][];
