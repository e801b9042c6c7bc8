/** What a hostile tenant can make the coordinator hold, write or answer. */
import { describe, expect, it } from 'vitest';
import { partitionOfGroup } from '../../../../src/engine/embedded/group/group-logs.ts';
import { ErrorCode } from '../../../../src/protocol/error-codes.ts';
import { INT64_MAX, ZERO_UUID } from '../../../../src/protocol/schema.ts';
import { CoordinatorFixture } from './coordinator-fixture.ts';

const { NONE, UNKNOWN_MEMBER_ID, INVALID_REQUEST, POLICY_VIOLATION } = ErrorCode;
const MIB = 1024 * 1024;

const times = <T>(count: number, make: (index: number) => T): T[] =>
  Array.from({ length: count }, (_, index) => make(index));

function joinOf(group: string, also: object = {}) {
  return {
    groupId: `acme.${group}`,
    sessionTimeoutMs: 10_000,
    rebalanceTimeoutMs: 60_000,
    memberId: '',
    groupInstanceId: null,
    protocolType: 'consumer',
    protocols: [{ name: 'range', metadata: Buffer.alloc(0) }],
    reason: null,
    ...also,
  };
}

const offset = (partitionIndex: number, also: object = {}) => ({
  partitionIndex,
  committedOffset: 1,
  committedLeaderEpoch: -1,
  committedMetadata: '',
  ...also,
});

function commitOf(partitions: ReturnType<typeof offset>[], also: object = {}) {
  return {
    groupId: 'acme.g',
    generationIdOrMemberEpoch: -1,
    memberId: '',
    groupInstanceId: null,
    retentionTimeMs: -1,
    topics: [{ name: 'acme.t', topicId: ZERO_UUID, partitions }],
    ...also,
  };
}

describe('a group that is gone', () => {
  it('is not kept by the timer of its members', async () => {
    const fixture = await CoordinatorFixture.open();
    const beginTimers = fixture.clock.timerCount;
    for (let n = 0; n < 20; n++) {
      const { memberId } = await fixture.join(`g${n}`, { sessionMs: 1_800_000 });
      fixture.leave(`g${n}`, memberId);
    }
    expect(fixture.list()).toEqual([]);
    // Nothing waits for half an hour on behalf of groups that nobody is in.
    expect(fixture.clock.timerCount).toBe(beginTimers);
  });

  it('nor when it is deleted while an id that it gave out is unused', async () => {
    const fixture = await CoordinatorFixture.open();
    const beginTimers = fixture.clock.timerCount;
    await fixture.join('g', { sessionMs: 1_800_000 });
    expect(await fixture.deleteGroup('g')).toBe(NONE);
    expect(fixture.clock.timerCount).toBe(beginTimers);
  });
});

describe('what a tenant holds in memory', () => {
  it('counts assignments', async () => {
    const fixture = await CoordinatorFixture.open({ bytesPerNamespaceMax: MIB });
    const assign = async (group: string): Promise<number> => {
      const { memberId } = await fixture.join(group);
      const joining = fixture.join(group, { memberId });
      fixture.clock.advance(0);
      const { generationId } = await joining;
      const synced = await fixture.sync(group, memberId, generationId, {
        [memberId]: 'x'.repeat(400_000),
      });
      return synced.errorCode;
    };
    expect(await assign('one')).toBe(NONE);
    expect(await assign('two')).toBe(NONE);
    expect(await assign('three')).toBe(POLICY_VIOLATION);
    await fixture.restart();
    // Also those that came back from the log.
    expect(await assign('four')).toBe(POLICY_VIOLATION);
  });

  it('no longer counts the assignments of members that have gone', async () => {
    const fixture = await CoordinatorFixture.open({ bytesPerNamespaceMax: MIB });
    for (let n = 0; n < 10; n++) {
      const { memberId, generation } = await fixture.stable(`g${n}`);
      const big = { [memberId]: 'x'.repeat(700_000) };
      const again = fixture.join(`g${n}`, { memberId });
      const { generationId } = await again;
      expect(generationId).toBe(generation + 1);
      expect((await fixture.sync(`g${n}`, memberId, generationId, big)).errorCode).toBe(NONE);
      expect(fixture.leave(`g${n}`, memberId).members[0]!.errorCode).toBe(NONE);
    }
  });
});

describe('names', () => {
  const long = 'x'.repeat(256);

  it.each([
    ['a protocol type', { protocolType: long }],
    ['a protocol', { protocols: [{ name: long, metadata: Buffer.alloc(0) }] }],
    ['protocols', { protocols: times(251, (i) => ({ name: `p${i}`, metadata: Buffer.alloc(0) })) }],
  ])('%s without end are refused, and leave no group', async (_what, also) => {
    const fixture = await CoordinatorFixture.open();
    const answer = await fixture.coordinator.joinGroup(joinOf('g', also), fixture.call(9));
    expect(answer.errorCode).toBe(INVALID_REQUEST);
    expect(fixture.list()).toEqual([]);
  });

  it('a client id of 32 KiB is cut, so that the answers of all members have room for it', async () => {
    const fixture = await CoordinatorFixture.open();
    const call = { ...fixture.call(3), clientId: '\uFFFD'.repeat(32_767) };
    const joining = fixture.coordinator.joinGroup(joinOf('g'), call);
    fixture.clock.advance(0);
    const { memberId, generationId } = await joining;
    expect(memberId.length).toBeLessThan(300);
    const synced = await fixture.sync('g', memberId, generationId, { [memberId]: 'all' });
    expect(synced.errorCode).toBe(NONE);
    expect(fixture.describe('g').members[0]!.clientId).toBe('\uFFFD'.repeat(255));
  });

  it('a member id that is too long to be one is not given back', async () => {
    const fixture = await CoordinatorFixture.open();
    const memberId = '\uFFFD'.repeat(32_767);
    expect(await fixture.join('g', { memberId })).toMatchObject({
      errorCode: UNKNOWN_MEMBER_ID,
      memberId: '',
    });
  });
});

describe('LeaveGroup', () => {
  it('of more members than any group has is refused', async () => {
    const fixture = await CoordinatorFixture.open({ membersMax: 10 });
    await fixture.stable('g');
    const members = times(21, () => ({ memberId: 'm', groupInstanceId: null, reason: null }));
    const request = { groupId: 'acme.g', memberId: '', members };
    const answer = fixture.coordinator.leaveGroup(request, fixture.call(5));
    expect(answer).toMatchObject({ errorCode: INVALID_REQUEST, members: [] });
  });
});

describe('OffsetCommit', () => {
  it('writes a partition once that is named often, with what was said last', async () => {
    const fixture = await CoordinatorFixture.open();
    fixture.compactAfterBytes = 100 * MIB;
    await fixture.restart();
    const partitions = times(20_000, (n) => offset(0, { committedOffset: n }));
    const answer = await fixture.coordinator.offsetCommit(commitOf(partitions), fixture.call(8));
    expect(answer.topics[0]!.partitions).toHaveLength(20_000);
    expect(new Set(answer.topics[0]!.partitions.map((one) => one.errorCode))).toEqual(
      new Set([NONE]),
    );
    expect(fixture.fetch('g', 't', 0)).toBe(19_999);
    expect(storedBytes(fixture)).toBeLessThan(2000);
  });

  it('that is larger than a batch is refused whole', async () => {
    const fixture = await CoordinatorFixture.open();
    fixture.makeTopic('wide', 20_000);
    const name = 'acme.wide';
    const request = (count: number) =>
      commitOf([], {
        topics: [{ name, topicId: ZERO_UUID, partitions: times(count, (n) => offset(n)) }],
      });
    const refused = await fixture.coordinator.offsetCommit(request(20_000), fixture.call(8));
    expect(new Set(refused.topics[0]!.partitions.map((one) => one.errorCode))).toEqual(
      new Set([ErrorCode.INVALID_COMMIT_OFFSET_SIZE]),
    );
    expect(fixture.fetchAll('g')).toEqual({});
    expect(fixture.list()).toEqual([]);
    const taken = await fixture.coordinator.offsetCommit(request(10_000), fixture.call(8));
    expect(taken.topics[0]!.partitions.every((one) => one.errorCode === NONE)).toBe(true);
  });

  it.each([
    ['a retention without end', {}, { retentionTimeMs: INT64_MAX }, NONE],
    ['the highest offset', { committedOffset: INT64_MAX }, {}, NONE],
    [
      'an offset that would be rounded',
      { committedOffset: 2 ** 60 },
      {},
      ErrorCode.OFFSET_OUT_OF_RANGE,
    ],
    ['a negative offset', { committedOffset: -5 }, {}, NONE],
  ])('takes or refuses %s, and stays sound', async (_what, ofPartition, ofRequest, expected) => {
    const fixture = await CoordinatorFixture.open();
    const request = commitOf([offset(0, ofPartition)], ofRequest);
    const answer = await fixture.coordinator.offsetCommit(request, fixture.call(4));
    expect(answer.topics[0]!.partitions[0]!.errorCode).toBe(expected);
    const before = fixture.fetchAll('g');
    await fixture.crash();
    expect(fixture.fetchAll('g')).toEqual(before);
    expect(fixture.list()).toHaveLength(expected === NONE ? 1 : 0);
  });

  it('refuses a text that is too long once it is written as UTF-8', async () => {
    const fixture = await CoordinatorFixture.open({ offsetMetadataCharsMax: 32_767 });
    const long = '\uFFFD'.repeat(20_000);
    expect(await fixture.commit('g', 't', 0, 1, { metadata: long })).toBe(
      ErrorCode.OFFSET_METADATA_TOO_LARGE,
    );
    expect(await fixture.commit('g', 't', 0, 1, { metadata: 'x'.repeat(32_767) })).toBe(NONE);
  });
});

describe('OffsetDelete', () => {
  it('writes one tombstone for a partition that is named often', async () => {
    const fixture = await CoordinatorFixture.open();
    await fixture.commit('g', 't', 0, 1);
    const before = storedBytes(fixture);
    const codes = await fixture.deleteOffsets('g', 't', ...times(10_000, () => 0));
    expect(new Set(codes)).toEqual(new Set([NONE]));
    expect(storedBytes(fixture) - before).toBeLessThan(1000);
    expect(fixture.fetchAll('g')).toEqual({});
  });
});

describe('OffsetFetch', () => {
  it('of all offsets of many groups has groups that are to be asked for again', async () => {
    const fixture = await CoordinatorFixture.open();
    fixture.makeTopic('wide', 10_000);
    const names = times(30, (n) => `acme.g${n}`);
    const partitions = times(10_000, (n) => offset(n));
    const topics = [{ name: 'acme.wide', topicId: ZERO_UUID, partitions }];
    for (const groupId of names) {
      await fixture.coordinator.offsetCommit(commitOf([], { groupId, topics }), fixture.call(8));
    }
    const fetch = async (groupIds: readonly string[]) => {
      const { groups } = await fixture.coordinator.offsetFetch({
        groupId: '',
        topics: [],
        groups: groupIds.map((groupId) => {
          return { groupId, memberId: null, memberEpoch: -1, topics: null };
        }),
        requireStable: false,
      });
      return groups;
    };
    let left = names;
    const seen = new Set<string>();
    for (let round = 0; left.length > 0; round++) {
      expect(round).toBeLessThan(5);
      const groups = await fetch(left);
      const full = groups.filter(({ errorCode }) => errorCode === NONE);
      for (const { groupId, topics: shown } of full) {
        expect(shown[0]!.partitions).toHaveLength(10_000);
        seen.add(groupId);
      }
      expect(full.length).toBeLessThan(20);
      const rest = groups.filter(({ errorCode }) => errorCode !== NONE);
      for (const one of rest) expect(one.errorCode).toBe(ErrorCode.COORDINATOR_LOAD_IN_PROGRESS);
      left = rest.map(({ groupId }) => groupId);
    }
    expect(seen.size).toBe(30);
  });
});

/** Bytes of all logs of groups. */
function storedBytes({ files }: CoordinatorFixture): number {
  let sum = 0;
  for (const folder of files.readdirSync('/data/metadata')) {
    for (const name of files.readdirSync(`/data/metadata/${folder}`)) {
      if (name.endsWith('.log'))
        sum += files.statSync(`/data/metadata/${folder}/${name}`)!.sizeBytes;
    }
  }
  return sum;
}

describe('a tenant that writes more than the disk takes', () => {
  it('is refused, and the others are not', async () => {
    const fixture = await CoordinatorFixture.open();
    fixture.makeTopic('wide', 4000);
    const other = `globex.${idInLogOf('acme.flood')}`;
    const topics = [
      {
        name: 'acme.wide',
        topicId: ZERO_UUID,
        partitions: times(4000, (n) => offset(n, { committedMetadata: 'x'.repeat(90) })),
      },
    ];
    const flood = times(12, () => {
      const request = commitOf([], { groupId: 'acme.flood', topics });
      return fixture.coordinator.offsetCommit(request, fixture.call(8));
    });
    const long = offset(0, { committedMetadata: 'x'.repeat(4000) });
    for (let n = 0; n < 1000; n++) {
      const request = commitOf([long], { groupId: 'acme.flood' });
      flood.push(fixture.coordinator.offsetCommit(request, fixture.call(8)));
    }
    const theirs = fixture.coordinator.offsetCommit(
      commitOf([long], { groupId: other }),
      fixture.call(8),
    );
    const codes = (await Promise.all(flood)).map((one) => one.topics[0]!.partitions[0]!.errorCode);
    expect(codes[0]).toBe(NONE);
    expect(codes.at(-1)).toBe(ErrorCode.COORDINATOR_NOT_AVAILABLE);
    expect((await theirs).topics[0]!.partitions[0]!.errorCode).toBe(NONE);
    const again = commitOf([], { groupId: 'acme.flood', topics });
    const later = await fixture.coordinator.offsetCommit(again, fixture.call(8));
    expect(later.topics[0]!.partitions[0]!.errorCode).toBe(NONE);
  });
});

describe('the compaction of a log', () => {
  it('keeps what stands in batches larger than what it reads at a time', async () => {
    const fixture = await CoordinatorFixture.open();
    fixture.compactAfterBytes = 100_000;
    await fixture.restart();
    fixture.makeTopic('wide', 4000);
    const name = 'acme.wide';
    for (let round = 0; round < 5; round++) {
      const partitions = times(4000, (n) =>
        offset(n, { committedOffset: round, committedMetadata: 'x'.repeat(90) }),
      );
      const request = commitOf([], { topics: [{ name, topicId: ZERO_UUID, partitions }] });
      await fixture.coordinator.offsetCommit(request, fixture.call(8));
      await fixture.commit('g', 't', 0, round);
      await fixture.settle();
    }
    // Five rounds of 800 kB were written.
    expect(storedBytes(fixture)).toBeLessThan(2_500_000);
    await fixture.crash();
    const offsets = fixture.fetchAll('g');
    expect(Object.keys(offsets)).toHaveLength(4001);
    expect(new Set(Object.values(offsets))).toEqual(new Set([4]));
  });
});

/** What is to be put behind `globex.` to share a log with the group. */
function idInLogOf(groupId: string): string {
  for (let n = 0; ; n++) {
    if (partitionOfGroup(`globex.${n}`) === partitionOfGroup(groupId)) return String(n);
  }
}
