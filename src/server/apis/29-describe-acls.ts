/**
 * DescribeAcls (key 29): the rules of the caller's tenant that a filter accepts.
 * - DESCRIBE on the tenant's virtual cluster.
 * - Rules of the policy files stand beside the dynamic ones; equal ones are shown once.
 * - A code that Kafka does not know closes the connection.
 */
import { ApiKey } from '../../protocol/api-keys.ts';
import { ErrorCode } from '../../protocol/error-codes.ts';
import { workInTurns } from '../../protocol/records/event-loop-slices.ts';
import type { DescribeAclsResource } from '../../protocol/schemas/29-describe-acls.ts';
import type { AclBinding } from '../../security/acl/acl-binding.ts';
import type { AclFilter } from '../../security/acl/acl-filter.ts';
import type { TenantRules } from '../../security/acl/tenant-acls.ts';
import { matches } from '../acl-search.ts';
import { describe, describeResource, filterOf } from '../acl-wire.ts';
import { cluster, defineApi } from '../define-api.ts';

/** Rules that are put into the answer between two looks at the time. */
const RULES_PER_STEP = 256;

export const describeAclsApi = defineApi({
  key: ApiKey.DescribeAcls,
  versions: { min: 1, max: 3 },
  authorization: cluster('DESCRIBE'),

  async handle(ctx, request) {
    const filter = filterOf(request);
    const { acls, clock } = ctx.services;
    const rules = acls.rules(ctx.session.principal.tenant);
    const resources = await workInTurns(clock, resourcesOf(filter, rules));
    return { throttleTimeMs: 0, errorCode: ErrorCode.NONE, errorMessage: null, resources };
  },

  fail: (_request, errorCode) => ({
    throttleTimeMs: 0,
    errorCode,
    errorMessage: null,
    resources: [],
  }),
});

function* resourcesOf(
  filter: AclFilter,
  { fromFiles, dynamic }: TenantRules,
): Generator<void, DescribeAclsResource[]> {
  const found: AclBinding[] = yield* matches(filter, fromFiles);
  const fromFilesCount = found.length;
  for (const binding of yield* matches(filter, dynamic)) found.push(binding);
  const byPattern = new Map<string, { resource: DescribeAclsResource; entries: Set<string> }>();
  for (const [at, binding] of found.entries()) {
    if (at % RULES_PER_STEP === RULES_PER_STEP - 1) yield;
    const { resourceType, patternType, resourceName } = binding;
    const pattern = `${resourceType}\n${patternType}\n${resourceName}`;
    let group = byPattern.get(pattern);
    if (group === undefined) {
      group = { resource: { ...describeResource(binding), acls: [] }, entries: new Set() };
      byPattern.set(pattern, group);
    }
    // Dynamic rules are distinct: without rules of files there is nothing to compare with.
    if (fromFilesCount > 0) {
      const { principal, host, operation, permission } = binding;
      const entry = `${principal}\n${host}\n${operation}\n${permission}`;
      if (group.entries.has(entry)) continue;
      group.entries.add(entry);
    }
    group.resource.acls.push(describe(binding));
  }
  return Array.from(byPattern.values(), ({ resource }) => resource);
}
