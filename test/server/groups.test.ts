/** The group APIs over the wire, in every version, through a real broker. */
import { expect, it } from 'vitest';
import { ApiKey } from '../../src/protocol/api-keys.ts';
import { ErrorCode } from '../../src/protocol/error-codes.ts';
import { ZERO_UUID } from '../../src/protocol/schema.ts';
import { useBroker } from '../tools/broker-fixture.ts';
import {
  commitOffset,
  committedOffsets,
  formGroup,
  joinGroup,
  joinRequest,
} from '../tools/group-member.ts';
import { describeRequiring } from '../tools/tool-detection.ts';
import type { WireClient } from '../tools/wire-client.ts';

const { NONE, UNKNOWN_MEMBER_ID, MEMBER_ID_REQUIRED, GROUP_ID_NOT_FOUND } = ErrorCode;
const { UNKNOWN_TOPIC_OR_PARTITION, UNKNOWN_TOPIC_ID, REBALANCE_IN_PROGRESS } = ErrorCode;
const { GROUP_SUBSCRIBED_TO_TOPIC, NON_EMPTY_GROUP, INVALID_GROUP_ID } = ErrorCode;

const range = (from: number, to: number): number[] =>
  Array.from({ length: to - from + 1 }, (_, n) => from + n);

describeRequiring(['built-broker'], 'the group APIs', () => {
  const fixture = useBroker({ env: { BREAKWATER_GROUP_INITIAL_REBALANCE_DELAY_MS: '0' } });
  const service = (): Promise<WireClient> => fixture.connect('acme', 'service-1');
  const admin = (): Promise<WireClient> => fixture.connect('acme', 'admin-1');

  it('are advertised with the versions that are served', async () => {
    const client = await service();
    const { apiKeys } = await client.call(ApiKey.ApiVersions, 3, {
      clientSoftwareName: 'test',
      clientSoftwareVersion: '1',
    });
    const served = new Map(apiKeys.map((api) => [api.apiKey, [api.minVersion, api.maxVersion]]));
    expect([8, 9, 10, 11, 12, 13, 14, 15, 16, 42, 47].map((key) => served.get(key))).toEqual([
      [2, 10],
      [1, 10],
      [0, 6],
      [0, 9],
      [0, 4],
      [0, 5],
      [0, 5],
      [0, 6],
      [0, 5],
      [0, 2],
      [0, 0],
    ]);
  });

  it.each(range(0, 9))('JoinGroup version %i', async (version) => {
    const client = await service();
    const groupId = `svc-join-${version}`;
    const first = await client.call(ApiKey.JoinGroup, version, joinRequest(groupId));
    const { memberId } = first;
    if (version >= 4) expect(first.errorCode).toBe(MEMBER_ID_REQUIRED);
    const joined =
      version < 4
        ? first
        : await client.call(ApiKey.JoinGroup, version, joinRequest(groupId, { memberId }));
    expect(joined).toMatchObject({
      errorCode: NONE,
      generationId: 1,
      memberId,
      leader: memberId,
      protocolName: 'range',
      protocolType: version >= 7 ? 'consumer' : null,
    });
    expect(memberId).toMatch(/^wire-client-[0-9a-f-]{36}$/);
    expect(joined.members).toHaveLength(1);
  });

  it.each(range(0, 5))('SyncGroup version %i', async (version) => {
    const client = await service();
    const groupId = `svc-sync-${version}`;
    const { memberId, generationId } = await joinGroup(client, groupId);
    const synced = await client.call(ApiKey.SyncGroup, version, {
      groupId,
      generationId,
      memberId,
      ...(version < 5 ? {} : { protocolType: 'consumer', protocolName: 'range' }),
      assignments: [{ memberId, assignment: Buffer.from('all') }],
    });
    expect(synced).toMatchObject({ errorCode: NONE, assignment: Buffer.from('all') });
    expect(synced.protocolName).toBe(version >= 5 ? 'range' : null);
  });

  it.each(range(0, 4))('Heartbeat version %i', async (version) => {
    const client = await service();
    const groupId = `svc-heartbeat-${version}`;
    const { memberId, generationId } = await formGroup(client, groupId);
    const beat = (id: string) =>
      client.call(ApiKey.Heartbeat, version, { groupId, generationId, memberId: id });
    expect((await beat(memberId)).errorCode).toBe(NONE);
    expect((await beat('nobody')).errorCode).toBe(UNKNOWN_MEMBER_ID);
  });

  it.each(range(0, 5))('LeaveGroup version %i', async (version) => {
    const client = await service();
    const groupId = `svc-leave-${version}`;
    const { memberId } = await formGroup(client, groupId);
    const leave = (id: string) =>
      client.call(ApiKey.LeaveGroup, version, {
        groupId,
        ...(version < 3 ? { memberId: id } : { members: [{ memberId: id }] }),
      });
    const errorOf = (answer: Awaited<ReturnType<typeof leave>>): number =>
      version < 3 ? answer.errorCode : answer.members[0]!.errorCode;
    expect(errorOf(await leave('nobody'))).toBe(UNKNOWN_MEMBER_ID);
    expect(errorOf(await leave(memberId))).toBe(NONE);
    const { groups } = await client.call(ApiKey.DescribeGroups, 5, { groups: [groupId] });
    expect(groups[0]).toMatchObject({ groupState: 'Empty', members: [] });
  });

  async function telemetryId(client: WireClient): Promise<string> {
    const { topics } = await client.call(ApiKey.Metadata, 12, { topics: [{ name: 'telemetry' }] });
    return topics[0]!.topicId;
  }

  it.each(range(2, 10))('OffsetCommit version %i', async (version) => {
    const client = await service();
    const groupId = `svc-commit-${version}`;
    const topicId = await telemetryId(client);
    const partitions = [
      {
        partitionIndex: 0,
        committedOffset: 40 + version,
        committedMetadata: 'note',
        ...(version < 6 ? {} : { committedLeaderEpoch: 0 }),
      },
      { partitionIndex: 77, committedOffset: 1, committedMetadata: null },
    ];
    const unknown = [{ partitionIndex: 0, committedOffset: 1, committedMetadata: null }];
    const answer = await client.call(ApiKey.OffsetCommit, version, {
      groupId,
      topics:
        version < 10
          ? [
              { name: 'telemetry', partitions },
              { name: 'nowhere', partitions: unknown },
            ]
          : [
              { topicId, partitions },
              { topicId: 'A'.repeat(21).concat('g'), partitions: unknown },
            ],
    });
    const codes = answer.topics.map((topic) => topic.partitions.map(({ errorCode }) => errorCode));
    const missing = version < 10 ? UNKNOWN_TOPIC_OR_PARTITION : UNKNOWN_TOPIC_ID;
    expect(codes).toEqual([[NONE, UNKNOWN_TOPIC_OR_PARTITION], [missing]]);
    expect(answer.topics[0]).toMatchObject(
      version < 10 ? { name: 'telemetry', topicId: ZERO_UUID } : { name: '', topicId },
    );
    expect(await committedOffsets(client, groupId)).toEqual({ 'telemetry-0': 40 + version });
  });

  it.each(range(1, 10))('OffsetFetch version %i', async (version) => {
    const client = await service();
    const groupId = `svc-fetch-${version}`;
    for (const name of [groupId, `${groupId}-all`]) await commitOffset(client, name, 9);
    const topicId = await telemetryId(client);
    const partitionIndexes = [0, 1];
    const [found, missing] = [{ committedOffset: 9 }, { committedOffset: -1, metadata: '' }];
    if (version < 8) {
      const topics = [{ name: 'telemetry', partitionIndexes }];
      const named = await client.call(ApiKey.OffsetFetch, version, { groupId, topics });
      expect(named.topics[0]!.partitions).toMatchObject([found, missing]);
      if (version < 2) return;
      const all = await client.call(ApiKey.OffsetFetch, version, { groupId, topics: null });
      expect(all.topics).toMatchObject([{ name: 'telemetry', partitions: [found] }]);
      return;
    }
    const topic = version < 10 ? { name: 'telemetry' } : { topicId };
    const answer = await client.call(ApiKey.OffsetFetch, version, {
      groups: [
        { groupId, topics: [{ ...topic, partitionIndexes }] },
        { groupId: `${groupId}-all`, topics: null },
        { groupId, topics: null },
        { groupId: 'svc-never', topics: [{ ...topic, partitionIndexes: [0] }] },
      ],
    });
    expect(answer.groups).toMatchObject([
      { groupId, errorCode: NONE, topics: [{ ...topic, partitions: [found, missing] }] },
      { errorCode: NONE, topics: [{ ...topic, partitions: [found] }] },
      { groupId, errorCode: ErrorCode.INVALID_REQUEST, topics: [] },
      { groupId: 'svc-never', errorCode: NONE, topics: [{ ...topic, partitions: [missing] }] },
    ]);
  });

  it('OffsetFetch by a topic id that nobody has', async () => {
    const client = await service();
    const topicId = `${'A'.repeat(21)}g`;
    const answer = await client.call(ApiKey.OffsetFetch, 10, {
      groups: [{ groupId: 'svc-x', topics: [{ topicId, partitionIndexes: [3] }] }],
    });
    expect(answer.groups[0]!.topics).toMatchObject([
      { topicId, partitions: [{ partitionIndex: 3, errorCode: UNKNOWN_TOPIC_ID }] },
    ]);
  });

  it.each(range(0, 6))('DescribeGroups version %i', async (version) => {
    const client = await service();
    const groupId = `svc-describe-${version}`;
    const { memberId } = await formGroup(client, groupId);
    const { groups } = await client.call(ApiKey.DescribeGroups, version, {
      groups: [groupId, 'svc-none'],
      ...(version < 3 ? {} : { includeAuthorizedOperations: true }),
    });
    expect(groups[0]).toMatchObject({
      errorCode: NONE,
      groupId,
      groupState: 'Stable',
      protocolType: 'consumer',
      protocolData: 'range',
      // READ (3) implies DESCRIBE (8).
      authorizedOperations: version < 3 ? -(2 ** 31) : (1 << 3) | (1 << 8),
      members: [
        {
          memberId,
          clientId: 'wire-client',
          clientHost: '/127.0.0.1',
          memberAssignment: Buffer.from('everything'),
        },
      ],
    });
    expect(groups[1]).toMatchObject({
      errorCode: version < 6 ? NONE : GROUP_ID_NOT_FOUND,
      groupState: 'Dead',
      errorMessage: version < 6 ? null : "Group 'svc-none' not found.",
    });
  });

  it.each(range(0, 5))('ListGroups version %i', async (version) => {
    const client = await service();
    const groupId = `svc-list-${version}`;
    await formGroup(client, groupId);
    await commitOffset(client, `${groupId}-simple`, 1);
    const { groups } = await client.call(ApiKey.ListGroups, version, {
      ...(version < 4 ? {} : { statesFilter: ['stable'] }),
      ...(version < 5 ? {} : { typesFilter: ['Classic'] }),
    });
    const names = groups.map((group) => group.groupId);
    expect(names).toContain(groupId);
    expect(names.includes(`${groupId}-simple`)).toBe(version < 4);
    expect(groups.find((group) => group.groupId === groupId)).toMatchObject({
      protocolType: 'consumer',
      groupState: version < 4 ? '' : 'Stable',
      groupType: version < 5 ? '' : 'classic',
    });
  });

  it.each(range(0, 2))('DeleteGroups version %i', async (version) => {
    const client = await admin();
    const [busy, idle] = [`delete-busy-${version}`, `delete-idle-${version}`];
    await formGroup(client, busy);
    await commitOffset(client, idle, 1);
    const request = { groupsNames: [busy, idle, 'delete-none'] };
    const { results } = await client.call(ApiKey.DeleteGroups, version, request);
    expect(results).toEqual([
      { groupId: busy, errorCode: NON_EMPTY_GROUP },
      { groupId: idle, errorCode: NONE },
      { groupId: 'delete-none', errorCode: GROUP_ID_NOT_FOUND },
    ]);
    expect(await committedOffsets(client, idle)).toEqual({});
    const line = await fixture.audited('security', (one) => one.reason === 'group-delete');
    expect(line).toMatchObject({ type: 'administration', principal: 'User:admin-1' });
  });

  it('OffsetDelete spares what members subscribe to', async () => {
    const client = await admin();
    const groupId = 'offset-delete';
    await commitOffset(client, groupId, 1);
    await commitOffset(client, groupId, 2, { partition: 1 });
    const remove = () =>
      client.call(ApiKey.OffsetDelete, 0, {
        groupId,
        topics: [{ name: 'telemetry', partitions: [{ partitionIndex: 1 }] }],
      });
    const { memberId } = await formGroup(client, groupId);
    const refused = await remove();
    expect(refused.topics[0]!.partitions[0]!.errorCode).toBe(GROUP_SUBSCRIBED_TO_TOPIC);
    await client.call(ApiKey.LeaveGroup, 3, { groupId, members: [{ memberId }] });
    const done = await remove();
    expect(done).toMatchObject({
      errorCode: NONE,
      topics: [{ partitions: [{ errorCode: NONE }] }],
    });
    expect(await committedOffsets(client, groupId)).toEqual({ 'telemetry-0': 1 });
    await fixture.audited('security', (one) => one.reason === 'offsets-delete');
  });

  it('the empty group id is for offsets only', async () => {
    const client = await admin();
    expect(await commitOffset(client, '', 5)).toBe(NONE);
    expect(await committedOffsets(client, '')).toEqual({ 'telemetry-0': 5 });
    const joined = await client.call(ApiKey.JoinGroup, 5, joinRequest(''));
    expect(joined.errorCode).toBe(INVALID_GROUP_ID);
    const membership = { groupId: '', generationId: 0, memberId: 'x' };
    const codes = [
      (await client.call(ApiKey.Heartbeat, 4, membership)).errorCode,
      (await client.call(ApiKey.SyncGroup, 4, { ...membership, assignments: [] })).errorCode,
      (await client.call(ApiKey.LeaveGroup, 5, { groupId: '', members: [] })).errorCode,
    ];
    expect(codes).toEqual([INVALID_GROUP_ID, INVALID_GROUP_ID, INVALID_GROUP_ID]);
    const { results } = await client.call(ApiKey.DeleteGroups, 2, { groupsNames: [''] });
    expect(results[0]!.errorCode).toBe(NONE);
  });

  it('a deleted topic takes its offsets along', async () => {
    const client = await admin();
    const topic = 'short-lived';
    const create = () =>
      client.call(ApiKey.CreateTopics, 7, {
        topics: [{ name: topic, numPartitions: 1, replicationFactor: 1 }],
        timeoutMs: 5000,
      });
    await create();
    await commitOffset(client, 'follower', 7, { topic });
    await client.call(ApiKey.DeleteTopics, 6, { topics: [{ name: topic }], timeoutMs: 5000 });
    await create();
    expect(await committedOffsets(client, 'follower')).toEqual({});
  });

  it('a rebalance passes between two connections', async () => {
    const [one, other] = [await service(), await service()];
    const groupId = 'svc-two';
    const first = await formGroup(one, groupId);
    const joining = joinGroup(other, groupId);
    const beat = () =>
      one.call(ApiKey.Heartbeat, 4, {
        groupId,
        generationId: first.generationId,
        memberId: first.memberId,
      });
    await expect.poll(async () => (await beat()).errorCode).toBe(REBALANCE_IN_PROGRESS);
    const { memberId } = first;
    const again = await one.call(ApiKey.JoinGroup, 5, joinRequest(groupId, { memberId }));
    const second = await joining;
    expect(again).toMatchObject({ errorCode: NONE, generationId: first.generationId + 1 });
    expect(again.members.map((member) => member.memberId).sort()).toEqual(
      [memberId, second.memberId].sort(),
    );
    expect(second).toMatchObject({ leader: memberId, members: [] });
  });

  it('a member that was never told its id leaves with its connection', async () => {
    const client = await service();
    const groupId = 'svc-cut';
    await formGroup(client, groupId);
    const members = async (): Promise<number> => {
      const { groups } = await client.call(ApiKey.DescribeGroups, 5, { groups: [groupId] });
      return groups[0]!.members.length;
    };
    const cut = await service();
    const joining = cut.call(ApiKey.JoinGroup, 3, joinRequest(groupId)).catch(() => 'cut');
    await expect.poll(members).toBe(2);
    cut.close();
    expect(await joining).toBe('cut');
    await expect.poll(members).toBe(1);
  });
});
