/**
 * DeleteAcls (key 31): deletes the ACLs that match any of the filters. A null in a filter matches
 * everything.
 */
import { array, type Infer, int8, int16, int32, message, string, struct } from '../schema.ts';

const deleteAclsFilter = struct({
  resourceTypeFilter: int8('0+'),
  resourceNameFilter: string('0+', { nullable: '0+' }),
  patternTypeFilter: int8('1+', { default: 3 }),
  principalFilter: string('0+', { nullable: '0+' }),
  hostFilter: string('0+', { nullable: '0+' }),
  operation: int8('0+'),
  permissionType: int8('0+'),
});
export interface DeleteAclsFilter extends Infer<typeof deleteAclsFilter> {}

export const deleteAclsRequest = message(
  'DeleteAclsRequest',
  { versions: '1-3', flexible: '2+' },
  {
    filters: array('0+', deleteAclsFilter),
  },
);
export interface DeleteAclsRequest extends Infer<typeof deleteAclsRequest> {}

const deleteAclsMatchingAcl = struct({
  errorCode: int16('0+'),
  errorMessage: string('0+', { nullable: '0+' }),
  resourceType: int8('0+'),
  resourceName: string('0+'),
  patternType: int8('1+', { default: 3 }),
  principal: string('0+'),
  host: string('0+'),
  operation: int8('0+'),
  permissionType: int8('0+'),
});
export interface DeleteAclsMatchingAcl extends Infer<typeof deleteAclsMatchingAcl> {}

const deleteAclsFilterResult = struct({
  errorCode: int16('0+'),
  errorMessage: string('0+', { nullable: '0+' }),
  matchingAcls: array('0+', deleteAclsMatchingAcl),
});
export interface DeleteAclsFilterResult extends Infer<typeof deleteAclsFilterResult> {}

export const deleteAclsResponse = message(
  'DeleteAclsResponse',
  { versions: '1-3', flexible: '2+' },
  {
    throttleTimeMs: int32('0+'),
    filterResults: array('0+', deleteAclsFilterResult),
  },
);
export interface DeleteAclsResponse extends Infer<typeof deleteAclsResponse> {}
