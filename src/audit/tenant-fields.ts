/**
 * Owns what of a record of the log a tenant is told, in its audit topic and by the admin API. Pure.
 *
 * Invariant: only fields that are known to be about the tenant alone; what is not listed here does not
 * reach it. Left out are `seq` and `prev`, which count and cover the events of all tenants, and where
 * in the operator's files a rule stands.
 */
import type { UncheckedRecord } from './record-terms.ts';

const TENANT_FIELDS = [
  'level',
  'v',
  'time',
  'type',
  'tenant',
  'principal',
  'fleet',
  'certificate',
  'address',
  'port',
  'connection',
  'listener',
  'api',
  'apiVersion',
  'clientId',
  'operation',
  'resourceType',
  'resource',
  'decision',
  'rule',
  'tokenRole',
  'rolePath',
  'outcome',
  'reason',
  'detail',
  'facts',
  'count',
  'first',
  'last',
] as const;

/** Rules that the tenant made itself; all others are in files of the operator's. */
const DYNAMIC_ORIGIN = 'dynamic';
const OPERATORS_ORIGIN = 'operator';

export function tenantFields(fields: UncheckedRecord): Record<string, unknown> {
  const told: Record<string, unknown> = {};
  for (const name of TENANT_FIELDS) {
    if (Object.hasOwn(fields, name)) told[name] = fields[name];
  }
  const { origin, tenant } = fields;
  if (origin !== undefined) {
    const known = origin === null || origin === DYNAMIC_ORIGIN;
    told.origin = known ? origin : OPERATORS_ORIGIN;
  }
  if (typeof told.detail === 'string') {
    told.detail = told.detail.replaceAll(`'${String(tenant)}.`, "'");
  }
  return told;
}
