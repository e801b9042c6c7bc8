/**
 * /v1/audit: reads the audit log. A question that names a tenant needs DESCRIBE on that tenant's
 * virtual cluster and gets records of that tenant alone; without one, DESCRIBE on the broker.
 *
 * `records` answers a page (newest first unless asked otherwise), `tail` what comes after a cursor,
 * waiting for it. Each question is recorded, durably, with what was asked, before its first page;
 * the pages that follow are accesses in the access stream. A tenant's own people are told what its
 * audit topic tells: nothing that counts the events of others.
 */
import {
  AUDIT_STREAMS,
  type AuditFilter,
  QUERY_ORDERS,
  type QueryOrder,
} from '../../audit/audit-query.ts';
import { parseNetwork } from '../../base/ip-address.ts';
import {
  type AdminRoute,
  brokerOrTenant,
  defineRoute,
  type Facts,
  ok,
  type RouteContext,
} from '../admin-route.ts';
import {
  anyInteger,
  anyText,
  integer,
  type JsonSchema,
  list,
  nullable,
  object,
  oneOf,
  type Shape,
  text,
} from '../json-shape.ts';
import { AdminError, auditOffline } from '../problem.ts';
import { from, Grammars, invalidField, optional, withDefault } from '../request-fields.ts';
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
const CURSOR = { pattern: /^[A-Za-z0-9_-]{1,200}$/, allowed: 'the "next" of an answer' };

interface Asked {
  readonly tenant: string | null;
  readonly filter: AuditFilter;
  readonly order: QueryOrder;
  readonly limit: number;
  readonly cursor: string | null;
  readonly waitMs: number;
}

const DESCRIBE = brokerOrTenant('DESCRIBE');

/** What both routes are asked with; a record's own names. */
const QUESTION = {
  stream: optional(oneOf(...AUDIT_STREAMS)),
  tenant: optional(text(Grammars.tenant)),
  principal: optional(text(TEXT)),
  fleet: optional(text(TEXT)),
  resource: optional(text(TEXT)),
  resourcePrefix: optional(text(PREFIX)),
  operation: optional(text(CODE)),
  decision: optional(oneOf('allow', 'deny')),
  outcome: optional(oneOf('success', 'failure')),
  type: optional(text(CODE)),
  reason: optional(text(CODE)),
  address: optional(text(NETWORK)),
  certificate: optional(text(Grammars.serial)),
  api: optional(text(TEXT)),
  clientId: optional(text(TEXT)),
  connection: optional(text(CODE)),
  since: optional(text(INSTANT)),
  until: optional(text(INSTANT)),
  limit: withDefault(integer(1, LIMIT_MAX), LIMIT_DEFAULT),
  cursor: optional(text(CURSOR)),
} as const;

type Question = {
  readonly [K in keyof typeof QUESTION]: (typeof QUESTION)[K] extends { readonly absent: infer A }
    ? A
    : never;
};

/** The fields that were given. */
function present<T extends Record<string, unknown>>(
  fields: T,
): { [K in keyof T]?: NonNullable<T[K]> } {
  const given = Object.entries(fields).filter(([, value]) => value !== null && value !== undefined);
  return Object.fromEntries(given) as { [K in keyof T]?: NonNullable<T[K]> };
}

function filterFrom(fields: Question): AuditFilter {
  const {
    address: network,
    certificate,
    since,
    until,
    limit: _limit,
    cursor: _cursor,
    ...same
  } = fields;
  if (network !== null && parseNetwork(network) === null) {
    throw invalidField('address', NETWORK.allowed);
  }
  return present({
    ...same,
    network,
    certificate: certificate?.toUpperCase() ?? null,
    sinceMs: instant('since', since),
    untilMs: instant('until', until),
  });
}

function instant(name: string, text: string | null): number | null {
  if (text === null) return null;
  const atMs = /^[0-9]+$/.test(text) ? Number(text) : Date.parse(text);
  if (!Number.isNaN(atMs)) return atMs;
  throw invalidField(name, INSTANT.allowed);
}

function askedFrom(fields: Question): Omit<Asked, 'order' | 'waitMs'> {
  const filter = filterFrom(fields);
  const { limit, cursor } = fields;
  return { tenant: filter.tenant ?? null, filter, limit, cursor };
}

/** A record as it stands in the log: docs/audit-record.schema.json says what is in it. */
const RECORD: Shape<Readonly<Record<string, unknown>>> = {
  schema: { type: 'object', additionalProperties: true } satisfies JsonSchema,
};
const NEXT = nullable(anyText);
const PAGE = object({ records: list(RECORD), next: NEXT, badLines: anyInteger });

/** Who asks, for what: on stable storage before the first record is read. */
async function begin(what: string, input: Asked, context: RouteContext): Promise<void> {
  const { deps, subject } = context;
  const { tenant, filter, order, cursor } = input;
  if (tenant !== null) requireTenant(tenant, context);
  deps.records.check({ filter, order, ...readerOf(context) }, cursor);
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

/** Records of an earlier tenant of the name stay: they are the operator's, not its successor's. */
function sinceItExists<A extends Asked>(input: A, { deps, subject }: RouteContext): A {
  const tenant = subject.tenant === null ? undefined : deps.tenants.get(subject.tenant);
  const { filter } = input;
  if (tenant === undefined || (filter.sinceMs ?? 0) >= tenant.createdAtMs) return input;
  return { ...input, filter: { ...filter, sinceMs: tenant.createdAtMs } };
}

/** By the names that fields of a record have, so that what is hidden there is hidden here. */
function factsOf({ network, ...same }: AuditFilter): Facts {
  return { ...same, ...(network !== undefined && { address: network }) };
}

const readerOf = ({ subject, isOperator }: RouteContext) => ({
  reader: JSON.stringify([subject.tenant, subject.principal, subject.tokenIssuer ?? null]),
  readerTenant: isOperator ? null : subject.tenant,
});

const records = defineRoute({
  method: 'GET',
  path: '/v1/audit/records',
  id: 'queryAudit',
  tag: 'audit',
  summary: 'Records of the audit log, a page at a time',
  description:
    'With a tenant its records alone; without one those of all tenants and of the broker.',
  authorization: DESCRIBE,
  change: null,
  input: from(
    { query: { ...QUESTION, order: withDefault(oneOf(...QUERY_ORDERS), 'newest') } },
    ({ order, ...question }): Asked => ({ ...askedFrom(question), order, waitMs: 0 }),
  ),
  answers: { 200: PAGE },
  handle: async (question, context) => {
    const input = sinceItExists(question, context);
    await begin('audit-query', input, context);
    const { filter, order, cursor, limit } = input;
    const wanted = { filter, order, ...readerOf(context) };
    return ok(await context.deps.records.page(wanted, cursor, limit));
  },
});

const tail = defineRoute({
  method: 'GET',
  path: '/v1/audit/tail',
  id: 'tailAudit',
  tag: 'audit',
  summary: 'Records that come after a cursor; waits for them',
  authorization: DESCRIBE,
  change: null,
  input: from(
    { query: { ...QUESTION, waitMs: withDefault(integer(0, WAIT_MS_MAX), WAIT_MS_DEFAULT) } },
    ({ waitMs, ...question }): Asked => {
      const { filter, ...rest } = askedFrom(question);
      const own = filter.api === TAIL_API ? {} : { exceptApi: TAIL_API };
      return { ...rest, filter: { ...filter, ...own }, order: 'oldest', waitMs };
    },
  ),
  answers: { 200: PAGE },
  handle: async (asked, context) => {
    // Without a time it begins behind the newest record.
    const input = asked.filter.sinceMs === undefined ? asked : sinceItExists(asked, context);
    await begin('audit-tail', input, context);
    const { filter, order, cursor, limit, waitMs } = input;
    const question = { filter, order, ...readerOf(context) };
    const answer = await context.deps.records.follow(question, cursor, limit, waitMs);
    // While it waited the right may have gone.
    const isPermitted =
      DESCRIBE.kind === 'access' && (await context.permits(DESCRIBE.access(input)));
    if (isPermitted) return ok(answer);
    throw new AdminError(403, 'not-authorized', 'The right to read this has been taken away.');
  },
});

export const auditRoutes: readonly AdminRoute[] = [records, tail];
