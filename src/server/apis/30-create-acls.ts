/**
 * CreateAcls (key 30): adds rules to the caller's tenant.
 * - ALTER on the tenant's virtual cluster; a rule holds in that tenant, whatever stands in it.
 * - Each rule is judged by itself: INVALID_REQUEST for one that is not concrete or not in order,
 *   POLICY_VIOLATION beyond a limit, no error for one that is there already.
 * - Each new rule is in the audit log, durably, before it is made; it is in force, for connections
 *   that are open too, and on stable storage before the answer.
 */
import { ApiKey } from '../../protocol/api-keys.ts';
import { ErrorCode } from '../../protocol/error-codes.ts';
import { workInTurns } from '../../protocol/records/event-loop-slices.ts';
import type { AclCreation, AclCreationResult } from '../../protocol/schemas/30-create-acls.ts';
import type { AclBinding } from '../../security/acl/acl-binding.ts';
import { recorderOf, resultOf } from '../acl-recorder.ts';
import { bindingOf, messageOf } from '../acl-wire.ts';
import { cluster, defineApi } from '../define-api.ts';

const RULES_PER_STEP = 128;

export const createAclsApi = defineApi({
  key: ApiKey.CreateAcls,
  versions: { min: 1, max: 3 },
  authorization: cluster('ALTER'),

  async handle(ctx, { creations }) {
    const { acls, clock } = ctx.services;
    const { tenant } = ctx.session.principal;
    const recorder = recorderOf(ctx);
    const problemOf = (binding: AclBinding) => acls.problem(tenant, binding);
    const judged = await workInTurns(clock, judge(creations, problemOf));

    const bindings = judged.filter((one) => typeof one !== 'string');
    if (bindings.length === 0) return response(judged.map((one) => invalid(one as string)));
    const outcome = await acls.add(tenant, bindings, recorder);
    return response(
      judged.map((one) => (typeof one === 'string' ? invalid(one) : resultOf(outcome, one))),
    );
  },

  fail: ({ creations }, errorCode) =>
    response(creations.map(() => ({ errorCode, errorMessage: null }))),
});

/** For each rule the binding, or the sentence that refuses it. */
function* judge(
  creations: readonly AclCreation[],
  problemOf: (binding: AclBinding) => string | null,
): Generator<void, (AclBinding | string)[]> {
  const judged: (AclBinding | string)[] = [];
  for (const creation of creations) {
    if (judged.length % RULES_PER_STEP === RULES_PER_STEP - 1) yield;
    const binding = bindingOf(creation);
    const problem = typeof binding === 'string' ? binding : problemOf(binding);
    judged.push(problem === null ? binding : messageOf(problem));
  }
  return judged;
}

const invalid = (errorMessage: string): AclCreationResult => ({
  errorCode: ErrorCode.INVALID_REQUEST,
  errorMessage,
});

const response = (results: AclCreationResult[]) => ({ throttleTimeMs: 0, results });
