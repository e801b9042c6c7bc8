/** The classic protocol's state machine, one behaviour a test, with time driven by hand. */
import { describe, expect, it } from 'vitest';
import { ErrorCode } from '../../../../src/protocol/error-codes.ts';
import { GroupDriver, REBALANCE_MS, SESSION_MS, stableGroup } from './classic-group-driver.ts';

const {
  NONE,
  UNKNOWN_MEMBER_ID,
  ILLEGAL_GENERATION,
  INCONSISTENT_GROUP_PROTOCOL,
  REBALANCE_IN_PROGRESS,
  MEMBER_ID_REQUIRED,
  GROUP_MAX_SIZE_REACHED,
  FENCED_INSTANCE_ID,
  NOT_COORDINATOR,
  COORDINATOR_NOT_AVAILABLE,
} = ErrorCode;

const text = (bytes: Buffer | undefined): string | undefined => bytes?.toString();

describe('joining', () => {
  it('takes two steps for a dynamic member from version 4 on', () => {
    const driver = new GroupDriver();
    const first = driver.join({ version: 4 });
    expect(first.answer).toMatchObject({ errorCode: MEMBER_ID_REQUIRED, memberId: 'm1' });
    expect(driver.group.memberCount).toBe(0);
    const second = driver.join({ version: 4, memberId: 'm1' });
    driver.pass(0);
    expect(second.answer).toMatchObject({
      errorCode: NONE,
      memberId: 'm1',
      generation: 1,
      leader: 'm1',
      protocolType: 'consumer',
      protocolName: 'range',
    });
  });

  it.each([0, 1, 2, 3])('takes one step in version %i', (version) => {
    const driver = new GroupDriver();
    const joined = driver.join({ version });
    driver.pass(0);
    expect(joined.answer).toMatchObject({ errorCode: NONE, memberId: 'm1', generation: 1 });
  });

  it('refuses an id that the group did not give', () => {
    const driver = new GroupDriver();
    stableGroup(driver, 1);
    expect(driver.join({ memberId: 'invented' }).answer).toMatchObject({
      errorCode: UNKNOWN_MEMBER_ID,
      memberId: 'invented',
    });
  });

  it.each([
    ['no protocol', { protocols: {} }],
    ['no protocol type', { protocolType: '' }],
  ])('refuses a member with %s', (_what, options) => {
    const driver = new GroupDriver();
    expect(driver.join(options).answer?.errorCode).toBe(INCONSISTENT_GROUP_PROTOCOL);
  });

  it('refuses another protocol type, and protocols that not all members support', () => {
    const driver = new GroupDriver();
    stableGroup(driver, 2);
    expect(driver.join({ protocolType: 'connect' }).answer?.errorCode).toBe(
      INCONSISTENT_GROUP_PROTOCOL,
    );
    expect(driver.join({ protocols: { sticky: 's' } }).answer?.errorCode).toBe(
      INCONSISTENT_GROUP_PROTOCOL,
    );
    expect(driver.group.state).toBe('Stable');
  });

  it('picks the protocol that most members prefer among those that all support', () => {
    const driver = new GroupDriver();
    const answers = [
      { only: 'x', sticky: 's', range: 'r' },
      { range: 'r', sticky: 's' },
      { sticky: 's', range: 'r' },
    ].map((protocols) => driver.joinTwice({ protocols }).parked);
    driver.pass(0);
    expect(answers.map(({ answer }) => answer?.protocolName)).toEqual([
      'sticky',
      'sticky',
      'sticky',
    ]);
  });

  it('shows the members to the leader only, with the metadata of the chosen protocol', () => {
    const driver = new GroupDriver();
    const leader = driver.joinTwice({ protocols: { range: 'mine', sticky: 'other' } });
    const follower = driver.joinTwice({ protocols: { range: 'yours' } });
    driver.pass(0);
    expect(leader.parked.answer?.leader).toBe(leader.id);
    expect(leader.parked.answer?.members.map((one) => [one.memberId, text(one.metadata)])).toEqual([
      [leader.id, 'mine'],
      [follower.id, 'yours'],
    ]);
    expect(follower.parked.answer).toMatchObject({ leader: leader.id, members: [] });
  });

  it('forgets an id that is not used within its session timeout', () => {
    const driver = new GroupDriver();
    const { answer } = driver.join();
    driver.pass(SESSION_MS - 1);
    expect(driver.group.isIdle).toBe(false);
    driver.pass(1);
    expect(driver.group.isIdle).toBe(true);
    expect(driver.join({ memberId: answer!.memberId }).answer?.errorCode).toBe(UNKNOWN_MEMBER_ID);
  });

  it('waits in a later rebalance for a member that holds an id', () => {
    const driver = new GroupDriver();
    const { ids } = stableGroup(driver, 1);
    const pending = driver.join().answer!.memberId;
    const leader = driver.join({ memberId: ids[0]! });
    expect(leader.answer).toBeUndefined();
    driver.join({ memberId: pending });
    expect(leader.answer?.generation).toBe(2);
  });
});

describe('the first rebalance', () => {
  it('waits group.initial.rebalance.delay.ms', () => {
    const driver = new GroupDriver({ initialRebalanceDelayMs: 3000 });
    const joined = driver.joinTwice();
    driver.pass(2999);
    expect(joined.parked.answer).toBeUndefined();
    driver.pass(1);
    expect(joined.parked.answer?.generation).toBe(1);
  });

  it('waits longer while members arrive, and no longer than the rebalance timeout', () => {
    const driver = new GroupDriver({ initialRebalanceDelayMs: 3000 });
    const options = { rebalanceMs: 10_000 };
    const first = driver.joinTwice(options);
    for (let at = 0; at < 3; at++) {
      driver.pass(2500);
      expect(first.parked.answer).toBeUndefined();
      driver.joinTwice(options);
    }
    driver.pass(2499);
    expect(first.parked.answer).toBeUndefined();
    driver.pass(1);
    expect(first.parked.answer?.members).toHaveLength(4);
  });

  it('does not wait once nobody arrives any more', () => {
    const driver = new GroupDriver({ initialRebalanceDelayMs: 3000 });
    const first = driver.joinTwice();
    driver.pass(1000);
    driver.joinTwice();
    driver.pass(5000);
    expect(first.parked.answer?.members).toHaveLength(2);
    expect(driver.group.state).toBe('CompletingRebalance');
  });

  it('ends Empty, with a new generation, when everybody has left meanwhile', () => {
    const driver = new GroupDriver({ initialRebalanceDelayMs: 3000 });
    const { id } = driver.joinTwice();
    driver.leave({ memberId: id });
    driver.pass(3000);
    expect(driver.group).toMatchObject({ state: 'Empty', generation: 1, isIdle: true });
    expect(driver.stored).toMatchObject({ generation: 1, members: [] });
  });

  it('drops a new member that hangs for five minutes', () => {
    const driver = new GroupDriver({ initialRebalanceDelayMs: 400_000 });
    const { parked } = driver.joinTwice({ rebalanceMs: 500_000 });
    driver.pass(299_999);
    expect(parked.answer).toBeUndefined();
    driver.pass(1);
    expect(parked.answer?.errorCode).toBe(UNKNOWN_MEMBER_ID);
  });
});

describe('synchronizing', () => {
  it('answers everyone after the assignment is stored, and not before', () => {
    const driver = new GroupDriver();
    const leader = driver.joinTwice();
    const follower = driver.joinTwice();
    driver.pass(0);
    driver.holdsStores = true;
    const parked = driver.sync(follower.id, 1);
    const own = driver.sync(leader.id, 1, { [leader.id]: 'a', [follower.id]: 'b' });
    expect([own.answer, parked.answer]).toEqual([undefined, undefined]);
    expect(driver.group.state).toBe('CompletingRebalance');
    driver.release();
    expect(driver.group.state).toBe('Stable');
    expect([text(own.answer?.assignment), text(parked.answer?.assignment)]).toEqual(['a', 'b']);
    expect(own.answer).toMatchObject({ protocolType: 'consumer', protocolName: 'range' });
  });

  it('gives a member that the leader left out nothing, and no error', () => {
    const driver = new GroupDriver();
    const leader = driver.joinTwice();
    const follower = driver.joinTwice();
    driver.pass(0);
    const parked = driver.sync(follower.id, 1);
    driver.sync(leader.id, 1, { [leader.id]: 'all' });
    expect(parked.answer).toMatchObject({ errorCode: NONE, assignment: Buffer.alloc(0) });
  });

  it('takes away what a member had when the next leader leaves it out', () => {
    const driver = new GroupDriver();
    const { ids } = stableGroup(driver, 2);
    for (const memberId of ids) driver.join({ memberId, protocols: { range: 'v2' } });
    const parked = driver.sync(ids[1]!, 2);
    driver.sync(ids[0]!, 2, { [ids[0]!]: 'all' });
    expect(parked.answer).toMatchObject({ errorCode: NONE, assignment: Buffer.alloc(0) });
  });

  it('answers a member that asks late from the Stable group', () => {
    const driver = new GroupDriver();
    const { ids, generation } = stableGroup(driver, 2);
    expect(text(driver.sync(ids[1]!, generation).answer?.assignment)).toBe(`for ${ids[1]}`);
  });

  it('stores an assignment once when the leader asks twice', () => {
    const driver = new GroupDriver();
    const { id } = driver.joinTwice();
    driver.pass(0);
    driver.holdsStores = true;
    const first = driver.sync(id, 1, { [id]: 'a' });
    const second = driver.sync(id, 1, { [id]: 'b' });
    expect(first.answer?.errorCode).toBe(REBALANCE_IN_PROGRESS);
    expect(driver.held).toHaveLength(1);
    driver.release();
    expect(text(second.answer?.assignment)).toBe('a');
  });

  it.each([
    ['an unknown member', 'nobody', 1, {}, UNKNOWN_MEMBER_ID],
    ['an older generation', 'm1', 0, {}, ILLEGAL_GENERATION],
    ['another protocol type', 'm1', 1, { protocolType: 'connect' }, INCONSISTENT_GROUP_PROTOCOL],
    ['another protocol', 'm1', 1, { protocolName: 'sticky' }, INCONSISTENT_GROUP_PROTOCOL],
    ['the right ones', 'm1', 1, { protocolType: 'consumer', protocolName: 'range' }, NONE],
  ])('judges %s', (_what, memberId, generation, also, errorCode) => {
    const driver = new GroupDriver();
    driver.joinTwice();
    driver.joinTwice();
    driver.pass(0);
    expect(driver.sync(memberId, generation, {}, also).answer?.errorCode).toBe(errorCode);
  });

  it('tells those that wait to rejoin when another member arrives', () => {
    const driver = new GroupDriver();
    driver.joinTwice();
    const follower = driver.joinTwice();
    driver.pass(0);
    const parked = driver.sync(follower.id, 1);
    driver.joinTwice();
    expect(parked.answer?.errorCode).toBe(REBALANCE_IN_PROGRESS);
    expect(driver.sync(follower.id, 1).answer?.errorCode).toBe(REBALANCE_IN_PROGRESS);
    expect(driver.group.state).toBe('PreparingRebalance');
  });

  it('drops an assignment whose generation is over when it is stored', () => {
    const driver = new GroupDriver();
    const leader = driver.joinTwice();
    driver.pass(0);
    driver.holdsStores = true;
    const parked = driver.sync(leader.id, 1, { [leader.id]: 'a' });
    driver.joinTwice();
    expect(parked.answer?.errorCode).toBe(REBALANCE_IN_PROGRESS);
    driver.release();
    expect(driver.group.state).toBe('PreparingRebalance');
  });

  it('rebalances when the assignment cannot be stored', () => {
    const driver = new GroupDriver();
    const leader = driver.joinTwice();
    driver.pass(0);
    driver.holdsStores = true;
    const parked = driver.sync(leader.id, 1, { [leader.id]: 'a' });
    driver.release(false);
    expect(parked.answer?.errorCode).toBe(COORDINATOR_NOT_AVAILABLE);
    expect(driver.group.state).toBe('PreparingRebalance');
  });

  it('removes members that do not ask within the rebalance timeout', () => {
    const driver = new GroupDriver();
    const leader = driver.joinTwice({ sessionMs: 100_000 });
    const silent = driver.joinTwice({ sessionMs: 100_000 });
    driver.pass(0);
    const parked = driver.sync(leader.id, 1, { [leader.id]: 'a' });
    expect(parked.answer?.errorCode).toBe(NONE);
    driver.pass(REBALANCE_MS - 1);
    expect(driver.heartbeat(silent.id, 1)).toBe(NONE);
    driver.pass(1);
    expect(driver.heartbeat(silent.id, 1)).toBe(UNKNOWN_MEMBER_ID);
    expect(driver.heartbeat(leader.id, 1)).toBe(REBALANCE_IN_PROGRESS);
  });
});

describe('rejoining', () => {
  it('the leader always starts a rebalance', () => {
    const driver = new GroupDriver();
    const { ids } = stableGroup(driver, 2);
    const leader = driver.join({ memberId: ids[0]! });
    expect(leader.answer).toBeUndefined();
    expect(driver.group.state).toBe('PreparingRebalance');
  });

  it('a follower with the same metadata is given the current generation', () => {
    const driver = new GroupDriver();
    const { ids, generation } = stableGroup(driver, 2);
    expect(driver.join({ memberId: ids[1]! }).answer).toMatchObject({
      errorCode: NONE,
      generation,
      leader: ids[0],
      members: [],
    });
    expect(driver.group.state).toBe('Stable');
  });

  it.each([{ range: 'changed' }, { sticky: 's', range: 'r' }])(
    'a follower with other metadata (%o) starts a rebalance',
    (protocols) => {
      const driver = new GroupDriver();
      const { ids } = stableGroup(driver, 2);
      driver.join({ memberId: ids[1]!, protocols });
      expect(driver.group.state).toBe('PreparingRebalance');
    },
  );

  it('the same metadata again while assignments are awaited gives the generation again', () => {
    const driver = new GroupDriver();
    const leader = driver.joinTwice();
    const follower = driver.joinTwice();
    driver.pass(0);
    const again = driver.join({ memberId: leader.id });
    expect(again.answer).toMatchObject({ generation: 1 });
    expect(again.answer?.members).toHaveLength(2);
    expect(driver.join({ memberId: follower.id }).answer).toMatchObject({ members: [] });
    expect(driver.group.state).toBe('CompletingRebalance');
  });

  it('answers an older JoinGroup of the same member when a newer one comes', () => {
    const driver = new GroupDriver();
    const { ids } = stableGroup(driver, 2);
    const older = driver.join({ memberId: ids[0]! });
    const newer = driver.join({ memberId: ids[0]! });
    expect(older.answer?.errorCode).toBe(REBALANCE_IN_PROGRESS);
    driver.join({ memberId: ids[1]! });
    expect(newer.answer?.errorCode).toBe(NONE);
  });

  it('ends when all have rejoined', () => {
    const driver = new GroupDriver();
    const { ids } = stableGroup(driver, 3);
    const answers = ids.map((memberId) => driver.join({ memberId, protocols: { range: 'v2' } }));
    expect(answers.map(({ answer }) => answer?.generation)).toEqual([2, 2, 2]);
  });

  it('drops dynamic members that have not rejoined when the rebalance timeout is over', () => {
    const driver = new GroupDriver();
    const { ids } = stableGroup(driver, 2, { sessionMs: 200_000 });
    const follower = driver.join({ memberId: ids[1]!, protocols: { range: 'v2' } });
    driver.pass(REBALANCE_MS - 1);
    expect(follower.answer).toBeUndefined();
    driver.pass(1);
    expect(follower.answer).toMatchObject({ generation: 2, leader: ids[1] });
    expect(driver.heartbeat(ids[0]!, 1)).toBe(UNKNOWN_MEMBER_ID);
  });

  it('waits for the most patient member', () => {
    const driver = new GroupDriver();
    const patient = { sessionMs: 400_000, rebalanceMs: 300_000 };
    const { id } = driver.joinTwice(patient);
    driver.joinTwice({ sessionMs: 400_000 });
    driver.pass(0);
    const again = driver.join({ memberId: id, protocols: { range: 'v2' }, ...patient });
    driver.pass(299_999);
    expect(again.answer).toBeUndefined();
    driver.pass(1);
    expect(again.answer?.generation).toBe(2);
  });
});

describe('sessions', () => {
  it('end without a heartbeat, which rebalances the others', () => {
    const driver = new GroupDriver();
    const { ids, generation } = stableGroup(driver, 2);
    driver.pass(SESSION_MS / 2);
    expect(driver.heartbeat(ids[1]!, generation)).toBe(NONE);
    driver.pass(SESSION_MS / 2);
    expect(driver.heartbeat(ids[0]!, generation)).toBe(UNKNOWN_MEMBER_ID);
    expect(driver.heartbeat(ids[1]!, generation)).toBe(REBALANCE_IN_PROGRESS);
  });

  it('go on with commits, and with heartbeats while the group rebalances', () => {
    const driver = new GroupDriver();
    const { ids, generation } = stableGroup(driver, 2);
    for (let at = 0; at < 5; at++) {
      driver.pass(SESSION_MS - 1);
      expect(driver.commit(ids[0]!, generation)).toBe(NONE);
      expect(driver.commit(ids[1]!, generation)).toBe(NONE);
    }
    driver.join({ memberId: ids[1]!, protocols: { range: 'v2' } });
    for (let at = 0; at < 5; at++) {
      driver.pass(SESSION_MS - 1);
      expect(driver.heartbeat(ids[0]!, generation)).toBe(REBALANCE_IN_PROGRESS);
    }
  });

  it('cannot end while a member waits for our answer', () => {
    const driver = new GroupDriver();
    const { ids, generation } = stableGroup(driver, 2);
    const parked = driver.join({ memberId: ids[0]! });
    for (let at = 0; at < 3; at++) {
      driver.pass(SESSION_MS - 1);
      driver.heartbeat(ids[1]!, generation);
    }
    driver.join({ memberId: ids[1]! });
    expect(parked.answer?.members).toHaveLength(2);
  });

  it('the last member to go leaves an Empty group that is stored', () => {
    const driver = new GroupDriver();
    const { generation } = stableGroup(driver, 3);
    driver.pass(SESSION_MS);
    expect(driver.group).toMatchObject({ state: 'Empty', generation: generation + 1 });
    expect(driver.stored).toMatchObject({ members: [], protocolName: null, leader: null });
    expect(driver.group.dueMs).toBe(Number.POSITIVE_INFINITY);
  });

  it('judges heartbeats by member and generation', () => {
    const driver = new GroupDriver();
    const { ids, generation } = stableGroup(driver, 1);
    expect(driver.heartbeat(ids[0]!, generation + 1)).toBe(ILLEGAL_GENERATION);
    expect(driver.heartbeat('nobody', generation)).toBe(UNKNOWN_MEMBER_ID);
    expect(driver.heartbeat(ids[0]!, generation, 'no-such-instance')).toBe(UNKNOWN_MEMBER_ID);
  });

  it('of pending ids disturb nobody when they end', () => {
    const driver = new GroupDriver();
    const { ids, generation } = stableGroup(driver, 1, { sessionMs: 60_000 });
    driver.join();
    driver.pass(SESSION_MS);
    expect(driver.group.state).toBe('Stable');
    expect(driver.heartbeat(ids[0]!, generation)).toBe(NONE);
  });
});

describe('leaving', () => {
  it('rebalances the others', () => {
    const driver = new GroupDriver();
    const { ids, generation } = stableGroup(driver, 2);
    expect(driver.leave({ memberId: ids[0]! })).toEqual([NONE]);
    expect(driver.heartbeat(ids[1]!, generation)).toBe(REBALANCE_IN_PROGRESS);
    expect(driver.join({ memberId: ids[1]! }).answer).toMatchObject({ leader: ids[1] });
  });

  it('takes several at once, each with its own result, and rebalances once', () => {
    const driver = new GroupDriver();
    const { ids } = stableGroup(driver, 3);
    const pending = driver.join().answer!.memberId;
    const results = driver.leave(
      { memberId: ids[0]! },
      { memberId: 'nobody' },
      { memberId: pending },
      { memberId: ids[0]! },
      { memberId: ids[2]!, instance: 'none' },
    );
    expect(results).toEqual([NONE, UNKNOWN_MEMBER_ID, NONE, UNKNOWN_MEMBER_ID, UNKNOWN_MEMBER_ID]);
    expect(driver.group.memberCount).toBe(2);
  });

  it('of a pending id lets a waiting rebalance go on', () => {
    const driver = new GroupDriver();
    const { ids } = stableGroup(driver, 1);
    const pending = driver.join().answer!.memberId;
    const parked = driver.join({ memberId: ids[0]! });
    expect(parked.answer).toBeUndefined();
    driver.leave({ memberId: pending });
    expect(parked.answer?.errorCode).toBe(NONE);
  });

  it('answers what the leaving member has parked', () => {
    const driver = new GroupDriver();
    driver.joinTwice();
    const follower = driver.joinTwice();
    driver.pass(0);
    const sync = driver.sync(follower.id, 1);
    driver.leave({ memberId: follower.id });
    expect(sync.answer?.errorCode).toBe(UNKNOWN_MEMBER_ID);
    const { ids } = stableGroup(new GroupDriver(), 1);
    expect(ids).toHaveLength(1);
  });
});

describe('static members', () => {
  const statics = (driver: GroupDriver, version = 9) => {
    const a = driver.join({ instance: 'a', version });
    const b = driver.join({ instance: 'b', version });
    driver.pass(0);
    const ids = [a.answer!.memberId, b.answer!.memberId] as const;
    driver.sync(ids[1], 1, {}, { instance: 'b' });
    driver.sync(ids[0], 1, { [ids[0]]: 'for a', [ids[1]]: 'for b' }, { instance: 'a' });
    expect(driver.group.state).toBe('Stable');
    return ids;
  };

  it('join in one step', () => {
    const driver = new GroupDriver();
    const joined = driver.join({ instance: 'a' });
    driver.pass(0);
    expect(joined.answer).toMatchObject({ errorCode: NONE, memberId: 'm1' });
  });

  it('come back under a new id without a rebalance, and keep their assignment', () => {
    const driver = new GroupDriver();
    const [, b] = statics(driver);
    const again = driver.join({ instance: 'b' });
    expect(again.answer).toMatchObject({ errorCode: NONE, generation: 1, skipAssignment: false });
    expect(again.answer?.members).toEqual([]);
    const newId = again.answer!.memberId;
    expect(newId).not.toBe(b);
    expect(driver.group.state).toBe('Stable');
    expect(text(driver.sync(newId, 1, {}, { instance: 'b' }).answer?.assignment)).toBe('for b');
    expect(driver.stored?.members.map(({ memberId }) => memberId)).toContain(newId);
  });

  it('a leader that comes back is told to skip the assignment from version 9 on', () => {
    const driver = new GroupDriver();
    statics(driver);
    const again = driver.join({ instance: 'a', version: 9 });
    expect(again.answer).toMatchObject({ skipAssignment: true });
    expect(again.answer?.leader).toBe(again.answer?.memberId);
    expect(again.answer?.members).toHaveLength(2);
  });

  it('a leader that comes back before version 9 is told that the old id leads', () => {
    const driver = new GroupDriver();
    const [a] = statics(driver, 8);
    const again = driver.join({ instance: 'a', version: 8 });
    expect(again.answer).toMatchObject({ leader: a, skipAssignment: false, members: [] });
    expect(driver.group.state).toBe('Stable');
  });

  it('fence the id that they replace', () => {
    const driver = new GroupDriver();
    const [, b] = statics(driver);
    driver.join({ instance: 'b' });
    expect(driver.heartbeat(b, 1, 'b')).toBe(FENCED_INSTANCE_ID);
    expect(driver.commit(b, 1, 'b')).toBe(FENCED_INSTANCE_ID);
    expect(driver.heartbeat(b, 1)).toBe(UNKNOWN_MEMBER_ID);
    expect(driver.sync(b, 1, {}, { instance: 'b' }).answer?.errorCode).toBe(FENCED_INSTANCE_ID);
    const rejoin = driver.join({ memberId: b, instance: 'b' });
    expect(rejoin.answer).toMatchObject({ errorCode: FENCED_INSTANCE_ID, memberId: b });
    expect(driver.leave({ memberId: b, instance: 'b' })).toEqual([FENCED_INSTANCE_ID]);
  });

  it('fence a parked JoinGroup and a parked SyncGroup', () => {
    const driver = new GroupDriver();
    driver.join({ instance: 'a' });
    const b = driver.join({ instance: 'b' });
    driver.pass(0);
    const sync = driver.sync(b.answer!.memberId, 1, {}, { instance: 'b' });
    const join = driver.join({ instance: 'b' });
    expect(sync.answer?.errorCode).toBe(FENCED_INSTANCE_ID);
    // The leader may have assigned to the old id: this generation is over.
    expect(driver.group.state).toBe('PreparingRebalance');
    driver.join({ instance: 'b' });
    expect(join.answer?.errorCode).toBe(FENCED_INSTANCE_ID);
  });

  it('that come back with another choice of protocol rebalance', () => {
    const driver = new GroupDriver();
    const both = { range: 'r', sticky: 's' };
    driver.join({ instance: 'a', protocols: both });
    driver.pass(0);
    driver.sync('m1', 1, { m1: 'x' }, { instance: 'a' });
    driver.join({ instance: 'a', protocols: { sticky: 's', range: 'r' } });
    expect(driver.group).toMatchObject({ state: 'CompletingRebalance', protocolName: 'sticky' });
  });

  it('keep their old id when the new one cannot be stored', () => {
    const driver = new GroupDriver();
    const [, b] = statics(driver);
    driver.holdsStores = true;
    const again = driver.join({ instance: 'b' });
    driver.release(false);
    expect(again.answer).toMatchObject({ errorCode: COORDINATOR_NOT_AVAILABLE, memberId: '' });
    expect(driver.heartbeat(b, 1, 'b')).toBe(NONE);
  });

  it('stay in a rebalance that they miss until their session ends', () => {
    const driver = new GroupDriver();
    const long = { sessionMs: 100_000, rebalanceMs: 20_000 };
    driver.join({ instance: 'a', ...long });
    driver.join({ instance: 'b', ...long });
    driver.pass(0);
    driver.sync('m2', 1, {}, { instance: 'b' });
    driver.sync('m1', 1, { m1: 'x', m2: 'y' }, { instance: 'a' });
    const leader = driver.join({ memberId: 'm1', instance: 'a', ...long });
    driver.pass(20_000);
    expect(leader.answer?.members.map(({ memberId }) => memberId)).toEqual(['m1', 'm2']);
  });

  it('a rebalance that none of them joins goes on until their sessions end', () => {
    const driver = new GroupDriver();
    const options = { sessionMs: 30_000, rebalanceMs: 8000 };
    driver.join({ instance: 'a', ...options });
    driver.join({ instance: 'b', ...options });
    driver.pass(0);
    driver.sync('m2', 1, {}, { instance: 'b' });
    driver.sync('m1', 1, { m1: 'x', m2: 'y' }, { instance: 'a' });
    const parked = driver.join({ memberId: 'm1', instance: 'a', ...options });
    driver.gone('m1', parked);
    driver.pass(16_000);
    expect(driver.group).toMatchObject({ state: 'PreparingRebalance', memberCount: 2 });
    driver.pass(14_000);
    expect(driver.group).toMatchObject({ state: 'Empty', memberCount: 0 });
  });

  it('are removed by an administrator who knows only the instance id', () => {
    const driver = new GroupDriver();
    statics(driver);
    expect(driver.leave({ instance: 'b' }, { instance: 'c' })).toEqual([NONE, UNKNOWN_MEMBER_ID]);
    expect(driver.group.memberCount).toBe(1);
  });
});

describe('committing', () => {
  it.each([
    ['the member of this generation', 'm1', 1, NONE],
    ['an older generation', 'm1', 0, ILLEGAL_GENERATION],
    ['a stranger with a generation', 'stranger', 1, UNKNOWN_MEMBER_ID],
    ['a tool without a generation', '', -1, UNKNOWN_MEMBER_ID],
  ])('from a Stable group: %s', (_who, memberId, generation, errorCode) => {
    const driver = new GroupDriver();
    stableGroup(driver, 1);
    expect(driver.commit(memberId, generation)).toBe(errorCode);
  });

  it('is possible while partitions are being revoked, not between join and sync', () => {
    const driver = new GroupDriver();
    const { ids } = stableGroup(driver, 2);
    driver.join({ memberId: ids[0]! });
    expect(driver.group.state).toBe('PreparingRebalance');
    expect(driver.commit(ids[1]!, 1)).toBe(NONE);
    driver.join({ memberId: ids[1]! });
    expect(driver.group.state).toBe('CompletingRebalance');
    expect(driver.commit(ids[1]!, 2)).toBe(REBALANCE_IN_PROGRESS);
  });

  it('to an Empty group needs no membership, and claims none', () => {
    const driver = new GroupDriver();
    expect(driver.commit('', -1)).toBe(NONE);
    expect(driver.commit('m1', 1)).toBe(UNKNOWN_MEMBER_ID);
  });
});

describe('limits', () => {
  it('group.max.size members are let in, and as many pending ids', () => {
    const driver = new GroupDriver({ membersMax: 2 });
    const { ids } = stableGroup(driver, 2);
    expect(driver.join().answer).toMatchObject({
      errorCode: GROUP_MAX_SIZE_REACHED,
      memberId: '',
    });
    expect(driver.join({ memberId: ids[1]! }).answer?.errorCode).toBe(NONE);
    const other = new GroupDriver({ membersMax: 2 });
    const answers = Array.from({ length: 3 }, () => other.join().answer?.errorCode);
    expect(answers).toEqual([MEMBER_ID_REQUIRED, MEMBER_ID_REQUIRED, GROUP_MAX_SIZE_REACHED]);
  });

  it('a static member may come back to a full group', () => {
    const driver = new GroupDriver({ membersMax: 1 });
    driver.join({ instance: 'a' });
    driver.pass(0);
    driver.sync('m1', 1, {}, { instance: 'a' });
    expect(driver.join({ instance: 'a' }).answer?.errorCode).toBe(NONE);
    expect(driver.join({ instance: 'b' }).answer?.errorCode).toBe(GROUP_MAX_SIZE_REACHED);
  });

  it('the metadata of all members together is bounded', () => {
    const driver = new GroupDriver({ metadataBytesMax: 100_000 });
    driver.joinTwice({ protocols: { range: 'x'.repeat(90_000) } });
    const second = driver.join({ version: 3, protocols: { range: 'x'.repeat(10_000) } });
    expect(second.answer?.errorCode).toBe(GROUP_MAX_SIZE_REACHED);
    const third = driver.join({ version: 3, protocols: { range: 'x'.repeat(8000) } });
    expect(third.answer).toBeUndefined();
  });

  it('many empty protocols count as well', () => {
    const driver = new GroupDriver({ metadataBytesMax: 100_000 });
    const protocols = Object.fromEntries(Array.from({ length: 1000 }, (_, n) => [`p${n}`, '']));
    expect(driver.join({ version: 3, protocols }).answer?.errorCode).toBe(GROUP_MAX_SIZE_REACHED);
  });
});

describe('a connection that goes', () => {
  it('takes along a member that does not know its id', () => {
    const driver = new GroupDriver({ initialRebalanceDelayMs: 3000 });
    const parked = driver.join({ version: 3 });
    driver.gone('m1', parked);
    expect(parked.answer?.errorCode).toBe(NOT_COORDINATOR);
    expect(driver.group.memberCount).toBe(0);
  });

  it('leaves a member one session timeout to come back', () => {
    const driver = new GroupDriver();
    const { ids } = stableGroup(driver, 2, { sessionMs: 20_000 });
    const parked = driver.join({ memberId: ids[0]!, sessionMs: 20_000 });
    driver.gone(ids[0]!, parked);
    const other = driver.join({ memberId: ids[1]!, sessionMs: 20_000 });
    driver.pass(19_000);
    expect(other.answer).toBeUndefined();
    const again = driver.join({ memberId: ids[0]!, sessionMs: 20_000 });
    expect([again.answer?.errorCode, other.answer?.errorCode]).toEqual([NONE, NONE]);
  });

  it('ends the membership of one that does not come back', () => {
    const driver = new GroupDriver();
    const { ids } = stableGroup(driver, 2, { sessionMs: 20_000 });
    driver.gone(ids[0]!, driver.join({ memberId: ids[0]!, sessionMs: 20_000 }));
    const other = driver.join({ memberId: ids[1]!, sessionMs: 20_000 });
    driver.pass(20_000);
    expect(other.answer).toMatchObject({ errorCode: NONE, leader: ids[1] });
  });

  it('answers a parked SyncGroup, and the member may ask again', () => {
    const driver = new GroupDriver();
    const leader = driver.joinTwice();
    const follower = driver.joinTwice();
    driver.pass(0);
    const parked = driver.sync(follower.id, 1);
    driver.gone(follower.id, parked);
    expect(parked.answer?.errorCode).toBe(NOT_COORDINATOR);
    const again = driver.sync(follower.id, 1);
    driver.sync(leader.id, 1, { [follower.id]: 'x' });
    expect(text(again.answer?.assignment)).toBe('x');
  });

  it('with an answer already given changes nothing', () => {
    const driver = new GroupDriver();
    const { id, parked } = driver.joinTwice();
    driver.pass(0);
    driver.gone(id, parked);
    driver.gone('nobody', parked);
    expect(driver.group.state).toBe('CompletingRebalance');
  });
});

describe('a restart', () => {
  it('brings the members back with their assignments, and nobody notices', () => {
    const driver = new GroupDriver();
    const { ids, generation } = stableGroup(driver, 2);
    driver.restart();
    expect(driver.group).toMatchObject({ state: 'Stable', generation, memberCount: 2 });
    for (const id of ids) {
      expect(driver.heartbeat(id, generation)).toBe(NONE);
      expect(text(driver.sync(id, generation).answer?.assignment)).toBe(`for ${id}`);
    }
    expect(driver.join({ memberId: ids[1]! }).answer).toMatchObject({ leader: ids[0] });
  });

  it('starts the sessions anew', () => {
    const driver = new GroupDriver();
    stableGroup(driver, 2);
    driver.pass(SESSION_MS - 1);
    driver.restart();
    driver.pass(SESSION_MS - 1);
    expect(driver.group.state).toBe('Stable');
    driver.pass(1);
    expect(driver.group.state).toBe('Empty');
  });

  it('keeps the generation of an Empty group', () => {
    const driver = new GroupDriver();
    const { ids, generation } = stableGroup(driver, 1);
    driver.leave({ memberId: ids[0]! });
    driver.restart();
    const { parked } = driver.joinTwice();
    driver.pass(0);
    expect(parked.answer?.generation).toBe(generation + 2);
  });
});

describe('what the broker reads in the metadata', () => {
  const subscription = (...topics: string[]): Buffer => {
    const parts = [Buffer.from([0, 1, 0, 0, 0, topics.length])];
    for (const topic of topics) parts.push(Buffer.from([0, topic.length]), Buffer.from(topic));
    // User data, then what later versions add: not looked at.
    return Buffer.concat([...parts, Buffer.from([255, 255, 255, 255, 0, 0, 0, 0])]);
  };

  it('is the topics that the members subscribe to', () => {
    const driver = new GroupDriver();
    driver.joinTwice({ protocols: { range: subscription('a', 'b') } });
    expect(driver.group.subscribedTopics).toBeNull();
    driver.pass(0);
    expect(driver.group.subscribedTopics).toEqual(new Set(['a', 'b']));
    driver.joinTwice({ protocols: { range: subscription('c') } });
    driver.join({ memberId: 'm1', protocols: { range: subscription('a') } });
    expect(driver.group.subscribedTopics).toEqual(new Set(['a', 'c']));
  });

  it('is nothing where it is no subscription, or no consumer group', () => {
    const driver = new GroupDriver();
    driver.joinTwice({ protocols: { range: 'no subscription' } });
    driver.pass(0);
    expect(driver.group.subscribedTopics).toBeNull();
    const connect = new GroupDriver();
    connect.joinTwice({ protocolType: 'connect' });
    expect(connect.group.subscribedTopics).toBeNull();
  });
});

describe('static members', () => {
  it('come back though as many ids were given out as there may be', () => {
    const driver = new GroupDriver({ membersMax: 2 });
    const first = driver.join({ instance: 'one' });
    driver.pass(0);
    expect(first.answer!.errorCode).toBe(NONE);
    for (let n = 0; n < 2; n++) driver.join();
    expect(driver.join().answer!.errorCode).toBe(ErrorCode.GROUP_MAX_SIZE_REACHED);
    const again = driver.join({ instance: 'one' });
    expect(again.answer?.errorCode ?? NONE).toBe(NONE);
    expect(driver.group.memberCount).toBe(1);
  });

  it('are what they were when their replacement could not be stored', () => {
    const driver = new GroupDriver();
    const first = driver.join({ instance: 'one', protocols: { range: 'before' } });
    driver.pass(0);
    const { memberId, generation } = first.answer!;
    driver.sync(memberId, generation, { [memberId]: 'all' });
    driver.holdsStores = true;
    const again = driver.join({ instance: 'one', protocols: { range: 'after' } });
    driver.release(false);
    expect(again.answer!.errorCode).toBe(ErrorCode.COORDINATOR_NOT_AVAILABLE);
    const [member] = [...driver.group.members];
    expect(member!.memberId).toBe(memberId);
    expect(driver.group.metadataOf(member!).toString()).toBe('before');
    expect(driver.group.assignmentOf(member!).toString()).toBe('all');
    expect(driver.heartbeat(memberId, generation, 'one')).toBe(NONE);
  });
});
