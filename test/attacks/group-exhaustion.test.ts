/** Threat: a client fills the broker with groups, members, metadata or waiting requests. */
import { expect, it } from 'vitest';
import { ApiKey } from '../../src/protocol/api-keys.ts';
import { ErrorCode } from '../../src/protocol/error-codes.ts';
import { useBroker } from '../tools/broker-fixture.ts';
import { commitOffset, formGroup, joinRequest } from '../tools/group-member.ts';
import { describeRequiring } from '../tools/tool-detection.ts';

const { NONE, MEMBER_ID_REQUIRED, GROUP_MAX_SIZE_REACHED, POLICY_VIOLATION } = ErrorCode;
const { INVALID_GROUP_ID, INVALID_SESSION_TIMEOUT, OFFSET_METADATA_TOO_LARGE } = ErrorCode;

const LIMITS = {
  BREAKWATER_GROUP_INITIAL_REBALANCE_DELAY_MS: '0',
  BREAKWATER_GROUP_MAX_SIZE: '20',
  BREAKWATER_MAX_GROUPS_PER_TENANT: '30',
};

describeRequiring(['built-broker'], 'a client that wants too much of groups', () => {
  const fixture = useBroker({ env: LIMITS });

  it('gets no more ids than a group may have members', async () => {
    const client = await fixture.connect('acme', 'service-1');
    const codes: number[] = [];
    for (let n = 0; n < 25; n++) {
      const request = joinRequest('svc-ids', { sessionTimeoutMs: 1_800_000 });
      codes.push((await client.call(ApiKey.JoinGroup, 9, request)).errorCode);
    }
    expect(codes.filter((code) => code === MEMBER_ID_REQUIRED)).toHaveLength(20);
    expect(codes.slice(20)).toEqual(new Array(5).fill(GROUP_MAX_SIZE_REACHED));
  });

  it('gets no more groups than a tenant may have, and takes none from another tenant', async () => {
    const client = await fixture.connect('acme', 'service-1');
    const codes: number[] = [];
    for (let n = 0; n < 40; n++) codes.push(await commitOffset(client, `svc-many-${n}`, 1));
    expect(codes.filter((code) => code === NONE).length).toBeLessThan(31);
    expect(codes.at(-1)).toBe(POLICY_VIOLATION);
    const joined = await client.call(ApiKey.JoinGroup, 9, joinRequest('svc-one-more'));
    expect(joined.errorCode).toBe(POLICY_VIOLATION);
    const other = await fixture.connect('globex', 'service-1');
    expect(await commitOffset(other, 'svc-first', 1)).toBe(NONE);
    await formGroup(other, 'svc-second');
  });

  it('cannot make names, texts or sessions of any length', async () => {
    const client = await fixture.connect('globex', 'service-1');
    const long = `svc-${'x'.repeat(30_000)}`;
    expect(await commitOffset(client, long, 1)).toBe(INVALID_GROUP_ID);
    expect((await client.call(ApiKey.JoinGroup, 9, joinRequest(long))).errorCode).toBe(
      INVALID_GROUP_ID,
    );
    const forEver = joinRequest('svc-long', { sessionTimeoutMs: 2 ** 31 - 1 });
    expect((await client.call(ApiKey.JoinGroup, 9, forEver)).errorCode).toBe(
      INVALID_SESSION_TIMEOUT,
    );
    const { topics } = await client.call(ApiKey.OffsetCommit, 9, {
      groupId: 'svc-text',
      topics: [
        {
          name: 'telemetry',
          partitions: [
            { partitionIndex: 0, committedOffset: 1, committedMetadata: 'x'.repeat(5000) },
          ],
        },
      ],
    });
    expect(topics[0]!.partitions[0]!.errorCode).toBe(OFFSET_METADATA_TOO_LARGE);
  });

  it('makes the broker neither hang nor fall with timeouts and bytes out of range', async () => {
    const client = await fixture.connect('globex', 'service-1');
    const hostile = {
      ...joinRequest('svc-hostile', { metadata: Buffer.alloc(100, 255) }),
      groupInstanceId: 'hostile',
    };
    for (const rebalanceTimeoutMs of [-1, 0, -(2 ** 31), 2 ** 31 - 1]) {
      const request = { ...hostile, rebalanceTimeoutMs };
      const joined = await client.call(ApiKey.JoinGroup, 9, request);
      expect(joined.errorCode).toBe(NONE);
      const { memberId, generationId } = joined;
      await client.call(ApiKey.SyncGroup, 3, {
        groupId: 'svc-hostile',
        generationId,
        memberId,
        groupInstanceId: 'hostile',
        assignments: [{ memberId: 'nobody', assignment: Buffer.alloc(1000) }],
      });
      const leaving = { memberId, groupInstanceId: 'hostile' };
      await client.call(ApiKey.LeaveGroup, 5, { groupId: 'svc-hostile', members: [leaving] });
    }
    expect(await commitOffset(client, 'svc-after', 1)).toBe(NONE);
  });

  it('with many parked requests holds up nobody else', async () => {
    const leader = await fixture.connect('globex', 'service-1');
    await formGroup(leader, 'svc-parked', { rebalanceTimeoutMs: 60_000 });
    const parked = await Promise.all(
      Array.from({ length: 15 }, () => fixture.connect('globex', 'service-1')),
    );
    const joins = parked.map((client) =>
      client.call(ApiKey.JoinGroup, 3, joinRequest('svc-parked')).catch(() => 'cut'),
    );
    const describe = async (): Promise<number> => {
      const { groups } = await leader.call(ApiKey.DescribeGroups, 5, { groups: ['svc-parked'] });
      return groups[0]!.members.length;
    };
    await expect.poll(describe).toBe(16);
    const begunMs = performance.now();
    expect(await commitOffset(leader, 'svc-other', 1)).toBe(NONE);
    expect(performance.now() - begunMs).toBeLessThan(2000);
    for (const client of parked) client.close();
    expect(await Promise.all(joins)).toEqual(new Array(15).fill('cut'));
    await expect.poll(describe).toBe(1);
  });
});
