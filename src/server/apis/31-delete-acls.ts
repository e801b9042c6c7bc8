/**
 * DeleteAcls (key 31): removes the dynamic rules of the caller's tenant that any filter accepts.
 * - ALTER on the tenant's virtual cluster.
 * - Rules of the policy files are read-only: one that a filter accepts is in the answer with
 *   POLICY_VIOLATION and a sentence; the dynamic ones beside it are removed all the same.
 * - A rule that two filters accept is in both answers. What a request may cost is bounded: filters
 *   past that get POLICY_VIOLATION and remove nothing.
 * - Each rule is in the audit log, durably, before it is removed; it is out of force, for
 *   connections that are open too, and gone from stable storage before the answer.
 */
import { ApiKey } from '../../protocol/api-keys.ts';
import { ErrorCode } from '../../protocol/error-codes.ts';
import { workInTurns } from '../../protocol/records/event-loop-slices.ts';
import type {
  DeleteAclsFilter,
  DeleteAclsFilterResult,
  DeleteAclsMatchingAcl,
} from '../../protocol/schemas/31-delete-acls.ts';
import type { AclBinding } from '../../security/acl/acl-binding.ts';
import type { AclFilter } from '../../security/acl/acl-filter.ts';
import { recorderOf, recordReadOnly, resultOf } from '../acl-recorder.ts';
import { matchesOfEach } from '../acl-search.ts';
import { describe, describeResource, filterOf } from '../acl-wire.ts';
import { cluster, defineApi } from '../define-api.ts';

const READ_ONLY =
  'The rule stands in a policy file of the operator: it is read-only here and stays in force.';
const TOO_MUCH =
  'The filters of this request meet too many rules: nothing was removed for this one: send it in a request of its own.';

/** Filters or rules that are worked on between two looks at the time. */
const ITEMS_PER_STEP = 128;

export const deleteAclsApi = defineApi({
  key: ApiKey.DeleteAcls,
  versions: { min: 1, max: 3 },
  authorization: cluster('ALTER'),

  async handle(ctx, { filters }) {
    const { acls, clock } = ctx.services;
    const { tenant } = ctx.session.principal;
    const recorder = recorderOf(ctx);
    const { fromFiles, dynamic } = acls.rules(tenant);
    const found = await workInTurns(clock, search(filters, [...fromFiles, ...dynamic]));

    const readOnly = new Set(fromFiles);
    const met = new Set(found.flatMap((one) => one ?? []));
    const removable = [...met].filter((binding) => !readOnly.has(binding));
    await recordReadOnly(ctx, met.size - removable.length);
    const outcome = await acls.remove(tenant, removable, recorder);

    const resultFor = (binding: AclBinding) =>
      readOnly.has(binding)
        ? { errorCode: ErrorCode.POLICY_VIOLATION, errorMessage: READ_ONLY }
        : resultOf(outcome, binding);
    return response(await workInTurns(clock, resultsOf(found, resultFor)));
  },

  fail: ({ filters }, errorCode) => response(filters.map(() => outcomeOf(errorCode, null))),
});

function* search(
  filters: readonly DeleteAclsFilter[],
  rules: readonly AclBinding[],
): Generator<void, (AclBinding[] | null)[]> {
  const asked: AclFilter[] = [];
  for (const filter of filters) {
    if (asked.length % ITEMS_PER_STEP === ITEMS_PER_STEP - 1) yield;
    asked.push(filterOf(filter));
  }
  return yield* matchesOfEach(asked, rules);
}

function* resultsOf(
  found: readonly (AclBinding[] | null)[],
  resultFor: (binding: AclBinding) => Pick<DeleteAclsMatchingAcl, 'errorCode' | 'errorMessage'>,
): Generator<void, DeleteAclsFilterResult[]> {
  const results: DeleteAclsFilterResult[] = [];
  let items = 0;
  for (const one of found) {
    const result =
      one === null ? outcomeOf(ErrorCode.POLICY_VIOLATION, TOO_MUCH) : outcomeOf(0, null);
    results.push(result);
    for (const binding of one ?? []) {
      const { errorCode, errorMessage } = resultFor(binding);
      const acl = { ...describeResource(binding), ...describe(binding) };
      result.matchingAcls.push({ errorCode, errorMessage, ...acl });
      items += 1;
      if (items % ITEMS_PER_STEP === 0) yield;
    }
    items += 1;
    if (items % ITEMS_PER_STEP === 0) yield;
  }
  return results;
}

const outcomeOf = (errorCode: number, errorMessage: string | null): DeleteAclsFilterResult => ({
  errorCode,
  errorMessage,
  matchingAcls: [],
});

const response = (filterResults: DeleteAclsFilterResult[]) => ({
  throttleTimeMs: 0,
  filterResults,
});
