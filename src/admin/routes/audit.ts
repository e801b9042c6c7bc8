/**
 * /v1/audit: reads the audit log. A question that names a tenant needs DESCRIBE on that tenant's
 * virtual cluster and gets records of that tenant alone; without one, DESCRIBE on the broker.
 *
 * `records` answers a page (newest first unless asked otherwise), `tail` what comes after a cursor,
 * waiting for it. Each question is recorded, durably, with what was asked, before its first page;
 * the pages that follow are accesses in the access stream.
 */
import {
  AUDIT_STREAMS,
  type AuditFilter,
  QUERY_ORDERS,
  type QueryOrder,
} from '../../audit/audit-query.ts';
import { parseNetwork } from '../../base/ip-address.ts';
import { CLUSTER_NAME } from '../../security/acl/operation.ts';
import {
  type AdminRoute,
  type Authorization,
  defineRoute,
  type Facts,
  ok,
  type RouteAccess,
  type RouteContext,
} from '../admin-route.ts';
import { AdminError, auditOffline } from '../problem.ts';
import { Grammars, type RequestFields } from '../request-fields.ts';
import { requireTenant } from './tenants.ts';

const LIMIT_DEFAULT = 100;
const LIMIT_MAX = 500;
const WAIT_MS_DEFAULT = 2_000;
const WAIT_MS_MAX = 10_000;
export const TAIL_API = 'GET /v1/audit/tail';

const TEXT = { pattern: /^\P{C}{1,255}$/u, allowed: '1 to 255 printable characters' };
const PREFIX = { pattern: /^\P{C}{0,255}$/u, allowed: 'at most 255 printable characters' };
const CODE = { pattern: /^[A-Za-z0-9_-]{1,64}$/, allowed: '1 to 64 letters, digits, "_" and "-"' };
const NETWORK = {
  pattern: /^[0-9A-Fa-f:.]{2,45}(\/[0-9]{1,3})?$/,
  allowed: 'an address or a network (CIDR)',
};
const INSTANT = {
  pattern: /^([0-9]{1,15}|[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]{5,12}Z)$/,
  allowed: 'milliseconds since 1970, or a time such as 2026-11-23T08:00:00Z',
};
const NUMBER = { pattern: /^[0-9]{1,6}$/, allowed: 'a number' };
const CURSOR = { pattern: /^[A-Za-z0-9_-]{1,200}$/, allowed: 'the "next" of an answer' };

interface Asked {
  readonly tenant: string | null;
  readonly filter: AuditFilter;
  readonly order: QueryOrder;
  readonly limit: number;
  readonly cursor: string | null;
  readonly waitMs: number;
}

const accessOf = ({ tenant }: Pick<Asked, 'tenant'>): RouteAccess => ({
  operation: 'DESCRIBE',
  resourceType: 'CLUSTER',
  tenant,
  resourceName: CLUSTER_NAME,
});

const asked: Authorization<Asked> = { kind: 'access', access: accessOf };

/** The fields that were given. */
function present<T extends Record<string, unknown>>(
  fields: T,
): { [K in keyof T]?: NonNullable<T[K]> } {
  const given = Object.entries(fields).filter(([, value]) => value !== null && value !== undefined);
  return Object.fromEntries(given) as { [K in keyof T]?: NonNullable<T[K]> };
}

function filterFrom(fields: RequestFields): AuditFilter {
  const text = (name: string, grammar = TEXT): string | null => fields.optionalText(name, grammar);
  const network = text('address', NETWORK);
  if (network !== null && parseNetwork(network) === null) {
    throw new AdminError(400, 'invalid-field', `"address" must be ${NETWORK.allowed}.`);
  }
  return present({
    stream: fields.optionalOneOf('stream', AUDIT_STREAMS),
    tenant: text('tenant', Grammars.tenant),
    principal: text('principal'),
    fleet: text('fleet'),
    resource: text('resource'),
    resourcePrefix: text('resourcePrefix', PREFIX),
    operation: text('operation', CODE),
    decision: fields.optionalOneOf('decision', ['allow', 'deny']),
    outcome: fields.optionalOneOf('outcome', ['success', 'failure']),
    type: text('type', CODE),
    reason: text('reason', CODE),
    network,
    certificate: text('certificate', Grammars.serial)?.toUpperCase() ?? null,
    api: text('api'),
    clientId: text('clientId'),
    connection: text('connection', CODE),
    sinceMs: instant(fields, 'since'),
    untilMs: instant(fields, 'until'),
  });
}

function instant(fields: RequestFields, name: string): number | null {
  const text = fields.optionalText(name, INSTANT);
  if (text === null) return null;
  const atMs = /^[0-9]+$/.test(text) ? Number(text) : Date.parse(text);
  if (!Number.isNaN(atMs)) return atMs;
  throw new AdminError(400, 'invalid-field', `"${name}" must be ${INSTANT.allowed}.`);
}

function numberIn(fields: RequestFields, name: string, most: number): number | null {
  const text = fields.optionalText(name, NUMBER);
  if (text === null) return null;
  if (Number(text) <= most) return Number(text);
  throw new AdminError(400, 'invalid-field', `"${name}" must be at most ${most}.`);
}

function askedFrom(fields: RequestFields): Omit<Asked, 'order' | 'waitMs'> {
  const filter = filterFrom(fields);
  const limit = numberIn(fields, 'limit', LIMIT_MAX) ?? LIMIT_DEFAULT;
  if (limit === 0) throw new AdminError(400, 'invalid-field', '"limit" must be at least 1.');
  return {
    tenant: filter.tenant ?? null,
    filter,
    limit,
    cursor: fields.optionalText('cursor', CURSOR),
  };
}

/** Who asks, for what: on stable storage before the first record is read. */
async function begin(what: string, input: Asked, context: RouteContext): Promise<void> {
  const { deps, subject } = context;
  const { tenant, filter, order, cursor } = input;
  if (tenant !== null) requireTenant(tenant, context);
  deps.records.check({ filter, order, reader: readerOf(context) }, cursor);
  if (cursor !== null) return;
  deps.audit.security(subject, {
    type: 'administration',
    outcome: 'success',
    reason: what,
    detail: 'read the audit log',
    facts: factsOf(filter),
  });
  await deps.audit.durable().catch((cause: unknown) => {
    throw auditOffline(cause);
  });
}

/** By the names that fields of a record have, so that what is hidden there is hidden here. */
function factsOf({ network, ...same }: AuditFilter): Facts {
  return { ...same, ...(network !== undefined && { address: network }) };
}

const readerOf = ({ subject }: RouteContext): string =>
  JSON.stringify([subject.principal, subject.tokenIssuer ?? null]);

const records = defineRoute({
  method: 'GET',
  path: '/v1/audit/records',
  authorization: asked,
  change: null,
  input: (fields): Asked => ({
    ...askedFrom(fields),
    order: fields.optionalOneOf('order', QUERY_ORDERS) ?? 'newest',
    waitMs: 0,
  }),
  handle: async (input, context) => {
    await begin('audit-query', input, context);
    const { filter, order, cursor, limit } = input;
    const question = { filter, order, reader: readerOf(context) };
    return ok(await context.deps.records.page(question, cursor, limit));
  },
});

const tail = defineRoute({
  method: 'GET',
  path: '/v1/audit/tail',
  authorization: asked,
  change: null,
  input: (fields): Asked => {
    const { filter, ...rest } = askedFrom(fields);
    const own = filter.api === TAIL_API ? {} : { exceptApi: TAIL_API };
    const waitMs = numberIn(fields, 'waitMs', WAIT_MS_MAX) ?? WAIT_MS_DEFAULT;
    return { ...rest, filter: { ...filter, ...own }, order: 'oldest', waitMs };
  },
  handle: async (input, context) => {
    await begin('audit-tail', input, context);
    const { filter, order, cursor, limit, waitMs } = input;
    const question = { filter, order, reader: readerOf(context) };
    const answer = await context.deps.records.follow(question, cursor, limit, waitMs);
    // While it waited the right may have gone.
    if (context.permits(accessOf(input))) return ok(answer);
    throw new AdminError(403, 'not-authorized', 'The right to read this has been taken away.');
  },
});

export const auditRoutes: readonly AdminRoute[] = [records, tail];
