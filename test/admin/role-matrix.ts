/**
 * Which role may call which route, as policies/ gives it: one row a route, in the order of
 * docs/admin-api.md, which shows this table.
 */
export const ROLES = ['operator', 'auditor', 'tenant admin', 'tenant auditor'] as const;
export type Role = (typeof ROLES)[number];

const EVERYONE: readonly Role[] = ROLES;
/** Reading what belongs to the broker or to all tenants. */
const READS_ALL: readonly Role[] = ['operator', 'auditor'];
/** Reading what belongs to a tenant. */
const READS: readonly Role[] = ROLES;
/** Changing what belongs to a tenant. */
const CHANGES: readonly Role[] = ['operator', 'tenant admin'];
const OPERATOR: readonly Role[] = ['operator'];

/** By operationId. A tenant's roles are asked on their own tenant; on another's they may do nothing. */
export const ROLE_MATRIX: Readonly<Record<string, readonly Role[]>> = {
  healthz: EVERYONE,
  readyz: READS_ALL,
  openApiDocument: EVERYONE,
  metrics: READS_ALL,
  logLevel: READS_ALL,
  setLogLevel: OPERATOR,
  status: READS_ALL,
  listTenants: READS_ALL,
  createTenant: OPERATOR,
  describeTenant: READS,
  suspendTenant: OPERATOR,
  resumeTenant: OPERATOR,
  deleteTenant: OPERATOR,
  describeDeletion: READS_ALL,
  listTenantCas: READS,
  addTenantCa: CHANGES,
  importCa: OPERATOR,
  removeTenantCa: CHANGES,
  listBackups: READS_ALL,
  createBackup: OPERATOR,
  describeBackup: READS_ALL,
  listTopics: READS,
  createTopic: CHANGES,
  describeTopic: READS,
  deleteTopic: CHANGES,
  listAcls: READS,
  addAcl: CHANGES,
  removeAcl: CHANGES,
  explainAccess: READS,
  shadowPolicy: READS_ALL,
  externalAuthorizer: READS_ALL,
  invalidateDecisions: CHANGES,
  listRevocations: READS,
  revokeCertificates: CHANGES,
  listSuspensions: READS,
  suspendDevice: CHANGES,
  resumeDevice: CHANGES,
  suspendFleet: CHANGES,
  resumeFleet: CHANGES,
  suspendCertificate: CHANGES,
  resumeCertificate: CHANGES,
  listBans: READS,
  addBan: CHANGES,
  removeBan: CHANGES,
  listDevices: READS,
  describeDevice: READS,
  listQuotas: READS,
  // Ceilings are the operator's: see admin-roles.test.ts.
  setQuota: CHANGES,
  listUsers: READS,
  setUserCredential: CHANGES,
  removeUser: CHANGES,
  queryAudit: READS,
  tailAudit: READS,
};
