/**
 * Owns what stands in `__consumer_offsets`: the records of groups and of their offsets, in Kafka's
 * own form (GroupCoordinatorRecordHelpers), both ways. A value of null is a tombstone.
 */
import { StorageError } from '../../../base/errors.ts';
import {
  GROUP_METADATA_TYPE,
  type GroupMetadataValue,
  groupMetadataKey,
  groupMetadataValue,
} from '../../../protocol/coordinator-records/group-metadata.ts';
import {
  OFFSET_COMMIT_LEGACY_TYPE,
  OFFSET_COMMIT_TYPE,
  offsetCommitKey,
  offsetCommitValue,
} from '../../../protocol/coordinator-records/offset-commit.ts';
import {
  decodePrefixed,
  encodePrefixed,
  encodeVersioned,
  prefixOf,
} from '../../../protocol/coordinator-records/versioned.ts';
import type { NewRecord } from '../../../protocol/records/record.ts';
import type { Fields, Infer, Message } from '../../../protocol/schema.ts';
import { inVersions } from '../../../protocol/versions.ts';
import type { GroupSnapshot } from './classic-group-messages.ts';

/** No explicit expiry: offsets.retention.minutes decides. */
export const NO_EXPIRY = -1;

export interface CommittedOffset {
  readonly offset: number;
  readonly leaderEpoch: number;
  readonly metadata: string;
  readonly commitTimestampMs: number;
  /** From the retention time of an old commit request; NO_EXPIRY otherwise. */
  readonly expireTimestampMs: number;
  /** The topic that it was committed for; zero where the record did not say. */
  readonly topicId: string;
}

export interface OffsetName {
  readonly group: string;
  readonly topic: string;
  readonly partition: number;
}

const KEY_VERSION = 0;
/** Kafka's: the highest that is not flexible. */
const GROUP_VALUE_VERSION = 3;
/** Has room for an explicit expiry, and none for leader epoch and topic id. */
const EXPIRING_OFFSET_VERSION = 1;
const OFFSET_VERSION = 4;

export function groupRecord(group: string, snapshot: GroupSnapshot, nowMs: number): NewRecord {
  const value = encodeVersioned(groupMetadataValue, GROUP_VALUE_VERSION, {
    protocolType: snapshot.protocolType,
    generation: snapshot.generation,
    protocol: snapshot.protocolName,
    leader: snapshot.leader,
    currentStateTimestamp: nowMs,
    members: snapshot.members.map((member) => ({
      memberId: member.memberId,
      groupInstanceId: member.groupInstanceId,
      clientId: member.clientId,
      clientHost: member.clientHost,
      rebalanceTimeout: member.rebalanceTimeoutMs,
      sessionTimeout: member.sessionTimeoutMs,
      subscription: member.protocols[0]?.metadata ?? Buffer.alloc(0),
      assignment: member.assignment,
    })),
  });
  return { timestampMs: nowMs, key: groupKey(group), value };
}

export function groupTombstone(group: string, nowMs: number): NewRecord {
  return { timestampMs: nowMs, key: groupKey(group), value: null };
}

export function offsetRecord(name: OffsetName, committed: CommittedOffset): NewRecord {
  const { offset, leaderEpoch, metadata, commitTimestampMs, expireTimestampMs } = committed;
  const isExpiring = expireTimestampMs !== NO_EXPIRY;
  const version = isExpiring ? EXPIRING_OFFSET_VERSION : OFFSET_VERSION;
  const value = encodeVersioned(offsetCommitValue, version, {
    offset,
    leaderEpoch,
    metadata,
    commitTimestamp: commitTimestampMs,
    expireTimestamp: expireTimestampMs,
    topicId: committed.topicId,
  });
  return { timestampMs: commitTimestampMs, key: offsetKey(name), value };
}

export function offsetTombstone(name: OffsetName, nowMs: number): NewRecord {
  return { timestampMs: nowMs, key: offsetKey(name), value: null };
}

function groupKey(group: string): Buffer {
  return encodePrefixed(GROUP_METADATA_TYPE, groupMetadataKey, KEY_VERSION, { group });
}

function offsetKey(name: OffsetName): Buffer {
  return encodePrefixed(OFFSET_COMMIT_TYPE, offsetCommitKey, KEY_VERSION, name);
}

/** A stored group, and when it was stored. */
export interface StoredGroup {
  readonly snapshot: GroupSnapshot;
  readonly storedAtMs: number;
}

export interface RecordTarget {
  group(group: string, stored: StoredGroup | null): void;
  offset(name: OffsetName, committed: CommittedOffset | null): void;
}

/**
 * Hands a record on to `target`. Records of a type that this release does not know are passed over,
 * as Kafka does; a value of a newer version throws, since what it says would be lost.
 */
export function readGroupRecord(key: Buffer, value: Buffer | null, target: RecordTarget): void {
  switch (prefixOf(key)) {
    case OFFSET_COMMIT_LEGACY_TYPE:
    case OFFSET_COMMIT_TYPE: {
      const name = decodePrefixed(offsetCommitKey, KEY_VERSION, key);
      target.offset(name, value === null ? null : readOffset(value));
      return;
    }
    case GROUP_METADATA_TYPE: {
      const { group } = decodePrefixed(groupMetadataKey, KEY_VERSION, key);
      target.group(group, value === null ? null : readGroup(value));
      return;
    }
    default:
  }
}

function readVersioned<F extends Fields>(message: Message<F>, value: Buffer): Infer<Message<F>> {
  const version = prefixOf(value);
  if (!inVersions(message.versions, version)) {
    throw new StorageError(
      `it holds a ${message.name} of version ${version}, which this release does not know`,
    );
  }
  return decodePrefixed(message, version, value);
}

function readOffset(bytes: Buffer): CommittedOffset {
  const value = readVersioned(offsetCommitValue, bytes);
  return {
    offset: value.offset,
    leaderEpoch: value.leaderEpoch,
    metadata: value.metadata,
    commitTimestampMs: value.commitTimestamp,
    expireTimestampMs: value.expireTimestamp,
    topicId: value.topicId,
  };
}

function readGroup(bytes: Buffer): StoredGroup {
  const value = readVersioned(groupMetadataValue, bytes);
  return {
    snapshot: {
      protocolType: value.protocolType,
      generation: value.generation,
      protocolName: value.protocol,
      leader: value.leader,
      members: value.members.map((member) => restoredMember(member, value.protocol ?? '')),
    },
    storedAtMs: value.currentStateTimestamp,
  };
}

function restoredMember(member: GroupMetadataValue['members'][number], protocol: string) {
  const { memberId, groupInstanceId, clientId, clientHost, sessionTimeout } = member;
  return {
    memberId,
    groupInstanceId,
    clientId,
    clientHost,
    sessionTimeoutMs: sessionTimeout,
    // Version 0 knows one timeout for both.
    rebalanceTimeoutMs: member.rebalanceTimeout < 0 ? sessionTimeout : member.rebalanceTimeout,
    // Copies: the rest of the file is let go.
    protocols: [{ name: protocol, metadata: Buffer.from(member.subscription) }],
    assignment: Buffer.from(member.assignment),
  };
}
