/** One member of a classic group over the wire: both steps of joining, syncing, heartbeats. */
import { ApiKey } from '../../src/protocol/api-keys.ts';
import type { WireClient } from './wire-client.ts';

export interface JoinedMember {
  readonly memberId: string;
  readonly generationId: number;
  readonly leader: string;
  readonly members: readonly { readonly memberId: string; readonly metadata: Buffer }[];
}

export interface MemberOptions {
  readonly memberId?: string;
  readonly metadata?: Buffer;
  readonly sessionTimeoutMs?: number;
  readonly rebalanceTimeoutMs?: number;
  readonly protocolType?: string;
  /** What it gives itself when it forms a group alone. */
  readonly assignment?: Buffer;
}

export function joinRequest(groupId: string, options: MemberOptions = {}) {
  return {
    groupId,
    sessionTimeoutMs: options.sessionTimeoutMs ?? 10_000,
    rebalanceTimeoutMs: options.rebalanceTimeoutMs ?? 10_000,
    memberId: options.memberId ?? '',
    protocolType: options.protocolType ?? 'consumer',
    protocols: [{ name: 'range', metadata: options.metadata ?? subscriptionTo('telemetry') }],
  };
}

/** What a consumer says that it subscribes to, version 0. */
export function subscriptionTo(...topics: string[]): Buffer {
  const parts = [Buffer.from([0, 0, 0, 0, 0, topics.length])];
  for (const topic of topics) parts.push(Buffer.from([0, topic.length]), Buffer.from(topic));
  return Buffer.concat([...parts, Buffer.from([255, 255, 255, 255])]);
}

/** Joins as a new member, in both steps; resolves when the group has joined. */
export async function joinGroup(
  client: WireClient,
  groupId: string,
  options: MemberOptions = {},
): Promise<JoinedMember> {
  const first = await client.call(ApiKey.JoinGroup, 5, joinRequest(groupId, options));
  const { memberId } = first;
  const request = joinRequest(groupId, { ...options, memberId });
  const joined = await client.call(ApiKey.JoinGroup, 5, request);
  if (joined.errorCode !== 0) throw new Error(`JoinGroup is answered with ${joined.errorCode}`);
  return joined;
}

/** A Stable group of this one member. */
export async function formGroup(
  client: WireClient,
  groupId: string,
  options: MemberOptions = {},
): Promise<JoinedMember> {
  const joined = await joinGroup(client, groupId, options);
  const { memberId, generationId } = joined;
  const synced = await client.call(ApiKey.SyncGroup, 3, {
    groupId,
    generationId,
    memberId,
    assignments: [{ memberId, assignment: options.assignment ?? Buffer.from('everything') }],
  });
  if (synced.errorCode !== 0) throw new Error(`SyncGroup is answered with ${synced.errorCode}`);
  return joined;
}

/** Commits one offset; the error code at the partition. */
export async function commitOffset(
  client: WireClient,
  groupId: string,
  offset: number,
  at: { readonly topic?: string; readonly partition?: number } = {},
): Promise<number> {
  const { topic = 'telemetry', partition = 0 } = at;
  const { topics } = await client.call(ApiKey.OffsetCommit, 7, {
    groupId,
    topics: [
      {
        name: topic,
        partitions: [{ partitionIndex: partition, committedOffset: offset, committedMetadata: '' }],
      },
    ],
  });
  return topics[0]!.partitions[0]!.errorCode;
}

/** All that the group has committed, as far as the client may see: `topic-partition` to offset. */
export async function committedOffsets(
  client: WireClient,
  groupId: string,
): Promise<Record<string, number>> {
  const answer = await client.call(ApiKey.OffsetFetch, 8, { groups: [{ groupId, topics: null }] });
  const offsets: Record<string, number> = {};
  for (const { name, partitions } of answer.groups[0]!.topics) {
    for (const { partitionIndex, committedOffset } of partitions) {
      offsets[`${name}-${partitionIndex}`] = committedOffset;
    }
  }
  return offsets;
}
