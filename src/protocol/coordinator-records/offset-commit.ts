/**
 * The record of a committed offset in `__consumer_offsets`: key type 0 (of old, read only) or 1.
 * Value version 1 carries an explicit expiry, 4 the topic's id.
 */
import { type Infer, int32, int64, message, string, uuid } from '../schema.ts';

export const OFFSET_COMMIT_LEGACY_TYPE = 0;
export const OFFSET_COMMIT_TYPE = 1;

/** The same fields under both types. */
export const offsetCommitKey = message(
  'OffsetCommitKey',
  { versions: '0', flexible: 'none' },
  { group: string('0'), topic: string('0'), partition: int32('0') },
);
export interface OffsetCommitKey extends Infer<typeof offsetCommitKey> {}

export const offsetCommitValue = message(
  'OffsetCommitValue',
  { versions: '0-4', flexible: '4+' },
  {
    offset: int64('0+'),
    leaderEpoch: int32('3+', { default: -1, ignorable: true }),
    metadata: string('0+'),
    commitTimestamp: int64('0+'),
    expireTimestamp: int64('1', { default: -1, ignorable: true }),
    topicId: uuid('4+', { tag: 0, ignorable: true }),
  },
);
export interface OffsetCommitValue extends Infer<typeof offsetCommitValue> {}
