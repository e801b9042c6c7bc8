/**
 * One good call of each route of the admin API, for tests that go through all of them. A route without
 * a sample is an error.
 */
import type { AdminRoute } from '../../src/admin/admin-route.ts';

export interface SampleCall {
  readonly path: string;
  readonly body?: object;
}

interface Sample {
  readonly query?: Readonly<Record<string, string>>;
  readonly body?: object;
}

export const RULE = {
  principal: 'User:pump-17',
  permission: 'ALLOW',
  operation: 'WRITE',
  resourceType: 'TOPIC',
  resourceName: 'alarms',
};

export const KEY = Buffer.alloc(32, 7).toString('base64');
export const CREDENTIAL = {
  user: 'ada',
  mechanism: 'SCRAM-SHA-256',
  iterations: 4096,
  salt: Buffer.alloc(16, 1).toString('base64'),
  storedKey: KEY,
  serverKey: KEY,
};

const PATH_FIELDS: Readonly<Record<string, string>> = {
  topic: 'alarms',
  user: 'ada',
  device: 'pump-17',
  fleet: 'plant-a',
  certificate: '0A1B',
  backup: 'before',
};

/** Path parameters aside, what a route needs. */
const SAMPLES: Readonly<Record<string, (tenant: string) => Sample>> = {
  createTenant: () => ({ body: { name: 'initech', caCertificate: 'PEM' } }),
  deleteTenant: (tenant) => ({ query: { confirm: tenant } }),
  createBackup: () => ({ body: { name: 'monday' } }),
  createTopic: () => ({ body: { name: 'alarms' } }),
  addAcl: () => ({ body: RULE }),
  removeAcl: () => ({ query: RULE }),
  explainAccess: () => {
    const { principal: _principal, permission: _permission, ...action } = RULE;
    return { body: { user: 'pump-17', ...action } };
  },
  setLogLevel: () => ({ body: { level: 'debug' } }),
  queryAudit: (tenant) => ({ query: { tenant } }),
  tailAudit: (tenant) => ({ query: { tenant, waitMs: '0' } }),
  // Of a name, so that it is the tenant's own matter.
  listBans: (tenant) => ({ query: { tenant } }),
  addBan: (tenant) => ({ body: { tenant, name: 'pump-17', durationMs: 1000 } }),
  removeBan: (tenant) => ({ query: { tenant, name: 'pump-17' } }),
  // Of a user, so that it is the tenant's own matter.
  listQuotas: (tenant) => ({ query: { tenant } }),
  setQuota: (tenant) => ({ body: { tenant, user: 'pump-17', values: { request_percentage: 5 } } }),
  addTenantCa: () => ({ body: { caCertificate: 'PEM' } }),
  importCa: () => ({ body: { caCertificate: 'PEM', mappingRules: 'RULE:a/b/' } }),
  removeTenantCa: () => ({ query: { fingerprint: Array(32).fill('AA').join(':') } }),
  setUserCredential: () => ({ body: CREDENTIAL }),
  revokeCertificates: () => ({ body: { name: 'pump-17' } }),
};

export function sampleCall(route: AdminRoute, tenant = 'acme'): SampleCall {
  const { query, body }: Sample = SAMPLES[route.id]?.(tenant) ?? {};
  const needed = [route.schemas.querystring.required, route.schemas.body?.required].flat();
  if (query === undefined && body === undefined && needed.some((name) => name !== undefined)) {
    throw new Error(`sample-calls.ts has no sample of ${route.id}`);
  }
  const path = route.path.replace(/:(\w+)/g, (_, name: string) =>
    name === 'tenant' ? tenant : (PATH_FIELDS[name] ?? `no-sample-of-${name}`),
  );
  const search = query === undefined ? '' : `?${new URLSearchParams(query).toString()}`;
  return { path: path + search, ...(body !== undefined && { body }) };
}
