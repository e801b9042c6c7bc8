/** Owns the keys of the access log. */
import { flag, integer, optionalPath, optionalText, text } from '../config-spec.ts';
import { GIB, HOUR_MS, KIB, MIB, MINUTE_MS, SECOND_MS } from './units.ts';

export const AUDIT_KEYS = {
  'audit.dir': optionalPath({
    doc: 'Folder of the access log; empty means the folder audit in data.dir.',
  }),
  'audit.access.window.ms': integer({
    default: SECOND_MS,
    min: 0,
    max: 10 * MINUTE_MS,
    doc: 'The first of equal allowed accesses of a connection is written at once, those that follow within so many milliseconds as one line with their count; 0 writes each by itself. Denials do not wait for it.',
  }),
  'audit.file.max.bytes': integer({
    default: 128 * MIB,
    min: 64 * KIB,
    max: 16 * GIB,
    doc: 'Size at which an audit file is closed and the next one begun.',
  }),
  'audit.queue.max.bytes': integer({
    default: 64 * MIB,
    min: 64 * KIB,
    max: 16 * GIB,
    doc: 'Audit events waiting to be written; when full, what has to be audited is refused.',
  }),
  'audit.topic.enable': flag({
    default: true,
    doc: "Whether each tenant has its own events as a topic of its virtual cluster. It takes one partition of the tenant's and of the broker's.",
  }),
  'audit.topic.name': text({
    default: '__audit',
    pattern: /^[A-Za-z0-9_-]{1,180}$/,
    allowed: 'letters, digits, _ and -, at most 180 of them',
    doc: "Name of that topic, the same in all tenants, and with _all behind it that of the operator. Both are the broker's own in every tenant, also while the topics are switched off: they can only be read.",
  }),
  'audit.topic.operator.tenant': optionalText({
    pattern: /^[a-z0-9-]{1,63}$/,
    allowed: 'the name of a tenant',
    doc: "A tenant of the operator's own: in its virtual cluster stands the topic __audit_all with the events of all tenants and of the broker; empty means none.",
  }),
  'audit.topic.retention.ms': integer({
    default: 168 * HOUR_MS,
    min: MINUTE_MS,
    doc: 'How long records stay in the audit topics; the audit files are kept for themselves.',
  }),
  'audit.topic.retention.bytes': integer({
    default: 256 * MIB,
    min: 4 * MIB,
    doc: 'How large an audit topic becomes before its oldest segments go.',
  }),
};
