/** Threat: a tenant reaches, sees or infers another tenant's groups, members or offsets. */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { ApiKey } from '../../src/protocol/api-keys.ts';
import { ErrorCode } from '../../src/protocol/error-codes.ts';
import { useBroker } from '../tools/broker-fixture.ts';
import { commitOffset, committedOffsets, formGroup, joinRequest } from '../tools/group-member.ts';
import { describeRequiring } from '../tools/tool-detection.ts';
import type { WireClient } from '../tools/wire-client.ts';

const { NONE, UNKNOWN_MEMBER_ID, GROUP_ID_NOT_FOUND, UNKNOWN_TOPIC_ID } = ErrorCode;

describeRequiring(['built-broker'], 'groups of tenants', () => {
  const fixture = useBroker({ env: { BREAKWATER_GROUP_INITIAL_REBALANCE_DELAY_MS: '0' } });
  const both = async (): Promise<[WireClient, WireClient]> => [
    await fixture.connect('acme', 'admin-1'),
    await fixture.connect('globex', 'admin-1'),
  ];

  async function listed(client: WireClient): Promise<string[]> {
    const { groups } = await client.call(ApiKey.ListGroups, 5, {});
    return groups.map(({ groupId }) => groupId).sort();
  }

  it('the same group id is two groups, each with its own members and offsets', async () => {
    const [acme, globex] = await both();
    const [ours, theirs] = [await formGroup(acme, 'shared'), await formGroup(globex, 'shared')];
    expect(ours.members).toHaveLength(1);
    expect(theirs.members).toHaveLength(1);
    const commit = async (client: WireClient, offset: number, memberId: string) => {
      const { topics } = await client.call(ApiKey.OffsetCommit, 9, {
        groupId: 'shared',
        generationIdOrMemberEpoch: 1,
        memberId,
        topics: [
          {
            name: 'telemetry',
            partitions: [{ partitionIndex: 0, committedOffset: offset, committedMetadata: '' }],
          },
        ],
      });
      return topics[0]!.partitions[0]!.errorCode;
    };
    expect(await commit(acme, 11, ours.memberId)).toBe(NONE);
    expect(await commit(globex, 22, theirs.memberId)).toBe(NONE);
    // An id of the other tenant's member is worth nothing.
    expect(await commit(globex, 33, ours.memberId)).toBe(UNKNOWN_MEMBER_ID);
    expect(await committedOffsets(acme, 'shared')).toEqual({ 'telemetry-0': 11 });
    expect(await committedOffsets(globex, 'shared')).toEqual({ 'telemetry-0': 22 });
    const membership = { groupId: 'shared', generationId: 1, memberId: ours.memberId };
    expect((await globex.call(ApiKey.Heartbeat, 4, membership)).errorCode).toBe(UNKNOWN_MEMBER_ID);
    const left = await globex.call(ApiKey.LeaveGroup, 5, {
      groupId: 'shared',
      members: [membership],
    });
    expect(left.members[0]!.errorCode).toBe(UNKNOWN_MEMBER_ID);
    expect((await acme.call(ApiKey.Heartbeat, 4, membership)).errorCode).toBe(NONE);
  });

  it('the empty group id is not shared either', async () => {
    const [acme, globex] = await both();
    await commitOffset(acme, '', 5);
    expect(await committedOffsets(globex, '')).toEqual({});
    const { results } = await globex.call(ApiKey.DeleteGroups, 2, { groupsNames: [''] });
    expect(results).toEqual([{ groupId: '', errorCode: GROUP_ID_NOT_FOUND }]);
    expect(await committedOffsets(acme, '')).toEqual({ 'telemetry-0': 5 });
  });

  it('listings name and count the groups of the own tenant only', async () => {
    const [acme, globex] = await both();
    await commitOffset(acme, 'acme-only', 1);
    const before = await listed(globex);
    expect(before).not.toContain('acme-only');
    expect(before.join()).not.toContain('acme');
    expect(await listed(acme)).toContain('acme-only');
  });

  it.each(['globex.hers', '../globex.hers', 'globex/hers', '.globex.hers'])(
    'the physical id %s leads nowhere',
    async (groupId) => {
      const [acme, globex] = await both();
      await commitOffset(globex, 'hers', 1);
      expect(await committedOffsets(acme, groupId)).toEqual({});
      const { groups } = await acme.call(ApiKey.DescribeGroups, 6, { groups: [groupId] });
      expect(groups[0]).toMatchObject({ errorCode: GROUP_ID_NOT_FOUND, groupId });
      expect(groups[0]!.errorMessage).toBe(`Group '${groupId}' not found.`);
      const { results } = await acme.call(ApiKey.DeleteGroups, 2, { groupsNames: [groupId] });
      expect(results).toEqual([{ groupId, errorCode: GROUP_ID_NOT_FOUND }]);
      expect(await committedOffsets(globex, 'hers')).toEqual({ 'telemetry-0': 1 });
    },
  );

  it("another tenant's topic id is unknown to commits and fetches", async () => {
    const [acme, globex] = await both();
    const { topics } = await globex.call(ApiKey.Metadata, 12, { topics: [{ name: 'telemetry' }] });
    const { topicId } = topics[0]!;
    const offset = { partitionIndex: 0, committedOffset: 1, committedMetadata: '' };
    const committed = await acme.call(ApiKey.OffsetCommit, 10, {
      groupId: 'ids',
      topics: [{ topicId, partitions: [offset] }],
    });
    expect(committed.topics[0]!.partitions[0]!.errorCode).toBe(UNKNOWN_TOPIC_ID);
    const groups = [{ groupId: 'ids', topics: [{ topicId, partitionIndexes: [0] }] }];
    const fetched = await acme.call(ApiKey.OffsetFetch, 10, { groups });
    expect(fetched.groups[0]!.topics[0]!.partitions[0]!.errorCode).toBe(UNKNOWN_TOPIC_ID);
  });

  it('no answer holds the name of a tenant', async () => {
    const [acme] = await both();
    const { memberId } = await formGroup(acme, 'named');
    const topics = [{ name: 'telemetry', partitionIndexes: [0] }];
    const answers = JSON.stringify([
      await acme.call(ApiKey.ListGroups, 5, {}),
      await acme.call(ApiKey.DescribeGroups, 6, { groups: ['named', 'none'] }),
      await acme.call(ApiKey.OffsetFetch, 8, { groups: [{ groupId: 'named', topics }] }),
      await acme.call(ApiKey.DeleteGroups, 2, { groupsNames: ['named', 'none'] }),
      await acme.call(ApiKey.FindCoordinator, 4, { keyType: 0, coordinatorKeys: ['named'] }),
      await acme.call(ApiKey.JoinGroup, 9, joinRequest('named', { memberId: 'stranger' })),
      await acme.call(ApiKey.LeaveGroup, 5, { groupId: 'named', members: [{ memberId }] }),
    ]);
    expect(answers).not.toMatch(/acme\.|globex/);
  });

  it('the logs of groups are no topics of anybody', async () => {
    const [acme] = await both();
    await commitOffset(acme, 'stored', 1);
    const folders = readdirSync(join(fixture.broker.dataDir, 'metadata'));
    expect(folders.some((name) => name.startsWith('__consumer_offsets-'))).toBe(true);
    const all = await acme.call(ApiKey.Metadata, 12, { topics: null });
    expect(all.topics.map(({ name }) => name)).toEqual(['__audit', 'telemetry']);
    for (const name of ['__consumer_offsets', '__cluster_metadata']) {
      const { topics } = await acme.call(ApiKey.Metadata, 12, {
        topics: [{ name }],
        allowAutoTopicCreation: false,
      });
      expect(topics[0]!.errorCode).not.toBe(NONE);
      expect(topics[0]!.partitions).toEqual([]);
    }
  });
});
