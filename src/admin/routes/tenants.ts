/**
 * /v1/tenants: list and create (DESCRIBE, CREATE on the broker), look at one, suspend and resume it
 * (DESCRIBE, ALTER on the tenant's virtual cluster). A tenant's CA certificate comes with its
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
import { AdminError } from '../problem.ts';
import { Grammars, type RequestFields } from '../request-fields.ts';

export const noSuchTenant = (): AdminError =>
  new AdminError(404, 'no-such-tenant', 'There is no such tenant: "tenant list" shows them.');

/** Throws the AdminError of a tenant that is not there. */
export function requireTenant(tenant: string, { deps }: Pick<RouteContext, 'deps'>): void {
  if (deps.tenants.get(tenant) === undefined) throw noSuchTenant();
}

const tenantOf = (fields: RequestFields) => ({ tenant: fields.text('tenant', Grammars.tenant) });

const list = defineRoute({
  method: 'GET',
  path: '/v1/tenants',
  authorization: broker('DESCRIBE'),
  change: null,
  input: () => ({}),
  handle: (_input, { deps }) => ok({ tenants: deps.tenants.list() }),
});

const create = defineRoute({
  method: 'POST',
  path: '/v1/tenants',
  authorization: broker('CREATE'),
  change: 'tenant-create',
  input: (fields) => ({
    name: fields.text('name', Grammars.tenant),
    caCertificate: fields.text('caCertificate', Grammars.pem),
  }),
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
  authorization: tenantCluster('DESCRIBE'),
  change: null,
  input: tenantOf,
  handle: ({ tenant }, { deps }) => {
    const view = deps.tenants.get(tenant);
    if (view === undefined) throw noSuchTenant();
    return ok(view);
  },
});

const setState = (verb: 'suspend' | 'resume', state: 'suspended' | 'active'): AdminRoute =>
  defineRoute({
    method: 'POST',
    path: `/v1/tenants/:tenant/${verb}`,
    authorization: tenantCluster('ALTER'),
    change: `tenant-${verb}`,
    input: (fields) => ({
      ...tenantOf(fields),
      isRestoredAccepted: state === 'active' && fields.optionalFlag('acceptRestored') === true,
    }),
    facts: ({ tenant, isRestoredAccepted }) => ({
      tenant,
      ...(isRestoredAccepted && { acceptRestored: true }),
    }),
    handle: async ({ tenant, isRestoredAccepted }, { deps }) => {
      requireTenant(tenant, { deps });
      return ok(await deps.tenants.setState(tenant, state, isRestoredAccepted));
    },
  });

const remove = defineRoute({
  method: 'DELETE',
  path: '/v1/tenants/:tenant',
  authorization: broker('DELETE'),
  change: 'tenant-delete',
  input: (fields) => {
    const confirm = fields.text('confirm', Grammars.tenant);
    return { ...tenantOf(fields), confirm };
  },
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
  authorization: broker('DESCRIBE'),
  change: null,
  input: tenantOf,
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
  setState('suspend', 'suspended'),
  setState('resume', 'active'),
  remove,
  deletion,
];
