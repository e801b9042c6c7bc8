/** Owns what the operator sets for groups, and its defaults (Kafka's, where Kafka has one). */

export interface GroupSettings {
  /** group.initial.rebalance.delay.ms: how long an empty group waits for more members. */
  readonly initialRebalanceDelayMs: number;
  readonly sessionTimeoutMsMin: number;
  readonly sessionTimeoutMsMax: number;
  /** A member that waits in its first JoinGroup cannot send heartbeats: it is given this long. */
  readonly newMemberJoinTimeoutMs: number;
  /** group.max.size; as many again may have been given an id and not have used it yet. */
  readonly membersMax: number;
  /** Metadata of all members of a group together: the leader is sent all of it. */
  readonly metadataBytesMax: number;
  readonly groupsPerNamespaceMax: number;
  /** What members say of themselves and what is committed, of all groups of a namespace, in memory. */
  readonly bytesPerNamespaceMax: number;
  /** Characters of a group id as its clients see it. */
  readonly groupIdCharsMax: number;
  /** offset.metadata.max.bytes, which Kafka counts in characters. */
  readonly offsetMetadataCharsMax: number;
  /** offsets.retention.minutes. */
  readonly offsetsRetentionMs: number;
  readonly offsetsRetentionCheckIntervalMs: number;
}

const MINUTE_MS = 60_000;

export const DEFAULT_GROUP_SETTINGS: GroupSettings = {
  initialRebalanceDelayMs: 3000,
  sessionTimeoutMsMin: 6000,
  sessionTimeoutMsMax: 30 * MINUTE_MS,
  newMemberJoinTimeoutMs: 5 * MINUTE_MS,
  membersMax: 5000,
  metadataBytesMax: 16 * 1024 * 1024,
  groupsPerNamespaceMax: 200_000,
  bytesPerNamespaceMax: 512 * 1024 * 1024,
  groupIdCharsMax: 255,
  offsetMetadataCharsMax: 4096,
  offsetsRetentionMs: 7 * 24 * 60 * MINUTE_MS,
  offsetsRetentionCheckIntervalMs: 10 * MINUTE_MS,
};
