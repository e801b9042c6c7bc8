/**
 * Owns what a record of an audit topic holds, for the tenant whose events they are and for the
 * operator who has all.
 *
 * Invariants: the operator's record is the line of the audit log, byte for byte. A tenant's is made
 * of fields that are known to be about the tenant alone; what is not listed here does not reach it.
 * Left out are `seq` and `prev`, which count and cover the events of all tenants, and where in the
 * operator's files a rule stands.
 */
import type { AuditStreamName } from '../../audit/audit-replay.ts';
import type { NewRecord, RecordHeader } from '../../protocol/records/record.ts';

export interface EventLine {
  readonly stream: AuditStreamName;
  readonly sequence: number;
  readonly line: string;
  readonly fields: Readonly<Record<string, unknown>>;
}

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

/**
 * Reading an audit topic is recorded like everything else, but not in such a topic: its reader
 * would never come to an end.
 */
export function isReadingOfTopic(
  fields: EventLine['fields'],
  isAuditTopic: (name: string) => boolean,
): boolean {
  const { type, resourceType, resource, decision } = fields;
  return (
    type === 'access' &&
    decision === 'allow' &&
    resourceType === 'TOPIC' &&
    typeof resource === 'string' &&
    isAuditTopic(resource)
  );
}

export function tenantRecord(event: EventLine): NewRecord {
  return recordOf(event, Buffer.from(JSON.stringify(tenantFields(event.fields))), [
    textHeader('stream', event.stream),
  ]);
}

export function operatorRecord(event: EventLine): NewRecord {
  return recordOf(event, Buffer.from(event.line, 'latin1'), [
    textHeader('stream', event.stream),
    textHeader('seq', String(event.sequence)),
  ]);
}

/** What the broker has to say about the topic itself. */
export function noteRecord(note: {
  readonly tenant: string | null;
  readonly nowMs: number;
  readonly outcome: 'success' | 'failure';
  readonly reason: string;
  readonly detail: string;
}): NewRecord {
  const { tenant, nowMs, outcome, reason, detail } = note;
  const level = outcome === 'success' ? 'info' : 'warn';
  const time = new Date(nowMs).toISOString();
  const value = { level, time, type: 'server', tenant, outcome, reason, detail };
  return {
    timestampMs: nowMs,
    key: null,
    value: Buffer.from(JSON.stringify(value)),
    headers: [textHeader('stream', 'topic')],
  };
}

export const textHeader = (key: string, value: string): RecordHeader => ({
  key,
  value: Buffer.from(value),
});

function recordOf(
  { fields }: EventLine,
  value: Buffer,
  headers: readonly RecordHeader[],
): NewRecord {
  const { principal, time } = fields;
  const timestampMs = typeof time === 'string' ? Date.parse(time) : Number.NaN;
  return {
    timestampMs: Number.isNaN(timestampMs) ? 0 : timestampMs,
    key: typeof principal === 'string' ? Buffer.from(principal) : null,
    value,
    headers,
  };
}

function tenantFields(fields: EventLine['fields']): Record<string, unknown> {
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
