/** ACLs as they go over the wire, with everything that a test does not care about filled in. */
import { ApiKey } from '../../src/protocol/api-keys.ts';
import type { DescribeAclsRequest } from '../../src/protocol/schemas/29-describe-acls.ts';
import type { AclCreation } from '../../src/protocol/schemas/30-create-acls.ts';
import type { WireClient } from './wire-client.ts';

/** The codes that the tests name. */
export const WIRE = {
  ANY: 1,
  TOPIC: 2,
  GROUP: 3,
  CLUSTER: 4,
  MATCH: 2,
  LITERAL: 3,
  PREFIXED: 4,
  ALL: 2,
  READ: 3,
  WRITE: 4,
  ALTER: 7,
  DENY: 2,
  ALLOW: 3,
} as const;

/** device-1 may read topic t, unless `change` says otherwise. */
export const creation = (change: Partial<AclCreation> = {}): AclCreation => ({
  resourceType: WIRE.TOPIC,
  resourceName: 't',
  resourcePatternType: WIRE.LITERAL,
  principal: 'User:device-1',
  host: '*',
  operation: WIRE.READ,
  permissionType: WIRE.ALLOW,
  ...change,
});

/** Everything, unless `change` says otherwise. */
export const aclFilter = (change: Partial<DescribeAclsRequest> = {}): DescribeAclsRequest => ({
  resourceTypeFilter: WIRE.ANY,
  resourceNameFilter: null,
  patternTypeFilter: WIRE.ANY,
  principalFilter: null,
  hostFilter: null,
  operation: WIRE.ANY,
  permissionType: WIRE.ANY,
  ...change,
});

/** The rules that the broker describes, in the form in which they are created. */
export async function describedBy(
  client: WireClient,
  filter: Partial<DescribeAclsRequest> = {},
  version = 3,
): Promise<AclCreation[]> {
  const answer = await client.call(ApiKey.DescribeAcls, version, aclFilter(filter));
  if (answer.errorCode !== 0) throw new Error(`DescribeAcls: ${answer.errorCode}`);
  return answer.resources.flatMap(({ resourceType, resourceName, patternType, acls }) =>
    acls.map((acl) =>
      creation({ resourceType, resourceName, resourcePatternType: patternType, ...acl }),
    ),
  );
}
