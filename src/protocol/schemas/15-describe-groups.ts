/** DescribeGroups (key 15): state and members of classic groups. */
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

export const describeGroupsRequest = message(
  'DescribeGroupsRequest',
  { versions: '0-6', flexible: '5+' },
  {
    groups: array('0+', groupId()),
    includeAuthorizedOperations: bool('3+'),
  },
);
export interface DescribeGroupsRequest extends Infer<typeof describeGroupsRequest> {}

const describedGroupMember = struct({
  memberId: string('0+'),
  groupInstanceId: string('4+', { nullable: '4+', default: null, ignorable: true }),
  clientId: string('0+'),
  clientHost: string('0+'),
  memberMetadata: bytes('0+'),
  memberAssignment: bytes('0+'),
});
export interface DescribedGroupMember extends Infer<typeof describedGroupMember> {}

const describedGroup = struct({
  errorCode: int16('0+'),
  errorMessage: string('6+', { nullable: '6+', default: null }),
  groupId: groupId('0+'),
  groupState: string('0+'),
  protocolType: string('0+'),
  protocolData: string('0+'),
  members: array('0+', describedGroupMember),
  authorizedOperations: int32('3+', { default: -2147483648 }),
});
export interface DescribedGroup extends Infer<typeof describedGroup> {}

export const describeGroupsResponse = message(
  'DescribeGroupsResponse',
  { versions: '0-6', flexible: '5+' },
  {
    throttleTimeMs: int32('1+', { ignorable: true }),
    groups: array('0+', describedGroup),
  },
);
export interface DescribeGroupsResponse extends Infer<typeof describeGroupsResponse> {}
