/**
 * Owns the state of one classic group, and the way from one generation of members to the next:
 *
 *   Empty --first member--> PreparingRebalance --all have joined, or time is up--> CompletingRebalance
 *     ^                       ^      |   ^                                                |
 *     |                       |      |   '--- a member joins, leaves, changes, stalls ----'
 *     '------ nobody left ----|------'                                                    |
 *                             '--- the same --- Stable <--- leader's assignment stored ---'
 *
 * From Empty the first phase lasts group.initial.rebalance.delay.ms, longer while members arrive.
 * Invariants: a generation has one protocol that all its members support; nobody is given an
 * assignment that is not stored; each ticket is answered once; dynamic members that do not rejoin
 * are dropped, static ones stay until their session ends.
 */
import { ErrorCode } from '../../../protocol/error-codes.ts';
import type { GroupEffect, GroupSnapshot, JoinAnswer } from './classic-group-messages.ts';
import {
  type Assignment,
  assignedAnswer,
  joinedAnswer,
  joinRefusal,
  syncRefusal,
} from './group-answers.ts';
import { GroupMembers, type Member, NO_ASSIGNMENT } from './group-members.ts';
import { GroupSessions } from './group-sessions.ts';
import type { GroupSettings } from './group-settings.ts';

export type GroupState = 'Empty' | 'PreparingRebalance' | 'CompletingRebalance' | 'Stable';

const NEVER = Number.POSITIVE_INFINITY;
const GENERATION_MAX = 2 ** 31 - 1;
/** Between two looks for absent static members, whatever timeout they asked for. */
const ABSENT_WAIT_MS_MIN = 1000;

export class GroupRebalance {
  readonly members = new GroupMembers();
  readonly sessions = new GroupSessions(this.members);
  readonly #settings: GroupSettings;
  /** Called when a generation without members has begun. */
  readonly #onEmpty: () => void;
  #state: GroupState = 'Empty';
  #generation = 0;
  #protocolType: string | null = null;
  #protocolName: string | null = null;
  /** Members of this generation that have not sent SyncGroup. */
  readonly #unsynced = new Set<string>();
  /** The rebalance began from Empty: it ends by time only. */
  #isInitial = false;
  #hasNewcomers = false;
  #initialRemainingMs = 0;
  #joinDueMs = NEVER;
  #syncDueMs = NEVER;
  #effects: GroupEffect[] = [];

  constructor(settings: GroupSettings, onEmpty: () => void) {
    this.#settings = settings;
    this.#onEmpty = onEmpty;
  }

  restore(stored: GroupSnapshot, nowMs: number): void {
    this.#generation = stored.generation;
    this.#protocolType = stored.protocolType;
    this.#protocolName = stored.protocolName;
    for (const { memberId, assignment, ...facts } of stored.members) {
      const member = this.members.add(memberId, facts);
      this.members.assign(member, assignment);
      member.isNew = false;
      this.sessions.refresh(member, nowMs);
    }
    this.members.restoreLeader(stored.leader);
    if (stored.members.length > 0) this.#state = 'Stable';
  }

  get state(): GroupState {
    return this.#state;
  }

  get generation(): number {
    return this.#generation;
  }

  get protocolType(): string | null {
    return this.#protocolType;
  }

  get protocolName(): string | null {
    return this.#protocolName;
  }

  get dueMs(): number {
    return Math.min(this.#joinDueMs, this.#syncDueMs, this.sessions.dueMs);
  }

  emit(effect: GroupEffect): void {
    this.#effects.push(effect);
  }

  takeEffects(): readonly GroupEffect[] {
    const effects = this.#effects;
    if (effects.length > 0) this.#effects = [];
    return effects;
  }

  /** Does what has fallen due. */
  advance(nowMs: number): void {
    if (nowMs >= this.sessions.dueMs) this.#endSessions(nowMs);
    if (nowMs >= this.#joinDueMs) this.#joinTimeIsUp(nowMs);
    if (nowMs < this.#syncDueMs) return;
    // These never asked for their assignment.
    for (const memberId of [...this.#unsynced]) {
      const member = this.members.get(memberId);
      if (member !== undefined) this.drop(member, ErrorCode.UNKNOWN_MEMBER_ID);
    }
    this.prepare(nowMs);
  }

  /** Somebody is about to be added: the first decides on the protocol type. */
  welcome(protocolType: string): void {
    if (this.members.size === 0) this.#protocolType = protocolType;
    if (this.#state === 'PreparingRebalance' && this.#isInitial) this.#hasNewcomers = true;
  }

  /** The member has another id now. */
  renamed(oldId: string, newId: string): void {
    if (this.#unsynced.delete(oldId)) this.#unsynced.add(newId);
  }

  /** The member has asked for its assignment. */
  hasSynced(memberId: string): void {
    this.#unsynced.delete(memberId);
    if (this.#unsynced.size === 0) this.#syncDueMs = NEVER;
  }

  park(member: Member, ticket: number, nowMs: number): void {
    // An older JoinGroup of the same member is superseded; a parked SyncGroup is, too.
    this.answerJoin(member, joinRefusal(member.memberId, ErrorCode.REBALANCE_IN_PROGRESS));
    this.answerSync(member, ErrorCode.REBALANCE_IN_PROGRESS, nowMs);
    this.members.parkJoin(member, ticket);
    if (member.isNew) this.sessions.setEnd(member, nowMs + this.#settings.newMemberJoinTimeoutMs);
    else member.sessionDueMs = NEVER;
  }

  refuseJoin(ticket: number, memberId: string, errorCode: number): void {
    this.emit({ kind: 'joinAnswer', ticket, answer: joinRefusal(memberId, errorCode) });
  }

  refuseSync(ticket: number, errorCode: number): void {
    this.emit({ kind: 'syncAnswer', ticket, answer: syncRefusal(errorCode) });
  }

  answerJoin(member: Member, answer: JoinAnswer): void {
    const ticket = this.members.takeJoin(member);
    if (ticket !== null) this.emit({ kind: 'joinAnswer', ticket, answer });
  }

  answerSync(member: Member, errorCode: number, nowMs: number): void {
    const ticket = member.syncTicket;
    if (ticket === null) return;
    member.syncTicket = null;
    this.sessions.start(member, nowMs);
    if (errorCode !== ErrorCode.NONE) this.refuseSync(ticket, errorCode);
    else this.emit({ kind: 'syncAnswer', ticket, answer: assignedAnswer(member, this) });
  }

  /** Removes a member and answers what it has parked; what follows is for the caller. */
  drop(member: Member, errorCode: number): void {
    this.answerJoin(member, joinRefusal('', errorCode));
    if (member.syncTicket !== null) this.refuseSync(member.syncTicket, errorCode);
    this.members.remove(member);
    this.#unsynced.delete(member.memberId);
  }

  /** A member came, went or changed. */
  changed(nowMs: number): void {
    if (this.#state === 'PreparingRebalance') this.maybeCompleteJoin(nowMs);
    else if (this.members.size > 0 || this.#state !== 'Empty') this.prepare(nowMs);
  }

  /** A rebalance begins, or begins again. */
  prepare(nowMs: number): void {
    if (this.#state === 'CompletingRebalance') {
      for (const member of this.members.all()) {
        this.members.assign(member, NO_ASSIGNMENT);
        this.answerSync(member, ErrorCode.REBALANCE_IN_PROGRESS, nowMs);
      }
    }
    this.#unsynced.clear();
    this.#syncDueMs = NEVER;
    this.#isInitial = this.#state === 'Empty';
    this.#state = 'PreparingRebalance';
    const patienceMs = this.members.rebalanceTimeoutMs;
    if (this.#isInitial) {
      const delayMs = this.#settings.initialRebalanceDelayMs;
      this.#hasNewcomers = false;
      this.#initialRemainingMs = Math.max(patienceMs - delayMs, 0);
      this.#joinDueMs = nowMs + delayMs;
      return;
    }
    this.#joinDueMs = nowMs + patienceMs;
    this.maybeCompleteJoin(nowMs);
  }

  maybeCompleteJoin(nowMs: number): void {
    if (this.#state !== 'PreparingRebalance' || this.#isInitial) return;
    const allJoined = this.members.parkedJoins === this.members.size;
    if (allJoined && this.sessions.pendingCount === 0) this.#completeJoin(nowMs);
  }

  /** The leader's assignment is stored: all who wait are told theirs. */
  complete(by: Assignment, nowMs: number): void {
    this.#state = 'Stable';
    for (const member of this.members.all()) {
      this.members.assign(member, by.get(member.memberId) ?? NO_ASSIGNMENT);
      this.answerSync(member, ErrorCode.NONE, nowMs);
    }
  }

  #endSessions(nowMs: number): void {
    const ended = this.sessions.endedAt(nowMs);
    for (const member of ended) this.drop(member, ErrorCode.UNKNOWN_MEMBER_ID);
    if (ended.length > 0) this.changed(nowMs);
    else this.maybeCompleteJoin(nowMs);
  }

  #joinTimeIsUp(nowMs: number): void {
    if (!this.#isInitial || !this.#hasNewcomers || this.#initialRemainingMs === 0) {
      this.#completeJoin(nowMs);
      return;
    }
    // Members keep arriving: wait once more, within what the first rebalance may take.
    const delayMs = Math.min(this.#settings.initialRebalanceDelayMs, this.#initialRemainingMs);
    this.#hasNewcomers = false;
    this.#initialRemainingMs -= delayMs;
    this.#joinDueMs = nowMs + delayMs;
  }

  #completeJoin(nowMs: number): void {
    for (const member of [...this.members.all()]) {
      if (member.joinTicket !== null || member.facts.groupInstanceId !== null) continue;
      this.drop(member, ErrorCode.UNKNOWN_MEMBER_ID);
    }
    if (!this.members.electJoinedLeader() && this.members.size > 0) {
      // Only absent static members: wait for one of them, or for the end of their sessions.
      this.#joinDueMs = nowMs + Math.max(this.members.rebalanceTimeoutMs, ABSENT_WAIT_MS_MIN);
      return;
    }
    this.#joinDueMs = NEVER;
    this.#isInitial = false;
    this.#generation = this.#generation === GENERATION_MAX ? 1 : this.#generation + 1;
    this.#protocolName = this.members.selectProtocol();
    if (this.members.size === 0) {
      this.#state = 'Empty';
      this.#onEmpty();
      return;
    }
    this.#state = 'CompletingRebalance';
    this.#syncDueMs = nowMs + this.members.rebalanceTimeoutMs;
    for (const member of this.members.all()) {
      this.#unsynced.add(member.memberId);
      // An absent static member's session goes on as it was.
      if (member.joinTicket === null) continue;
      this.answerJoin(member, joinedAnswer(member, this));
      member.isNew = false;
      member.isIdKnown = true;
      this.sessions.start(member, nowMs);
    }
  }
}
