/**
 * Checks what AlterClientQuotas asks for, entity by entity. Invariant: what is accepted can be stored
 * as it is; an entity that stands there twice is accepted not once.
 */
import { ErrorCode } from '../../protocol/error-codes.ts';
import type {
  AlterClientQuotasResponseEntryData,
  EntityData,
  EntryData,
} from '../../protocol/schemas/49-alter-client-quotas.ts';
import {
  type ClientQuotaAlteration,
  type ClientQuotaEntity,
  type EntityType,
  entityKey,
  entityProblem,
  isEntityType,
  isQuotaKey,
  type QuotaKey,
  valueProblem,
} from '../../quota/client-quota-entity.ts';

const QUOTED_CHARS_MAX = 64;

interface Planned {
  readonly accepted: ClientQuotaAlteration[];
  readonly refused: AlterClientQuotasResponseEntryData[];
}

export interface Outcome {
  readonly errorCode: number;
  readonly errorMessage: string | null;
}

/** One answer for each entity, however often it stands in the request. */
export function planQuotas(entries: readonly EntryData[]): Planned {
  const refused: AlterClientQuotasResponseEntryData[] = [];
  const planned = new Map<string, ClientQuotaAlteration | null>();
  for (const { entity: asked, ops } of entries) {
    const entity = entityOf(asked);
    if (typeof entity === 'string') {
      refused.push(refuse(asked, invalid(entity)));
      continue;
    }
    const key = entityKey(entity);
    const before = planned.get(key);
    if (before !== undefined) {
      if (before !== null) refused.push(refuse(asked, invalid('The entity stands there twice')));
      planned.set(key, null);
      continue;
    }
    const values = valuesOf(entity, ops);
    if (typeof values !== 'string') planned.set(key, { entity, values });
    else {
      planned.set(key, null);
      refused.push(refuse(asked, invalid(values)));
    }
  }
  return { accepted: [...planned.values()].filter((one) => one !== null), refused };
}

/** The entity, or what is wrong with it. */
function entityOf(asked: readonly EntityData[]): ClientQuotaEntity | string {
  const entity: Partial<Record<EntityType, string | null>> = {};
  for (const { entityType: type, entityName } of asked) {
    if (!isEntityType(type)) return `Unhandled client quota entity type: ${quoted(type)}`;
    if (entity[type] !== undefined) return `Duplicate entity type ${type}`;
    entity[type] = entityName;
  }
  return entityProblem(entity) ?? entity;
}

/** The values, null where one is removed, or what is wrong with them. */
function valuesOf(
  entity: ClientQuotaEntity,
  ops: EntryData['ops'],
): ClientQuotaAlteration['values'] | string {
  const values: Partial<Record<QuotaKey, number | null>> = {};
  for (const { key, value, remove } of ops) {
    if (!isQuotaKey(key)) return `Invalid configuration key ${quoted(key)}`;
    if (values[key] !== undefined) return `Duplicate quota key ${key}`;
    // A key that this entity cannot have is not there: removing it is no mistake, as in Kafka.
    const problem = remove ? null : valueProblem(entity, key, value);
    if (problem !== null) return problem;
    values[key] = remove ? null : value;
  }
  return values;
}

function quoted(text: string): string {
  return text.slice(0, QUOTED_CHARS_MAX);
}

export function invalid(errorMessage: string | null): Outcome {
  return { errorCode: ErrorCode.INVALID_REQUEST, errorMessage };
}

export function refuse(entity: EntityData[], outcome: Outcome): AlterClientQuotasResponseEntryData {
  return { ...outcome, entity };
}
