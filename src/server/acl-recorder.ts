/**
 * Owns the audit of changes to rules that come over Kafka's ACL API: each rule is an event of its
 * own, with who, what and over which API, durable before the rule changes.
 */
import { KafkaError } from '../base/errors.ts';
import { ErrorCode } from '../protocol/error-codes.ts';
import type { AclBinding } from '../security/acl/acl-binding.ts';
import type { AclChangeRecorder, AclOutcome, AclRefusal } from '../security/acl/tenant-acls.ts';
import type { RequestContext } from './request-context.ts';

const factsOf = (binding: AclBinding) => ({
  rulePrincipal: binding.principal,
  permission: binding.permission,
  operation: binding.operation,
  resourceType: binding.resourceType,
  patternType: binding.patternType,
  resourceName: binding.resourceName,
  host: binding.host,
  origin: 'dynamic',
});

export function recorderOf(ctx: RequestContext): AclChangeRecorder {
  return {
    async begin() {
      // It may have waited: whoever lost the right, or the connection, meanwhile changes nothing.
      if (await ctx.isStillPermitted()) return;
      throw new KafkaError(ErrorCode.CLUSTER_AUTHORIZATION_FAILED, 'Cluster authorization failed.');
    },
    async record(change, bindings) {
      for (const binding of bindings) ctx.administration(change, factsOf(binding));
      await ctx.recorded();
    },
    failed(change, bindings, { reason }) {
      for (const binding of bindings) ctx.administrationFailed(change, reason, factsOf(binding));
    },
  };
}

/** Rules of the policy files that a deletion met: one event, since they may be many. */
export async function recordReadOnly(ctx: RequestContext, count: number): Promise<void> {
  if (count === 0) return;
  const detail = 'rules of the policy files are read-only';
  ctx.administrationFailed('acl-remove', detail, { rules: count });
  await ctx.recorded();
}

const ERROR_CODES: Record<AclRefusal['reason'], number> = {
  limit: ErrorCode.POLICY_VIOLATION,
  busy: ErrorCode.THROTTLING_QUOTA_EXCEEDED,
  storage: ErrorCode.KAFKA_STORAGE_ERROR,
  invalid: ErrorCode.INVALID_REQUEST,
};

/** What the answer says of one rule. */
export function resultOf(
  { refused }: AclOutcome,
  binding: AclBinding,
): { errorCode: number; errorMessage: string | null } {
  const refusal = refused.get(binding);
  if (refusal === undefined) return { errorCode: ErrorCode.NONE, errorMessage: null };
  return { errorCode: ERROR_CODES[refusal.reason], errorMessage: refusal.message };
}
