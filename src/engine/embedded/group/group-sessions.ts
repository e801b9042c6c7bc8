/**
 * Owns the time that is given to members and to ids that were given out: when each ends unless
 * something is heard. Time comes in as `nowMs` (monotonic).
 *
 * Invariant: nothing ends before `dueMs`. It may be too early: heartbeats move sessions and not it.
 */
import type { GroupMembers, Member } from './group-members.ts';

const NEVER = Number.POSITIVE_INFINITY;
/** An id of up to 300 characters and its place. */
const PENDING_ID_BYTES = 512;

export class GroupSessions {
  readonly #members: GroupMembers;
  /** Ids given out and not used yet, and when each is forgotten. */
  readonly #pendingIds = new Map<string, number>();
  #dueMs = NEVER;

  constructor(members: GroupMembers) {
    this.#members = members;
  }

  get dueMs(): number {
    return this.#dueMs;
  }

  /** Ids that were given out and not used yet. */
  get pendingCount(): number {
    return this.#pendingIds.size;
  }

  /** About what they take in memory. */
  get pendingBytes(): number {
    return this.#pendingIds.size * PENDING_ID_BYTES;
  }

  isPending(memberId: string): boolean {
    return this.#pendingIds.has(memberId);
  }

  giveOut(memberId: string, dueMs: number): void {
    this.#pendingIds.set(memberId, dueMs);
    this.#dueMs = Math.min(this.#dueMs, dueMs);
  }

  /** The id is used, or not wanted any more; false when it was not given out. */
  takeBack(memberId: string): boolean {
    return this.#pendingIds.delete(memberId);
  }

  /** The member was heard of; while it waits for our answer its session cannot end. */
  refresh(member: Member, nowMs: number): void {
    if (member.joinTicket === null && member.syncTicket === null) this.start(member, nowMs);
  }

  start(member: Member, nowMs: number): void {
    this.setEnd(member, nowMs + member.facts.sessionTimeoutMs);
  }

  setEnd(member: Member, dueMs: number): void {
    member.sessionDueMs = dueMs;
    this.#dueMs = Math.min(this.#dueMs, dueMs);
  }

  /** Forgets the ids whose time is up, and gives the members whose session is over. */
  endedAt(nowMs: number): readonly Member[] {
    this.#dueMs = NEVER;
    for (const [memberId, dueMs] of this.#pendingIds) {
      if (dueMs > nowMs) this.#dueMs = Math.min(this.#dueMs, dueMs);
      else this.#pendingIds.delete(memberId);
    }
    const ended: Member[] = [];
    for (const member of this.#members.all()) {
      if (member.sessionDueMs > nowMs) this.setEnd(member, member.sessionDueMs);
      else ended.push(member);
    }
    return ended;
  }
}
