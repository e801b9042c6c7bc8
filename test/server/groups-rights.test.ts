/** What the group APIs show to whom: listings are filtered in silence, named things are refused. */
import { expect, it } from 'vitest';
import { ApiKey } from '../../src/protocol/api-keys.ts';
import { ErrorCode } from '../../src/protocol/error-codes.ts';
import { adminRequest } from '../tools/admin-request.ts';
import { useBroker } from '../tools/broker-fixture.ts';
import { commitOffset, committedOffsets, formGroup, joinRequest } from '../tools/group-member.ts';
import { describeRequiring } from '../tools/tool-detection.ts';
import type { WireClient } from '../tools/wire-client.ts';

const { GROUP_AUTHORIZATION_FAILED, TOPIC_AUTHORIZATION_FAILED } = ErrorCode;

describeRequiring(['built-broker'], 'rights on groups', () => {
  const fixture = useBroker({ env: { BREAKWATER_GROUP_INITIAL_REBALANCE_DELAY_MS: '0' } });

  const rule = async (method: 'POST' | 'DELETE', right: Record<string, string>): Promise<void> => {
    const path = '/v1/tenants/acme/acls';
    const binding = { principal: 'User:device-2', permission: 'ALLOW', ...right };
    const reply =
      method === 'POST'
        ? await adminRequest(fixture.broker, method, path, binding)
        : await adminRequest(fixture.broker, method, `${path}?${new URLSearchParams(binding)}`);
    expect(reply.status, JSON.stringify(reply.body)).toBeLessThan(300);
  };
  const onGroup = (resourceName: string, operation: string) => {
    return { resourceType: 'GROUP', resourceName, operation };
  };

  async function listed(client: WireClient): Promise<string[]> {
    const { groups } = await client.call(ApiKey.ListGroups, 4, {});
    return groups.map(({ groupId }) => groupId).sort();
  }

  it('ListGroups shows what each may describe; DESCRIBE on the cluster shows all', async () => {
    const admin = await fixture.connect('acme', 'admin-1');
    await commitOffset(admin, 'list-a', 1);
    await commitOffset(admin, 'list-b', 1);
    const device = await fixture.connect('acme', 'device-2');
    expect(await listed(device)).toEqual([]);
    await rule('POST', onGroup('list-a', 'DESCRIBE'));
    expect(await listed(device)).toEqual(['list-a']);
    const onCluster = { resourceType: 'CLUSTER', resourceName: 'kafka-cluster' };
    await rule('POST', { ...onCluster, operation: 'DESCRIBE' });
    expect(await listed(device)).toEqual(['list-a', 'list-b']);
    await rule('DELETE', { ...onCluster, operation: 'DESCRIBE' });
    expect(await listed(device)).toEqual(['list-a']);
  });

  it('OffsetFetch of all topics hides those that may not be described; named ones are refused', async () => {
    const admin = await fixture.connect('acme', 'admin-1');
    await admin.call(ApiKey.CreateTopics, 7, {
      topics: [{ name: 'hidden', numPartitions: 1, replicationFactor: 1 }],
      timeoutMs: 5000,
    });
    await commitOffset(admin, 'mixed', 1);
    await commitOffset(admin, 'mixed', 2, { topic: 'hidden' });
    await rule('POST', onGroup('mixed', 'DESCRIBE'));
    const device = await fixture.connect('acme', 'device-2');
    expect(await committedOffsets(device, 'mixed')).toEqual({ 'telemetry-0': 1 });
    const groups = [{ groupId: 'mixed', topics: [{ name: 'hidden', partitionIndexes: [0] }] }];
    const named = await device.call(ApiKey.OffsetFetch, 8, { groups });
    expect(named.groups[0]!.topics[0]!.partitions[0]).toMatchObject({
      errorCode: TOPIC_AUTHORIZATION_FAILED,
      committedOffset: -1,
    });
  });

  it("a group's refusal comes before its topics, and says nothing of either", async () => {
    const device = await fixture.connect('acme', 'device-2');
    const admin = await fixture.connect('acme', 'admin-1');
    await commitOffset(admin, 'secret', 1);
    const answers = async (groupId: string): Promise<string> => {
      const topics = [{ name: 'hidden', partitionIndexes: [0] }];
      const offset = { partitionIndex: 0, committedOffset: 1, committedMetadata: '' };
      const membership = { groupId, generationId: 1, memberId: 'm' };
      const all = [
        await device.call(ApiKey.OffsetFetch, 8, { groups: [{ groupId, topics }] }),
        await device.call(ApiKey.OffsetFetch, 7, { groupId, topics }),
        await device.call(ApiKey.OffsetFetch, 1, { groupId, topics }),
        await device.call(ApiKey.OffsetCommit, 8, {
          groupId,
          topics: [{ name: 'hidden', partitions: [offset] }],
        }),
        await device.call(ApiKey.JoinGroup, 5, joinRequest(groupId)),
        await device.call(ApiKey.JoinGroup, 9, joinRequest(groupId)),
        await device.call(ApiKey.SyncGroup, 4, { ...membership, assignments: [] }),
        await device.call(ApiKey.Heartbeat, 4, membership),
        await device.call(ApiKey.LeaveGroup, 2, { groupId, memberId: 'm' }),
        await device.call(ApiKey.DescribeGroups, 6, { groups: [groupId] }),
        await device.call(ApiKey.DeleteGroups, 2, { groupsNames: [groupId] }),
        await device.call(ApiKey.OffsetDelete, 0, {
          groupId,
          topics: [{ name: 'hidden', partitions: [{ partitionIndex: 0 }] }],
        }),
        await device.call(ApiKey.FindCoordinator, 4, { keyType: 0, coordinatorKeys: [groupId] }),
      ];
      for (const answer of all) {
        const text = JSON.stringify(answer);
        expect(text).toContain(`"errorCode":${GROUP_AUTHORIZATION_FAILED}`);
        expect(text).not.toContain(`"errorCode":${TOPIC_AUTHORIZATION_FAILED}`);
      }
      return JSON.stringify(all).replaceAll(groupId, '<group>');
    };
    expect(await answers('secret')).toBe(await answers('never-there'));
  });

  it('a right that is taken away while a member waits is not given by the answer', async () => {
    await rule('POST', onGroup('waiting', 'READ'));
    const device = await fixture.connect('acme', 'device-2');
    const admin = await fixture.connect('acme', 'admin-1');
    const member = await formGroup(admin, 'waiting', { rebalanceTimeoutMs: 60_000 });
    const first = await device.call(ApiKey.JoinGroup, 5, joinRequest('waiting'));
    const request = joinRequest('waiting', { memberId: first.memberId });
    const joining = device.call(ApiKey.JoinGroup, 5, request);
    await expect
      .poll(async () => {
        const { groups } = await admin.call(ApiKey.DescribeGroups, 5, { groups: ['waiting'] });
        return groups[0]!.members.length;
      })
      .toBe(2);
    await rule('DELETE', onGroup('waiting', 'READ'));
    const { memberId } = member;
    await admin.call(ApiKey.JoinGroup, 5, joinRequest('waiting', { memberId }));
    expect(await joining).toMatchObject({
      errorCode: GROUP_AUTHORIZATION_FAILED,
      generationId: -1,
      leader: '',
    });
  });

  it('in development service-1 uses groups whose names begin with svc-, and no others', async () => {
    const client = await fixture.connect('globex', 'service-1');
    expect(await commitOffset(client, 'svc-any', 1)).toBe(0);
    expect(await commitOffset(client, 'svc', 1)).toBe(GROUP_AUTHORIZATION_FAILED);
    const device = await fixture.connect('globex', 'device-1');
    expect(await commitOffset(device, 'svc-any', 1)).toBe(GROUP_AUTHORIZATION_FAILED);
  });
});
