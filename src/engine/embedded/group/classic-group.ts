/**
 * Owns the state machine of one group of the classic protocol (Kafka's ClassicGroup and the classic
 * half of its GroupMetadataManager). Pure: time comes in as `nowMs` (monotonic), requests as values,
 * and what is to be done goes out as effects. It holds no timer: `dueMs` tells when `advance` wants
 * to be called.
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
import type {
  CommitCredentials,
  GroupEffect,
  GroupSnapshot,
  JoinAnswer,
  JoinRequest,
  LeaveRequest,
  LeaveResult,
  SyncRequest,
} from './classic-group-messages.ts';
import {
  GroupMembers,
  isSameProtocols,
  type Member,
  type MemberFacts,
  metadataBytesOf,
  metadataOf,
  NO_ASSIGNMENT,
} from './group-members.ts';
import type { GroupSettings } from './group-settings.ts';
import { subscribedTopicsOf } from './subscribed-topics.ts';

export type GroupState = 'Empty' | 'PreparingRebalance' | 'CompletingRebalance' | 'Stable';

const NEVER = Number.POSITIVE_INFINITY;
const GENERATION_MAX = 2 ** 31 - 1;
const PENDING_ID_BYTES = 512;
/** Between two looks for absent static members, whatever timeout they asked for. */
const ABSENT_WAIT_MS_MIN = 1000;

/** What a store under way decides: the leader's assignment, or a static member's new id. */
type PendingStore =
  | { readonly kind: 'assignment'; readonly generation: number; readonly by: Assignment }
  | { readonly kind: 'replacement'; readonly replacement: Replacement }
  | { readonly kind: 'empty' };

type Assignment = ReadonlyMap<string, Buffer>;

interface Replacement {
  readonly oldId: string;
  readonly oldFacts: MemberFacts;
  readonly newId: string;
  readonly leaderBefore: string | null;
  readonly skipsAssignment: boolean;
}

export class ClassicGroup {
  readonly #settings: GroupSettings;
  readonly #members = new GroupMembers();
  #state: GroupState = 'Empty';
  #generation = 0;
  #protocolType: string | null = null;
  #protocolName: string | null = null;
  /** Ids given out and not used yet, and when each is forgotten. */
  readonly #pendingIds = new Map<string, number>();
  /** Members of this generation that have not sent SyncGroup. */
  readonly #unsynced = new Set<string>();
  readonly #stores = new Map<number, PendingStore>();
  #nextStoreId = 1;
  /** The rebalance began from Empty: it ends by time only. */
  #isInitial = false;
  #hasNewcomers = false;
  #initialRemainingMs = 0;
  #joinDueMs = NEVER;
  #syncDueMs = NEVER;
  /** No session and no pending id ends before. */
  #sessionsDueMs = NEVER;
  #subscribed: ReadonlySet<string> | null | undefined;
  #effects: GroupEffect[] = [];

  constructor(settings: GroupSettings) {
    this.#settings = settings;
  }

  /** A group as it was stored: Stable with its members, whose sessions begin anew, or Empty. */
  static restore(settings: GroupSettings, stored: GroupSnapshot, nowMs: number): ClassicGroup {
    const group = new ClassicGroup(settings);
    group.#generation = stored.generation;
    group.#protocolType = stored.protocolType;
    group.#protocolName = stored.protocolName;
    for (const { memberId, assignment, ...facts } of stored.members) {
      const member = group.#members.add(memberId, facts);
      group.#members.assign(member, assignment);
      member.isNew = false;
      group.#refresh(member, nowMs);
    }
    group.#members.restoreLeader(stored.leader);
    if (stored.members.length > 0) group.#state = 'Stable';
    return group;
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

  get members(): IterableIterator<Member> {
    return this.#members.all();
  }

  get memberCount(): number {
    return this.#members.size;
  }

  /** Nobody is here or expected, and nothing is under way: it can be put away. */
  get isIdle(): boolean {
    return this.#state === 'Empty' && this.#pendingIds.size === 0 && this.#stores.size === 0;
  }

  /** About what its members and the ids given out take in memory. */
  get heldBytes(): number {
    return this.#members.heldBytes + this.#pendingIds.size * PENDING_ID_BYTES;
  }

  /** When `advance` is to be called; it may find nothing to do then. */
  get dueMs(): number {
    return Math.min(this.#joinDueMs, this.#syncDueMs, this.#sessionsDueMs);
  }

  /** What a member's metadata looks like to others: only a Stable group shows it. */
  metadataOf(member: Member): Buffer {
    return this.#state === 'Stable' ? metadataOf(member, this.#protocolName) : NO_ASSIGNMENT;
  }

  assignmentOf(member: Member): Buffer {
    return this.#state === 'Stable' ? member.assignment : NO_ASSIGNMENT;
  }

  /** Topics of a consumer group's members; null where they cannot be known. */
  get subscribedTopics(): ReadonlySet<string> | null {
    if (this.#protocolType !== 'consumer') return null;
    if (this.#members.size === 0) return new Set();
    if (this.#subscribed === undefined) {
      const metadata = Array.from(this.#members.all(), (one) =>
        metadataOf(one, this.#protocolName),
      );
      this.#subscribed = subscribedTopicsOf(metadata);
    }
    return this.#subscribed;
  }

  join(request: JoinRequest, nowMs: number): readonly GroupEffect[] {
    const { memberId, ticket } = request;
    const isNewcomer = memberId === '';
    if (!this.#hasRoomFor(request)) {
      const member = this.#members.get(memberId);
      this.#refuseJoin(ticket, '', ErrorCode.GROUP_MAX_SIZE_REACHED);
      if (member !== undefined) {
        this.#drop(member, ErrorCode.GROUP_MAX_SIZE_REACHED);
        this.#rebalance(nowMs);
      }
    } else if (!this.#supports(request)) {
      this.#refuseJoin(ticket, memberId, ErrorCode.INCONSISTENT_GROUP_PROTOCOL);
    } else if (!isNewcomer) {
      this.#joinKnown(request, nowMs);
    } else if (request.facts.groupInstanceId !== null) {
      this.#joinStatic(request, request.facts.groupInstanceId, nowMs);
    } else if (request.requiresKnownMemberId) {
      const dueMs = nowMs + request.facts.sessionTimeoutMs;
      this.#pendingIds.set(request.newMemberId, dueMs);
      this.#sessionsDueMs = Math.min(this.#sessionsDueMs, dueMs);
      this.#refuseJoin(ticket, request.newMemberId, ErrorCode.MEMBER_ID_REQUIRED);
    } else {
      this.#addMember(request, request.newMemberId, nowMs);
    }
    return this.#takeEffects();
  }

  sync(request: SyncRequest, nowMs: number): readonly GroupEffect[] {
    const { memberId, ticket } = request;
    const errorCode = this.#syncError(request);
    if (errorCode !== ErrorCode.NONE) {
      this.#refuseSync(ticket, errorCode);
      return this.#takeEffects();
    }
    const member = this.#members.get(memberId)!;
    this.#unsynced.delete(memberId);
    if (this.#unsynced.size === 0) this.#syncDueMs = NEVER;
    if (this.#state === 'Stable') {
      this.#effects.push({ kind: 'syncAnswer', ticket, answer: this.#assigned(member) });
      this.#refresh(member, nowMs);
      return this.#takeEffects();
    }
    // An older SyncGroup of the same member is superseded.
    this.#answerSync(member, ErrorCode.REBALANCE_IN_PROGRESS, nowMs);
    member.syncTicket = ticket;
    member.sessionDueMs = NEVER;
    if (memberId === this.#members.leaderId && !this.#isStoringAssignment()) {
      this.#storeAssignment(new Map(request.assignments));
    }
    return this.#takeEffects();
  }

  /** The error code; a known member's session goes on, also while the group rebalances. */
  heartbeat(credentials: CommitCredentials, nowMs: number): number {
    const { memberId, groupInstanceId, generation } = credentials;
    const errorCode = this.#memberError(memberId, groupInstanceId);
    if (errorCode !== ErrorCode.NONE) return errorCode;
    if (generation !== this.#generation) return ErrorCode.ILLEGAL_GENERATION;
    this.#refresh(this.#members.get(memberId)!, nowMs);
    return this.#state === 'PreparingRebalance' ? ErrorCode.REBALANCE_IN_PROGRESS : ErrorCode.NONE;
  }

  /** Whether these may commit offsets now (ClassicGroup.validateOffsetCommit); keeps the session. */
  commit(credentials: CommitCredentials, nowMs: number): number {
    const { memberId, groupInstanceId, generation } = credentials;
    if (generation < 0 && this.#state === 'Empty') return ErrorCode.NONE;
    if (generation < 0 && memberId === '' && groupInstanceId === null) {
      return ErrorCode.UNKNOWN_MEMBER_ID;
    }
    const errorCode = this.#memberError(memberId, groupInstanceId);
    if (errorCode !== ErrorCode.NONE) return errorCode;
    if (generation !== this.#generation) return ErrorCode.ILLEGAL_GENERATION;
    if (this.#state === 'CompletingRebalance') return ErrorCode.REBALANCE_IN_PROGRESS;
    this.#refresh(this.#members.get(memberId)!, nowMs);
    return ErrorCode.NONE;
  }

  /** One result for each of `leaving`, in their order. */
  leave(
    leaving: readonly LeaveRequest[],
    nowMs: number,
  ): { readonly results: readonly LeaveResult[]; readonly effects: readonly GroupEffect[] } {
    const before = this.#members.size;
    const results = leaving.map((request) => ({ ...request, errorCode: this.#leaveOne(request) }));
    if (this.#members.size < before) this.#rebalance(nowMs);
    else this.#maybeCompleteJoin(nowMs);
    return { results, effects: this.#takeEffects() };
  }

  /**
   * The connection on which the ticket is parked has gone. The member has one session timeout to
   * come back; one whose id nobody was told cannot, and leaves.
   */
  gone(memberId: string, ticket: number, nowMs: number): readonly GroupEffect[] {
    const member = this.#members.get(memberId);
    if (member === undefined) return [];
    if (member.joinTicket === ticket) {
      this.#answerJoin(member, this.#joinRefusal('', ErrorCode.NOT_COORDINATOR));
      const canComeBack = member.isIdKnown || member.facts.groupInstanceId !== null;
      if (canComeBack) this.#startSession(member, nowMs);
      else {
        this.#drop(member, ErrorCode.UNKNOWN_MEMBER_ID);
        this.#rebalance(nowMs);
      }
    } else if (member.syncTicket === ticket) {
      this.#answerSync(member, ErrorCode.NOT_COORDINATOR, nowMs);
    }
    return this.#takeEffects();
  }

  /** A store effect has ended: NONE when it is durable, else why nothing was stored. */
  stored(storeId: number, errorCode: number, nowMs: number): readonly GroupEffect[] {
    const store = this.#stores.get(storeId);
    this.#stores.delete(storeId);
    if (store?.kind === 'assignment') this.#assignmentStored(store, errorCode, nowMs);
    if (store?.kind === 'replacement') this.#replacementStored(store.replacement, errorCode, nowMs);
    return this.#takeEffects();
  }

  /** Does what has fallen due. */
  advance(nowMs: number): readonly GroupEffect[] {
    if (nowMs >= this.#sessionsDueMs) this.#endSessions(nowMs);
    if (nowMs >= this.#joinDueMs) this.#joinTimeIsUp(nowMs);
    if (nowMs >= this.#syncDueMs) {
      // These never asked for their assignment.
      for (const memberId of [...this.#unsynced]) {
        const member = this.#members.get(memberId);
        if (member !== undefined) this.#drop(member, ErrorCode.UNKNOWN_MEMBER_ID);
      }
      this.#prepareRebalance(nowMs);
    }
    return this.#takeEffects();
  }

  #takeEffects(): readonly GroupEffect[] {
    const effects = this.#effects;
    if (effects.length > 0) this.#effects = [];
    return effects;
  }

  #hasRoomFor({ memberId, facts, requiresKnownMemberId }: JoinRequest): boolean {
    const { membersMax, metadataBytesMax } = this.#settings;
    const instance = facts.groupInstanceId;
    const known = this.#members.get(
      memberId === '' && instance !== null ? (this.#members.ofInstance(instance) ?? '') : memberId,
    );
    const heldBytes = known === undefined ? 0 : metadataBytesOf(known.facts);
    const bytes = this.#members.metadataBytes - heldBytes + metadataBytesOf(facts);
    if (bytes > metadataBytesMax) return false;
    const isGivenId = memberId === '' && instance === null && requiresKnownMemberId;
    if (isGivenId && this.#pendingIds.size >= membersMax) return false;
    if (this.#state === 'Empty') return true;
    // While it rebalances, those that have joined count: the last to come back are turned away.
    if (this.#state === 'PreparingRebalance') {
      return known?.joinTicket != null || this.#members.parkedJoins < membersMax;
    }
    return known !== undefined || this.#members.size < membersMax;
  }

  #supports({ protocolType, facts }: JoinRequest): boolean {
    if (protocolType === '' || facts.protocols.length === 0) return false;
    if (this.#members.size === 0) return true;
    return protocolType === this.#protocolType && this.#members.supportsOneOf(facts.protocols);
  }

  #memberError(memberId: string, groupInstanceId: string | null): number {
    if (groupInstanceId !== null) {
      const holder = this.#members.ofInstance(groupInstanceId);
      if (holder === undefined) return ErrorCode.UNKNOWN_MEMBER_ID;
      if (holder !== memberId) return ErrorCode.FENCED_INSTANCE_ID;
    }
    return this.#members.has(memberId) ? ErrorCode.NONE : ErrorCode.UNKNOWN_MEMBER_ID;
  }

  #joinKnown(request: JoinRequest, nowMs: number): void {
    const { memberId, ticket, facts } = request;
    if (this.#pendingIds.has(memberId)) {
      // Ids are given in advance to dynamic members only.
      if (facts.groupInstanceId !== null) {
        this.#refuseJoin(ticket, memberId, ErrorCode.UNKNOWN_MEMBER_ID);
      } else this.#addMember(request, memberId, nowMs);
      return;
    }
    const errorCode = this.#memberError(memberId, facts.groupInstanceId);
    if (errorCode !== ErrorCode.NONE) {
      this.#refuseJoin(ticket, memberId, errorCode);
      return;
    }
    const member = this.#members.get(memberId)!;
    const isSame = isSameProtocols(member.facts.protocols, facts.protocols);
    const isLeader = memberId === this.#members.leaderId;
    const goesOn =
      (this.#state === 'CompletingRebalance' && isSame) ||
      (this.#state === 'Stable' && isSame && !isLeader);
    if (goesOn) {
      const answer = this.#joined(member);
      this.#effects.push({ kind: 'joinAnswer', ticket, answer });
      this.#refresh(member, nowMs);
      return;
    }
    this.#members.update(member, facts);
    this.#park(member, ticket, nowMs);
    this.#rebalance(nowMs);
  }

  #addMember(request: JoinRequest, memberId: string, nowMs: number): void {
    if (this.#members.size === 0) this.#protocolType = request.protocolType;
    if (this.#state === 'PreparingRebalance' && this.#isInitial) this.#hasNewcomers = true;
    this.#pendingIds.delete(memberId);
    const member = this.#members.add(memberId, request.facts);
    member.isIdKnown = request.memberId !== '';
    this.#park(member, request.ticket, nowMs);
    this.#rebalance(nowMs);
  }

  #joinStatic(request: JoinRequest, groupInstanceId: string, nowMs: number): void {
    const oldId = this.#members.ofInstance(groupInstanceId);
    if (oldId === undefined) {
      this.#addMember(request, request.newMemberId, nowMs);
      return;
    }
    const leaderBefore = this.#members.leaderId;
    const old = this.#members.get(oldId)!;
    const oldFacts = old.facts;
    this.#answerJoin(old, this.#joinRefusal(oldId, ErrorCode.FENCED_INSTANCE_ID));
    this.#answerSync(old, ErrorCode.FENCED_INSTANCE_ID, nowMs);
    const member = this.#members.replaceId(old, request.newMemberId);
    if (this.#unsynced.delete(oldId)) this.#unsynced.add(member.memberId);
    this.#members.update(member, request.facts);
    this.#park(member, request.ticket, nowMs);
    if (this.#state !== 'Stable' || this.#members.selectProtocol() !== this.#protocolName) {
      this.#rebalance(nowMs);
      return;
    }
    // KIP-345: a restart of a static member is no reason to rebalance.
    this.#subscribed = undefined;
    const { skipsAssignment } = request;
    const newId = member.memberId;
    const replacement = { oldId, oldFacts, newId, leaderBefore, skipsAssignment };
    this.#store({ kind: 'replacement', replacement }, null);
  }

  #replacementStored(replacement: Replacement, errorCode: number, nowMs: number): void {
    const { oldId, oldFacts, newId, leaderBefore, skipsAssignment } = replacement;
    const member = this.#members.get(newId);
    // A rebalance may have begun meanwhile: then it answers.
    if (member === undefined || member.joinTicket === null || this.#state !== 'Stable') return;
    if (errorCode !== ErrorCode.NONE) {
      this.#answerJoin(member, this.#joinRefusal('', errorCode));
      const before = this.#members.replaceId(member, oldId);
      this.#members.update(before, oldFacts);
      this.#startSession(before, nowMs);
      return;
    }
    const isLeader = newId === this.#members.leaderId;
    const answer = this.#joined(member);
    if (skipsAssignment) this.#answerJoin(member, { ...answer, skipAssignment: isLeader });
    // Versions that know no skipping are told of the old leader, so that nobody assigns anew.
    else this.#answerJoin(member, { ...answer, leader: leaderBefore ?? '', members: [] });
    this.#startSession(member, nowMs);
  }

  #leaveOne({ memberId, groupInstanceId }: LeaveRequest): number {
    // An administrator removes a static member by its instance id alone.
    const id =
      memberId === '' && groupInstanceId !== null
        ? (this.#members.ofInstance(groupInstanceId) ?? '')
        : memberId;
    if (this.#pendingIds.delete(id)) return ErrorCode.NONE;
    const errorCode = this.#memberError(id, groupInstanceId);
    if (errorCode !== ErrorCode.NONE) return errorCode;
    this.#drop(this.#members.get(id)!, ErrorCode.UNKNOWN_MEMBER_ID);
    return ErrorCode.NONE;
  }

  /** Removes a member and answers what it has parked; what follows is for the caller. */
  #drop(member: Member, errorCode: number): void {
    this.#answerJoin(member, this.#joinRefusal('', errorCode));
    if (member.syncTicket !== null) this.#refuseSync(member.syncTicket, errorCode);
    this.#members.remove(member);
    this.#unsynced.delete(member.memberId);
  }

  /** A member came, went or changed. */
  #rebalance(nowMs: number): void {
    if (this.#state === 'PreparingRebalance') this.#maybeCompleteJoin(nowMs);
    else if (this.#members.size > 0 || this.#state !== 'Empty') this.#prepareRebalance(nowMs);
  }

  #prepareRebalance(nowMs: number): void {
    if (this.#state === 'CompletingRebalance') {
      for (const member of this.#members.all()) {
        this.#members.assign(member, NO_ASSIGNMENT);
        this.#answerSync(member, ErrorCode.REBALANCE_IN_PROGRESS, nowMs);
      }
    }
    this.#unsynced.clear();
    this.#syncDueMs = NEVER;
    this.#isInitial = this.#state === 'Empty';
    this.#state = 'PreparingRebalance';
    const patienceMs = this.#members.rebalanceTimeoutMs;
    if (this.#isInitial) {
      const delayMs = this.#settings.initialRebalanceDelayMs;
      this.#hasNewcomers = false;
      this.#initialRemainingMs = Math.max(patienceMs - delayMs, 0);
      this.#joinDueMs = nowMs + delayMs;
      return;
    }
    this.#joinDueMs = nowMs + patienceMs;
    this.#maybeCompleteJoin(nowMs);
  }

  #maybeCompleteJoin(nowMs: number): void {
    if (this.#state !== 'PreparingRebalance' || this.#isInitial) return;
    const allJoined = this.#members.parkedJoins === this.#members.size;
    if (allJoined && this.#pendingIds.size === 0) this.#completeJoin(nowMs);
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
    for (const member of [...this.#members.all()]) {
      if (member.joinTicket !== null || member.facts.groupInstanceId !== null) continue;
      this.#drop(member, ErrorCode.UNKNOWN_MEMBER_ID);
    }
    if (!this.#members.electJoinedLeader() && this.#members.size > 0) {
      // Only absent static members: wait for one of them, or for the end of their sessions.
      this.#joinDueMs = nowMs + Math.max(this.#members.rebalanceTimeoutMs, ABSENT_WAIT_MS_MIN);
      return;
    }
    this.#joinDueMs = NEVER;
    this.#isInitial = false;
    this.#generation = this.#generation === GENERATION_MAX ? 1 : this.#generation + 1;
    this.#protocolName = this.#members.selectProtocol();
    this.#subscribed = undefined;
    if (this.#members.size === 0) {
      this.#state = 'Empty';
      this.#store({ kind: 'empty' }, null);
      return;
    }
    this.#state = 'CompletingRebalance';
    this.#syncDueMs = nowMs + this.#members.rebalanceTimeoutMs;
    for (const member of this.#members.all()) {
      this.#unsynced.add(member.memberId);
      // An absent static member's session goes on as it was.
      if (member.joinTicket === null) continue;
      this.#answerJoin(member, this.#joined(member));
      member.isNew = false;
      member.isIdKnown = true;
      this.#startSession(member, nowMs);
    }
  }

  #syncError(request: SyncRequest): number {
    const errorCode = this.#memberError(request.memberId, request.groupInstanceId);
    if (errorCode !== ErrorCode.NONE) return errorCode;
    if (request.generation !== this.#generation) return ErrorCode.ILLEGAL_GENERATION;
    const { protocolType, protocolName } = request;
    if (
      (protocolType !== null && protocolType !== this.#protocolType) ||
      (protocolName !== null && protocolName !== this.#protocolName)
    ) {
      return ErrorCode.INCONSISTENT_GROUP_PROTOCOL;
    }
    const isRebalancing = this.#state === 'PreparingRebalance';
    return isRebalancing ? ErrorCode.REBALANCE_IN_PROGRESS : ErrorCode.NONE;
  }

  #isStoringAssignment(): boolean {
    for (const store of this.#stores.values()) {
      if (store.kind === 'assignment' && store.generation === this.#generation) return true;
    }
    return false;
  }

  #storeAssignment(by: Assignment): void {
    this.#store({ kind: 'assignment', generation: this.#generation, by }, by);
  }

  #assignmentStored(
    { generation, by }: { readonly generation: number; readonly by: Assignment },
    errorCode: number,
    nowMs: number,
  ): void {
    if (this.#state !== 'CompletingRebalance' || generation !== this.#generation) return;
    if (errorCode !== ErrorCode.NONE) {
      for (const member of this.#members.all()) {
        this.#answerSync(member, errorCode, nowMs);
      }
      this.#prepareRebalance(nowMs);
      return;
    }
    this.#state = 'Stable';
    for (const member of this.#members.all()) {
      this.#members.assign(member, by.get(member.memberId) ?? NO_ASSIGNMENT);
      this.#answerSync(member, ErrorCode.NONE, nowMs);
    }
  }

  /** Asks for the group to be stored as it is, with `by` for its assignment if given. */
  #store(store: PendingStore, by: Assignment | null): void {
    const storeId = this.#nextStoreId++;
    this.#stores.set(storeId, store);
    this.#effects.push({ kind: 'store', storeId, snapshot: this.#snapshot(by) });
  }

  #snapshot(by: Assignment | null): GroupSnapshot {
    const name = this.#protocolName;
    return {
      protocolType: this.#protocolType ?? '',
      generation: this.#generation,
      protocolName: name,
      leader: this.#members.leaderId,
      members: Array.from(this.#members.all(), ({ memberId, facts, assignment }) => ({
        memberId,
        ...facts,
        protocols: facts.protocols.filter((protocol) => protocol.name === name),
        assignment: by === null ? assignment : (by.get(memberId) ?? NO_ASSIGNMENT),
      })),
    };
  }

  #endSessions(nowMs: number): void {
    const before = this.#members.size;
    this.#sessionsDueMs = NEVER;
    for (const [memberId, dueMs] of this.#pendingIds) {
      if (dueMs > nowMs) this.#sessionsDueMs = Math.min(this.#sessionsDueMs, dueMs);
      else this.#pendingIds.delete(memberId);
    }
    for (const member of [...this.#members.all()]) {
      if (member.sessionDueMs > nowMs) this.#setSession(member, member.sessionDueMs);
      else this.#drop(member, ErrorCode.UNKNOWN_MEMBER_ID);
    }
    if (this.#members.size < before) this.#rebalance(nowMs);
    else this.#maybeCompleteJoin(nowMs);
  }

  /** The member was heard of; while it waits for our answer its session cannot end. */
  #refresh(member: Member, nowMs: number): void {
    if (member.joinTicket === null && member.syncTicket === null) this.#startSession(member, nowMs);
  }

  #startSession(member: Member, nowMs: number): void {
    this.#setSession(member, nowMs + member.facts.sessionTimeoutMs);
  }

  #setSession(member: Member, dueMs: number): void {
    member.sessionDueMs = dueMs;
    this.#sessionsDueMs = Math.min(this.#sessionsDueMs, dueMs);
  }

  #park(member: Member, ticket: number, nowMs: number): void {
    // An older JoinGroup of the same member is superseded; a parked SyncGroup is, too.
    this.#answerJoin(member, this.#joinRefusal(member.memberId, ErrorCode.REBALANCE_IN_PROGRESS));
    this.#answerSync(member, ErrorCode.REBALANCE_IN_PROGRESS, nowMs);
    this.#members.parkJoin(member, ticket);
    if (member.isNew) this.#setSession(member, nowMs + this.#settings.newMemberJoinTimeoutMs);
    else member.sessionDueMs = NEVER;
  }

  #answerJoin(member: Member, answer: JoinAnswer): void {
    const ticket = this.#members.takeJoin(member);
    if (ticket !== null) this.#effects.push({ kind: 'joinAnswer', ticket, answer });
  }

  #answerSync(member: Member, errorCode: number, nowMs: number): void {
    const ticket = member.syncTicket;
    if (ticket === null) return;
    member.syncTicket = null;
    this.#startSession(member, nowMs);
    if (errorCode !== ErrorCode.NONE) this.#refuseSync(ticket, errorCode);
    else this.#effects.push({ kind: 'syncAnswer', ticket, answer: this.#assigned(member) });
  }

  #refuseJoin(ticket: number, memberId: string, errorCode: number): void {
    const answer = this.#joinRefusal(memberId, errorCode);
    this.#effects.push({ kind: 'joinAnswer', ticket, answer });
  }

  #refuseSync(ticket: number, errorCode: number): void {
    const answer = {
      errorCode,
      protocolType: null,
      protocolName: null,
      assignment: NO_ASSIGNMENT,
    };
    this.#effects.push({ kind: 'syncAnswer', ticket, answer });
  }

  #assigned({ assignment }: Member) {
    const { protocolType, protocolName } = this;
    return { errorCode: ErrorCode.NONE, protocolType, protocolName, assignment };
  }

  /** The current generation, with all members for the leader. */
  #joined({ memberId }: Member): JoinAnswer {
    const isLeader = memberId === this.#members.leaderId;
    return {
      errorCode: ErrorCode.NONE,
      memberId,
      generation: this.#generation,
      protocolType: this.#protocolType,
      protocolName: this.#protocolName,
      leader: this.#members.leaderId ?? '',
      skipAssignment: false,
      members: isLeader
        ? Array.from(this.#members.all(), (member) => ({
            memberId: member.memberId,
            groupInstanceId: member.facts.groupInstanceId,
            metadata: metadataOf(member, this.#protocolName),
          }))
        : [],
    };
  }

  #joinRefusal(memberId: string, errorCode: number): JoinAnswer {
    return {
      errorCode,
      memberId,
      generation: -1,
      protocolType: null,
      protocolName: null,
      leader: '',
      skipAssignment: false,
      members: [],
    };
  }
}
