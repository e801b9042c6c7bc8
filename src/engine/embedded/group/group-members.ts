/**
 * Owns the members of one classic group: by id and by instance id, their leader, the protocols that
 * all of them support, and whose JoinGroup or SyncGroup is parked.
 *
 * Invariants: the leader is a member, and there is one as long as there are members; an instance id
 * belongs to one member; `parkedJoins` counts the members whose `joinTicket` is set.
 */
import { ErrorCode } from '../../../protocol/error-codes.ts';

export interface MemberProtocol {
  readonly name: string;
  /** The clients' own; never looked into but for the subscribed topics. */
  readonly metadata: Buffer;
}

/** What a member says of itself when it joins. */
export interface MemberFacts {
  readonly groupInstanceId: string | null;
  readonly clientId: string;
  readonly clientHost: string;
  readonly sessionTimeoutMs: number;
  readonly rebalanceTimeoutMs: number;
  readonly protocols: readonly MemberProtocol[];
}

export interface Member {
  readonly memberId: string;
  facts: MemberFacts;
  /** Changed by `GroupMembers.assign` only. */
  assignment: Buffer;
  /** Has not been answered a JoinGroup yet. */
  isNew: boolean;
  /** The client has been told its id: it can come back under it. */
  isIdKnown: boolean;
  joinTicket: number | null;
  syncTicket: number | null;
  /** When it is removed unless it is heard of; Infinity while it waits for our answer. */
  sessionDueMs: number;
}

const MEMBER_OVERHEAD_BYTES = 512;
const PROTOCOL_OVERHEAD_BYTES = 128;

export const NO_ASSIGNMENT: Buffer = Buffer.alloc(0);

export class GroupMembers {
  readonly #byId = new Map<string, Member>();
  readonly #idOfInstance = new Map<string, string>();
  #leaderId: string | null = null;
  /** How many members support each protocol. */
  readonly #supporters = new Map<string, number>();
  #parkedJoins = 0;
  #metadataBytes = 0;
  #assignmentBytes = 0;

  get size(): number {
    return this.#byId.size;
  }

  get leaderId(): string | null {
    return this.#leaderId;
  }

  get parkedJoins(): number {
    return this.#parkedJoins;
  }

  /** Bytes of all members' metadata. */
  get metadataBytes(): number {
    return this.#metadataBytes;
  }

  /** About what all members take in memory, with their assignments. */
  get heldBytes(): number {
    return this.#metadataBytes + this.#assignmentBytes;
  }

  /** The longest that a rebalance may take: what the most patient member allows. */
  get rebalanceTimeoutMs(): number {
    let longest = 0;
    for (const { facts } of this.#byId.values()) {
      longest = Math.max(longest, facts.rebalanceTimeoutMs);
    }
    return longest;
  }

  get(memberId: string): Member | undefined {
    return this.#byId.get(memberId);
  }

  has(memberId: string): boolean {
    return this.#byId.has(memberId);
  }

  all(): IterableIterator<Member> {
    return this.#byId.values();
  }

  /** The member that holds the instance id. */
  ofInstance(groupInstanceId: string): string | undefined {
    return this.#idOfInstance.get(groupInstanceId);
  }

  /** What is wrong with somebody who says that it is this member (ClassicGroup.validateMember). */
  credentialError(memberId: string, groupInstanceId: string | null): number {
    if (groupInstanceId !== null) {
      const holder = this.ofInstance(groupInstanceId);
      if (holder === undefined) return ErrorCode.UNKNOWN_MEMBER_ID;
      if (holder !== memberId) return ErrorCode.FENCED_INSTANCE_ID;
    }
    return this.has(memberId) ? ErrorCode.NONE : ErrorCode.UNKNOWN_MEMBER_ID;
  }

  add(memberId: string, facts: MemberFacts): Member {
    const member: Member = {
      memberId,
      facts,
      assignment: NO_ASSIGNMENT,
      isNew: true,
      isIdKnown: true,
      joinTicket: null,
      syncTicket: null,
      sessionDueMs: Number.POSITIVE_INFINITY,
    };
    this.#byId.set(memberId, member);
    if (facts.groupInstanceId !== null) this.#idOfInstance.set(facts.groupInstanceId, memberId);
    this.#leaderId ??= memberId;
    this.#count(facts, 1);
    return member;
  }

  update(member: Member, facts: MemberFacts): void {
    this.#count(member.facts, -1);
    this.#count(facts, 1);
    member.facts = facts;
  }

  assign(member: Member, assignment: Buffer): void {
    this.#assignmentBytes += assignment.length - member.assignment.length;
    member.assignment = assignment;
  }

  /** Its tickets have been answered before. */
  remove(member: Member): void {
    if (!this.#byId.delete(member.memberId)) return;
    this.#assignmentBytes -= member.assignment.length;
    this.takeJoin(member);
    const { groupInstanceId } = member.facts;
    if (groupInstanceId !== null) this.#idOfInstance.delete(groupInstanceId);
    this.#count(member.facts, -1);
    if (this.#leaderId !== member.memberId) return;
    const [heir] = this.#byId.keys();
    this.#leaderId = heir ?? null;
  }

  /** The same static member under a new id: it keeps its assignment and its leadership. */
  replaceId(member: Member, memberId: string): Member {
    const isLeader = this.#leaderId === member.memberId;
    const { facts, assignment } = member;
    this.remove(member);
    const successor = this.add(memberId, facts);
    this.assign(successor, assignment);
    successor.isNew = false;
    if (isLeader) this.#leaderId = memberId;
    return successor;
  }

  parkJoin(member: Member, ticket: number): void {
    if (member.joinTicket === null) this.#parkedJoins += 1;
    member.joinTicket = ticket;
  }

  /** The parked ticket, which the caller answers; null when there is none. */
  takeJoin(member: Member): number | null {
    const ticket = member.joinTicket;
    if (ticket !== null) this.#parkedJoins -= 1;
    member.joinTicket = null;
    return ticket;
  }

  /** Leaves the leadership with a member that has joined; false when nobody has. */
  electJoinedLeader(): boolean {
    if (this.#leaderId === null) return false;
    if (this.#byId.get(this.#leaderId)!.joinTicket !== null) return true;
    for (const member of this.#byId.values()) {
      if (member.joinTicket === null) continue;
      this.#leaderId = member.memberId;
      return true;
    }
    return false;
  }

  restoreLeader(memberId: string | null): void {
    if (memberId !== null && this.#byId.has(memberId)) this.#leaderId = memberId;
  }

  /** Whether one of these protocols is supported by every member. */
  supportsOneOf(protocols: readonly MemberProtocol[]): boolean {
    return protocols.some(({ name }) => this.#isCommon(name));
  }

  /** Each member votes for the first of its protocols that all support; the most votes win. */
  selectProtocol(): string | null {
    const votes = new Map<string, number>();
    for (const { facts } of this.#byId.values()) {
      const choice = facts.protocols.find(({ name }) => this.#isCommon(name));
      if (choice !== undefined) votes.set(choice.name, (votes.get(choice.name) ?? 0) + 1);
    }
    let winner: string | null = null;
    for (const [name, count] of votes) {
      if (winner === null || count > votes.get(winner)!) winner = name;
    }
    return winner;
  }

  #isCommon(name: string): boolean {
    return (this.#supporters.get(name) ?? 0) === this.#byId.size;
  }

  #count(facts: MemberFacts, change: 1 | -1): void {
    this.#metadataBytes += change * metadataBytesOf(facts);
    for (const name of new Set(facts.protocols.map((protocol) => protocol.name))) {
      const count = (this.#supporters.get(name) ?? 0) + change;
      if (count === 0) this.#supporters.delete(name);
      else this.#supporters.set(name, count);
    }
  }
}

export function metadataOf(member: Member, protocolName: string | null): Buffer {
  const protocol = member.facts.protocols.find(({ name }) => name === protocolName);
  return protocol?.metadata ?? NO_ASSIGNMENT;
}

/** About what they take in memory: many empty protocols count as well. */
export function metadataBytesOf({ protocols, clientId, groupInstanceId }: MemberFacts): number {
  let sum = MEMBER_OVERHEAD_BYTES + clientId.length + (groupInstanceId?.length ?? 0);
  for (const { name, metadata } of protocols) {
    sum += PROTOCOL_OVERHEAD_BYTES + name.length + metadata.length;
  }
  return sum;
}

/** The same protocols with the same metadata, in the same order of preference. */
export function isSameProtocols(
  one: readonly MemberProtocol[],
  other: readonly MemberProtocol[],
): boolean {
  return (
    one.length === other.length &&
    one.every(({ name, metadata }, index) => {
      const twin = other[index]!;
      return name === twin.name && metadata.equals(twin.metadata);
    })
  );
}
