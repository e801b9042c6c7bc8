import { it } from 'vitest';
import { ZERO_UUID } from '../../../../src/protocol/schema.ts';
import { CoordinatorFixture, subscription } from './coordinator-fixture.ts';

const times = <T>(n: number, f: (i: number) => T): T[] => Array.from({ length: n }, (_, i) => f(i));
function clock<T>(name: string, f: () => T): T {
  const t = performance.now();
  const r = f();
  console.log(name, Math.round(performance.now() - t), 'ms');
  return r;
}
it('measures', async () => {
  const f = await CoordinatorFixture.open();
  f.makeTopic('big', 60_000);
  for (const [name, idx] of [
    ['same', () => 0],
    ['distinct', (i: number) => i],
    ['unknown', (i: number) => i + 100_000],
  ] as const) {
    const p = clock(`commit ${name}`, () =>
      f.coordinator.offsetCommit(
        {
          groupId: 'acme.g',
          generationIdOrMemberEpoch: -1,
          memberId: '',
          groupInstanceId: null,
          retentionTimeMs: -1,
          topics: [
            {
              name: 'acme.big',
              topicId: ZERO_UUID,
              partitions: times(55_000, (i) => ({
                partitionIndex: idx(i),
                committedOffset: 1,
                committedLeaderEpoch: -1,
                committedMetadata: '',
              })),
            },
          ],
        },
        f.call(8),
      ),
    );
    const t = performance.now();
    await p;
    console.log('  stored after', Math.round(performance.now() - t));
  }
  clock('fetch 250k', () => f.fetchGroup('g', { big: times(250_000, (i) => i) }));
  clock('fetch all 55k', () => f.fetchGroup('g', null));
  clock('describe 100k unknown', () =>
    f.coordinator.describeGroups(
      { groups: times(100_000, (i) => `acme.${i}`), includeAuthorizedOperations: false },
      f.call(5),
    ),
  );
  for (let k = 0; k < 20; k++)
    await Promise.all(times(10_000, (i) => f.commit(`many-${k}-${i}`, 't', 0, 1)));
  clock('list 200k', () => f.list());
  const p = clock('delete 100k unknown', () =>
    f.coordinator.deleteGroups({ groupsNames: times(100_000, (i) => `acme.${i}`) }),
  );
  await clock('..', () => p);
  const q = clock('delete 50k', () =>
    f.coordinator.deleteGroups({
      groupsNames: times(50_000, (i) => `acme.many-${i % 5}-${Math.floor(i / 5)}`),
    }),
  );
  const t = performance.now();
  await q;
  console.log('deleted', performance.now() - t);
  const member = await f.stable('left');
  clock('leave 60k', () =>
    f.coordinator.leaveGroup(
      {
        groupId: 'acme.left',
        memberId: '',
        members: times(60_000, (i) => ({ memberId: `${i}`, groupInstanceId: null, reason: null })),
      },
      f.call(5),
    ),
  );
  clock('join 60k protocols', () =>
    f.coordinator.joinGroup(
      {
        groupId: 'acme.pp',
        sessionTimeoutMs: 10000,
        rebalanceTimeoutMs: 60000,
        memberId: '',
        groupInstanceId: null,
        protocolType: 'consumer',
        protocols: times(60_000, (i) => ({ name: `${i}`, metadata: Buffer.alloc(0) })),
        reason: null,
      },
      f.call(3),
    ),
  );
  clock('complete', () => f.clock.advance(0));
  void member;
  void subscription;
}, 120_000);
