/** Owns the forms in which a group's members are told of it, and in which it is stored. */
import { ErrorCode } from '../../../protocol/error-codes.ts';
import type { GroupSnapshot, JoinAnswer, SyncAnswer } from './classic-group-messages.ts';
import { type GroupMembers, type Member, metadataOf, NO_ASSIGNMENT } from './group-members.ts';

/** Member ids and their assignments. */
export type Assignment = ReadonlyMap<string, Buffer>;

export interface Generation {
  readonly generation: number;
  readonly protocolType: string | null;
  readonly protocolName: string | null;
  readonly members: GroupMembers;
}

export function joinRefusal(memberId: string, errorCode: number): JoinAnswer {
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

/** The current generation, with all members for the leader. */
export function joinedAnswer(to: Member, group: Generation): JoinAnswer {
  const { generation, protocolType, protocolName, members } = group;
  const isLeader = to.memberId === members.leaderId;
  return {
    errorCode: ErrorCode.NONE,
    memberId: to.memberId,
    generation,
    protocolType,
    protocolName,
    leader: members.leaderId ?? '',
    skipAssignment: false,
    members: isLeader
      ? Array.from(members.all(), (member) => ({
          memberId: member.memberId,
          groupInstanceId: member.facts.groupInstanceId,
          metadata: metadataOf(member, protocolName),
        }))
      : [],
  };
}

export function syncRefusal(errorCode: number): SyncAnswer {
  return { errorCode, protocolType: null, protocolName: null, assignment: NO_ASSIGNMENT };
}

export function assignedAnswer({ assignment }: Member, group: Generation): SyncAnswer {
  const { protocolType, protocolName } = group;
  return { errorCode: ErrorCode.NONE, protocolType, protocolName, assignment };
}

/** The group as it is, with `by` for its assignment if given. */
export function snapshotOf(group: Generation, by: Assignment | null): GroupSnapshot {
  const { generation, protocolType, protocolName, members } = group;
  return {
    protocolType: protocolType ?? '',
    generation,
    protocolName,
    leader: members.leaderId,
    members: Array.from(members.all(), ({ memberId, facts, assignment }) => ({
      memberId,
      ...facts,
      protocols: facts.protocols.filter(({ name }) => name === protocolName),
      assignment: by === null ? assignment : (by.get(memberId) ?? NO_ASSIGNMENT),
    })),
  };
}
