/**
 * Owns audit records as CloudEvents 1.0 in the JSON format. Pure.
 *
 * Invariant: `source` and `id` together name one record of one log; the record is `data`, whole.
 */
import type { UncheckedRecord } from './record-terms.ts';

export interface CloudEvent {
  readonly specversion: '1.0';
  readonly id: string;
  readonly source: string;
  readonly type: string;
  readonly subject?: string;
  readonly time: string;
  readonly datacontenttype: 'application/json';
  readonly data: UncheckedRecord;
}

const TYPE_PREFIX = 'breakwater.audit';

/** `shown` has `id` (`security:12`) and `stream` before the fields of the record. */
export function toCloudEvent(shown: UncheckedRecord, source: string): CloudEvent {
  const { id, stream: _, ...record } = shown;
  const { type, time } = record;
  const subject = subjectOf(record);
  return {
    specversion: '1.0',
    id: String(id),
    source,
    type: `${TYPE_PREFIX}.${String(type)}`,
    ...(subject !== null && { subject }),
    time: String(time),
    datacontenttype: 'application/json',
    data: record,
  };
}

/** What the event is about: the resource, or else who. */
function subjectOf({ resource, resourceType, tenant, principal }: UncheckedRecord): string | null {
  const of = typeof tenant === 'string' ? `${tenant}/` : '';
  if (typeof resource === 'string') return `${of}${String(resourceType)}/${resource}`;
  return typeof principal === 'string' ? `${of}${principal}` : null;
}
