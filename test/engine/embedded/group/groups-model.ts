/**
 * A coordinator beside a small model of what it should know, through random histories: commits,
 * deletions, members that come and go, topics that are deleted and made again, expiry, compaction,
 * and ends of the broker of every kind, also in the middle of writes.
 *
 * The model: of each group its offsets, whether it has a member, since when it is empty. Operations
 * of one group take effect in the order of their calls. What was answered has happened; what a crash
 * cut off has happened up to some point, for each group by itself.
 */
import fc from 'fast-check';
import { expect } from 'vitest';
import { ErrorCode } from '../../../../src/protocol/error-codes.ts';
import { CoordinatorFixture, subscription } from './coordinator-fixture.ts';

const RETENTION_MS = 100_000;
const SESSION_MS = 10_000;
const GROUPS = ['a', 'b', 'c'];
const TOPICS = ['t', 'u'];
const { NONE } = ErrorCode;

export type Operation =
  | { readonly kind: 'commit'; readonly group: number; readonly at: number; readonly by: boolean }
  | { readonly kind: 'deleteOffset'; readonly group: number; readonly at: number }
  | { readonly kind: 'deleteGroup'; readonly group: number }
  | { readonly kind: 'enter'; readonly group: number }
  | { readonly kind: 'leave'; readonly group: number }
  | { readonly kind: 'remakeTopic'; readonly topic: number }
  | { readonly kind: 'pass'; readonly ms: number }
  | { readonly kind: 'expire' }
  /** Awaits what is under way and compares. */
  | { readonly kind: 'rest' }
  | { readonly kind: 'end'; readonly how: 'restart' | 'kill' | 'cut'; readonly turns: number };

const group = fc.nat({ max: GROUPS.length - 1 });
const at = fc.nat({ max: 5 });

export const operations: fc.Arbitrary<Operation[]> = fc.array(
  fc.oneof(
    {
      weight: 12,
      arbitrary: fc.record({ kind: fc.constant('commit' as const), group, at, by: fc.boolean() }),
    },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant('deleteOffset' as const), group, at }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('deleteGroup' as const), group }) },
    { weight: 3, arbitrary: fc.record({ kind: fc.constant('enter' as const), group }) },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant('leave' as const), group }) },
    {
      weight: 1,
      arbitrary: fc.record({
        kind: fc.constant('remakeTopic' as const),
        topic: fc.nat({ max: 1 }),
      }),
    },
    {
      weight: 2,
      arbitrary: fc.record({
        kind: fc.constant('pass' as const),
        ms: fc.constantFrom(1000, 9000, 60_000, 100_000),
      }),
    },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant('expire' as const) }) },
    { weight: 4, arbitrary: fc.record({ kind: fc.constant('rest' as const) }) },
    {
      weight: 2,
      arbitrary: fc.record({
        kind: fc.constant('end' as const),
        how: fc.constantFrom('restart' as const, 'kill' as const, 'cut' as const),
        turns: fc.nat({ max: 8 }),
      }),
    },
  ),
  { maxLength: 60, size: 'max' },
);

interface ModelOffset {
  readonly offset: number;
  readonly committedMs: number;
  readonly topicId: string;
}

interface ModelGroup {
  readonly offsets: ReadonlyMap<string, ModelOffset>;
  readonly isThere: boolean;
  readonly member: { readonly id: string; readonly generation: number } | null;
  /** When the member's session ends unless it is heard of. */
  readonly sessionEndsMs: number;
  /** null: never had a member. */
  readonly emptySinceMs: number | null;
}

const NO_GROUP: ModelGroup = {
  offsets: new Map(),
  isThere: false,
  member: null,
  sessionEndsMs: 0,
  emptySinceMs: null,
};

class ModelledCoordinator {
  readonly #fixture: CoordinatorFixture;
  /** Of each group the states that may be on the disk: the last is what memory has. */
  readonly #states = new Map<string, ModelGroup[]>();
  #underWay: Promise<void>[] = [];
  #nextOffset = 1;

  constructor(fixture: CoordinatorFixture) {
    this.#fixture = fixture;
    for (const name of GROUPS) this.#states.set(name, [NO_GROUP]);
  }

  async run(history: readonly Operation[]): Promise<void> {
    for (const operation of history) await this.#do(operation);
    await this.#rest();
    await this.#end('cut', 0);
  }

  async #do(operation: Operation): Promise<void> {
    switch (operation.kind) {
      case 'commit':
        return this.#commit(GROUPS[operation.group]!, operation.at, operation.by);
      case 'deleteOffset':
        return this.#deleteOffset(GROUPS[operation.group]!, operation.at);
      case 'deleteGroup':
        return this.#deleteGroup(GROUPS[operation.group]!);
      case 'enter':
        return this.#enter(GROUPS[operation.group]!);
      case 'leave':
        return this.#leave(GROUPS[operation.group]!);
      case 'remakeTopic':
        await this.#rest();
        this.#fixture.makeTopic(TOPICS[operation.topic]!, 3);
        return this.#compare();
      case 'pass':
        return this.#pass(operation.ms);
      case 'expire':
        return this.#expire();
      case 'rest':
        return this.#rest();
      case 'end':
        return this.#end(operation.how, operation.turns);
    }
  }

  #now(name: string): ModelGroup {
    return this.#states.get(name)!.at(-1)!;
  }

  /** The group has another state from here on; older ones may be what a crash leaves. */
  #change(name: string, change: Partial<ModelGroup>): void {
    this.#states.get(name)!.push({ ...this.#now(name), ...change });
  }

  #commit(name: string, place: number, asMember: boolean): void {
    const { topic, partition, key } = this.#place(place);
    const { member, offsets } = this.#now(name);
    const offset = this.#nextOffset++;
    const by =
      asMember && member !== null ? { memberId: member.id, generation: member.generation } : {};
    const isAllowed = member === null || asMember;
    const committing = this.#fixture.commit(name, topic, partition, offset, by);
    if (isAllowed) {
      const committed = {
        offset,
        committedMs: this.#fixture.clock.nowMs(),
        topicId: this.#topicId(topic),
      };
      const sessionEndsMs = this.#fixture.clock.nowMs() + SESSION_MS;
      this.#change(name, {
        offsets: new Map(offsets).set(key, committed),
        isThere: true,
        sessionEndsMs,
      });
    }
    this.#expectCode(committing, isAllowed ? NONE : ErrorCode.UNKNOWN_MEMBER_ID);
  }

  async #deleteOffset(name: string, place: number): Promise<void> {
    await this.#restIfUncertain(name);
    const { topic, partition, key } = this.#place(place);
    const { isThere, member, offsets } = this.#now(name);
    const isInUse = member !== null && topic === 't';
    const deleting = this.#fixture.deleteOffsets(name, topic, partition);
    const codes = !isThere
      ? [ErrorCode.GROUP_ID_NOT_FOUND]
      : [NONE, isInUse ? ErrorCode.GROUP_SUBSCRIBED_TO_TOPIC : NONE];
    if (isThere && !isInUse) {
      const left = new Map(offsets);
      left.delete(key);
      const { emptySinceMs } = this.#now(name);
      const staysThere = left.size > 0 || member !== null || emptySinceMs !== null;
      this.#change(name, { offsets: left, isThere: staysThere });
    }
    this.#underWay.push(deleting.then((found) => expect(found).toEqual(codes)));
  }

  /** Nothing else of the group meanwhile: while it is deleted it takes nothing. */
  async #deleteGroup(name: string): Promise<void> {
    await this.#restIfUncertain(name);
    const { isThere, member } = this.#now(name);
    const deleting = this.#fixture.deleteGroup(name);
    const refusal = isThere ? ErrorCode.NON_EMPTY_GROUP : ErrorCode.GROUP_ID_NOT_FOUND;
    const isAllowed = isThere && member === null;
    this.#expectCode(deleting, isAllowed ? NONE : refusal);
    if (isAllowed) this.#states.get(name)!.push(NO_GROUP);
    await this.#rest();
  }

  /** A group that is about to have nothing left is there until that is stored. */
  async #restIfUncertain(name: string): Promise<void> {
    if (!this.#now(name).isThere && this.#states.get(name)!.length > 1) await this.#rest();
  }

  async #enter(name: string): Promise<void> {
    await this.#rest();
    if (this.#now(name).member !== null) return;
    const { memberId: id, generation } = await this.#fixture.stable(name, {
      metadata: subscription('t'),
    });
    const sessionEndsMs = this.#fixture.clock.nowMs() + SESSION_MS;
    this.#change(name, { member: { id, generation }, isThere: true, sessionEndsMs });
    await this.#rest();
  }

  async #leave(name: string): Promise<void> {
    const { member } = this.#now(name);
    if (member === null) return;
    await this.#rest();
    this.#fixture.leave(name, member.id);
    this.#change(name, { member: null, emptySinceMs: this.#fixture.clock.nowMs() });
    await this.#rest();
  }

  async #pass(ms: number): Promise<void> {
    await this.#rest();
    const endMs = this.#fixture.clock.nowMs() + ms;
    this.#fixture.clock.advance(ms);
    for (const name of GROUPS) {
      const { member, sessionEndsMs } = this.#now(name);
      if (member === null || sessionEndsMs > endMs) continue;
      this.#change(name, { member: null, emptySinceMs: sessionEndsMs });
    }
    await this.#rest();
  }

  async #expire(): Promise<void> {
    await this.#rest();
    await this.#fixture.coordinator.removeExpired();
    const nowMs = this.#fixture.clock.nowMs();
    for (const name of GROUPS) {
      const { offsets, member, emptySinceMs } = this.#now(name);
      const left = new Map(
        [...offsets].filter(([key, { committedMs, topicId }]) => {
          const topic = key.slice(0, 1);
          if (topicId !== this.#topicId(topic)) return false;
          if (member !== null && topic === 't') return true;
          const sinceMs = member === null ? (emptySinceMs ?? committedMs) : committedMs;
          return nowMs - sinceMs < RETENTION_MS;
        }),
      );
      const isOver = left.size === 0 && member === null;
      this.#states.get(name)!.push(isOver ? NO_GROUP : { ...this.#now(name), offsets: left });
    }
    await this.#rest();
  }

  async #rest(): Promise<void> {
    const underWay = this.#underWay;
    this.#underWay = [];
    await Promise.all(underWay);
    await this.#fixture.settle();
    for (const [name, states] of this.#states) this.#states.set(name, [states.at(-1)!]);
    this.#compare();
  }

  async #end(how: 'restart' | 'kill' | 'cut', turns: number): Promise<void> {
    if (how === 'restart') {
      await this.#rest();
      await this.#fixture.restart();
    } else {
      for (let turn = 0; turn < turns; turn++) await new Promise((r) => setImmediate(r));
      // What is under way ends with the broker, whatever it says.
      for (const ending of this.#underWay) ending.catch(() => undefined);
      this.#underWay = [];
      await this.#fixture.crash(how);
      for (const [name, states] of this.#states) {
        const found = states.findLast((state) => this.#isWhatIsThere(name, state));
        expect(found, `group ${name} is none of what it may be`).toBeDefined();
        this.#states.set(name, [found!]);
      }
    }
    for (const name of GROUPS) {
      const sessionEndsMs = this.#fixture.clock.nowMs() + SESSION_MS;
      this.#states.set(name, [{ ...this.#now(name), sessionEndsMs }]);
    }
    this.#compare();
  }

  #compare(): void {
    for (const name of GROUPS) {
      expect(this.#found(name), `group ${name}`).toEqual(this.#expected(this.#now(name)));
    }
  }

  #isWhatIsThere(name: string, state: ModelGroup): boolean {
    return JSON.stringify(this.#found(name)) === JSON.stringify(this.#expected(state));
  }

  #found(name: string) {
    const isThere = this.#fixture.list().some(({ groupId }) => groupId === `acme.${name}`);
    const offsets = Object.entries(this.#fixture.fetchAll(name)).sort();
    const { members, protocolType } = this.#fixture.describe(name);
    return { isThere, offsets, members: members.map(({ memberId }) => memberId), protocolType };
  }

  #expected({ isThere, offsets, member, emptySinceMs }: ModelGroup) {
    const shown = [...offsets]
      .filter(([key, { topicId }]) => topicId === this.#topicId(key.slice(0, 1)))
      .map(([key, { offset }]) => [key, offset] as const)
      .sort();
    const hadMembers = member !== null || emptySinceMs !== null;
    const members = member === null ? [] : [member.id];
    return { isThere, offsets: shown, members, protocolType: hadMembers ? 'consumer' : '' };
  }

  #expectCode(answer: Promise<number>, code: number): void {
    this.#underWay.push(answer.then((found) => expect(found).toBe(code)));
  }

  #topicId(topic: string): string {
    return this.#fixture.topics.get(`acme.${topic}`)!.topicId;
  }

  #place(place: number) {
    const topic = TOPICS[place % 2]!;
    const partition = place >> 1;
    return { topic, partition, key: `${topic}-${partition}` };
  }
}

export async function followModel(history: readonly Operation[]): Promise<void> {
  const fixture = new CoordinatorFixture({
    offsetsRetentionMs: RETENTION_MS,
    offsetsRetentionCheckIntervalMs: 2 ** 40,
  });
  for (const topic of TOPICS) fixture.makeTopic(topic, 3);
  fixture.compactAfterBytes = 600;
  await fixture.start();
  await new ModelledCoordinator(fixture).run(history);
  await fixture.coordinator.close();
}
