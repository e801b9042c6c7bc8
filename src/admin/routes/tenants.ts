/**
 * /v1/tenants: list and create (DESCRIBE, CREATE on the broker), look at one (DESCRIBE on the
 * tenant's virtual cluster), suspend and resume it (ALTER on the broker: whoever administers a tenant
 * must not undo what the broker's operator did to it). A tenant's CA certificate comes with its
 * creation; its key never does. A deletion (DELETE on the broker) names the tenant twice, since it
 * cannot be taken back, and is looked at until it has ended.
 */
import {
  type AdminRoute,
  broker,
  created,
  defineRoute,
  ok,
  type RouteContext,
  tenantCluster,
} from '../admin-route.ts';
import {
  anyInteger,
  anyText,
  flag,
  nullable,
  object,
  oneOf,
  record,
  text,
  timeMs,
} from '../json-shape.ts';
import { pageOf, pageQuery, pageShape } from '../listing-page.ts';
import { AdminError } from '../problem.ts';
import { from, Grammars, invalidField, withDefault } from '../request-fields.ts';

export const noSuchTenant = (): AdminError =>
  new AdminError(404, 'no-such-tenant', 'There is no such tenant: "tenant list" shows them.');

/** Throws the AdminError of a tenant that is not there. */
export function requireTenant(tenant: string, { deps }: Pick<RouteContext, 'deps'>): void {
  if (deps.tenants.get(tenant) === undefined) throw noSuchTenant();
}

/** The path parameter of every route below a tenant. */
export const inTenant = { tenant: text(Grammars.tenant) } as const;

const TENANT = object({
  name: anyText,
  state: oneOf('active', 'suspended', 'deleting'),
  createdAtMs: timeMs,
  caFingerprint: anyText,
  caExpiresAtMs: timeMs,
  isUnproven: flag,
});

const list = defineRoute({
  method: 'GET',
  path: '/v1/tenants',
  id: 'listTenants',
  tag: 'tenants',
  summary: 'The tenants of this broker, in order of name',
  authorization: broker('DESCRIBE'),
  change: null,
  input: from({ query: pageQuery }),
  answers: { 200: pageShape('tenants', TENANT) },
  handle: async (page, { deps }) => {
    const all = deps.tenants.list();
    const { items, next } = await pageOf('tenants', all, ({ name }) => name, page, deps.clock);
    return ok({ tenants: items, next });
  },
});

const create = defineRoute({
  method: 'POST',
  path: '/v1/tenants',
  id: 'createTenant',
  tag: 'tenants',
  summary: 'Register a tenant with the certificate of its CA',
  description: 'Again with the same CA it is the tenant that is there (200).',
  authorization: broker('CREATE'),
  change: 'tenant-create',
  input: from({ body: { name: text(Grammars.tenant), caCertificate: text(Grammars.pem) } }),
  answers: { 200: TENANT, 201: TENANT },
  facts: ({ name }) => ({ tenant: name }),
  handle: async ({ name, caCertificate }, { deps }) => {
    const isNew = deps.tenants.get(name) === undefined;
    const tenant = await deps.tenants.create(name, caCertificate);
    return isNew ? created(tenant) : ok(tenant);
  },
});

const describe = defineRoute({
  method: 'GET',
  path: '/v1/tenants/:tenant',
  id: 'describeTenant',
  tag: 'tenants',
  summary: 'One tenant',
  authorization: tenantCluster('DESCRIBE'),
  change: null,
  input: from({ path: inTenant }),
  answers: { 200: TENANT },
  handle: ({ tenant }, { deps }) => {
    const view = deps.tenants.get(tenant);
    if (view === undefined) throw noSuchTenant();
    return ok(view);
  },
});

const setState = (
  verb: 'suspend' | 'resume',
  state: 'suspended' | 'active',
  summary: string,
): AdminRoute =>
  defineRoute({
    method: 'POST',
    path: `/v1/tenants/:tenant/${verb}`,
    id: `${verb}Tenant`,
    tag: 'tenants',
    summary,
    authorization: broker('ALTER'),
    change: `tenant-${verb}`,
    input: from(
      { path: inTenant, body: { acceptRestored: withDefault(flag, false) } },
      (fields) => {
        if (fields.acceptRestored && state !== 'active') {
          throw invalidField('acceptRestored', 'left out where a tenant is suspended');
        }
        return fields;
      },
    ),
    answers: { 200: TENANT },
    facts: ({ tenant, acceptRestored }) => ({ tenant, ...(acceptRestored && { acceptRestored }) }),
    handle: async ({ tenant, acceptRestored }, { deps }) => {
      requireTenant(tenant, { deps });
      return ok(await deps.tenants.setState(tenant, state, acceptRestored));
    },
  });

const DELETION = object({
  tenant: anyText,
  state: oneOf('deleting', 'deleted'),
  begunAtMs: nullable(timeMs),
  deletedAtMs: nullable(timeMs),
  counts: record(anyInteger),
  failure: nullable(anyText),
});

const remove = defineRoute({
  method: 'DELETE',
  path: '/v1/tenants/:tenant',
  id: 'deleteTenant',
  tag: 'tenants',
  summary: 'Delete a tenant for good: its rules, credentials and data',
  authorization: broker('DELETE'),
  change: 'tenant-delete',
  input: from({ path: inTenant, query: { confirm: text(Grammars.tenant) } }),
  answers: { 200: DELETION },
  facts: ({ tenant }) => ({ tenant }),
  handle: async ({ tenant, confirm }, { deps }) => {
    if (confirm !== tenant) {
      const detail = 'A deletion is confirmed with the name of the tenant in "confirm".';
      throw new AdminError(400, 'not-confirmed', detail);
    }
    requireTenant(tenant, { deps });
    return ok(await deps.deletions.begin(tenant));
  },
});

const deletion = defineRoute({
  method: 'GET',
  path: '/v1/tenants/:tenant/deletion',
  id: 'describeDeletion',
  tag: 'tenants',
  summary: 'How far the deletion of a tenant has come',
  authorization: broker('DESCRIBE'),
  change: null,
  input: from({ path: inTenant }),
  answers: { 200: DELETION },
  handle: ({ tenant }, { deps }) => {
    const view = deps.deletions.view(tenant);
    if (view !== undefined) return ok(view);
    throw new AdminError(404, 'no-such-deletion', 'No tenant of this name is deleted.');
  },
});

export const tenantRoutes: readonly AdminRoute[] = [
  list,
  create,
  describe,
  setState('suspend', 'suspended', 'Close the connections of a tenant and refuse new ones'),
  setState('resume', 'active', 'Let a suspended tenant connect again'),
  remove,
  deletion,
];
