/** Committed offsets: what may be stored, what is shown, how long it stays, what a restart keeps. */
import { describe, expect, it } from 'vitest';
import { partitionOfGroup } from '../../../../src/engine/embedded/group/group-logs.ts';
import { ErrorCode } from '../../../../src/protocol/error-codes.ts';
import { CoordinatorFixture, subscription } from './coordinator-fixture.ts';

const {
  NONE,
  UNKNOWN_TOPIC_OR_PARTITION,
  UNKNOWN_TOPIC_ID,
  OFFSET_METADATA_TOO_LARGE,
  UNKNOWN_MEMBER_ID,
  ILLEGAL_GENERATION,
  GROUP_ID_NOT_FOUND,
  NON_EMPTY_GROUP,
  GROUP_SUBSCRIBED_TO_TOPIC,
  INVALID_GROUP_ID,
  COORDINATOR_NOT_AVAILABLE,
  NOT_COORDINATOR,
  POLICY_VIOLATION,
} = ErrorCode;

const MINUTE_MS = 60_000;
const RETENTION_MS = 10 * MINUTE_MS;

describe('a commit', () => {
  it('is shown with its metadata and leader epoch', async () => {
    const fixture = await CoordinatorFixture.open();
    expect(await fixture.commit('g', 't', 1, 42, { metadata: 'note', leaderEpoch: 7 })).toBe(NONE);
    expect(fixture.fetchGroup('g', { t: [0, 1] })).toEqual({
      groupId: 'acme.g',
      errorCode: NONE,
      topics: [
        {
          name: 'acme.t',
          topicId: fixture.topics.get('acme.t')!.topicId,
          partitions: [
            {
              partitionIndex: 0,
              committedOffset: -1,
              committedLeaderEpoch: -1,
              metadata: '',
              errorCode: NONE,
            },
            {
              partitionIndex: 1,
              committedOffset: 42,
              committedLeaderEpoch: 7,
              metadata: 'note',
              errorCode: NONE,
            },
          ],
        },
      ],
    });
  });

  it('is shown once it is durable, and not before', async () => {
    const fixture = await CoordinatorFixture.open();
    const committing = fixture.commit('g', 't', 0, 5);
    expect(fixture.fetch('g', 't', 0)).toBe(-1);
    await committing;
    expect(fixture.fetch('g', 't', 0)).toBe(5);
  });

  it('without metadata has none', async () => {
    const fixture = await CoordinatorFixture.open();
    await fixture.commit('g', 't', 0, 5, { metadata: null });
    expect(fixture.fetchGroup('g', { t: [0] }).topics[0]!.partitions[0]!.metadata).toBe('');
  });

  it('may go back, and past the end of the log', async () => {
    const fixture = await CoordinatorFixture.open();
    for (const offset of [100, 3, 2 ** 40]) {
      expect(await fixture.commit('g', 't', 0, offset)).toBe(NONE);
      expect(fixture.fetch('g', 't', 0)).toBe(offset);
    }
  });

  it.each([
    ['an unknown topic', 'nowhere', 0, {}, UNKNOWN_TOPIC_OR_PARTITION],
    ['a partition past the end', 't', 4, {}, UNKNOWN_TOPIC_OR_PARTITION],
    ['a negative partition', 't', -1, {}, UNKNOWN_TOPIC_OR_PARTITION],
    ['another topic id', 't', 0, { topicId: 'x'.repeat(22) }, UNKNOWN_TOPIC_ID],
    ['metadata of 4096 characters', 't', 0, { metadata: 'ü'.repeat(4096) }, NONE],
    ['metadata of 4097', 't', 0, { metadata: 'x'.repeat(4097) }, OFFSET_METADATA_TOO_LARGE],
    ['an unknown group with a generation', 't', 0, { generation: 1 }, GROUP_ID_NOT_FOUND],
    ['the same before v9', 't', 0, { generation: 1, version: 8 }, ILLEGAL_GENERATION],
  ])('of %s is judged', async (_what, topic, partition, options, errorCode) => {
    const fixture = await CoordinatorFixture.open();
    expect(await fixture.commit('g', topic, partition, 1, options)).toBe(errorCode);
    expect(fixture.list()).toHaveLength(errorCode === NONE ? 1 : 0);
  });

  it('to a group with members needs their credentials', async () => {
    const fixture = await CoordinatorFixture.open();
    const { memberId, generation } = await fixture.stable('g');
    const from = (options: { memberId?: string; generation?: number }): Promise<number> =>
      fixture.commit('g', 't', 0, 1, options);
    expect(await from({})).toBe(UNKNOWN_MEMBER_ID);
    expect(await from({ memberId: 'stranger', generation })).toBe(UNKNOWN_MEMBER_ID);
    expect(await from({ memberId, generation: generation + 1 })).toBe(ILLEGAL_GENERATION);
    expect(await from({ memberId, generation })).toBe(NONE);
  });

  it('to the empty group id is taken, and is a group of the namespace', async () => {
    const fixture = await CoordinatorFixture.open();
    expect(await fixture.commit('', 't', 0, 9)).toBe(NONE);
    expect(fixture.fetch('', 't', 0)).toBe(9);
    expect(fixture.list().map(({ groupId }) => groupId)).toEqual(['acme.']);
    expect(await fixture.deleteGroup('')).toBe(NONE);
  });

  it.each([
    ['too long a group id', 'x'.repeat(256), INVALID_GROUP_ID],
    ['one of 255 characters', 'x'.repeat(255), NONE],
  ])('to %s', async (_what, group, errorCode) => {
    const fixture = await CoordinatorFixture.open();
    expect(await fixture.commit(group, 't', 0, 1)).toBe(errorCode);
  });

  it('to one group more than a tenant may have is refused; other tenants go on', async () => {
    const fixture = await CoordinatorFixture.open({ groupsPerNamespaceMax: 2 });
    const codes = [];
    for (const group of ['a', 'b', 'c', 'a']) codes.push(await fixture.commit(group, 't', 0, 1));
    expect(codes).toEqual([NONE, NONE, POLICY_VIOLATION, NONE]);
    expect(await fixture.join('c')).toMatchObject({ errorCode: POLICY_VIOLATION });
    expect(await fixture.deleteGroup('a')).toBe(NONE);
    expect(await fixture.commit('c', 't', 0, 1)).toBe(NONE);
  });
});

describe('what a tenant holds in memory', () => {
  it('is bounded: commits and members beyond it are refused, other tenants go on', async () => {
    const fixture = await CoordinatorFixture.open({ bytesPerNamespaceMax: 30_000 });
    const metadata = 'x'.repeat(4000);
    const codes = [];
    for (let n = 0; n < 4; n++) codes.push(await fixture.commit(`g${n}`, 't', 0, 1, { metadata }));
    expect(codes).toEqual([NONE, NONE, NONE, POLICY_VIOLATION]);
    expect(fixture.list()).toHaveLength(3);
    const joined = await fixture.join('new', { metadata: Buffer.alloc(8000) });
    expect(joined.errorCode).toBe(POLICY_VIOLATION);
    // What is deleted, or overwritten by less, makes room.
    expect(await fixture.commit('g0', 't', 0, 2)).toBe(NONE);
    expect(await fixture.commit('g3', 't', 0, 1, { metadata })).toBe(NONE);
    expect(await fixture.commit('g4', 't', 0, 1, { metadata })).toBe(POLICY_VIOLATION);
    expect(await fixture.deleteGroup('g1')).toBe(NONE);
    await fixture.restart();
    expect(await fixture.commit('g4', 't', 0, 1, { metadata })).toBe(NONE);
    expect(await fixture.commit('g5', 't', 0, 1, { metadata })).toBe(POLICY_VIOLATION);
  });

  it('counts members while they are there', async () => {
    const fixture = await CoordinatorFixture.open({ bytesPerNamespaceMax: 20_000 });
    const { memberId } = await fixture.stable('g', { metadata: Buffer.alloc(15_000) });
    expect(await fixture.join('h', { metadata: Buffer.alloc(8000) })).toMatchObject({
      errorCode: POLICY_VIOLATION,
    });
    fixture.leave('g', memberId);
    await fixture.settle();
    await fixture.stable('h', { metadata: Buffer.alloc(8000) });
  });
});

describe('a fetch', () => {
  it('that names a partition again and again is answered once', async () => {
    const fixture = await CoordinatorFixture.open();
    await fixture.commit('g', 't', 1, 5, { metadata: 'x'.repeat(4000) });
    const { topics } = fixture.fetchGroup('g', { t: new Array(1000).fill(1) });
    expect(topics[0]!.partitions).toHaveLength(1);
  });

  it('of an unknown group is -1 and no error', async () => {
    const fixture = await CoordinatorFixture.open();
    expect(fixture.fetchGroup('never', { t: [0] })).toMatchObject({ errorCode: NONE });
    expect(fixture.fetch('never', 't', 0)).toBe(-1);
    expect(fixture.fetchGroup('never', null)).toEqual({
      groupId: 'acme.never',
      errorCode: NONE,
      topics: [],
    });
  });

  it('of all topics gives what is committed', async () => {
    const fixture = await CoordinatorFixture.open();
    await fixture.commit('g', 't', 0, 1);
    await fixture.commit('g', 't', 3, 2);
    await fixture.commit('g', 'u', 1, 3);
    await fixture.commit('other', 'u', 2, 4);
    expect(fixture.fetchAll('g')).toEqual({ 't-0': 1, 't-3': 2, 'u-1': 3 });
  });
});

describe('a deleted topic', () => {
  it('takes its offsets along', async () => {
    const fixture = await CoordinatorFixture.open();
    await fixture.commit('g', 't', 0, 1);
    await fixture.commit('g', 'u', 0, 2);
    await fixture.deleteTopic('t');
    expect(fixture.fetchAll('g')).toEqual({ 'u-0': 2 });
    await fixture.restart();
    fixture.makeTopic('t', 4);
    expect(fixture.fetchAll('g')).toEqual({ 'u-0': 2 });
  });

  it('and made again has no offsets, though a crash came before they were removed', async () => {
    const fixture = await CoordinatorFixture.open();
    await fixture.commit('g', 't', 0, 1);
    fixture.makeTopic('t', 4);
    expect(fixture.fetch('g', 't', 0)).toBe(-1);
    expect(fixture.fetchAll('g')).toEqual({});
    await fixture.crash();
    expect(fixture.fetch('g', 't', 0)).toBe(-1);
    await fixture.coordinator.removeExpired();
    expect(fixture.list()).toEqual([]);
  });
});

describe('OffsetDelete', () => {
  it('deletes what is there, and is content with what is not', async () => {
    const fixture = await CoordinatorFixture.open();
    await fixture.commit('g', 't', 0, 1);
    await fixture.commit('g', 't', 1, 2);
    expect(await fixture.deleteOffsets('g', 't', 0, 2, 9)).toEqual([
      NONE,
      NONE,
      NONE,
      UNKNOWN_TOPIC_OR_PARTITION,
    ]);
    expect(fixture.fetchAll('g')).toEqual({ 't-1': 2 });
    await fixture.crash();
    expect(fixture.fetchAll('g')).toEqual({ 't-1': 2 });
  });

  it('deletes a commit that is on its way', async () => {
    const fixture = await CoordinatorFixture.open();
    await fixture.commit('g', 'u', 0, 1);
    const committing = fixture.commit('g', 't', 0, 1);
    await Promise.all([committing, fixture.deleteOffsets('g', 't', 0)]);
    expect(fixture.fetchAll('g')).toEqual({ 'u-0': 1 });
  });

  it('spares the topics that members of a consumer group use', async () => {
    const fixture = await CoordinatorFixture.open();
    const { memberId, generation } = await fixture.stable('g', { metadata: subscription('t') });
    for (const topic of ['t', 'u']) {
      await fixture.commit('g', topic, 0, 1, { memberId, generation });
    }
    expect(await fixture.deleteOffsets('g', 't', 0)).toEqual([NONE, GROUP_SUBSCRIBED_TO_TOPIC]);
    expect(await fixture.deleteOffsets('g', 'u', 0)).toEqual([NONE, NONE]);
    expect(fixture.fetchAll('g')).toEqual({ 't-0': 1 });
    await fixture.leave('g', memberId);
    expect(await fixture.deleteOffsets('g', 't', 0)).toEqual([NONE, NONE]);
  });

  it.each([
    [
      'metadata that says nothing of topics',
      { metadata: Buffer.from('?') },
      [NONE, GROUP_SUBSCRIBED_TO_TOPIC],
    ],
    ['another protocol', { protocolType: 'connect' }, [NON_EMPTY_GROUP]],
  ])('spares a group with %s', async (_what, options, codes) => {
    const fixture = await CoordinatorFixture.open();
    await fixture.stable('g', options);
    expect(await fixture.deleteOffsets('g', 't', 0)).toEqual(codes);
  });

  it('of an unknown group, and of the empty id', async () => {
    const fixture = await CoordinatorFixture.open();
    expect(await fixture.deleteOffsets('g', 't', 0)).toEqual([GROUP_ID_NOT_FOUND]);
    expect(await fixture.deleteOffsets('', 't', 0)).toEqual([INVALID_GROUP_ID]);
  });
});

describe('expiry', () => {
  const open = (): Promise<CoordinatorFixture> =>
    CoordinatorFixture.open({ offsetsRetentionMs: RETENTION_MS });

  it('of a simple group counts from the commit, and takes the group at the end', async () => {
    const fixture = await open();
    await fixture.commit('g', 't', 0, 1);
    fixture.clock.advance(RETENTION_MS / 2);
    await fixture.commit('g', 't', 1, 2);
    fixture.clock.advance(RETENTION_MS / 2);
    await fixture.coordinator.removeExpired();
    expect(fixture.fetchAll('g')).toEqual({ 't-1': 2 });
    fixture.clock.advance(RETENTION_MS / 2);
    await fixture.coordinator.removeExpired();
    expect(fixture.list()).toEqual([]);
    await fixture.crash();
    expect(fixture.list()).toEqual([]);
  });

  it('of a group that had members counts from when it became Empty', async () => {
    const fixture = await open();
    const { memberId, generation } = await fixture.stable('g');
    await fixture.commit('g', 't', 0, 1, { memberId, generation });
    fixture.clock.advance(RETENTION_MS / 2);
    await fixture.settle();
    // The session has ended meanwhile, ten seconds after the commit.
    expect(fixture.describe('g').groupState).toBe('Empty');
    fixture.clock.advance(RETENTION_MS / 2);
    await fixture.coordinator.removeExpired();
    expect(fixture.fetchAll('g')).toEqual({ 't-0': 1 });
    await fixture.restart();
    fixture.clock.advance(10_000);
    await fixture.coordinator.removeExpired();
    expect(fixture.list()).toEqual([]);
  });

  it('of a Stable consumer group takes topics that it does not use', async () => {
    const fixture = await open();
    const session = { metadata: subscription('t'), sessionMs: 1_800_000 };
    const { memberId } = await fixture.join('g', session);
    const joining = fixture.join('g', { ...session, memberId });
    fixture.clock.advance(0);
    const { generationId: generation } = await joining;
    await fixture.sync('g', memberId, generation, { [memberId]: 'x' });
    for (const topic of ['t', 'u']) {
      await fixture.commit('g', topic, 0, 1, { memberId, generation });
    }
    fixture.clock.advance(RETENTION_MS);
    await fixture.coordinator.removeExpired();
    expect(fixture.fetchAll('g')).toEqual({ 't-0': 1 });
  });

  it.each([
    ['while it rebalances', {}, true],
    ['of another protocol', { protocolType: 'connect' }, false],
  ])('does not touch a group %s', async (_what, options, rebalances) => {
    const fixture = await open();
    const session = { sessionMs: 1_800_000, ...options };
    const { memberId } = await fixture.join('g', session);
    const joining = fixture.join('g', { ...session, memberId });
    fixture.clock.advance(0);
    const { generationId: generation } = await joining;
    await fixture.sync('g', memberId, generation, { [memberId]: 'x' });
    await fixture.commit('g', 'u', 0, 1, { memberId, generation });
    if (rebalances) void fixture.join('g', { version: 3, ...session });
    fixture.clock.advance(RETENTION_MS);
    await fixture.coordinator.removeExpired();
    expect(fixture.fetchAll('g')).toEqual({ 'u-0': 1 });
  });

  it('by an explicit retention time wins over the configured one, both ways', async () => {
    const fixture = await open();
    await fixture.commit('g', 't', 0, 1, { version: 4, retentionMs: 1000 });
    await fixture.commit('g', 't', 1, 2, { version: 4, retentionMs: 2 * RETENTION_MS });
    await fixture.restart();
    fixture.clock.advance(1000);
    await fixture.coordinator.removeExpired();
    expect(fixture.fetchAll('g')).toEqual({ 't-1': 2 });
    fixture.clock.advance(RETENTION_MS);
    await fixture.coordinator.removeExpired();
    expect(fixture.fetchAll('g')).toEqual({ 't-1': 2 });
    fixture.clock.advance(RETENTION_MS);
    await fixture.coordinator.removeExpired();
    expect(fixture.list()).toEqual([]);
  });

  it('happens by itself', async () => {
    const fixture = await open();
    await fixture.commit('g', 't', 0, 1);
    fixture.clock.advance(RETENTION_MS + fixture.settings.offsetsRetentionCheckIntervalMs);
    await expect.poll(() => fixture.list()).toEqual([]);
  });

  it('spares a commit that is on its way', async () => {
    const fixture = await open();
    await fixture.commit('g', 't', 0, 1);
    fixture.clock.advance(RETENTION_MS);
    const committing = fixture.commit('g', 't', 0, 2);
    await fixture.coordinator.removeExpired();
    await committing;
    await fixture.crash();
    expect(fixture.fetch('g', 't', 0)).toBe(2);
  });

  it('leaves a commit that comes after it', async () => {
    const fixture = await open();
    await fixture.commit('g', 't', 0, 1);
    fixture.clock.advance(RETENTION_MS);
    const removing = fixture.coordinator.removeExpired();
    await Promise.resolve();
    await Promise.all([removing, fixture.commit('g', 't', 0, 2)]);
    expect(fixture.fetch('g', 't', 0)).toBe(2);
    await fixture.crash();
    expect(fixture.fetch('g', 't', 0)).toBe(2);
  });
});

describe('storage', () => {
  it.each(['restart', 'kill', 'cut'] as const)(
    'after a %s offsets are as they were',
    async (how) => {
      const fixture = await CoordinatorFixture.open();
      const options = { metadata: 'näh', leaderEpoch: 3 };
      for (let n = 0; n < 200; n++) await fixture.commit(`g${n % 40}`, 't', n % 4, n, options);
      const before = Array.from({ length: 40 }, (_, n) => fixture.fetchGroup(`g${n}`, null));
      if (how === 'restart') await fixture.restart();
      else await fixture.crash(how);
      expect(Array.from({ length: 40 }, (_, n) => fixture.fetchGroup(`g${n}`, null))).toEqual(
        before,
      );
    },
  );

  it('does not grow without end', async () => {
    const fixture = new CoordinatorFixture();
    fixture.makeTopic('t', 4);
    fixture.compactAfterBytes = 4000;
    await fixture.start();
    const sizeBytes = (): number => {
      const folder = `/data/metadata/__consumer_offsets-${partitionOfGroup('acme.g')}`;
      const names = fixture.files.readdirSync(folder);
      return names.reduce(
        (sum, name) => sum + fixture.files.statSync(`${folder}/${name}`)!.sizeBytes,
        0,
      );
    };
    for (let n = 0; n < 2000; n++) await fixture.commit('g', 't', n % 4, n);
    await fixture.settle();
    expect(sizeBytes()).toBeLessThan(15_000);
    expect(fixture.fetchAll('g')).toEqual({ 't-0': 1996, 't-1': 1997, 't-2': 1998, 't-3': 1999 });
    await fixture.crash('cut');
    expect(fixture.fetchAll('g')).toEqual({ 't-0': 1996, 't-1': 1997, 't-2': 1998, 't-3': 1999 });
  });

  it('on a full disk refuses, and goes on when there is room', async () => {
    const fixture = await CoordinatorFixture.open();
    await fixture.commit('g', 't', 0, 1);
    fixture.files.freeBytes = 10;
    expect(await fixture.commit('g', 't', 0, 2)).toBe(COORDINATOR_NOT_AVAILABLE);
    expect(fixture.fetch('g', 't', 0)).toBe(1);
    fixture.files.freeBytes = Number.POSITIVE_INFINITY;
    expect(await fixture.commit('g', 't', 0, 3)).toBe(NONE);
    await fixture.crash('cut');
    expect(fixture.fetch('g', 't', 0)).toBe(3);
  });

  it('that fails a sync takes the groups of that log offline, and no others', async () => {
    const fixture = await CoordinatorFixture.open();
    const partition = partitionOfGroup('acme.g');
    const neighbour = Array.from({ length: 99 }, (_, n) => `g${n}`).find(
      (group) => partitionOfGroup(`acme.${group}`) !== partition,
    )!;
    fixture.files.failNext('datasync', 'EIO', /\.log$/);
    expect(await fixture.commit('g', 't', 0, 1)).toBe(NOT_COORDINATOR);
    expect(await fixture.commit('g', 't', 0, 1)).toBe(NOT_COORDINATOR);
    expect(fixture.fetchGroup('g', { t: [0] }).errorCode).toBe(NOT_COORDINATOR);
    expect(await fixture.join('g')).toMatchObject({ errorCode: NOT_COORDINATOR });
    expect(fixture.describe('g').errorCode).toBe(NOT_COORDINATOR);
    expect(await fixture.deleteGroup('g')).toBe(NOT_COORDINATOR);
    expect(await fixture.commit(neighbour, 't', 0, 1)).toBe(NONE);
    expect(fixture.coordinator.offline).toEqual([`__consumer_offsets-${partition}`]);
    expect(fixture.list().map(({ groupId }) => groupId)).toEqual([`acme.${neighbour}`]);
  });

  it('with damage inside stays offline after a start, the other logs serve', async () => {
    const fixture = await CoordinatorFixture.open();
    for (let n = 0; n < 20; n++) await fixture.commit(`g${n}`, 't', 0, n);
    await fixture.coordinator.close();
    const partition = partitionOfGroup('acme.g3');
    const folder = `/data/metadata/__consumer_offsets-${partition}`;
    const log = fixture.files.openSync(`${folder}/${'0'.repeat(20)}.log`, 'readWrite');
    log.writevSync([Buffer.from('damage')], 30);
    log.closeSync();
    await fixture.start();
    expect(fixture.fetchGroup('g3', null).errorCode).toBe(NOT_COORDINATOR);
    expect(fixture.coordinator.offline).toEqual([`__consumer_offsets-${partition}`]);
    for (let n = 0; n < 20; n++) {
      const isThere = partitionOfGroup(`acme.g${n}`) !== partition;
      if (isThere) expect(fixture.fetch(`g${n}`, 't', 0)).toBe(n);
    }
  });

  it("places a group where Kafka's hash places it", () => {
    // String.hashCode of the Java specification, worked out by hand for short texts.
    expect(partitionOfGroup('a')).toBe(97 % 50);
    expect(partitionOfGroup('ab')).toBe((97 * 31 + 98) % 50);
    expect(partitionOfGroup('polygenelubricants')).toBe(0); // hashes to the least int
  });
});
