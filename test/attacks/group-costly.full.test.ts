/** Threat: requests of groups that are cheap to send and dear to answer starve the other tenants. */
import { expect, it } from 'vitest';
import { ApiKey } from '../../src/protocol/api-keys.ts';
import { ErrorCode } from '../../src/protocol/error-codes.ts';
import { useBroker } from '../tools/broker-fixture.ts';
import { commitOffset, joinRequest } from '../tools/group-member.ts';
import { describeRequiring } from '../tools/tool-detection.ts';
import type { WireClient } from '../tools/wire-client.ts';

const MIB = 1024 * 1024;
/** Deletions whose lines in the audit log are 6 MB. */
const COUNT = 20_000;
/** Far below what the worst of these took, far above what a busy machine adds. */
const WAIT_MAX_MS = 2500;

const times = <T>(count: number, make: (index: number) => T): T[] =>
  Array.from({ length: count }, (_, index) => make(index));
const shortName = (index: number): string => index.toString(36);

const offset = (partitionIndex: number, committedMetadata = '') => {
  return { partitionIndex, committedOffset: 1, committedMetadata };
};

const ATTACKS: readonly [string, (client: WireClient) => Promise<unknown>][] = [
  [
    'one partition committed 55,000 times',
    (client) =>
      client.call(ApiKey.OffsetCommit, 8, {
        groupId: 'repeated',
        topics: [{ name: 'telemetry', partitions: times(55_000, () => offset(0)) }],
      }),
  ],
  [
    '55,000 partitions committed that do not exist',
    (client) =>
      client.call(ApiKey.OffsetCommit, 8, {
        groupId: 'unknown',
        topics: [{ name: 'telemetry', partitions: times(55_000, (i) => offset(i + 1000)) }],
      }),
  ],
  [
    '250,000 partitions fetched of one topic',
    (client) =>
      client.call(ApiKey.OffsetFetch, 7, {
        groupId: 'fetched',
        topics: [{ name: 'telemetry', partitionIndexes: times(250_000, (i) => i) }],
      }),
  ],
  [
    '100,000 groups described',
    (client) => client.call(ApiKey.DescribeGroups, 5, { groups: times(100_000, shortName) }),
  ],
  [
    'what may be done with 150,000 groups',
    (client) =>
      client.call(ApiKey.DescribeGroups, 5, {
        groups: times(150_000, shortName),
        includeAuthorizedOperations: true,
      }),
  ],
  [
    '100,000 groups deleted',
    (client) => client.call(ApiKey.DeleteGroups, 2, { groupsNames: times(100_000, shortName) }),
  ],
  [
    '100,000 coordinators looked for',
    (client) =>
      client.call(ApiKey.FindCoordinator, 4, {
        keyType: 0,
        coordinatorKeys: times(100_000, shortName),
      }),
  ],
  [
    '150,000 partitions deleted from a group',
    async (client) => {
      await commitOffset(client, 'emptied', 1);
      const partitions = times(150_000, (i) => ({ partitionIndex: i }));
      return client.call(ApiKey.OffsetDelete, 0, {
        groupId: 'emptied',
        topics: [{ name: 'telemetry', partitions }],
      });
    },
  ],
  [
    '40,000 topics whose offsets are deleted',
    async (client) => {
      await commitOffset(client, 'emptied', 1);
      return client.call(ApiKey.OffsetDelete, 0, {
        groupId: 'emptied',
        topics: times(40_000, (i) => ({ name: shortName(i), partitions: [{ partitionIndex: i }] })),
      });
    },
  ],
  [
    '60,000 members leave at once',
    async (client) => {
      await client.call(ApiKey.JoinGroup, 5, joinRequest('left'));
      return client.call(ApiKey.LeaveGroup, 4, {
        groupId: 'left',
        members: times(60_000, (i) => ({ memberId: shortName(i), groupInstanceId: null })),
      });
    },
  ],
  [
    'a member with 60,000 protocols',
    (client) =>
      client.call(ApiKey.JoinGroup, 3, {
        ...joinRequest('protocols'),
        protocols: times(60_000, (i) => ({ name: shortName(i), metadata: Buffer.alloc(0) })),
      }),
  ],
];

describeRequiring(['built-broker'], 'costly requests of groups', () => {
  const fixture = useBroker({ env: { BREAKWATER_GROUP_INITIAL_REBALANCE_DELAY_MS: '0' } });

  /** Calls ApiVersions over and over during `work`; the longest wait for an answer. */
  async function longestWaitMs(victim: WireClient, work: Promise<unknown>): Promise<number> {
    let isDone = false;
    const ended = work.then(() => {
      isDone = true;
    });
    let longestMs = 0;
    while (!isDone) {
      const beganMs = performance.now();
      await victim.call(ApiKey.ApiVersions, 0, {});
      longestMs = Math.max(longestMs, performance.now() - beganMs);
      await Promise.race([ended, new Promise((resolve) => setTimeout(resolve, 2))]);
    }
    return longestMs;
  }

  it.each(ATTACKS)('%s', async (name, attack) => {
    const victim = await fixture.connect('globex', 'device-1');
    const attacker = await fixture.connect('acme', 'admin-1');
    const waitedMs = await longestWaitMs(victim, attack(attacker));
    console.log(`${name}: ${Math.round(waitedMs)} ms`);
    expect(waitedMs).toBeLessThan(WAIT_MAX_MS);
  });
});

describeRequiring(['built-broker'], 'deletions of groups', () => {
  const fixture = useBroker({ env: { BREAKWATER_AUDIT_QUEUE_MAX_BYTES: String(4 * MIB) } });

  it('as many as the queue of the audit log does not hold take it from nobody', async () => {
    const victim = await fixture.connect('globex', 'admin-1');
    const attacker = await fixture.connect('acme', 'admin-1');
    const groupsNames = times(COUNT, (i) => `d-${shortName(i)}`);
    let isDone = false;
    const work = attacker.call(ApiKey.DeleteGroups, 2, { groupsNames }).then(({ results }) => {
      isDone = true;
      return results;
    });
    const codes = new Set<number>();
    for (let n = 0; !isDone; n++) codes.add(await commitOffset(victim, 'others', n));
    expect(codes).toEqual(new Set([ErrorCode.NONE]));
    const answered = new Set((await work).map(({ errorCode }) => errorCode));
    expect(answered).toEqual(new Set([ErrorCode.GROUP_ID_NOT_FOUND]));
    const lines = fixture.audit('security').filter(({ facts }) => {
      return String((facts as { group?: string } | undefined)?.group).startsWith('d-');
    });
    expect(lines).toHaveLength(COUNT);
  }, 30_000);
});
