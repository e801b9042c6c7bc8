/**
 * ListGroups (key 16): lists the groups of a coordinator, by state from version 4 and by type from
 * version 5.
 */
import { array, groupId, type Infer, int16, int32, message, string, struct } from '../schema.ts';

export const listGroupsRequest = message(
  'ListGroupsRequest',
  { versions: '0-5', flexible: '3+' },
  {
    statesFilter: array('4+', string()),
    typesFilter: array('5+', string()),
  },
);
export interface ListGroupsRequest extends Infer<typeof listGroupsRequest> {}

const listedGroup = struct({
  groupId: groupId('0+'),
  protocolType: string('0+'),
  groupState: string('4+', { ignorable: true }),
  groupType: string('5+', { ignorable: true }),
});
export interface ListedGroup extends Infer<typeof listedGroup> {}

export const listGroupsResponse = message(
  'ListGroupsResponse',
  { versions: '0-5', flexible: '3+' },
  {
    throttleTimeMs: int32('1+', { ignorable: true }),
    errorCode: int16('0+'),
    groups: array('0+', listedGroup),
  },
);
export interface ListGroupsResponse extends Infer<typeof listGroupsResponse> {}
