/** Owns the keys of consumer groups and of the offsets they commit. */
import { integer } from '../config-spec.ts';
import { HOUR_MS, INT32_MAX, KIB, MIB, MINUTE_MS, SECOND_MS } from './units.ts';

export const GROUP_KEYS = {
  'group.initial.rebalance.delay.ms': integer({
    default: 3 * SECOND_MS,
    min: 0,
    max: HOUR_MS,
    doc: 'How long the first member of an empty group waits for others before partitions are assigned.',
  }),
  'group.min.session.timeout.ms': integer({
    default: 6 * SECOND_MS,
    min: 1,
    max: INT32_MAX,
    doc: 'The shortest session timeout that a member of a group may ask for.',
  }),
  'group.max.session.timeout.ms': integer({
    default: 30 * MINUTE_MS,
    min: 1,
    max: INT32_MAX,
    doc: 'The longest session timeout that a member of a group may ask for.',
  }),
  'group.max.size': integer({
    default: 5000,
    min: 1,
    max: 100_000,
    doc: 'The most members of one group.',
  }),
  'max.groups.per.tenant': integer({
    default: 200_000,
    min: 1,
    max: 10_000_000,
    doc: 'The most groups of one tenant on this broker.',
  }),
  'max.group.bytes.per.tenant': integer({
    default: 512 * MIB,
    min: MIB,
    doc: 'Memory for what members say of themselves and for committed offsets, all groups of one tenant together.',
  }),
  'offsets.retention.minutes': integer({
    default: 7 * 24 * 60,
    min: 1,
    max: INT32_MAX,
    doc: 'How long committed offsets are kept once their group has no members (simple consumers: from the commit).',
  }),
  'offsets.retention.check.interval.ms': integer({
    default: 10 * MINUTE_MS,
    min: 1,
    max: INT32_MAX,
    doc: 'How often expired offsets are looked for.',
  }),
  'offset.metadata.max.bytes': integer({
    default: 4 * KIB,
    min: 0,
    max: 32_767,
    doc: 'The longest text that a client may store beside a committed offset.',
  }),
};
