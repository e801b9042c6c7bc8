/** DescribeAcls (key 29): lists the ACLs that match a filter. */
import { array, type Infer, int8, int16, int32, message, string, struct } from '../schema.ts';

export const describeAclsRequest = message(
  'DescribeAclsRequest',
  { versions: '1-3', flexible: '2+' },
  {
    resourceTypeFilter: int8('0+'),
    resourceNameFilter: string('0+', { nullable: '0+' }),
    patternTypeFilter: int8('1+', { default: 3 }),
    principalFilter: string('0+', { nullable: '0+' }),
    hostFilter: string('0+', { nullable: '0+' }),
    operation: int8('0+'),
    permissionType: int8('0+'),
  },
);
export interface DescribeAclsRequest extends Infer<typeof describeAclsRequest> {}

const aclDescription = struct({
  principal: string('0+'),
  host: string('0+'),
  operation: int8('0+'),
  permissionType: int8('0+'),
});
export interface AclDescription extends Infer<typeof aclDescription> {}

const describeAclsResource = struct({
  resourceType: int8('0+'),
  resourceName: string('0+'),
  patternType: int8('1+', { default: 3 }),
  acls: array('0+', aclDescription),
});
export interface DescribeAclsResource extends Infer<typeof describeAclsResource> {}

export const describeAclsResponse = message(
  'DescribeAclsResponse',
  { versions: '1-3', flexible: '2+' },
  {
    throttleTimeMs: int32('0+'),
    errorCode: int16('0+'),
    errorMessage: string('0+', { nullable: '0+' }),
    resources: array('0+', describeAclsResource),
  },
);
export interface DescribeAclsResponse extends Infer<typeof describeAclsResponse> {}
