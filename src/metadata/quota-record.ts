/** Reads the alterations of a stored `client-quotas` record; each is checked as when it came in. */
import {
  type ClientQuotaAlteration,
  type ClientQuotaEntity,
  ENTITY_TYPES,
  entityProblem,
  isQuotaKey,
  type QuotaKey,
  valueProblem,
} from '../quota/client-quota-entity.ts';
import { type Data, fields, list, malformed, text } from './record-fields.ts';

export function quotaAlterations(data: Data): readonly ClientQuotaAlteration[] {
  return list(data.alterations).map((item) => {
    const stored = fields(item);
    const entity = quotaEntity(fields(stored.entity));
    const values: Partial<Record<QuotaKey, number | null>> = {};
    for (const [key, value] of Object.entries(fields(stored.values))) {
      if (!isQuotaKey(key)) throw malformed('a quota has a key that is none');
      if (value !== null && !isValue(entity, key, value)) throw malformed('a quota has no value');
      values[key] = value;
    }
    return { entity, values };
  });
}

function quotaEntity(stored: Data): ClientQuotaEntity {
  const entity: { -readonly [T in keyof ClientQuotaEntity]: ClientQuotaEntity[T] } = {};
  for (const type of ENTITY_TYPES) {
    const name = stored[type];
    if (name !== undefined) entity[type] = name === null ? null : text(name);
  }
  if (entityProblem(entity) !== null) throw malformed('a quota belongs to nothing');
  return entity;
}

function isValue(entity: ClientQuotaEntity, key: QuotaKey, value: unknown): value is number {
  return typeof value === 'number' && valueProblem(entity, key, value) === null;
}
