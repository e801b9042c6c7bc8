/**
 * Owns the order of steps of one admin request: read, authorize and record, make the change's record
 * durable, act, answer.
 *
 * Invariants: a request that was done before under the same Idempotency-Key is authorized and recorded
 * as an access again, and not done again; nothing is done before its authorization is recorded; a refusal is durable in the
 * audit log before it is answered; a change is durable there before it is acted upon, and its
 * failure is recorded after; while the audit log cannot be written, everything that it would have to
 * hold is refused: to people of a tenant also while only the operators' reserve is left, and beyond
 * the tenant's budget.
 */
import type { AccessEvent } from '../audit/audit-event.ts';
import type { AuthorizationResult } from '../security/authorizer.ts';
import { OPERATOR_TENANT } from '../security/principal.ts';
import type {
  AdminRoute,
  PreparedCall,
  RouteAccess,
  RouteAnswer,
  RouteContext,
} from './admin-route.ts';
import type { AdminDeps } from './admin-services.ts';
import type { IdempotencyKeys } from './idempotency.ts';
import type { OperatorConnection } from './operator-gate.ts';
import { AdminError, auditOffline } from './problem.ts';

export interface RouteRequest {
  /** Path parameters, query and body, checked against the schemas of the route. */
  readonly parts: readonly unknown[];
  /** Null where there is none, or the route takes none. */
  readonly idempotencyKey: string | null;
}

export type PipelineParts = Pick<RouteContext, 'deps' | 'document'> & {
  readonly keys: IdempotencyKeys;
};

export interface RunAnswer {
  readonly answer: RouteAnswer;
  /** It is that of the same request, which came before. */
  readonly isReplay: boolean;
}

export async function runRoute(
  route: AdminRoute,
  { parts, idempotencyKey }: RouteRequest,
  operator: OperatorConnection,
  { deps, document, keys }: PipelineParts,
): Promise<RunAnswer> {
  const call = route.prepare(parts);
  const context = {
    deps,
    document,
    isOperator: operator.principal.tenant === OPERATOR_TENANT,
    permits: async (access: RouteAccess) => (await decide(access, operator, deps)).allowed,
    subject: operator.subject,
  };
  if (call.access === null) {
    refuseStranger(route, operator);
    return { answer: await call.run(context), isReplay: false };
  }
  requireBudget(operator, deps);
  await requireDurable(operator, deps); // The authentication of this connection.
  await authorize(route, call.access, operator, deps);
  const { change } = route;
  if (change === null) return { answer: await call.run(context), isReplay: false };
  const act = async (): Promise<RouteAnswer> => {
    await recordChange(change, call, operator, deps);
    try {
      return await call.run(context);
    } catch (error) {
      recordFailure(change, call, operator, deps, error);
      throw error;
    }
  };
  if (idempotencyKey === null) return { answer: await act(), isReplay: false };
  const { subject } = operator;
  const request = [route.name, ...parts];
  return keys.once(callerOf(operator), idempotencyKey, request, act, subject.tenant);
}

/** Whose keys they are: a name at the broker, or of a tenant; of an issuer, or of a certificate. */
const callerOf = ({ principal, subject }: OperatorConnection): string =>
  JSON.stringify([principal.tenant, principal.name, subject.tokenIssuer ?? null]);

/** A route that no policy is asked about may still be for operators only. */
function refuseStranger({ stance }: AdminRoute, { principal }: OperatorConnection): void {
  if (principal.tenant === OPERATOR_TENANT || ('who' in stance && stance.who === 'anyone')) return;
  throw new AdminError(403, 'not-authorized', 'This is for operators of the broker only.');
}

/** Of operators the policy decides alone; of a tenant's own people whoever decides in it. */
async function decide(
  access: RouteAccess,
  operator: OperatorConnection,
  deps: AdminDeps,
): Promise<AuthorizationResult> {
  const { tenant, operation, resourceType, resourceName } = access;
  const { principal } = operator;
  const host = operator.subject.remoteAddress;
  const action = { operation, resourceType, resourceName };
  const { outside } = deps;
  const isAtHome = principal.tenant !== OPERATOR_TENANT && tenant === principal.tenant;
  if (outside === null || !isAtHome || !outside.concerns(tenant)) {
    return deps.authorizer.authorizeIn(tenant, principal, host, action);
  }
  const question = { principal, host, action, anyResource: false, client: null };
  return outside.known(question) ?? (await outside.ask(question));
}

async function authorize(
  route: AdminRoute,
  access: RouteAccess,
  operator: OperatorConnection,
  deps: AdminDeps,
): Promise<void> {
  const result = await decide(access, operator, deps);
  const event: AccessEvent = {
    api: route.name,
    apiVersion: 1,
    clientId: null,
    operation: access.operation,
    resourceType: access.resourceType,
    resourceName: named(access, operator),
    allowed: result.allowed,
    rule: result.rule,
    origin: result.origin,
    ...(result.tokenRole !== undefined && { tokenRole: result.tokenRole }),
    ...(result.rolePath !== undefined && { rolePath: result.rolePath }),
  };
  deps.audit.access(operator.subject, event);
  if (result.allowed && isHealthyFor(operator, deps)) return;
  await requireDurable(operator, deps);
  const detail =
    `The policy does not let this operator do ${access.operation} on ` +
    `${access.resourceType} ${named(access, operator)}.`;
  throw new AdminError(403, 'not-authorized', detail);
}

/** As the caller's rules name it: `acme/telemetry` for operators, `telemetry` in one's own tenant. */
function named({ tenant, resourceName }: RouteAccess, { principal }: OperatorConnection): string {
  return tenant === null || tenant === principal.tenant
    ? resourceName
    : `${tenant}/${resourceName}`;
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
  return requireDurable(operator, deps);
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

/** The part of the disk that is kept for operators is not for people of a tenant. */
const isHealthyFor = ({ principal }: OperatorConnection, { audit }: AdminDeps): boolean =>
  principal.tenant === OPERATOR_TENANT ? audit.healthyForOperators : audit.healthy;

/** What is recorded for people of a tenant takes of its budget: without one nothing is done. */
function requireBudget({ principal, subject }: OperatorConnection, { audit }: AdminDeps): void {
  if (principal.tenant === OPERATOR_TENANT || audit.accepts(subject)) return;
  const detail =
    'The tenant has used up what it may write to the audit log today, so nothing that it would ' +
    'record is done.';
  throw new AdminError(429, 'audit-budget', detail);
}

async function requireDurable(operator: OperatorConnection, deps: AdminDeps): Promise<void> {
  const { audit } = deps;
  const isOperator = operator.principal.tenant === OPERATOR_TENANT;
  try {
    if (audit.pending) await (isOperator ? audit.durableForOperators() : audit.durable());
    if (isHealthyFor(operator, deps)) return;
  } catch (cause) {
    throw auditOffline(cause);
  }
  throw auditOffline(undefined);
}
