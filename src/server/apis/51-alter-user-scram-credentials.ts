/**
 * AlterUserScramCredentials (key 51): creates, replaces and deletes SCRAM credentials.
 * - ALTER on the cluster, which is the tenant's own: the users are its own.
 * - Each user once in a request, else DUPLICATE_RESOURCE for it. Deleting what is not there:
 *   RESOURCE_NOT_FOUND. Another mechanism: UNSUPPORTED_SASL_MECHANISM. A name that no principal can
 *   have, iterations outside 4096 to 16384, no salt, or a salted password that is not as long as
 *   the mechanism's digest: UNACCEPTABLE_CREDENTIAL. What is in order is stored together.
 * - Of the salted password StoredKey and ServerKey are kept, and it is wiped from the request.
 * - The change is in the audit log, durably, before it is made: user, mechanism and iterations.
 * - A connection that logged in by a password that is changed or removed is closed.
 */
import { KafkaError } from '../../base/errors.ts';
import { ApiKey } from '../../protocol/api-keys.ts';
import { ErrorCode } from '../../protocol/error-codes.ts';
import type {
  AlterUserScramCredentialsRequest,
  AlterUserScramCredentialsResponse,
  AlterUserScramCredentialsResult,
} from '../../protocol/schemas/51-alter-user-scram-credentials.ts';
import { cluster, defineApi } from '../define-api.ts';
import type { RequestContext } from '../request-context.ts';
import { isPlanned, type Outcome, type Planned, planScram } from './scram-plan.ts';

/** Users in one request: their keys are made in one turn of the event loop. */
const CHANGES_MAX = 500;

export const alterUserScramCredentialsApi = defineApi({
  key: ApiKey.AlterUserScramCredentials,
  versions: { min: 0, max: 0 },
  authorization: cluster('ALTER'),

  async handle(ctx, request) {
    if (request.deletions.length + request.upsertions.length > CHANGES_MAX) {
      wipe(request);
      const users = usersOf(request);
      // Told once: the answer to many short names is not many long texts.
      const message = `At most ${CHANGES_MAX} credentials can be altered at once`;
      const errorCode = ErrorCode.INVALID_REQUEST;
      return response(
        users.map((user, at) => ({ user, errorCode, errorMessage: at === 0 ? message : null })),
      );
    }
    const { tenant } = ctx.session.principal;
    const verdicts = planScram(request, ctx.services.security.scramCredentials(tenant));
    wipe(request);
    const accepted = [...verdicts.values()].filter(isPlanned);
    if (accepted.length > 0) {
      for (const change of accepted) record(ctx, change);
      await ctx.recorded();
      const outcome = await alter(ctx, accepted);
      for (const [user, verdict] of verdicts) {
        if (isPlanned(verdict)) verdicts.set(user, outcome);
      }
    }
    return response(Array.from(verdicts, ([user, outcome]) => ({ user, ...(outcome as Outcome) })));
  },

  fail(request, errorCode) {
    wipe(request);
    return response(usersOf(request).map((user) => ({ user, errorCode, errorMessage: null })));
  },
});

async function alter(ctx: RequestContext, accepted: readonly Planned[]): Promise<Outcome> {
  const { tenant } = ctx.session.principal;
  try {
    const change = {
      deleted: accepted.flatMap((one) => ('delete' in one ? [one.delete] : [])),
      upserted: accepted.flatMap((one) => ('upsert' in one ? [one.upsert] : [])),
    };
    const isPermitted = () => ctx.isStillPermitted();
    await ctx.services.security.alterScramCredentials(tenant, change, { isPermitted });
    return { errorCode: ErrorCode.NONE, errorMessage: null };
  } catch (error) {
    if (!(error instanceof KafkaError)) throw error;
    return { errorCode: error.errorCode, errorMessage: error.message };
  }
}

function record(ctx: RequestContext, change: Planned): void {
  if ('delete' in change) {
    const { user, mechanism } = change.delete;
    ctx.administration('scram-credential-delete', { user, mechanism });
  } else {
    const { user, mechanism, iterations } = change.upsert;
    ctx.administration('scram-credential-set', { user, mechanism, iterations });
  }
}

/** What stands in the frame is all that there is of it. */
function wipe({ upsertions }: AlterUserScramCredentialsRequest): void {
  for (const { saltedPassword } of upsertions) saltedPassword.fill(0);
}

function usersOf({ deletions, upsertions }: AlterUserScramCredentialsRequest): string[] {
  return [...new Set([...deletions, ...upsertions].map(({ name }) => name))];
}

function response(results: AlterUserScramCredentialsResult[]): AlterUserScramCredentialsResponse {
  return { throttleTimeMs: 0, results };
}
