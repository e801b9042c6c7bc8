/** The registry of the admin API's routes: a route that is not here does not exist. */
import type { AdminRoute } from '../admin-route.ts';
import { aclRoutes } from './acls.ts';
import { authorizerRoutes } from './authorizer.ts';
import { healthRoutes } from './health.ts';
import { revocationRoutes } from './revocations.ts';
import { statusRoutes } from './status.ts';
import { tenantRoutes } from './tenants.ts';
import { topicRoutes } from './topics.ts';

export const ADMIN_ROUTES: readonly AdminRoute[] = [
  ...healthRoutes,
  ...statusRoutes,
  ...tenantRoutes,
  ...topicRoutes,
  ...aclRoutes,
  ...authorizerRoutes,
  ...revocationRoutes,
];
