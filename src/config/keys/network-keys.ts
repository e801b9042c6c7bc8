/** Owns the keys that bound what clients may take: connections, memory, sizes of answers. */
import { integer } from '../config-spec.ts';
import { GIB, INT32_MAX, KIB, MIB, MINUTE_MS, SECOND_MS } from './units.ts';

export const NETWORK_KEYS = {
  'socket.request.max.bytes': integer({
    default: 100 * MIB,
    min: 64 * KIB,
    max: INT32_MAX,
    doc: 'The largest request that may carry records (Produce); checked before memory is taken.',
  }),
  'socket.request.small.max.bytes': integer({
    default: MIB,
    min: 4 * KIB,
    max: 100 * MIB,
    doc: 'The largest request of any other API; checked before memory is taken.',
  }),
  'socket.response.unsent.max.bytes': integer({
    default: 4 * MIB,
    min: 64 * KIB,
    max: GIB,
    doc: 'Answers that a slow client has not taken yet: beyond this, nothing more is read from it.',
  }),
  'socket.listen.backlog.size': integer({
    default: 4096,
    min: 1,
    max: 65_535,
    doc: 'Connections that may wait to be accepted; the kernel takes no more than net.core.somaxconn. When they are too many, the kernel lets the next ones try again after a second.',
  }),
  'queued.max.request.bytes': integer({
    default: 512 * MIB,
    min: MIB,
    doc: 'Memory for requests being received, all connections together. A tenant may hold as much as is free, so one alone at most half; beyond it, reading waits.',
  }),
  'queued.max.response.bytes': integer({
    default: 512 * MIB,
    min: MIB,
    doc: 'Memory for answers that clients have not taken yet, all connections together. A tenant may hold as much as is free; as its share fills, its Fetch answers become smaller, and from half of the whole on peers that take nothing are cut off, those of the tenant that holds most first.',
  }),
  'connections.max.idle.ms': integer({
    default: 10 * MINUTE_MS,
    min: SECOND_MS,
    max: INT32_MAX,
    doc: 'A connection without a request for this long is closed.',
  }),
  'max.connections': integer({
    default: 10_000,
    min: 1,
    max: 1_000_000,
    doc: 'Client connections at a time; further ones are closed at once.',
  }),
  'max.connections.per.ip': integer({
    default: 10_000,
    min: 1,
    max: 1_000_000,
    doc: 'Client connections at a time from one address.',
  }),
  'fetch.max.bytes': integer({
    default: 55 * MIB,
    min: KIB,
    max: INT32_MAX,
    doc: 'The most record bytes in one Fetch answer, whatever the client asks for.',
  }),
  'max.incremental.fetch.session.cache.slots': integer({
    default: 1000,
    min: 0,
    max: 1_000_000,
    doc: 'Incremental fetch sessions kept at a time.',
  }),
  'max.request.partition.size.limit': integer({
    default: 2000,
    min: 1,
    max: 100_000,
    doc: 'The most partitions in one DescribeTopicPartitions answer.',
  }),
};
