/** What goes into a classic group's state machine and what comes out of it. */
import type { MemberFacts } from './group-members.ts';

export interface JoinRequest {
  /** Under which the answer comes; each is used once. */
  readonly ticket: number;
  /** '' for a member that has no id yet. */
  readonly memberId: string;
  /** The id that it gets if it needs one; never used before. */
  readonly newMemberId: string;
  readonly protocolType: string;
  readonly facts: MemberFacts;
  /** Version 4 and later: a dynamic member is given its id first and joins with it then (KIP-394). */
  readonly requiresKnownMemberId: boolean;
  /** Version 9 and later: a leader can be told that nothing is to be assigned. */
  readonly skipsAssignment: boolean;
}

export interface JoinAnswer {
  readonly errorCode: number;
  readonly memberId: string;
  readonly generation: number;
  readonly protocolType: string | null;
  readonly protocolName: string | null;
  readonly leader: string;
  readonly skipAssignment: boolean;
  readonly members: readonly {
    readonly memberId: string;
    readonly groupInstanceId: string | null;
    readonly metadata: Buffer;
  }[];
}

/** Who says that it is a member of the group, and of which generation. */
export interface CommitCredentials {
  readonly memberId: string;
  readonly groupInstanceId: string | null;
  readonly generation: number;
}

export interface SyncRequest extends CommitCredentials {
  readonly ticket: number;
  /** null: the version does not say. */
  readonly protocolType: string | null;
  readonly protocolName: string | null;
  /** Of the leader: member ids and their assignments. */
  readonly assignments: readonly (readonly [string, Buffer])[];
}

export interface SyncAnswer {
  readonly errorCode: number;
  readonly protocolType: string | null;
  readonly protocolName: string | null;
  readonly assignment: Buffer;
}

export interface LeaveRequest {
  readonly memberId: string;
  readonly groupInstanceId: string | null;
}

export interface LeaveResult extends LeaveRequest {
  readonly errorCode: number;
}

/** A group as it is stored: of each member only the metadata of the chosen protocol. */
export interface GroupSnapshot {
  readonly protocolType: string;
  readonly generation: number;
  readonly protocolName: string | null;
  readonly leader: string | null;
  readonly members: readonly ({
    readonly memberId: string;
    readonly assignment: Buffer;
  } & MemberFacts)[];
}

export type GroupEffect =
  | { readonly kind: 'joinAnswer'; readonly ticket: number; readonly answer: JoinAnswer }
  | { readonly kind: 'syncAnswer'; readonly ticket: number; readonly answer: SyncAnswer }
  /** Make `snapshot` durable, then call `stored` with the id. */
  | { readonly kind: 'store'; readonly storeId: number; readonly snapshot: GroupSnapshot };
