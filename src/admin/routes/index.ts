/** The registry of the admin API's routes: a route that is not here does not exist. */
import type { AdminRoute } from '../admin-route.ts';
import { aclRoutes } from './acls.ts';
import { authorizerRoutes } from './authorizer.ts';
import { banRoutes } from './bans.ts';
import { healthRoutes } from './health.ts';
import { policyRoutes } from './policy.ts';
import { quotaRoutes } from './quotas.ts';
import { revocationRoutes } from './revocations.ts';
import { statusRoutes } from './status.ts';
import { tenantCaRoutes } from './tenant-cas.ts';
import { tenantRoutes } from './tenants.ts';
import { topicRoutes } from './topics.ts';
import { userRoutes } from './users.ts';

export const ADMIN_ROUTES: readonly AdminRoute[] = [
  ...healthRoutes,
  ...statusRoutes,
  ...tenantRoutes,
  ...tenantCaRoutes,
  ...topicRoutes,
  ...aclRoutes,
  ...policyRoutes,
  ...authorizerRoutes,
  ...revocationRoutes,
  ...banRoutes,
  ...quotaRoutes,
  ...userRoutes,
];
