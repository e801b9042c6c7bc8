/**
 * SyncGroup (key 14): fetches, and from the leader distributes, the assignment of a classic group.
 */
import {
  array,
  bytes,
  groupId,
  type Infer,
  int16,
  int32,
  message,
  string,
  struct,
} from '../schema.ts';

const syncGroupRequestAssignment = struct({
  memberId: string('0+'),
  assignment: bytes('0+'),
});
export interface SyncGroupRequestAssignment extends Infer<typeof syncGroupRequestAssignment> {}

export const syncGroupRequest = message(
  'SyncGroupRequest',
  { versions: '0-5', flexible: '4+' },
  {
    groupId: groupId('0+'),
    generationId: int32('0+'),
    memberId: string('0+'),
    groupInstanceId: string('3+', { nullable: '3+', default: null }),
    protocolType: string('5+', { nullable: '5+', default: null, ignorable: true }),
    protocolName: string('5+', { nullable: '5+', default: null, ignorable: true }),
    assignments: array('0+', syncGroupRequestAssignment),
  },
);
export interface SyncGroupRequest extends Infer<typeof syncGroupRequest> {}

export const syncGroupResponse = message(
  'SyncGroupResponse',
  { versions: '0-5', flexible: '4+' },
  {
    throttleTimeMs: int32('1+', { ignorable: true }),
    errorCode: int16('0+'),
    protocolType: string('5+', { nullable: '5+', default: null, ignorable: true }),
    protocolName: string('5+', { nullable: '5+', default: null, ignorable: true }),
    assignment: bytes('0+'),
  },
);
export interface SyncGroupResponse extends Infer<typeof syncGroupResponse> {}
