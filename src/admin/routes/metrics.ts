/**
 * GET /metrics: the figures of the broker and of all tenants, in the text format of Prometheus.
 * DESCRIBE on CLUSTER `metrics`, a right of its own: a scraper needs no other, and with it can do
 * nothing else.
 */
import { type AdminRoute, type Authorization, defineRoute, ok, PlainText } from '../admin-route.ts';
import type { Shape } from '../json-shape.ts';
import { from } from '../request-fields.ts';

const METRICS: Authorization<unknown> = {
  kind: 'access',
  stance: { operation: 'DESCRIBE', resourceType: 'CLUSTER', of: 'broker' },
  access: () => ({
    operation: 'DESCRIBE',
    resourceType: 'CLUSTER',
    tenant: null,
    resourceName: 'metrics',
  }),
};
const EXPOSITION: Shape<PlainText> = {
  schema: { type: 'string', description: "Prometheus' text format" },
  contentType: 'text/plain',
};

const metrics = defineRoute({
  method: 'GET',
  path: '/metrics',
  id: 'metrics',
  tag: 'probes',
  summary: 'The figures of the broker and of all tenants, for Prometheus',
  authorization: METRICS,
  change: null,
  input: from({}),
  answers: { 200: EXPOSITION },
  handle: async (_input, { deps }) => {
    const { contentType } = deps.metrics;
    return ok(new PlainText(contentType, await deps.metrics.render()));
  },
});

export const metricsRoutes: readonly AdminRoute[] = [metrics];
