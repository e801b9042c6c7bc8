/**
 * DescribeClientQuotas (key 48): the quotas that are set, by a filter on their entities.
 * - DESCRIBE_CONFIGS on the cluster, which is the tenant's own: it sees its own quotas only.
 * - A filter in disorder is INVALID_REQUEST, an entity type that Kafka does not know
 *   UNSUPPORTED_VERSION, as in Kafka's ClientQuotasImage.
 * - What is set holds at once: see server/request-quotas.ts.
 */
import { ApiKey } from '../../protocol/api-keys.ts';
import { ErrorCode } from '../../protocol/error-codes.ts';
import { workInTurns } from '../../protocol/records/event-loop-slices.ts';
import type {
  ComponentData,
  DescribeClientQuotasResponse,
  EntryData,
} from '../../protocol/schemas/48-describe-client-quotas.ts';
import { isEntityType, typesOf } from '../../quota/client-quota-entity.ts';
import {
  type ClientQuotaEntry,
  type ClientQuotas,
  type EntityFilter,
  entryMatcher,
} from '../../quota/client-quotas.ts';
import { cluster, defineApi } from '../define-api.ts';

const MatchType = { EXACT: 0, DEFAULT: 1, SPECIFIED: 2 } as const;

/** Entries that are looked at between two looks at the time. */
const ENTRIES_PER_STEP = 64;

interface Problem {
  readonly errorCode: number;
  readonly errorMessage: string;
}

export const describeClientQuotasApi = defineApi({
  key: ApiKey.DescribeClientQuotas,
  versions: { min: 0, max: 1 },
  authorization: cluster('DESCRIBE_CONFIGS'),

  async handle(ctx, request) {
    const filter = filterOf(request.components);
    if ('errorCode' in filter) return failed(filter.errorCode, filter.errorMessage);
    const quotas = ctx.services.security.clientQuotas(ctx.session.principal.tenant);
    const found = entriesOf(quotas, entryMatcher(filter, request.strict));
    const entries = await workInTurns(ctx.services.clock, found);
    return { throttleTimeMs: 0, errorCode: 0, errorMessage: null, entries };
  },

  fail: (_request, errorCode) => failed(errorCode, null),
});

function filterOf(components: readonly ComponentData[]): EntityFilter | Problem {
  const filter: { -readonly [T in keyof EntityFilter]: EntityFilter[T] } = {};
  for (const component of components) {
    const { entityType: type } = component;
    if (type === '') return invalid('Invalid empty entity type.');
    if (!isEntityType(type)) {
      const errorMessage = `Unsupported entity type ${type.slice(0, 64)}`;
      return { errorCode: ErrorCode.UNSUPPORTED_VERSION, errorMessage };
    }
    if (filter[type] !== undefined) {
      return invalid(`Entity type ${type} cannot appear more than once in the filter.`);
    }
    const wanted = wantedBy(component);
    if (typeof wanted === 'object' && 'errorCode' in wanted) return wanted;
    filter[type] = wanted;
  }
  if (filter.ip !== undefined && components.length > 1) {
    return invalid('An ip filter component cannot be used with user or client-id components.');
  }
  return filter;
}

function wantedBy({ matchType, match }: ComponentData): { name: string | null } | 'any' | Problem {
  switch (matchType) {
    case MatchType.EXACT:
      return match === null ? invalid('An exact match names nothing.') : { name: match };
    case MatchType.DEFAULT:
      return match === null ? { name: null } : invalid('A match of the default names something.');
    case MatchType.SPECIFIED:
      return match === null ? 'any' : invalid('A match of anything names something.');
    default:
      return invalid(`Unknown match type ${matchType}`);
  }
}

function* entriesOf(
  quotas: ClientQuotas,
  isAsked: (entry: ClientQuotaEntry) => boolean,
): Generator<void, EntryData[]> {
  const found: EntryData[] = [];
  let looked = 0;
  for (const one of quotas.entries()) {
    looked += 1;
    if (looked % ENTRIES_PER_STEP === 0) yield;
    if (isAsked(one)) found.push(entry(one));
  }
  return found;
}

function entry({ entity, values }: ClientQuotaEntry): EntryData {
  return {
    entity: typesOf(entity).map((type) => ({
      entityType: type,
      entityName: entity[type] ?? null,
    })),
    values: Object.entries(values).map(([key, value]) => ({ key, value })),
  };
}

function invalid(errorMessage: string): Problem {
  return { errorCode: ErrorCode.INVALID_REQUEST, errorMessage };
}

function failed(errorCode: number, errorMessage: string | null): DescribeClientQuotasResponse {
  return { throttleTimeMs: 0, errorCode, errorMessage, entries: null };
}
