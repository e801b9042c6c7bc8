/** The group coordinator around the state machines: requests, parking, storage, administration. */
import { describe, expect, it } from 'vitest';
import { ErrorCode } from '../../../../src/protocol/error-codes.ts';
import { CoordinatorFixture } from './coordinator-fixture.ts';

const {
  NONE,
  UNKNOWN_MEMBER_ID,
  INVALID_GROUP_ID,
  INVALID_SESSION_TIMEOUT,
  INVALID_REQUEST,
  MEMBER_ID_REQUIRED,
  REBALANCE_IN_PROGRESS,
  INCONSISTENT_GROUP_PROTOCOL,
  GROUP_ID_NOT_FOUND,
  NON_EMPTY_GROUP,
  NOT_COORDINATOR,
  COORDINATOR_NOT_AVAILABLE,
} = ErrorCode;

describe('JoinGroup', () => {
  it('gives a member an id that begins with its client id, or its instance id', async () => {
    const fixture = await CoordinatorFixture.open();
    const dynamic = await fixture.join('g');
    expect(dynamic.errorCode).toBe(MEMBER_ID_REQUIRED);
    expect(dynamic.memberId).toMatch(/^client-[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-/);
    const joining = fixture.join('s', { instance: 'pump' });
    fixture.clock.advance(0);
    expect((await joining).memberId).toMatch(/^pump-[0-9a-f]{8}-/);
  });

  it.each([
    ['the empty group id', '', {}, INVALID_GROUP_ID],
    ['a group id that is too long', 'x'.repeat(256), {}, INVALID_GROUP_ID],
    ['a session timeout that is too short', 'g', { sessionMs: 5999 }, INVALID_SESSION_TIMEOUT],
    ['one that is too long', 'g', { sessionMs: 1_800_001 }, INVALID_SESSION_TIMEOUT],
    ['an id in an unknown group', 'g', { memberId: 'm' }, UNKNOWN_MEMBER_ID],
    ['an instance id that is too long', 'g', { instance: 'x'.repeat(250) }, INVALID_REQUEST],
    ['no protocol', 'g', { protocolType: '' }, INCONSISTENT_GROUP_PROTOCOL],
  ])('refuses %s, and keeps no group for it', async (_what, group, options, errorCode) => {
    const fixture = await CoordinatorFixture.open();
    expect(await fixture.join(group, options)).toMatchObject({ errorCode, generationId: -1 });
    expect(fixture.list()).toEqual([]);
  });

  it.each([
    [6, ''],
    [7, null],
  ])('in version %i an error has the protocol name %o', async (version, protocolName) => {
    const fixture = await CoordinatorFixture.open();
    expect(await fixture.join('', { version })).toMatchObject({ protocolName });
    expect(await fixture.join('g', { version })).toMatchObject({ protocolName });
  });

  it('keeps its own copy of the metadata', async () => {
    const fixture = await CoordinatorFixture.open();
    const metadata = Buffer.from('mine');
    const joining = fixture.join('g', { version: 3, metadata });
    metadata.fill('x');
    fixture.clock.advance(0);
    expect((await joining).members[0]?.metadata.toString()).toBe('mine');
  });

  it('in version 0 takes the session timeout for the rebalance timeout', async () => {
    const fixture = await CoordinatorFixture.open();
    const joining = fixture.join('g', { version: 0, sessionMs: 8000 });
    fixture.clock.advance(0);
    const { memberId, generationId } = await joining;
    // Nobody asks for the assignment: the member goes after 8 s, not after the 60 s in the request.
    for (const ms of [4000, 3999]) {
      fixture.clock.advance(ms);
      expect(fixture.heartbeat('g', memberId, generationId)).toBe(NONE);
    }
    fixture.clock.advance(1);
    expect(fixture.heartbeat('g', memberId, generationId)).toBe(UNKNOWN_MEMBER_ID);
  });

  it('forgets a group in which nobody used the id that was given', async () => {
    const fixture = await CoordinatorFixture.open();
    await fixture.join('g');
    expect(fixture.list()).toHaveLength(1);
    fixture.clock.advance(10_000);
    expect(fixture.list()).toEqual([]);
  });
});

describe('parked requests', () => {
  it('end when their connection goes, and the member is missed', async () => {
    const fixture = await CoordinatorFixture.open({ initialRebalanceDelayMs: 3000 });
    const { memberId } = await fixture.join('g');
    const connection = new AbortController();
    const joining = fixture.join('g', { memberId, signal: connection.signal });
    connection.abort();
    expect(await joining).toMatchObject({ errorCode: NOT_COORDINATOR });
    fixture.clock.advance(10_000);
    await fixture.settle();
    expect(fixture.describe('g').members).toEqual([]);
  });

  it('end at once on a connection that has gone already', async () => {
    const fixture = await CoordinatorFixture.open({ initialRebalanceDelayMs: 3000 });
    const { memberId } = await fixture.join('g');
    const joining = fixture.join('g', { memberId, signal: AbortSignal.abort() });
    expect(await joining).toMatchObject({ errorCode: NOT_COORDINATOR });
  });

  it('leave no listener on the connection when they are answered', async () => {
    const fixture = await CoordinatorFixture.open();
    const { signal } = new AbortController();
    let listeners = 0;
    const count = (change: number): void => {
      listeners += change;
    };
    const counted = new Proxy(signal, {
      get(target, name) {
        if (name === 'addEventListener') return () => count(1);
        if (name === 'removeEventListener') return () => count(-1);
        return Reflect.get(target, name, target);
      },
    });
    const { memberId } = await fixture.join('g');
    const joining = fixture.join('g', { memberId, signal: counted });
    expect(listeners).toBe(1);
    fixture.clock.advance(0);
    await joining;
    expect(listeners).toBe(0);
  });

  it('of SyncGroup end when their connection goes', async () => {
    const fixture = await CoordinatorFixture.open();
    const first = fixture.join('g', { version: 3 });
    const second = fixture.join('g', { version: 3 });
    fixture.clock.advance(0);
    const [leader, follower] = [await first, await second];
    const connection = new AbortController();
    const { memberId, generationId } = follower;
    const syncing = fixture.sync('g', memberId, generationId, {}, connection.signal);
    connection.abort();
    expect(await syncing).toMatchObject({ errorCode: NOT_COORDINATOR });
    await fixture.sync('g', leader.memberId, generationId, { [memberId]: 'x' });
    const again = await fixture.sync('g', memberId, generationId);
    expect(again.assignment.toString()).toBe('x');
  });
});

describe('SyncGroup', () => {
  it.each([
    [4, { protocolType: null, protocolName: null }, NONE],
    [5, { protocolType: null, protocolName: 'range' }, INCONSISTENT_GROUP_PROTOCOL],
    [5, { protocolType: 'consumer', protocolName: null }, INCONSISTENT_GROUP_PROTOCOL],
    [5, { protocolType: 'consumer', protocolName: 'range' }, NONE],
  ])('version %i with %o', async (version, protocol, errorCode) => {
    const fixture = await CoordinatorFixture.open();
    const { memberId, generation } = await fixture.stable('g');
    const answer = await fixture.coordinator.syncGroup(
      {
        groupId: 'acme.g',
        generationId: generation,
        memberId,
        groupInstanceId: null,
        ...protocol,
        assignments: [],
      },
      fixture.call(version),
    );
    expect(answer.errorCode).toBe(errorCode);
  });

  it('is answered when the assignment is durable: a crash then loses nobody', async () => {
    const fixture = await CoordinatorFixture.open();
    const { memberId, generation } = await fixture.stable('g');
    await fixture.crash('cut');
    expect(fixture.heartbeat('g', memberId, generation)).toBe(NONE);
    const answer = await fixture.sync('g', memberId, generation);
    expect(answer.assignment.toString()).toBe('everything');
    expect(fixture.describe('g')).toMatchObject({
      groupState: 'Stable',
      protocolData: 'range',
      members: [{ memberId, clientId: 'client', clientHost: '/10.0.0.1' }],
    });
  });

  it('starts a new rebalance when nothing can be stored', async () => {
    const fixture = await CoordinatorFixture.open();
    const joining = fixture.join('g', { version: 3 });
    fixture.clock.advance(0);
    const { memberId, generationId } = await joining;
    fixture.files.freeBytes = 0;
    const answer = await fixture.sync('g', memberId, generationId, { [memberId]: 'x' });
    expect(answer.errorCode).toBe(COORDINATOR_NOT_AVAILABLE);
    expect(fixture.heartbeat('g', memberId, generationId)).toBe(REBALANCE_IN_PROGRESS);
  });
});

describe('after a restart', () => {
  it('sessions begin anew, with their own length', async () => {
    const fixture = await CoordinatorFixture.open();
    const { memberId, generation } = await fixture.stable('g');
    fixture.clock.advance(9000);
    await fixture.restart();
    fixture.clock.advance(9999);
    expect(fixture.heartbeat('g', memberId, generation)).toBe(NONE);
    fixture.clock.advance(10_000);
    expect(fixture.heartbeat('g', memberId, generation)).toBe(UNKNOWN_MEMBER_ID);
  });

  it('an Empty group keeps its protocol type and counts its generations on', async () => {
    const fixture = await CoordinatorFixture.open();
    const { memberId, generation } = await fixture.stable('g');
    await fixture.leave('g', memberId);
    await fixture.settle();
    await fixture.crash();
    expect(fixture.describe('g')).toMatchObject({ groupState: 'Empty', protocolType: 'consumer' });
    const next = await fixture.stable('g');
    expect(next.generation).toBe(generation + 2);
  });
});

describe('LeaveGroup', () => {
  it('before version 3 has one member and its error on top', async () => {
    const fixture = await CoordinatorFixture.open();
    const { memberId } = await fixture.stable('g');
    expect(fixture.leave('g', 'nobody', 2)).toEqual({
      throttleTimeMs: 0,
      errorCode: UNKNOWN_MEMBER_ID,
      members: [],
    });
    expect(fixture.leave('g', memberId, 2).errorCode).toBe(NONE);
  });

  it('from version 3 on has results for members, also of an unknown group', async () => {
    const fixture = await CoordinatorFixture.open();
    const { memberId } = await fixture.stable('g');
    expect(fixture.leave('other', memberId, 2).errorCode).toBe(UNKNOWN_MEMBER_ID);
    expect(fixture.leave('other', memberId)).toMatchObject({
      errorCode: NONE,
      members: [{ memberId, errorCode: UNKNOWN_MEMBER_ID }],
    });
    expect(fixture.leave('g', memberId)).toMatchObject({
      errorCode: NONE,
      members: [{ memberId, errorCode: NONE }],
    });
    expect(fixture.leave('g', memberId)).toMatchObject({
      errorCode: NONE,
      members: [{ memberId, errorCode: UNKNOWN_MEMBER_ID }],
    });
  });
});

describe('administration', () => {
  it('lists the groups of a namespace, by state and by type', async () => {
    const fixture = await CoordinatorFixture.open();
    await fixture.stable('a');
    await fixture.commit('b', 't', 0, 1);
    const [a, b] = [
      { groupId: 'acme.a', protocolType: 'consumer', groupState: 'Stable', groupType: 'classic' },
      { groupId: 'acme.b', protocolType: '', groupState: 'Empty', groupType: 'classic' },
    ];
    expect(fixture.list()).toEqual([a, b]);
    expect(fixture.list({ states: ['sTABLE', 'Dead'] })).toEqual([a]);
    expect(fixture.list({ states: ['empty'], types: ['Classic'] })).toEqual([b]);
    expect(fixture.list({ types: ['consumer'] })).toEqual([]);
    expect(fixture.list({ namespace: 'globex' })).toEqual([]);
  });

  it('describes members; metadata and assignments of a Stable group only', async () => {
    const fixture = await CoordinatorFixture.open();
    const { memberId } = await fixture.stable('g');
    expect(fixture.describe('g').members[0]?.memberAssignment.toString()).toBe('everything');
    void fixture.join('g', { memberId });
    void fixture.join('g', { version: 3 });
    expect(fixture.describe('g')).toMatchObject({ protocolData: '' });
    expect(fixture.describe('g').members[0]).toMatchObject({
      memberMetadata: Buffer.alloc(0),
      memberAssignment: Buffer.alloc(0),
    });
  });

  it.each([
    [5, NONE, null],
    [6, GROUP_ID_NOT_FOUND, "Group 'acme.none' not found."],
  ])('version %i of an unknown group: Dead, error %i', async (version, errorCode, errorMessage) => {
    const fixture = await CoordinatorFixture.open();
    const group = fixture.describe('none', version);
    expect(group).toMatchObject({ groupState: 'Dead', errorCode, errorMessage, members: [] });
  });

  it('deletes a group without members, with all that it committed', async () => {
    const fixture = await CoordinatorFixture.open();
    const { memberId, generation } = await fixture.stable('g');
    await fixture.commit('g', 't', 0, 1, { memberId, generation });
    expect(await fixture.deleteGroup('g')).toBe(NON_EMPTY_GROUP);
    await fixture.leave('g', memberId);
    expect(await fixture.deleteGroup('g')).toBe(NONE);
    expect(await fixture.deleteGroup('g')).toBe(GROUP_ID_NOT_FOUND);
    expect(fixture.fetchAll('g')).toEqual({});
    await fixture.crash();
    expect(fixture.list()).toEqual([]);
    expect(fixture.fetchAll('g')).toEqual({});
  });

  it('deletes what was being committed when it was asked to', async () => {
    const fixture = await CoordinatorFixture.open();
    await fixture.commit('g', 't', 0, 1);
    const committing = fixture.commit('g', 't', 1, 1);
    const deleting = fixture.deleteGroup('g');
    expect(await fixture.commit('g', 't', 2, 1)).toBe(COORDINATOR_NOT_AVAILABLE);
    expect(await fixture.join('g')).toMatchObject({ errorCode: COORDINATOR_NOT_AVAILABLE });
    expect([await committing, await deleting]).toEqual([NONE, NONE]);
    await fixture.crash();
    expect(fixture.fetchAll('g')).toEqual({});
    expect(fixture.list()).toEqual([]);
  });

  it('keeps a group whose deletion cannot be stored', async () => {
    const fixture = await CoordinatorFixture.open();
    await fixture.commit('g', 't', 0, 1);
    fixture.files.freeBytes = 0;
    expect(await fixture.deleteGroup('g')).toBe(COORDINATOR_NOT_AVAILABLE);
    fixture.files.freeBytes = Number.POSITIVE_INFINITY;
    expect(fixture.fetchAll('g')).toEqual({ 't-0': 1 });
    expect(await fixture.commit('g', 't', 0, 2)).toBe(NONE);
  });

  it('deletes each group once, however often it is named', async () => {
    const fixture = await CoordinatorFixture.open();
    await fixture.commit('g', 't', 0, 1);
    const answer = await fixture.coordinator.deleteGroups({
      groupsNames: ['acme.g', 'acme.g', 'acme.h'],
    });
    expect(answer.results).toEqual([
      { groupId: 'acme.g', errorCode: NONE },
      { groupId: 'acme.h', errorCode: GROUP_ID_NOT_FOUND },
    ]);
  });
});

describe('the end of the broker', () => {
  it('stores what was begun, and leaves no timer', async () => {
    const fixture = await CoordinatorFixture.open();
    await fixture.stable('g');
    const committing = fixture.commit('h', 't', 0, 1);
    await fixture.coordinator.close();
    expect(await committing).toBe(NONE);
    expect(fixture.clock.timerCount).toBe(0);
    expect(fixture.files.openHandleCount).toBe(0);
  });
});
