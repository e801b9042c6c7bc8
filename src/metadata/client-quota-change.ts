/**
 * Decides what a change of a tenant's client quotas comes to. Invariant: what is stored reads back
 * (quota-record.ts refuses the rest, and a start with it).
 */
import {
  type ClientQuotaAlteration,
  entityKey,
  entityProblem,
  type QuotaKey,
  valueProblem,
} from '../quota/client-quota-entity.ts';
import type { ClientQuotas } from '../quota/client-quotas.ts';
import { MetadataError } from './metadata-error.ts';

/** The alterations that alter anything. Throws MetadataError 'invalid' for one not in order. */
export function effectiveAlterations(
  now: ClientQuotas,
  wanted: readonly ClientQuotaAlteration[],
): ClientQuotaAlteration[] {
  const seen = new Set<string>();
  return wanted.filter((alteration) => {
    const problem = alterationProblem(alteration);
    if (problem !== null) throw new MetadataError('invalid', `The quota is refused: ${problem}.`);
    const key = entityKey(alteration.entity);
    if (seen.has(key)) throw new MetadataError('invalid', 'A quota is altered twice at once.');
    seen.add(key);
    const current = now.get(alteration.entity);
    return valuesOf(alteration).some(([name, value]) => (current?.[name] ?? null) !== value);
  });
}

/** How many entities have a quota after the alterations. */
export function entitiesAfter(
  now: ClientQuotas,
  alterations: readonly ClientQuotaAlteration[],
): number {
  let count = now.size;
  for (const { entity, values } of alterations) {
    const current = now.get(entity);
    const after = { ...current, ...values };
    const has = Object.values(after).some((value) => value !== null);
    count += Number(has) - Number(current !== undefined);
  }
  return count;
}

function alterationProblem(alteration: ClientQuotaAlteration): string | null {
  const { entity } = alteration;
  const problem = entityProblem(entity);
  if (problem !== null) return problem;
  for (const [key, value] of valuesOf(alteration)) {
    const wrong = value === null ? null : valueProblem(entity, key, value);
    if (wrong !== null) return wrong;
  }
  return null;
}

function valuesOf({ values }: ClientQuotaAlteration): [QuotaKey, number | null][] {
  return Object.entries(values) as [QuotaKey, number | null][];
}
