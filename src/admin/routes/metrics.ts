/**
 * GET /metrics: the figures of the broker and of all tenants, in the text format of Prometheus.
 * DESCRIBE on CLUSTER `metrics`, a right of its own: a scraper needs no other, and with it can do
 * nothing else.
 */
import { type AdminRoute, defineRoute, ok, PlainText, type RouteAccess } from '../admin-route.ts';

const ACCESS: RouteAccess = {
  operation: 'DESCRIBE',
  resourceType: 'CLUSTER',
  tenant: null,
  resourceName: 'metrics',
};

const metrics = defineRoute({
  method: 'GET',
  path: '/metrics',
  authorization: { kind: 'access', access: () => ACCESS },
  change: null,
  input: () => ({}),
  handle: async (_input, { deps }) => {
    const { contentType } = deps.metrics;
    return ok(new PlainText(contentType, await deps.metrics.render()));
  },
});

export const metricsRoutes: readonly AdminRoute[] = [metrics];
