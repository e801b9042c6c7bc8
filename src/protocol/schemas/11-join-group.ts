/**
 * JoinGroup (key 11): enters a consumer group of the classic protocol. The members' metadata is
 * the clients' own.
 */
import {
  array,
  bool,
  bytes,
  groupId,
  type Infer,
  int16,
  int32,
  message,
  string,
  struct,
} from '../schema.ts';

const joinGroupRequestProtocol = struct({
  name: string('0+'),
  metadata: bytes('0+'),
});
export interface JoinGroupRequestProtocol extends Infer<typeof joinGroupRequestProtocol> {}

export const joinGroupRequest = message(
  'JoinGroupRequest',
  { versions: '0-9', flexible: '6+' },
  {
    groupId: groupId('0+'),
    sessionTimeoutMs: int32('0+'),
    rebalanceTimeoutMs: int32('1+', { default: -1, ignorable: true }),
    memberId: string('0+'),
    groupInstanceId: string('5+', { nullable: '5+', default: null }),
    protocolType: string('0+'),
    protocols: array('0+', joinGroupRequestProtocol),
    reason: string('8+', { nullable: '8+', default: null, ignorable: true }),
  },
);
export interface JoinGroupRequest extends Infer<typeof joinGroupRequest> {}

const joinGroupResponseMember = struct({
  memberId: string('0+'),
  groupInstanceId: string('5+', { nullable: '5+', default: null, ignorable: true }),
  metadata: bytes('0+'),
});
export interface JoinGroupResponseMember extends Infer<typeof joinGroupResponseMember> {}

export const joinGroupResponse = message(
  'JoinGroupResponse',
  { versions: '0-9', flexible: '6+' },
  {
    throttleTimeMs: int32('2+', { ignorable: true }),
    errorCode: int16('0+'),
    generationId: int32('0+', { default: -1 }),
    protocolType: string('7+', { nullable: '7+', default: null, ignorable: true }),
    protocolName: string('0+', { nullable: '7+' }),
    leader: string('0+'),
    skipAssignment: bool('9+'),
    memberId: string('0+'),
    members: array('0+', joinGroupResponseMember),
  },
);
export interface JoinGroupResponse extends Infer<typeof joinGroupResponse> {}
