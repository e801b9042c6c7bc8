/**
 * Owns what a record of an audit topic holds, for the tenant whose events they are and for the
 * operator who has all.
 *
 * Invariants: the operator's record is the line of the audit log, byte for byte. A tenant's is made
 * of the fields of audit/tenant-fields.ts and no others.
 */
import type { AuditStreamName } from '../../audit/audit-replay.ts';
import { tenantFields } from '../../audit/tenant-fields.ts';
import type { NewRecord, RecordHeader } from '../../protocol/records/record.ts';

export interface EventLine {
  readonly stream: AuditStreamName;
  readonly sequence: number;
  readonly line: string;
  readonly fields: Readonly<Record<string, unknown>>;
}

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
