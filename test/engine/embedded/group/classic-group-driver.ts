/**
 * Drives one classic group's state machine by hand: time stands still until told otherwise, stores
 * succeed at once unless they are held, and every answer is kept under the name of who asked.
 */
import { ClassicGroup } from '../../../../src/engine/embedded/group/classic-group.ts';
import type {
  GroupEffect,
  GroupSnapshot,
  JoinAnswer,
  SyncAnswer,
} from '../../../../src/engine/embedded/group/classic-group-messages.ts';
import type { MemberProtocol } from '../../../../src/engine/embedded/group/group-members.ts';
import {
  DEFAULT_GROUP_SETTINGS,
  type GroupSettings,
} from '../../../../src/engine/embedded/group/group-settings.ts';
import { ErrorCode } from '../../../../src/protocol/error-codes.ts';

export interface JoinOptions {
  readonly memberId?: string;
  readonly instance?: string;
  readonly protocols?: Readonly<Record<string, string | Buffer>>;
  readonly protocolType?: string;
  readonly sessionMs?: number;
  readonly rebalanceMs?: number;
  readonly version?: number;
}

export const SESSION_MS = 10_000;
export const REBALANCE_MS = 60_000;

export class Parked<A> {
  answer: A | undefined;
}

export class GroupDriver {
  readonly settings: GroupSettings;
  group: ClassicGroup;
  nowMs = 1000;
  /** While true, stores wait in `held`. */
  holdsStores = false;
  readonly held: { readonly storeId: number; readonly snapshot: GroupSnapshot }[] = [];
  /** The last snapshot that was stored. */
  stored: GroupSnapshot | undefined;
  storeCount = 0;
  readonly #joins = new Map<number, Parked<JoinAnswer>>();
  readonly #syncs = new Map<number, Parked<SyncAnswer>>();
  readonly #tickets = new Map<object, number>();
  readonly #newIds = new Map<object, string>();
  #nextTicket = 1;
  #nextMember = 1;

  constructor(settings: Partial<GroupSettings> = {}) {
    this.settings = { ...DEFAULT_GROUP_SETTINGS, initialRebalanceDelayMs: 0, ...settings };
    this.group = new ClassicGroup(this.settings);
  }

  join(options: JoinOptions = {}): Parked<JoinAnswer> {
    const { version = 9, instance = null, protocols = { range: 'r' } } = options;
    const parked = new Parked<JoinAnswer>();
    const ticket = this.#ticket(parked);
    this.#joins.set(ticket, parked);
    const list: MemberProtocol[] = Object.entries(protocols).map(([name, metadata]) => {
      return { name, metadata: Buffer.from(metadata as string) };
    });
    const newMemberId = `m${this.#nextMember++}`;
    this.#newIds.set(parked, newMemberId);
    const effects = this.group.join(
      {
        ticket,
        memberId: options.memberId ?? '',
        newMemberId,
        protocolType: options.protocolType ?? 'consumer',
        facts: {
          groupInstanceId: instance,
          clientId: 'client',
          clientHost: '/10.0.0.1',
          sessionTimeoutMs: options.sessionMs ?? SESSION_MS,
          rebalanceTimeoutMs: options.rebalanceMs ?? REBALANCE_MS,
          protocols: list,
        },
        requiresKnownMemberId: version >= 4,
        skipsAssignment: version >= 9,
      },
      this.nowMs,
    );
    this.#take(effects);
    return parked;
  }

  /** Both steps of a dynamic member: the parked second JoinGroup, and the id. */
  joinTwice(options: JoinOptions = {}): {
    readonly id: string;
    readonly parked: Parked<JoinAnswer>;
  } {
    const first = this.join(options);
    const id = first.answer!.memberId;
    return { id, parked: this.join({ ...options, memberId: id }) };
  }

  sync(
    memberId: string,
    generation: number,
    assignments: Readonly<Record<string, string>> = {},
    also: {
      readonly instance?: string;
      readonly protocolType?: string;
      readonly protocolName?: string;
    } = {},
  ): Parked<SyncAnswer> {
    const parked = new Parked<SyncAnswer>();
    const ticket = this.#ticket(parked);
    this.#syncs.set(ticket, parked);
    const effects = this.group.sync(
      {
        ticket,
        memberId,
        generation,
        groupInstanceId: also.instance ?? null,
        protocolType: also.protocolType ?? null,
        protocolName: also.protocolName ?? null,
        assignments: Object.entries(assignments).map(([id, text]) => [id, Buffer.from(text)]),
      },
      this.nowMs,
    );
    this.#take(effects);
    return parked;
  }

  heartbeat(memberId: string, generation: number, instance: string | null = null): number {
    const credentials = { memberId, generation, groupInstanceId: instance };
    return this.group.heartbeat(credentials, this.nowMs);
  }

  commit(memberId: string, generation: number, instance: string | null = null): number {
    const credentials = { memberId, generation, groupInstanceId: instance };
    return this.group.commit(credentials, this.nowMs);
  }

  leave(...members: readonly { memberId?: string; instance?: string }[]): readonly number[] {
    const leaving = members.map(({ memberId = '', instance = null }) => {
      return { memberId, groupInstanceId: instance };
    });
    const { results, effects } = this.group.leave(leaving, this.nowMs);
    this.#take(effects);
    return results.map(({ errorCode }) => errorCode);
  }

  gone(memberId: string, parked: Parked<unknown>): void {
    this.#take(this.group.gone(memberId, this.#tickets.get(parked)!, this.nowMs));
  }

  /** The id that a JoinGroup without one was given. */
  newIdOf(parked: object): string {
    return this.#newIds.get(parked)!;
  }

  /** Lets time pass; the group acts when it said that it wants to. */
  pass(byMs: number): void {
    const endMs = this.nowMs + byMs;
    for (let turn = 0; this.group.dueMs <= endMs; turn++) {
      if (turn > 1000) throw new Error('the group is due for ever');
      this.nowMs = Math.max(this.nowMs, this.group.dueMs);
      this.#take(this.group.advance(this.nowMs));
    }
    this.nowMs = endMs;
  }

  /** Ends the oldest held store. */
  release(isDurable = true): void {
    const { storeId, snapshot } = this.held.shift()!;
    if (isDurable) this.stored = snapshot;
    const errorCode = isDurable ? ErrorCode.NONE : ErrorCode.COORDINATOR_NOT_AVAILABLE;
    this.#take(this.group.stored(storeId, errorCode, this.nowMs));
  }

  /** The broker stops and starts again from what was stored. */
  restart(): void {
    this.held.length = 0;
    this.group =
      this.stored === undefined
        ? new ClassicGroup(this.settings)
        : ClassicGroup.restore(this.settings, this.stored, this.nowMs);
  }

  #ticket(parked: object): number {
    const ticket = this.#nextTicket++;
    this.#tickets.set(parked, ticket);
    return ticket;
  }

  #take(effects: readonly GroupEffect[]): void {
    for (const effect of effects) {
      if (effect.kind === 'store') {
        this.storeCount += 1;
        this.held.push(effect);
        if (!this.holdsStores) this.release();
        continue;
      }
      const parked: Parked<unknown> | undefined =
        effect.kind === 'joinAnswer'
          ? this.#joins.get(effect.ticket)
          : this.#syncs.get(effect.ticket);
      if (parked === undefined) throw new Error('an answer to nobody');
      if (parked.answer !== undefined) throw new Error('a request is answered twice');
      parked.answer = effect.answer;
    }
  }
}

/** A Stable group of dynamic members, by id; the first leads. */
export function stableGroup(
  driver: GroupDriver,
  count: number,
  options: JoinOptions = {},
): { readonly ids: readonly string[]; readonly generation: number } {
  const joined = Array.from({ length: count }, () => driver.joinTwice(options));
  driver.pass(driver.settings.initialRebalanceDelayMs);
  const { generation, leader } = joined[0]!.parked.answer!;
  const ids = joined.map(({ id }) => id);
  const assignments = Object.fromEntries(ids.map((id) => [id, `for ${id}`]));
  for (const id of ids) if (id !== leader) driver.sync(id, generation);
  driver.sync(leader, generation, assignments);
  return { ids, generation };
}
