/** GET /v1/status: versions, listeners, policy and certificates in use. DESCRIBE on the broker. */
import { type AdminRoute, broker, defineRoute, ok } from '../admin-route.ts';

const status = defineRoute({
  method: 'GET',
  path: '/v1/status',
  authorization: broker('DESCRIBE'),
  change: null,
  input: () => ({}),
  handle: (_input, { deps }) => ok({ ...deps.status(), checks: deps.health() }),
});

export const statusRoutes: readonly AdminRoute[] = [status];
