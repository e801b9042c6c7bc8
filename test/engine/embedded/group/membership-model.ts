/**
 * Random clients around one group's state machine: they join, take their assignment, stall, come
 * back, vanish and leave; stores hang and fail; the broker stops and starts again. After each step
 * what the clients were told must fit together:
 *
 * - a generation has one leader, one protocol and one set of members, whoever is told of it;
 * - an assignment is what this generation's leader gave, and was stored before it was told;
 * - partitions, shared out by each leader, have one owner in a generation;
 * - only a member of the current generation commits and is told that all is well.
 *
 * And in the end, when everybody behaves, the group is Stable with exactly those that are there,
 * within the time that the protocol allows.
 */
import fc from 'fast-check';
import { expect } from 'vitest';
import type {
  JoinAnswer,
  SyncAnswer,
} from '../../../../src/engine/embedded/group/classic-group-messages.ts';
import { ErrorCode } from '../../../../src/protocol/error-codes.ts';
import { GroupDriver, type Parked, REBALANCE_MS, SESSION_MS } from './classic-group-driver.ts';

const { NONE, MEMBER_ID_REQUIRED, REBALANCE_IN_PROGRESS, UNKNOWN_MEMBER_ID } = ErrorCode;
const { ILLEGAL_GENERATION, FENCED_INSTANCE_ID, COORDINATOR_NOT_AVAILABLE } = ErrorCode;
const { NOT_COORDINATOR } = ErrorCode;
const CLIENTS = 6;
/** The last two are static members. */
const FIRST_STATIC = 4;
const PARTITIONS = 12;

export type Step =
  | { readonly kind: 'act' | 'vanish' | 'leave' | 'change' | 'forget'; readonly client: number }
  | { readonly kind: 'pass'; readonly ms: number }
  | { readonly kind: 'hold' }
  | { readonly kind: 'restart' }
  | { readonly kind: 'release'; readonly isDurable: boolean };

const client = fc.nat({ max: CLIENTS - 1 });
const of = <K extends Step['kind']>(kind: K) => fc.constant(kind);

export const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.oneof(
    { weight: 20, arbitrary: fc.record({ kind: of('act'), client }) },
    { weight: 2, arbitrary: fc.record({ kind: of('vanish'), client }) },
    { weight: 1, arbitrary: fc.record({ kind: of('leave'), client }) },
    { weight: 1, arbitrary: fc.record({ kind: of('change'), client }) },
    { weight: 1, arbitrary: fc.record({ kind: of('forget'), client }) },
    {
      weight: 4,
      arbitrary: fc.record({
        kind: of('pass'),
        ms: fc.constantFrom(1, 1000, SESSION_MS - 1, SESSION_MS, REBALANCE_MS),
      }),
    },
    { weight: 1, arbitrary: fc.record({ kind: of('hold') }) },
    { weight: 3, arbitrary: fc.record({ kind: of('release'), isDurable: fc.boolean() }) },
    { weight: 1, arbitrary: fc.record({ kind: of('restart') }) },
  ),
  { maxLength: 120, size: 'max' },
);

class Client {
  readonly instance: string | undefined;
  readonly version: number;
  memberId = '';
  generation = -1;
  assignment: string | null = null;
  metadata = 'one';
  joining: Parked<JoinAnswer> | null = null;
  syncing: Parked<SyncAnswer> | null = null;
  joined: JoinAnswer | null = null;

  constructor(index: number) {
    this.instance = index >= FIRST_STATIC ? `instance-${index}` : undefined;
    this.version = [9, 9, 3, 5, 9, 8][index]!;
  }

  rejoin(): void {
    this.generation = -1;
    this.assignment = null;
    this.joined = null;
  }

  reset(): void {
    this.memberId = '';
    this.rejoin();
  }
}

interface Generation {
  readonly leader: string;
  readonly protocolName: string | null;
  /** What the leader was shown; null while the leader has not been told. */
  members: ReadonlySet<string> | null;
  assignments: ReadonlyMap<string, string> | null;
}

export class MembershipModel {
  readonly #driver = new GroupDriver();
  readonly #clients = Array.from({ length: CLIENTS }, (_, index) => new Client(index));
  /** A restart may count from an older generation again: then the histories part. */
  #generations = new Map<number, Generation>();

  run(history: readonly Step[]): void {
    for (const step of history) {
      this.#do(step);
      this.#listen();
    }
    this.#calm();
  }

  #do(step: Step): void {
    if ('client' in step) this.#doOf(step.kind, this.#clients[step.client]!);
    else if (step.kind === 'pass') this.#driver.pass(step.ms);
    else if (step.kind === 'hold') this.#driver.holdsStores = true;
    else if (step.kind === 'restart') this.#restart();
    else if (step.kind === 'release') {
      this.#driver.holdsStores = false;
      while (this.#driver.held.length > 0) this.#driver.release(step.isDurable);
    }
  }

  #doOf(kind: 'act' | 'vanish' | 'leave' | 'change' | 'forget', one: Client): void {
    if (kind === 'act') this.#act(one);
    else if (kind === 'leave') this.#leave(one);
    else if (kind === 'change') one.metadata = one.metadata === 'one' ? 'two' : 'one';
    // A process that dies forgets its id; a connection that dies does not.
    else this.#vanish(one, kind === 'forget');
  }

  /** What a client does next: join, sync, or heartbeat and commit. */
  #act(one: Client): void {
    if (one.joining !== null || one.syncing !== null) return;
    if (one.joined === null) {
      one.joining = this.#driver.join({
        memberId: one.memberId,
        version: one.version,
        protocols: { range: one.metadata },
        ...(one.instance === undefined ? {} : { instance: one.instance }),
      });
    } else if (one.assignment === null) {
      const { generation, members, leader, skipAssignment } = one.joined;
      const mayAssign = leader === one.memberId && !skipAssignment && members.length > 0;
      const assignments = mayAssign ? shareOut(members.map(({ memberId }) => memberId)) : {};
      if (mayAssign) this.#assign(generation, assignments);
      one.syncing = this.#driver.sync(one.memberId, generation, assignments, {
        ...(one.instance === undefined ? {} : { instance: one.instance }),
      });
    } else this.#beat(one);
  }

  #beat(one: Client): void {
    const { memberId, generation, instance = null } = one;
    const heard = this.#driver.heartbeat(memberId, generation, instance);
    const committed = this.#driver.commit(memberId, generation, instance);
    const isMember = Array.from(this.#driver.group.members).some((m) => m.memberId === memberId);
    if (heard === NONE || committed === NONE) {
      expect(isMember).toBe(true);
      expect(generation).toBe(this.#driver.group.generation);
    }
    if (heard === NONE) return;
    if (heard === REBALANCE_IN_PROGRESS || heard === ILLEGAL_GENERATION) one.rejoin();
    else if (heard === UNKNOWN_MEMBER_ID || heard === FENCED_INSTANCE_ID) one.reset();
    else throw new Error(`a heartbeat is answered with ${heard}`);
  }

  /** The process dies, or its connection: with `forgets` it does not know its id any more. */
  #vanish(one: Client, forgets = false): void {
    const parked = one.joining ?? one.syncing;
    if (parked !== null && parked.answer === undefined) {
      this.#driver.gone(this.#parkedId(one), parked);
      expect(parked.answer).toMatchObject({ errorCode: NOT_COORDINATOR });
    }
    one.joining = null;
    one.syncing = null;
    one.rejoin();
    if (forgets) one.reset();
  }

  /** The id under which its request is parked: a new member does not know it yet. */
  #parkedId(one: Client): string {
    if (one.memberId !== '' || one.joining === null) return one.memberId;
    return this.#driver.newIdOf(one.joining);
  }

  #leave(one: Client): void {
    if (one.memberId === '' || one.joining !== null || one.syncing !== null) return;
    this.#driver.leave({
      memberId: one.memberId,
      ...(one.instance === undefined ? {} : { instance: one.instance }),
    });
    one.reset();
  }

  #restart(): void {
    this.#driver.restart();
    this.#generations = new Map();
    for (const one of this.#clients) {
      one.joining = null;
      one.syncing = null;
      if (one.assignment === null) one.joined = null;
    }
  }

  /** Takes the answers that have come, and holds them against each other. */
  #listen(): void {
    for (const one of this.#clients) {
      const joined = one.joining?.answer;
      if (joined !== undefined) {
        one.joining = null;
        this.#hearJoined(one, joined);
      }
      const synced = one.syncing?.answer;
      if (synced !== undefined) {
        one.syncing = null;
        this.#hearSynced(one, synced);
      }
    }
    this.#checkOwners();
  }

  #hearJoined(one: Client, answer: JoinAnswer): void {
    switch (answer.errorCode) {
      case MEMBER_ID_REQUIRED:
        one.memberId = answer.memberId;
        return;
      case UNKNOWN_MEMBER_ID:
      case FENCED_INSTANCE_ID:
        one.reset();
        return;
      case REBALANCE_IN_PROGRESS:
      case COORDINATOR_NOT_AVAILABLE:
        one.rejoin();
        return;
      case NONE:
        one.memberId = answer.memberId;
        one.joined = answer;
        one.generation = answer.generation;
        one.assignment = null;
        this.#witness(one, answer);
        return;
      default:
        throw new Error(`a JoinGroup is answered with ${answer.errorCode}`);
    }
  }

  #witness(one: Client, { generation, leader, protocolName, members }: JoinAnswer): void {
    const known = this.#generations.get(generation);
    const shown = members.length > 0 ? new Set(members.map(({ memberId }) => memberId)) : null;
    if (known === undefined) {
      this.#generations.set(generation, {
        leader,
        protocolName,
        members: shown,
        assignments: null,
      });
    } else {
      expect(protocolName).toBe(known.protocolName);
      // A static member that comes back changes ids, its own and maybe the leader's.
      const isStatic = one.instance !== undefined;
      if (shown !== null && known.members !== null && !isStatic)
        expect(shown).toEqual(known.members);
      known.members ??= shown;
    }
    if (shown !== null) {
      expect(leader).toBe(one.memberId);
      expect(shown.has(one.memberId)).toBe(true);
    }
  }

  #assign(generation: number, assignments: Readonly<Record<string, string>>): void {
    const known = this.#generations.get(generation);
    if (known !== undefined) known.assignments ??= new Map(Object.entries(assignments));
  }

  #hearSynced(one: Client, answer: SyncAnswer): void {
    if (answer.errorCode !== NONE) {
      const { errorCode } = answer;
      if (errorCode === UNKNOWN_MEMBER_ID || errorCode === FENCED_INSTANCE_ID) one.reset();
      else one.rejoin();
      return;
    }
    one.assignment = answer.assignment.toString();
    const given = this.#generations.get(one.generation)?.assignments;
    const isDynamic = one.instance === undefined;
    if (given != null && isDynamic) {
      expect(one.assignment).toBe(given.get(one.memberId) ?? '');
    }
    // Whatever is told has been stored.
    const stored = this.#driver.stored?.members.find(({ memberId }) => memberId === one.memberId);
    expect(stored?.assignment.toString()).toBe(one.assignment);
    expect(this.#driver.stored?.generation).toBe(one.generation);
  }

  /** In one generation nobody owns what another one owns. */
  #checkOwners(): void {
    const owners = new Map<string, string>();
    const { generation } = this.#driver.group;
    for (const one of this.#clients) {
      if (one.assignment === null || one.generation !== generation) continue;
      const isMember = Array.from(this.#driver.group.members).some(
        (member) => member.memberId === one.memberId,
      );
      if (!isMember) continue;
      for (const partition of one.assignment.split(',').filter((text) => text !== '')) {
        expect(owners.get(partition), `partition ${partition}`).toBeUndefined();
        owners.set(partition, one.memberId);
      }
    }
  }

  /** Everybody behaves from now on: the group settles in time, with all of them. */
  #calm(): void {
    this.#do({ kind: 'release', isDurable: true });
    this.#listen();
    const limitMs = this.#driver.nowMs + 2 * (SESSION_MS + REBALANCE_MS);
    const isSettled = (): boolean =>
      this.#driver.group.state === 'Stable' &&
      this.#driver.group.memberCount === CLIENTS &&
      this.#clients.every((one) => {
        return one.assignment !== null && one.generation === this.#driver.group.generation;
      });
    while (!isSettled() && this.#driver.nowMs < limitMs) {
      for (const one of this.#clients) {
        this.#act(one);
        this.#listen();
      }
      this.#driver.pass(SESSION_MS / 4);
      this.#listen();
    }
    expect(isSettled(), 'the group settles').toBe(true);
    const owned = this.#clients.flatMap(({ assignment }) => assignment!.split(','));
    expect(owned.sort()).toEqual(Object.keys([...Array(PARTITIONS)]).sort());
  }
}

/** Partitions in turn, as a leader would; the list of one member as text. */
function shareOut(memberIds: readonly string[]): Record<string, string> {
  const shares: Record<string, string[]> = {};
  for (const id of memberIds) shares[id] = [];
  for (let partition = 0; partition < PARTITIONS; partition++) {
    shares[memberIds[partition % memberIds.length]!]!.push(String(partition));
  }
  return Object.fromEntries(Object.entries(shares).map(([id, list]) => [id, list.join(',')]));
}
