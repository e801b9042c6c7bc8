/**
 * Owns the way of ACLs between the wire and the policy: codes to names and back.
 *
 * Invariant: nothing gets into a binding but what was asked for and passed the grammar of rules; a
 * code that Kafka does not know closes the connection, as its own parser does. Pure.
 */
import { ProtocolError } from '../base/errors.ts';
import type { AclDescription, DescribeAclsRequest } from '../protocol/schemas/29-describe-acls.ts';
import type { AclCreation } from '../protocol/schemas/30-create-acls.ts';
import type { DeleteAclsFilter } from '../protocol/schemas/31-delete-acls.ts';
import type { AclBinding } from '../security/acl/acl-binding.ts';
import type { AclFilter } from '../security/acl/acl-filter.ts';
import {
  AclOperation,
  AclPermission,
  CLUSTER_NAME,
  operationName,
  PatternType,
  patternTypeName,
  permissionName,
  ResourceType,
  resourceTypeName,
} from '../security/acl/operation.ts';

/** The same code for "any" in all four vocabularies; MATCH is a pattern type of filters only. */
const ANY = 1;
const MATCH = 2;

/** A sentence of ours may quote what a client sent: it must still fit into an answer. */
const MESSAGE_LENGTH_MAX = 512;

const unknown = (what: string, code: number): ProtocolError =>
  new ProtocolError(`an ACL with the unknown ${what} ${code}`);

function known<T>(name: T | undefined, code: number, what: string): T | null {
  if (name !== undefined) return name;
  if (code === ANY) return null;
  throw unknown(what, code);
}

type Filter = DescribeAclsRequest | DeleteAclsFilter;

/** Null is any. Throws ProtocolError for an unknown code. */
export function filterOf(filter: Filter): AclFilter {
  const { resourceTypeFilter, patternTypeFilter, operation, permissionType } = filter;
  const name = operationName(operation);
  if (name === 'UNKNOWN') throw unknown('operation', operation);
  const pattern =
    patternTypeFilter === MATCH
      ? 'MATCH'
      : known(patternTypeName(patternTypeFilter), patternTypeFilter, 'pattern type');
  return {
    resourceType: known(resourceTypeName(resourceTypeFilter), resourceTypeFilter, 'resource type'),
    resourceName: filter.resourceNameFilter,
    patternType: pattern ?? 'ANY',
    principal: filter.principalFilter,
    host: filter.hostFilter,
    operation: name === 'ANY' ? null : known(name, operation, 'operation'),
    permission: known(permissionName(permissionType), permissionType, 'permission'),
  };
}

/** The binding, or a sentence that says which part of it is not concrete. */
export function bindingOf(creation: AclCreation): AclBinding | string {
  const { resourceType, resourcePatternType, operation, permissionType } = creation;
  const type = known(resourceTypeName(resourceType), resourceType, 'resource type');
  const pattern =
    resourcePatternType === MATCH
      ? null
      : known(patternTypeName(resourcePatternType), resourcePatternType, 'pattern type');
  const name = operationName(operation);
  if (name === 'UNKNOWN' || name === undefined) throw unknown('operation', operation);
  const permission = known(permissionName(permissionType), permissionType, 'permission');
  if (type === null) return 'the resource type ANY is for filters only';
  if (pattern === null) return 'the pattern types ANY and MATCH are for filters only';
  if (name === 'ANY') return 'the operation ANY is for filters only';
  if (permission === null) return 'the permission ANY is for filters only';
  if (creation.resourceName === '') return 'the resource name is empty';
  if (type === 'CLUSTER' && creation.resourceName !== CLUSTER_NAME) {
    return `the only name of a CLUSTER is ${CLUSTER_NAME}`;
  }
  return {
    resourceType: type,
    resourceName: creation.resourceName,
    patternType: pattern,
    principal: creation.principal,
    host: creation.host,
    operation: name,
    permission,
  };
}

export function messageOf(problem: string): string {
  const sentence = `The rule is refused: ${problem}.`;
  if (sentence.length <= MESSAGE_LENGTH_MAX) return sentence;
  return `${sentence.slice(0, MESSAGE_LENGTH_MAX)}...`;
}

export const describe = ({
  principal,
  host,
  operation,
  permission,
}: AclBinding): AclDescription => ({
  principal,
  host,
  operation: AclOperation[operation],
  permissionType: AclPermission[permission],
});

export const describeResource = (binding: AclBinding) => ({
  resourceType: ResourceType[binding.resourceType],
  resourceName: binding.resourceName,
  patternType: PatternType[binding.patternType],
});
