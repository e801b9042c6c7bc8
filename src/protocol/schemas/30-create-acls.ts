/** CreateAcls (key 30): creates ACLs. */
import { array, type Infer, int8, int16, int32, message, string, struct } from '../schema.ts';

const aclCreation = struct({
  resourceType: int8('0+'),
  resourceName: string('0+'),
  resourcePatternType: int8('1+', { default: 3 }),
  principal: string('0+'),
  host: string('0+'),
  operation: int8('0+'),
  permissionType: int8('0+'),
});
export interface AclCreation extends Infer<typeof aclCreation> {}

export const createAclsRequest = message(
  'CreateAclsRequest',
  { versions: '1-3', flexible: '2+' },
  {
    creations: array('0+', aclCreation),
  },
);
export interface CreateAclsRequest extends Infer<typeof createAclsRequest> {}

const aclCreationResult = struct({
  errorCode: int16('0+'),
  errorMessage: string('0+', { nullable: '0+' }),
});
export interface AclCreationResult extends Infer<typeof aclCreationResult> {}

export const createAclsResponse = message(
  'CreateAclsResponse',
  { versions: '1-3', flexible: '2+' },
  {
    throttleTimeMs: int32('0+'),
    results: array('0+', aclCreationResult),
  },
);
export interface CreateAclsResponse extends Infer<typeof createAclsResponse> {}
