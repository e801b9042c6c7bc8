/**
 * /v1/authorizer and /v1/tenants/:tenant/authorizer/invalidate: how asking the policy decision
 * points goes (DESCRIBE on the broker), and forgetting what they said of a tenant (ALTER on its
 * virtual cluster).
 */
import { type AdminRoute, broker, defineRoute, ok, tenantCluster } from '../admin-route.ts';
import { Grammars } from '../request-fields.ts';
import { requireTenant } from './tenants.ts';

const status = defineRoute({
  method: 'GET',
  path: '/v1/authorizer',
  authorization: broker('DESCRIBE'),
  change: null,
  input: () => ({}),
  handle: (_input, { deps }) => ok({ tenants: deps.external.status() }),
});

const invalidate = defineRoute({
  method: 'POST',
  path: '/v1/tenants/:tenant/authorizer/invalidate',
  authorization: tenantCluster('ALTER'),
  change: 'authorizer-invalidate',
  input: (fields) => ({ tenant: fields.text('tenant', Grammars.tenant) }),
  facts: ({ tenant }) => ({ tenant }),
  handle: ({ tenant }, { deps }) => {
    requireTenant(tenant, { deps });
    return ok({ tenant, forgotten: deps.external.invalidate(tenant) });
  },
});

export const authorizerRoutes: readonly AdminRoute[] = [status, invalidate];
