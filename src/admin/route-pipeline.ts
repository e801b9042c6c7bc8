/**
 * Owns the order of steps of one admin request: read, authorize and record, make the change's record
 * durable, act, answer.
 *
 * Invariants: nothing is done before its authorization is recorded; a refusal is durable in the
 * audit log before it is answered; a change is durable there before it is acted upon, and its
 * failure is recorded after; while the audit log cannot be written, everything that it would have to
 * hold is refused.
 */
import type { AccessEvent } from '../audit/audit-event.ts';
import type { AdminRoute, PreparedCall, RouteAccess, RouteAnswer } from './admin-route.ts';
import type { AdminDeps } from './admin-services.ts';
import type { OperatorConnection } from './operator-gate.ts';
import { AdminError, auditOffline } from './problem.ts';
import type { RequestFields } from './request-fields.ts';

export async function runRoute(
  route: AdminRoute,
  fields: RequestFields,
  operator: OperatorConnection,
  deps: AdminDeps,
): Promise<RouteAnswer> {
  const call = route.prepare(fields);
  const context = {
    deps,
    permits: (access: RouteAccess) => decide(access, operator, deps).allowed,
  };
  if (call.access === null) return call.run(context);
  await requireDurable(deps); // The authentication of this connection.
  await authorize(route, call.access, operator, deps);
  if (route.change === null) return call.run(context);
  await recordChange(route.change, call, operator, deps);
  try {
    return await call.run(context);
  } catch (error) {
    recordFailure(route.change, call, operator, deps, error);
    throw error;
  }
}

function decide(access: RouteAccess, operator: OperatorConnection, deps: AdminDeps) {
  const { tenant, operation, resourceType, resourceName } = access;
  const host = operator.subject.remoteAddress;
  const action = { operation, resourceType, resourceName };
  return deps.authorizer.authorizeIn(tenant, operator.principal, host, action);
}

async function authorize(
  route: AdminRoute,
  access: RouteAccess,
  operator: OperatorConnection,
  deps: AdminDeps,
): Promise<void> {
  const result = decide(access, operator, deps);
  const event: AccessEvent = {
    api: route.name,
    apiVersion: 1,
    clientId: null,
    operation: access.operation,
    resourceType: access.resourceType,
    resourceName: qualified(access),
    allowed: result.allowed,
    rule: result.rule,
    origin: result.origin,
    ...(result.tokenRole !== undefined && { tokenRole: result.tokenRole }),
    ...(result.rolePath !== undefined && { rolePath: result.rolePath }),
  };
  deps.audit.access(operator.subject, event);
  if (result.allowed && deps.audit.healthyForOperators) return;
  await requireDurable(deps);
  const detail =
    `The policy does not let this operator do ${access.operation} on ` +
    `${access.resourceType} ${qualified(access)}.`;
  throw new AdminError(403, 'not-authorized', detail);
}

/** As the operators' rules name it: `acme/telemetry`. */
function qualified({ tenant, resourceName }: RouteAccess): string {
  return tenant === null ? resourceName : `${tenant}/${resourceName}`;
}

function recordChange(
  change: string,
  call: PreparedCall,
  operator: OperatorConnection,
  deps: AdminDeps,
): Promise<void> {
  deps.audit.security(operator.subject, {
    type: 'administration',
    outcome: 'success',
    reason: change,
    detail: 'authorized; recorded before it is acted upon',
    facts: call.facts,
  });
  return requireDurable(deps);
}

function recordFailure(
  change: string,
  call: PreparedCall,
  operator: OperatorConnection,
  deps: AdminDeps,
  error: unknown,
): void {
  deps.audit.security(operator.subject, {
    type: 'administration',
    outcome: 'failure',
    reason: change,
    detail: error instanceof AdminError ? error.message : 'internal error',
    facts: call.facts,
  });
}

async function requireDurable(deps: AdminDeps): Promise<void> {
  try {
    if (deps.audit.pending) await deps.audit.durableForOperators();
    if (deps.audit.healthyForOperators) return;
  } catch (cause) {
    throw auditOffline(cause);
  }
  throw auditOffline(undefined);
}
