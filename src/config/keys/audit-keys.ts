/** Owns the keys of the access log. */
import { flag, integer, optionalPath, optionalText, text } from '../config-spec.ts';
import { GIB, HOUR_MS, KIB, MIB, MINUTE_MS, SECOND_MS } from './units.ts';

const TENANTS = /^[a-z0-9-]{1,63}( *, *[a-z0-9-]{1,63})*$/;
/** Fields of a record whose values name somebody or something. */
const HMAC_FIELD = '(principal|fleet|certificate|address|clientId|resource)';
const HMAC_FIELDS = new RegExp(`^${HMAC_FIELD}( *, *${HMAC_FIELD})*$`);
const DAYS_MAX = 36_500;

export const AUDIT_KEYS = {
  'audit.dir': optionalPath({
    doc: 'Folder of the access log; empty means the folder audit in data.dir.',
  }),
  'audit.signing.key': optionalPath({
    doc: 'PEM file of the Ed25519 key that signs checkpoints of the access log; its public half, with the extension .pub beside it, is what "audit verify" takes. With --dev it is made in certs.dir.',
  }),
  'audit.checkpoint.interval.ms': integer({
    default: SECOND_MS,
    min: 100,
    max: 10 * MINUTE_MS,
    doc: 'Within so many milliseconds of a new record a signed checkpoint covers it, sooner when there are 10,000.',
  }),
  'audit.checkpoints.copy.dir': optionalPath({
    doc: 'A second folder, best on another machine, that gets a copy of all checkpoints: with it a log that was made anew is found.',
  }),
  'audit.access.window.ms': integer({
    default: SECOND_MS,
    min: 0,
    max: 10 * MINUTE_MS,
    doc: 'The first of equal allowed accesses of a connection is written at once, those that follow within so many milliseconds as one line with their count; 0 writes each by itself. Denials do not wait for it.',
  }),
  'audit.access.detail.tenants': optionalText({
    pattern: TENANTS,
    allowed: 'names of tenants with commas between',
    doc: 'Tenants whose allowed accesses are written one by one, whatever audit.access.window.ms says.',
  }),
  'audit.file.max.bytes': integer({
    default: 128 * MIB,
    min: 64 * KIB,
    max: 16 * GIB,
    doc: 'Size at which an audit file is closed and the next one begun.',
  }),
  'audit.compress': flag({
    default: true,
    doc: 'Whether files that are closed are compressed (.ndjson.gz).',
  }),
  'audit.retention.days': integer({
    default: 0,
    min: 0,
    max: DAYS_MAX,
    doc: 'Files of the access log go when their last record is older than so many days; 0 keeps them.',
  }),
  'audit.retention.bytes': integer({
    default: 0,
    min: 0,
    doc: 'The oldest files of a stream go when its files are larger than this together; 0 keeps them.',
  }),
  'audit.access.retention.days': integer({
    default: -1,
    min: -1,
    max: DAYS_MAX,
    doc: 'audit.retention.days for the allowed accesses (access-*); -1 means the same as for the rest.',
  }),
  'audit.access.retention.bytes': integer({
    default: -1,
    min: -1,
    doc: 'audit.retention.bytes for the allowed accesses (access-*); -1 means the same as for the rest.',
  }),
  'audit.queue.max.bytes': integer({
    default: 64 * MIB,
    min: 64 * KIB,
    max: 16 * GIB,
    doc: 'Audit events waiting to be written; when full, what has to be audited is refused. One tenant may use a quarter of it, and an eighth is kept for operators.',
  }),
  'audit.tenant.daily.bytes': integer({
    default: 4 * GIB,
    min: MIB,
    doc: 'What the records of one tenant may take on the disk in a day (UTC); beyond it they are counted instead of written out, and changes by that tenant are refused. Strangers together are a tenant here.',
  }),
  'audit.repeats.per.second': integer({
    default: 10,
    min: 1,
    max: 1_000_000,
    doc: 'How many equal refusals and failures (tenant, principal, address, reason) are written out in a second; the rest becomes one record with their count.',
  }),
  'audit.reserve.bytes': integer({
    default: 4 * MIB,
    min: 0,
    max: 16 * GIB,
    doc: "Space in audit.dir that is kept for records of operators' doings: it is let go when the disk is full, so that an operator can still act.",
  }),
  'audit.hmac.fields': optionalText({
    pattern: HMAC_FIELDS,
    allowed:
      'some of principal, fleet, certificate, address, clientId, resource, with commas between',
    doc: 'Fields of records that hold a keyed hash (hmac:...) in the place of their value: equal values stay equal, and can be searched for by who has the key.',
  }),
  'audit.hmac.key.file': optionalPath({
    doc: 'File with the secret, 32 bytes or more, for audit.hmac.fields.',
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
