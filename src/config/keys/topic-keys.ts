/** Owns the keys of topics and their logs; most are the defaults of a topic's own settings. */
import { flag, integer, oneOf } from '../config-spec.ts';
import { GIB, HOUR_MS, INT32_MAX, KIB, MIB, MINUTE_MS, SECOND_MS } from './units.ts';

export const TOPIC_KEYS = {
  'num.partitions': integer({
    default: 1,
    min: 1,
    max: 10_000,
    doc: 'Partitions of a topic whose creation names no number.',
  }),
  'auto.create.topics.enable': flag({
    default: true,
    doc: 'Whether a client that holds CREATE on a missing topic creates it by asking for its metadata. Without a policy that grants CREATE nothing is created.',
  }),
  'max.partitions.per.topic': integer({
    default: 10_000,
    min: 1,
    max: 1_000_000,
    doc: 'The most partitions that one topic may have.',
  }),
  'max.partitions.per.tenant': integer({
    default: 10_000,
    min: 1,
    max: 1_000_000,
    doc: 'The most partitions of all topics of one tenant; below max.partitions.per.node, so that no tenant takes them all.',
  }),
  'max.partitions.per.node': integer({
    default: 20_000,
    min: 1,
    max: 1_000_000,
    doc: 'The most partitions of all tenants together on this broker.',
  }),
  'message.max.bytes': integer({
    default: MIB + 12,
    min: 1,
    max: GIB,
    doc: "The largest record batch that is accepted, as it travels (compressed); a topic's max.message.bytes may not be larger.",
  }),
  'log.segment.bytes': integer({
    default: GIB,
    min: MIB,
    max: INT32_MAX,
    doc: 'Size at which a log segment is closed and the next one begun.',
  }),
  'log.roll.ms': integer({
    default: 168 * HOUR_MS,
    min: MINUTE_MS,
    doc: 'Age at which a log segment is closed even if it is not full.',
  }),
  'log.index.interval.bytes': integer({
    default: 4 * KIB,
    min: KIB,
    max: 64 * KIB,
    doc: 'Bytes of log between two entries of the offset index.',
  }),
  'log.index.size.max.bytes': integer({
    default: 10 * MIB,
    min: 16 * KIB,
    max: INT32_MAX,
    doc: 'The largest an index of one segment grows; a full index closes the segment.',
  }),
  'log.flush.interval.ms': integer({
    default: SECOND_MS,
    min: 1,
    max: HOUR_MS,
    doc: 'Any append reaches stable storage within this time (flush.ms of a topic); acks=all waits for it and does not wait this long.',
  }),
  'log.retention.ms': integer({
    default: 168 * HOUR_MS,
    min: -1,
    doc: 'A log segment is deleted when its youngest record is older than this (retention.ms of a topic); -1 keeps records for ever.',
  }),
  'log.retention.bytes': integer({
    default: -1,
    min: -1,
    doc: 'The oldest segments of a partition are deleted while the rest is at least this large (retention.bytes of a topic); -1: no limit.',
  }),
  'log.retention.check.interval.ms': integer({
    default: 5 * MINUTE_MS,
    min: 1,
    max: INT32_MAX,
    doc: 'How often segments are looked for that retention lets go.',
  }),
  'compression.type': oneOf({
    values: ['producer', 'uncompressed', 'gzip', 'snappy', 'lz4', 'zstd'],
    default: 'producer',
    doc: 'How record batches are stored: as the producer compressed them, or compressed anew (costs processor time).',
  }),
  'max.producer.ids.per.partition': integer({
    default: 10_000,
    min: 1,
    max: 10_000_000,
    doc: 'Idempotent producers remembered in one partition; beyond it the longest idle are forgotten, and a batch that one of them repeats is stored twice.',
  }),
  'max.producer.ids.per.node': integer({
    default: 200_000,
    min: 1,
    max: 100_000_000,
    doc: 'The same for all partitions together (about 600 bytes each); beyond it those of the partitions with most are forgotten.',
  }),
  'producer.id.expiration.ms': integer({
    default: 24 * HOUR_MS,
    min: 1,
    doc: 'How long an idle producer is remembered, for the detection of duplicates.',
  }),
};
