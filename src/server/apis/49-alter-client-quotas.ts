/**
 * AlterClientQuotas (key 49): sets and removes quotas of users, client ids and addresses.
 * - ALTER_CONFIGS on the cluster, which is the tenant's own. An address means the tenant's own
 *   connections from it.
 * - Each entity whole or not at all, each with its own error: INVALID_REQUEST for what Kafka's
 *   ClientQuotaControlManager refuses, for an entity or a key that stands there twice, and for
 *   values that are not above 0. What is in order is stored together.
 * - The change is in the audit log, durably, before it is made; validateOnly makes none.
 * - What is set holds at once: see server/request-quotas.ts.
 */
import { KafkaError } from '../../base/errors.ts';
import { ApiKey } from '../../protocol/api-keys.ts';
import { ErrorCode } from '../../protocol/error-codes.ts';
import type {
  AlterClientQuotasResponse,
  AlterClientQuotasResponseEntryData,
  EntityData,
} from '../../protocol/schemas/49-alter-client-quotas.ts';
import {
  type ClientQuotaAlteration,
  type ClientQuotaEntity,
  typesOf,
} from '../../quota/client-quota-entity.ts';
import { cluster, defineApi } from '../define-api.ts';
import type { RequestContext } from '../request-context.ts';
import { invalid, type Outcome, planQuotas, refuse } from './quota-plan.ts';

/** Entities in one request: what is checked and stored in one turn of the event loop. */
const ENTRIES_MAX = 1000;

export const alterClientQuotasApi = defineApi({
  key: ApiKey.AlterClientQuotas,
  versions: { min: 0, max: 1 },
  authorization: cluster('ALTER_CONFIGS'),

  async handle(ctx, request) {
    const { entries, validateOnly } = request;
    if (entries.length > ENTRIES_MAX) {
      // Told once: the answer to many small entries is not many long ones.
      const message = `At most ${ENTRIES_MAX} entities can be altered at once`;
      return response(
        entries.map(({ entity }, at) => refuse(entity, invalid(at === 0 ? message : null))),
      );
    }
    const { accepted, refused } = planQuotas(entries);
    if (accepted.length === 0) return response(refused);

    if (!validateOnly) {
      for (const alteration of accepted) record(ctx, alteration);
      await ctx.recorded();
    }
    const outcome = await alter(ctx, accepted, validateOnly);
    return response([
      ...accepted.map(({ entity }) => refuse(entityData(entity), outcome)),
      ...refused,
    ]);
  },

  fail: (request, errorCode) =>
    response(
      request.entries.map(({ entity }) => refuse(entity, { errorCode, errorMessage: null })),
    ),
});

async function alter(
  ctx: RequestContext,
  alterations: readonly ClientQuotaAlteration[],
  validateOnly: boolean,
): Promise<Outcome> {
  const { tenant } = ctx.session.principal;
  try {
    await ctx.services.security.alterClientQuotas(tenant, alterations, {
      validateOnly,
      isPermitted: () => ctx.isStillPermitted(),
    });
    return { errorCode: ErrorCode.NONE, errorMessage: null };
  } catch (error) {
    if (!(error instanceof KafkaError)) throw error;
    return { errorCode: error.errorCode, errorMessage: error.message };
  }
}

/** Numbers and names only: `set producer_byte_rate=1024, remove request_percentage`. */
function record(ctx: RequestContext, { entity, values }: ClientQuotaAlteration): void {
  if (Object.keys(values).length === 0) return;
  const facts: Record<string, string | null> = {};
  for (const type of typesOf(entity)) facts[type] = entity[type] ?? '<default>';
  const changes = Object.entries(values).map(([key, value]) =>
    value === null ? `remove ${key}` : `set ${key}=${value}`,
  );
  ctx.administration('client-quota-alter', { ...facts, change: changes.join(', ') });
}

function entityData(entity: ClientQuotaEntity): EntityData[] {
  return typesOf(entity).map((type) => ({ entityType: type, entityName: entity[type] ?? null }));
}

function response(entries: AlterClientQuotasResponseEntryData[]): AlterClientQuotasResponse {
  return { throttleTimeMs: 0, entries };
}
