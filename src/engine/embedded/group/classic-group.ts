/**
 * Owns the requests of one group of the classic protocol (Kafka's ClassicGroup and the classic half
 * of its GroupMetadataManager): who may do what, and what it sets in motion; the states themselves
 * are drawn in group-rebalance.ts. Pure: time comes in as `nowMs` (monotonic), requests as values,
 * and what is to be done goes out as effects. It holds no timer: `dueMs` tells when `advance` wants
 * to be called.
 */
import { ErrorCode } from '../../../protocol/error-codes.ts';
import type {
  CommitCredentials,
  GroupEffect,
  GroupSnapshot,
  JoinRequest,
  LeaveRequest,
  LeaveResult,
  SyncRequest,
} from './classic-group-messages.ts';
import {
  type Assignment,
  assignedAnswer,
  joinedAnswer,
  joinRefusal,
  snapshotOf,
} from './group-answers.ts';
import {
  type GroupMembers,
  isSameProtocols,
  type Member,
  type MemberFacts,
  metadataBytesOf,
  metadataOf,
  NO_ASSIGNMENT,
} from './group-members.ts';
import { GroupRebalance, type GroupState } from './group-rebalance.ts';
import type { GroupSessions } from './group-sessions.ts';
import type { GroupSettings } from './group-settings.ts';
import { subscribedTopicsOf } from './subscribed-topics.ts';

/** What a store under way decides: the leader's assignment, or a static member's new id. */
type PendingStore =
  | { readonly kind: 'assignment'; readonly generation: number; readonly by: Assignment }
  | { readonly kind: 'replacement'; readonly replacement: Replacement }
  | { readonly kind: 'empty' };

interface Replacement {
  readonly oldId: string;
  readonly oldFacts: MemberFacts;
  readonly newId: string;
  readonly leaderBefore: string | null;
  readonly skipsAssignment: boolean;
}

export class ClassicGroup {
  readonly #settings: GroupSettings;
  readonly #rebalance: GroupRebalance;
  readonly #members: GroupMembers;
  readonly #sessions: GroupSessions;
  readonly #stores = new Map<number, PendingStore>();
  #nextStoreId = 1;
  /** Of which generation, and what was found. */
  #subscribed: readonly [number, ReadonlySet<string> | null] | null = null;

  constructor(settings: GroupSettings) {
    this.#settings = settings;
    this.#rebalance = new GroupRebalance(settings, () => this.#store({ kind: 'empty' }, null));
    this.#members = this.#rebalance.members;
    this.#sessions = this.#rebalance.sessions;
  }

  /** A group as it was stored: Stable with its members, whose sessions begin anew, or Empty. */
  static restore(settings: GroupSettings, stored: GroupSnapshot, nowMs: number): ClassicGroup {
    const group = new ClassicGroup(settings);
    group.#rebalance.restore(stored, nowMs);
    return group;
  }

  get state(): GroupState {
    return this.#rebalance.state;
  }

  get generation(): number {
    return this.#rebalance.generation;
  }

  get protocolType(): string | null {
    return this.#rebalance.protocolType;
  }

  get protocolName(): string | null {
    return this.#rebalance.protocolName;
  }

  get members(): IterableIterator<Member> {
    return this.#members.all();
  }

  get memberCount(): number {
    return this.#members.size;
  }

  /** Nobody is here or expected, and nothing is under way: it can be put away. */
  get isIdle(): boolean {
    return (
      this.#rebalance.state === 'Empty' &&
      this.#sessions.pendingCount === 0 &&
      this.#stores.size === 0
    );
  }

  /** About what its members and the ids given out take in memory. */
  get heldBytes(): number {
    return this.#members.heldBytes + this.#sessions.pendingBytes;
  }

  /** When `advance` is to be called; it may find nothing to do then. */
  get dueMs(): number {
    return this.#rebalance.dueMs;
  }

  /** What a member's metadata looks like to others: only a Stable group shows it. */
  metadataOf(member: Member): Buffer {
    return this.#rebalance.state === 'Stable'
      ? metadataOf(member, this.#rebalance.protocolName)
      : NO_ASSIGNMENT;
  }

  assignmentOf(member: Member): Buffer {
    return this.#rebalance.state === 'Stable' ? member.assignment : NO_ASSIGNMENT;
  }

  /** Topics of a consumer group's members; null where they cannot be known. */
  get subscribedTopics(): ReadonlySet<string> | null {
    if (this.#rebalance.protocolType !== 'consumer') return null;
    if (this.#members.size === 0) return new Set();
    const { generation, protocolName } = this.#rebalance;
    if (this.#subscribed?.[0] !== generation) {
      const metadata = Array.from(this.#members.all(), (one) => metadataOf(one, protocolName));
      this.#subscribed = [generation, subscribedTopicsOf(metadata)];
    }
    return this.#subscribed[1];
  }

  join(request: JoinRequest, nowMs: number): readonly GroupEffect[] {
    const { memberId, ticket } = request;
    const isNewcomer = memberId === '';
    if (!this.#hasRoomFor(request)) {
      const member = this.#members.get(memberId);
      this.#rebalance.refuseJoin(ticket, '', ErrorCode.GROUP_MAX_SIZE_REACHED);
      if (member !== undefined) {
        this.#rebalance.drop(member, ErrorCode.GROUP_MAX_SIZE_REACHED);
        this.#rebalance.changed(nowMs);
      }
    } else if (!this.#supports(request)) {
      this.#rebalance.refuseJoin(ticket, memberId, ErrorCode.INCONSISTENT_GROUP_PROTOCOL);
    } else if (!isNewcomer) {
      this.#joinKnown(request, nowMs);
    } else if (request.facts.groupInstanceId !== null) {
      this.#joinStatic(request, request.facts.groupInstanceId, nowMs);
    } else if (request.requiresKnownMemberId) {
      this.#sessions.giveOut(request.newMemberId, nowMs + request.facts.sessionTimeoutMs);
      this.#rebalance.refuseJoin(ticket, request.newMemberId, ErrorCode.MEMBER_ID_REQUIRED);
    } else {
      this.#addMember(request, request.newMemberId, nowMs);
    }
    return this.#rebalance.takeEffects();
  }

  sync(request: SyncRequest, nowMs: number): readonly GroupEffect[] {
    const { memberId, ticket } = request;
    const errorCode = this.#syncError(request);
    if (errorCode !== ErrorCode.NONE) {
      this.#rebalance.refuseSync(ticket, errorCode);
      return this.#rebalance.takeEffects();
    }
    const member = this.#members.get(memberId)!;
    this.#rebalance.hasSynced(memberId);
    if (this.#rebalance.state === 'Stable') {
      this.#rebalance.emit({
        kind: 'syncAnswer',
        ticket,
        answer: assignedAnswer(member, this.#rebalance),
      });
      this.#sessions.refresh(member, nowMs);
      return this.#rebalance.takeEffects();
    }
    // An older SyncGroup of the same member is superseded.
    this.#rebalance.answerSync(member, ErrorCode.REBALANCE_IN_PROGRESS, nowMs);
    member.syncTicket = ticket;
    member.sessionDueMs = Number.POSITIVE_INFINITY;
    if (memberId === this.#members.leaderId && !this.#isStoringAssignment()) {
      this.#storeAssignment(new Map(request.assignments));
    }
    return this.#rebalance.takeEffects();
  }

  /** The error code; a known member's session goes on, also while the group rebalances. */
  heartbeat(credentials: CommitCredentials, nowMs: number): number {
    const { memberId, groupInstanceId, generation } = credentials;
    const errorCode = this.#members.credentialError(memberId, groupInstanceId);
    if (errorCode !== ErrorCode.NONE) return errorCode;
    if (generation !== this.#rebalance.generation) return ErrorCode.ILLEGAL_GENERATION;
    this.#sessions.refresh(this.#members.get(memberId)!, nowMs);
    return this.#rebalance.state === 'PreparingRebalance'
      ? ErrorCode.REBALANCE_IN_PROGRESS
      : ErrorCode.NONE;
  }

  /** Whether these may commit offsets now (ClassicGroup.validateOffsetCommit); keeps the session. */
  commit(credentials: CommitCredentials, nowMs: number): number {
    const { memberId, groupInstanceId, generation } = credentials;
    if (generation < 0 && this.#rebalance.state === 'Empty') return ErrorCode.NONE;
    if (generation < 0 && memberId === '' && groupInstanceId === null) {
      return ErrorCode.UNKNOWN_MEMBER_ID;
    }
    const errorCode = this.#members.credentialError(memberId, groupInstanceId);
    if (errorCode !== ErrorCode.NONE) return errorCode;
    if (generation !== this.#rebalance.generation) return ErrorCode.ILLEGAL_GENERATION;
    if (this.#rebalance.state === 'CompletingRebalance') return ErrorCode.REBALANCE_IN_PROGRESS;
    this.#sessions.refresh(this.#members.get(memberId)!, nowMs);
    return ErrorCode.NONE;
  }

  /** One result for each of `leaving`, in their order. */
  leave(
    leaving: readonly LeaveRequest[],
    nowMs: number,
  ): { readonly results: readonly LeaveResult[]; readonly effects: readonly GroupEffect[] } {
    const before = this.#members.size;
    const results = leaving.map((request) => ({ ...request, errorCode: this.#leaveOne(request) }));
    if (this.#members.size < before) this.#rebalance.changed(nowMs);
    else this.#rebalance.maybeCompleteJoin(nowMs);
    return { results, effects: this.#rebalance.takeEffects() };
  }

  /**
   * The connection on which the ticket is parked has gone. The member has one session timeout to
   * come back; one whose id nobody was told cannot, and leaves.
   */
  gone(memberId: string, ticket: number, nowMs: number): readonly GroupEffect[] {
    const member = this.#members.get(memberId);
    if (member === undefined) return [];
    if (member.joinTicket === ticket) {
      this.#rebalance.answerJoin(member, joinRefusal('', ErrorCode.NOT_COORDINATOR));
      const canComeBack = member.isIdKnown || member.facts.groupInstanceId !== null;
      if (canComeBack) this.#sessions.start(member, nowMs);
      else {
        this.#rebalance.drop(member, ErrorCode.UNKNOWN_MEMBER_ID);
        this.#rebalance.changed(nowMs);
      }
    } else if (member.syncTicket === ticket) {
      this.#rebalance.answerSync(member, ErrorCode.NOT_COORDINATOR, nowMs);
    }
    return this.#rebalance.takeEffects();
  }

  /** A store effect has ended: NONE when it is durable, else why nothing was stored. */
  stored(storeId: number, errorCode: number, nowMs: number): readonly GroupEffect[] {
    const store = this.#stores.get(storeId);
    this.#stores.delete(storeId);
    if (store?.kind === 'assignment') this.#assignmentStored(store, errorCode, nowMs);
    if (store?.kind === 'replacement') this.#replacementStored(store.replacement, errorCode, nowMs);
    return this.#rebalance.takeEffects();
  }

  /** Does what has fallen due. */
  advance(nowMs: number): readonly GroupEffect[] {
    this.#rebalance.advance(nowMs);
    return this.#rebalance.takeEffects();
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
    if (isGivenId && this.#sessions.pendingCount >= membersMax) return false;
    if (this.#rebalance.state === 'Empty') return true;
    // While it rebalances, those that have joined count: the last to come back are turned away.
    if (this.#rebalance.state === 'PreparingRebalance') {
      return known?.joinTicket != null || this.#members.parkedJoins < membersMax;
    }
    return known !== undefined || this.#members.size < membersMax;
  }

  #supports({ protocolType, facts }: JoinRequest): boolean {
    if (protocolType === '' || facts.protocols.length === 0) return false;
    if (this.#members.size === 0) return true;
    return (
      protocolType === this.#rebalance.protocolType && this.#members.supportsOneOf(facts.protocols)
    );
  }

  #joinKnown(request: JoinRequest, nowMs: number): void {
    const { memberId, ticket, facts } = request;
    if (this.#sessions.isPending(memberId)) {
      // Ids are given in advance to dynamic members only.
      if (facts.groupInstanceId !== null) {
        this.#rebalance.refuseJoin(ticket, memberId, ErrorCode.UNKNOWN_MEMBER_ID);
      } else this.#addMember(request, memberId, nowMs);
      return;
    }
    const errorCode = this.#members.credentialError(memberId, facts.groupInstanceId);
    if (errorCode !== ErrorCode.NONE) {
      this.#rebalance.refuseJoin(ticket, memberId, errorCode);
      return;
    }
    const member = this.#members.get(memberId)!;
    const isSame = isSameProtocols(member.facts.protocols, facts.protocols);
    const isLeader = memberId === this.#members.leaderId;
    const goesOn =
      (this.#rebalance.state === 'CompletingRebalance' && isSame) ||
      (this.#rebalance.state === 'Stable' && isSame && !isLeader);
    if (goesOn) {
      const answer = joinedAnswer(member, this.#rebalance);
      this.#rebalance.emit({ kind: 'joinAnswer', ticket, answer });
      this.#sessions.refresh(member, nowMs);
      return;
    }
    this.#members.update(member, facts);
    this.#rebalance.park(member, ticket, nowMs);
    this.#rebalance.changed(nowMs);
  }

  #addMember(request: JoinRequest, memberId: string, nowMs: number): void {
    this.#rebalance.welcome(request.protocolType);
    this.#sessions.takeBack(memberId);
    const member = this.#members.add(memberId, request.facts);
    member.isIdKnown = request.memberId !== '';
    this.#rebalance.park(member, request.ticket, nowMs);
    this.#rebalance.changed(nowMs);
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
    this.#rebalance.answerJoin(old, joinRefusal(oldId, ErrorCode.FENCED_INSTANCE_ID));
    this.#rebalance.answerSync(old, ErrorCode.FENCED_INSTANCE_ID, nowMs);
    const member = this.#members.replaceId(old, request.newMemberId);
    this.#rebalance.renamed(oldId, member.memberId);
    this.#members.update(member, request.facts);
    this.#rebalance.park(member, request.ticket, nowMs);
    if (
      this.#rebalance.state !== 'Stable' ||
      this.#members.selectProtocol() !== this.#rebalance.protocolName
    ) {
      this.#rebalance.changed(nowMs);
      return;
    }
    // KIP-345: a restart of a static member is no reason to rebalance.
    this.#subscribed = null;
    const { skipsAssignment } = request;
    const newId = member.memberId;
    const replacement = { oldId, oldFacts, newId, leaderBefore, skipsAssignment };
    this.#store({ kind: 'replacement', replacement }, null);
  }

  #replacementStored(replacement: Replacement, errorCode: number, nowMs: number): void {
    const { oldId, oldFacts, newId, leaderBefore, skipsAssignment } = replacement;
    const member = this.#members.get(newId);
    // A rebalance may have begun meanwhile: then it answers.
    if (member === undefined || member.joinTicket === null || this.#rebalance.state !== 'Stable')
      return;
    if (errorCode !== ErrorCode.NONE) {
      this.#rebalance.answerJoin(member, joinRefusal('', errorCode));
      const before = this.#members.replaceId(member, oldId);
      this.#members.update(before, oldFacts);
      this.#sessions.start(before, nowMs);
      return;
    }
    const isLeader = newId === this.#members.leaderId;
    const answer = joinedAnswer(member, this.#rebalance);
    if (skipsAssignment)
      this.#rebalance.answerJoin(member, { ...answer, skipAssignment: isLeader });
    // Versions that know no skipping are told of the old leader, so that nobody assigns anew.
    else this.#rebalance.answerJoin(member, { ...answer, leader: leaderBefore ?? '', members: [] });
    this.#sessions.start(member, nowMs);
  }

  #leaveOne({ memberId, groupInstanceId }: LeaveRequest): number {
    // An administrator removes a static member by its instance id alone.
    const id =
      memberId === '' && groupInstanceId !== null
        ? (this.#members.ofInstance(groupInstanceId) ?? '')
        : memberId;
    if (this.#sessions.takeBack(id)) return ErrorCode.NONE;
    const errorCode = this.#members.credentialError(id, groupInstanceId);
    if (errorCode !== ErrorCode.NONE) return errorCode;
    this.#rebalance.drop(this.#members.get(id)!, ErrorCode.UNKNOWN_MEMBER_ID);
    return ErrorCode.NONE;
  }

  #syncError(request: SyncRequest): number {
    const errorCode = this.#members.credentialError(request.memberId, request.groupInstanceId);
    if (errorCode !== ErrorCode.NONE) return errorCode;
    if (request.generation !== this.#rebalance.generation) return ErrorCode.ILLEGAL_GENERATION;
    const { protocolType, protocolName } = request;
    if (
      (protocolType !== null && protocolType !== this.#rebalance.protocolType) ||
      (protocolName !== null && protocolName !== this.#rebalance.protocolName)
    ) {
      return ErrorCode.INCONSISTENT_GROUP_PROTOCOL;
    }
    const isRebalancing = this.#rebalance.state === 'PreparingRebalance';
    return isRebalancing ? ErrorCode.REBALANCE_IN_PROGRESS : ErrorCode.NONE;
  }

  #isStoringAssignment(): boolean {
    for (const store of this.#stores.values()) {
      if (store.kind === 'assignment' && store.generation === this.#rebalance.generation)
        return true;
    }
    return false;
  }

  #storeAssignment(by: Assignment): void {
    this.#store({ kind: 'assignment', generation: this.#rebalance.generation, by }, by);
  }

  #assignmentStored(
    { generation, by }: { readonly generation: number; readonly by: Assignment },
    errorCode: number,
    nowMs: number,
  ): void {
    if (
      this.#rebalance.state !== 'CompletingRebalance' ||
      generation !== this.#rebalance.generation
    )
      return;
    if (errorCode !== ErrorCode.NONE) {
      for (const member of this.#members.all()) {
        this.#rebalance.answerSync(member, errorCode, nowMs);
      }
      this.#rebalance.prepare(nowMs);
      return;
    }
    this.#rebalance.complete(by, nowMs);
  }

  /** Asks for the group to be stored as it is, with `by` for its assignment if given. */
  #store(store: PendingStore, by: Assignment | null): void {
    const storeId = this.#nextStoreId++;
    this.#stores.set(storeId, store);
    this.#rebalance.emit({ kind: 'store', storeId, snapshot: snapshotOf(this.#rebalance, by) });
  }
}
