/** DeleteGroups (key 42): deletes groups that have no members. */
import { array, groupId, type Infer, int16, int32, message, struct } from '../schema.ts';

export const deleteGroupsRequest = message(
  'DeleteGroupsRequest',
  { versions: '0-2', flexible: '2+' },
  {
    groupsNames: array('0+', groupId()),
  },
);
export interface DeleteGroupsRequest extends Infer<typeof deleteGroupsRequest> {}

const deletableGroupResult = struct({
  groupId: groupId('0+'),
  errorCode: int16('0+'),
});
export interface DeletableGroupResult extends Infer<typeof deletableGroupResult> {}

export const deleteGroupsResponse = message(
  'DeleteGroupsResponse',
  { versions: '0-2', flexible: '2+' },
  {
    throttleTimeMs: int32('0+'),
    results: array('0+', deletableGroupResult),
  },
);
export interface DeleteGroupsResponse extends Infer<typeof deleteGroupsResponse> {}
