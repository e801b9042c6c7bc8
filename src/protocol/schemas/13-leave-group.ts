/**
 * LeaveGroup (key 13): leaves a classic group. Versions 0-2 name one member, version 3 and later a
 * list.
 */
import { array, groupId, type Infer, int16, int32, message, string, struct } from '../schema.ts';

const memberIdentity = struct({
  memberId: string('3+'),
  groupInstanceId: string('3+', { nullable: '3+', default: null }),
  reason: string('5+', { nullable: '5+', default: null, ignorable: true }),
});
export interface MemberIdentity extends Infer<typeof memberIdentity> {}

export const leaveGroupRequest = message(
  'LeaveGroupRequest',
  { versions: '0-5', flexible: '4+' },
  {
    groupId: groupId('0+'),
    memberId: string('0-2'),
    members: array('3+', memberIdentity),
  },
);
export interface LeaveGroupRequest extends Infer<typeof leaveGroupRequest> {}

const memberResponse = struct({
  memberId: string('3+'),
  groupInstanceId: string('3+', { nullable: '3+' }),
  errorCode: int16('3+'),
});
export interface MemberResponse extends Infer<typeof memberResponse> {}

export const leaveGroupResponse = message(
  'LeaveGroupResponse',
  { versions: '0-5', flexible: '4+' },
  {
    throttleTimeMs: int32('1+', { ignorable: true }),
    errorCode: int16('0+'),
    members: array('3+', memberResponse),
  },
);
export interface LeaveGroupResponse extends Infer<typeof leaveGroupResponse> {}
