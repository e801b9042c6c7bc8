/**
 * /v1/authorizer and /v1/tenants/:tenant/authorizer/invalidate: how asking the policy decision
 * points goes (DESCRIBE on the broker), and forgetting what they said of a tenant (ALTER on its
 * virtual cluster).
 */
import { type AdminRoute, broker, defineRoute, ok, tenantCluster } from '../admin-route.ts';
import { anyInteger, anyText, figure, object, record } from '../json-shape.ts';
import { pageOf, pageQuery, pageShape } from '../listing-page.ts';
import { from } from '../request-fields.ts';
import { inTenant, requireTenant } from './tenants.ts';

const status = defineRoute({
  method: 'GET',
  path: '/v1/authorizer',
  id: 'externalAuthorizer',
  tag: 'policy',
  summary: 'How asking the policy decision points goes, tenant by tenant',
  authorization: broker('DESCRIBE'),
  change: null,
  input: from({ query: pageQuery }),
  answers: { 200: pageShape('tenants', record(figure)) },
  handle: async (page, { deps }) => {
    const all = deps.external.status();
    const { items, next } = await pageOf('authorizer', all, (one) => one.tenant, page, deps.clock);
    return ok({ tenants: items, next });
  },
});

const invalidate = defineRoute({
  method: 'POST',
  path: '/v1/tenants/:tenant/authorizer/invalidate',
  id: 'invalidateDecisions',
  tag: 'policy',
  summary: 'Forget what the policy decision point said of a tenant',
  authorization: tenantCluster('ALTER'),
  change: 'authorizer-invalidate',
  input: from({ path: inTenant }),
  answers: { 200: object({ tenant: anyText, forgotten: anyInteger }) },
  facts: ({ tenant }) => ({ tenant }),
  handle: ({ tenant }, { deps }) => {
    requireTenant(tenant, { deps });
    return ok({ tenant, forgotten: deps.external.invalidate(tenant) });
  },
});

export const authorizerRoutes: readonly AdminRoute[] = [status, invalidate];
