/**
 * Owns audit records as OCSF events: Authentication (3002) for authentications, API Activity (6003)
 * for everything else that somebody did or had decided. Pure.
 *
 * Invariants: `type_uid` is class_uid * 100 + activity_id; what OCSF has no field for stands in
 * `unmapped`, so that nothing of a record is lost.
 */
import { parseAddress } from '../base/ip-address.ts';
import type { UncheckedRecord } from './record-terms.ts';

type Json = Readonly<Record<string, unknown>>;

/** The version of the schema that the events are written for. */
export const OCSF_VERSION = '1.5.0';

const AUTHENTICATION = { uid: 3002, category: 3, name: 'Authentication' } as const;
const API_ACTIVITY = { uid: 6003, category: 6, name: 'API Activity' } as const;
const Activity = { create: 1, read: 2, update: 3, delete: 4, logon: 1, other: 99 } as const;
const Severity = { informational: 1, medium: 3, high: 4 } as const;
const Status = { unknown: 0, success: 1, failure: 2 } as const;
const UserType = { unknown: 0, user: 1, admin: 2 } as const;
const PRODUCT = 'Breakwater';

const BY_OPERATION: Readonly<Record<string, number>> = {
  CREATE: Activity.create,
  READ: Activity.read,
  DESCRIBE: Activity.read,
  DESCRIBE_CONFIGS: Activity.read,
  DESCRIBE_TOKENS: Activity.read,
  WRITE: Activity.update,
  ALTER: Activity.update,
  ALTER_CONFIGS: Activity.update,
  CREATE_TOKENS: Activity.create,
  DELETE: Activity.delete,
};

/** By the last word of an administrative change: `topic-create`. */
const BY_VERB: Readonly<Record<string, number>> = {
  create: Activity.create,
  add: Activity.create,
  import: Activity.create,
  query: Activity.read,
  tail: Activity.read,
  delete: Activity.delete,
  remove: Activity.delete,
};

/** `shown` has `id` (`security:12`) and `stream` before the fields of the record. */
export function toOcsf(shown: UncheckedRecord, productVersion: string): Json {
  const ofClass = shown.type === 'authentication' ? AUTHENTICATION : API_ACTIVITY;
  const activity = activityOf(shown);
  const detail = textOf(shown.detail);
  return {
    class_uid: ofClass.uid,
    class_name: ofClass.name,
    category_uid: ofClass.category,
    activity_id: activity,
    ...(activity === Activity.other && { activity_name: String(shown.reason ?? shown.operation) }),
    type_uid: ofClass.uid * 100 + activity,
    severity_id: severityOf(shown),
    ...statusOf(shown),
    ...(typeof shown.reason === 'string' && { status_code: shown.reason }),
    ...(detail !== null && { status_detail: detail }),
    time: Date.parse(String(shown.time)),
    ...repeatsOf(shown),
    metadata: metadataOf(shown, productVersion),
    src_endpoint: endpointOf(shown),
    ...(ofClass === AUTHENTICATION ? authenticationOf(shown) : apiActivityOf(shown)),
    unmapped: unmappedOf(shown),
  };
}

function activityOf({ type, operation, reason }: UncheckedRecord): number {
  if (type === 'authentication') return Activity.logon;
  if (typeof operation === 'string') return BY_OPERATION[operation] ?? Activity.other;
  if (type !== 'administration' || typeof reason !== 'string') return Activity.other;
  return BY_VERB[reason.slice(reason.lastIndexOf('-') + 1)] ?? Activity.update;
}

const isFailure = ({ decision, outcome }: UncheckedRecord): boolean =>
  decision === 'deny' || outcome === 'failure';

function severityOf(record: UncheckedRecord): number {
  if (!isFailure(record)) return Severity.informational;
  return record.type === 'server' ? Severity.high : Severity.medium;
}

function statusOf(record: UncheckedRecord): Json {
  if (isFailure(record)) return { status_id: Status.failure, status: 'Failure' };
  const isSuccess = record.decision === 'allow' || record.outcome === 'success';
  return isSuccess
    ? { status_id: Status.success, status: 'Success' }
    : { status_id: Status.unknown, status: 'Unknown' };
}

function repeatsOf({ count, first, last }: UncheckedRecord): Json {
  if (typeof count !== 'number') return {};
  const [startMs, endMs] = [Date.parse(String(first)), Date.parse(String(last))];
  return { count, start_time: startMs, end_time: endMs, duration: Math.max(0, endMs - startMs) };
}

function metadataOf({ id, stream, seq, v, level }: UncheckedRecord, version: string): Json {
  return {
    version: OCSF_VERSION,
    product: { name: PRODUCT, vendor_name: PRODUCT, version },
    uid: String(id),
    log_name: String(stream),
    log_version: String(v),
    log_level: String(level),
    sequence: seq,
  };
}

/** A value that was made unreadable is no address, but still tells one peer from another. */
function endpointOf({ address, port }: UncheckedRecord): Json {
  if (typeof address !== 'string') return { name: PRODUCT.toLowerCase() };
  return {
    ...(parseAddress(address) === null ? { uid: address } : { ip: address }),
    ...(typeof port === 'number' && { port }),
  };
}

function userOf({ principal, tenant, fleet, tokenRole, listener }: UncheckedRecord): Json {
  const name = textOf(principal)?.replace(/^User:/, '') ?? 'unknown';
  const groups = [textOf(fleet) && `Fleet:${String(fleet)}`, textOf(tokenRole)].filter(
    (group) => group !== null && group !== '',
  );
  const known = listener === 'admin' ? UserType.admin : UserType.user;
  return {
    name,
    type_id: typeof principal === 'string' ? known : UserType.unknown,
    ...(typeof tenant === 'string' && { domain: tenant }),
    ...(groups.length > 0 && { groups: groups.map((group) => ({ name: group })) }),
  };
}

function sessionOf({ connection, issuer }: UncheckedRecord): Json {
  if (typeof connection !== 'string') return {};
  return { session: { uid: connection, ...(typeof issuer === 'string' && { issuer }) } };
}

function authenticationOf(record: UncheckedRecord): Json {
  return {
    user: userOf(record),
    actor: { user: userOf(record) },
    service: { name: `${PRODUCT.toLowerCase()} ${String(record.listener ?? 'listener')}` },
    is_remote: true,
    ...sessionOf(record),
  };
}

function apiActivityOf(record: UncheckedRecord): Json {
  const { api, apiVersion, type, reason, clientId } = record;
  const operation = typeof api === 'string' ? api : `${String(type)}.${String(reason)}`;
  return {
    actor: {
      ...(typeof record.address === 'string' && { user: userOf(record) }),
      app_name: textOf(clientId) ?? PRODUCT.toLowerCase(),
      ...sessionOf(record),
    },
    api: {
      operation,
      ...(typeof apiVersion === 'number' && { version: String(apiVersion) }),
      service: { name: PRODUCT.toLowerCase() },
    },
    ...resourcesOf(record),
  };
}

function resourcesOf({ resource, resourceType, tenant }: UncheckedRecord): Json {
  if (typeof resource !== 'string') return {};
  const owner = typeof tenant === 'string' ? { namespace: tenant } : {};
  return { resources: [{ name: resource, type: String(resourceType), ...owner }] };
}

const UNMAPPED = [
  'type',
  'operation',
  'decision',
  'outcome',
  'rule',
  'origin',
  'rolePath',
  'certificate',
  'listener',
  'facts',
  'prev',
] as const;

function unmappedOf(record: UncheckedRecord): Json {
  const kept = UNMAPPED.filter((name) => record[name] !== undefined && record[name] !== null);
  return Object.fromEntries(kept.map((name) => [name, record[name]]));
}

const textOf = (value: unknown): string | null => (typeof value === 'string' ? value : null);
