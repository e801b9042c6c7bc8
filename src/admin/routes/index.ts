/** The registry of the admin API's routes: a route that is not here does not exist. */
import type { AdminRoute } from '../admin-route.ts';
import { aclRoutes } from './acls.ts';
import { auditRoutes } from './audit.ts';
import { authorizerRoutes } from './authorizer.ts';
import { backupRoutes } from './backup.ts';
import { banRoutes } from './bans.ts';
import { deviceRoutes } from './devices.ts';
import { documentRoutes } from './document.ts';
import { healthRoutes } from './health.ts';
import { logLevelRoutes } from './log-level.ts';
import { metricsRoutes } from './metrics.ts';
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
  ...documentRoutes,
  ...metricsRoutes,
  ...logLevelRoutes,
  ...statusRoutes,
  ...tenantRoutes,
  ...tenantCaRoutes,
  ...backupRoutes,
  ...topicRoutes,
  ...aclRoutes,
  ...policyRoutes,
  ...authorizerRoutes,
  ...revocationRoutes,
  ...banRoutes,
  ...deviceRoutes,
  ...quotaRoutes,
  ...userRoutes,
  ...auditRoutes,
];
