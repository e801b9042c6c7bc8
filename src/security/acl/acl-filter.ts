/**
 * Kafka's AclBindingFilter: which bindings a DescribeAcls or DeleteAcls means. Null (or absent)
 * matches everything; pattern ANY takes the name exactly under either pattern type; MATCH takes
 * every binding that affects a resource of that name (ResourcePatternFilter, KIP-290).
 */
import type { AclBinding } from './acl-binding.ts';
import { WILDCARD_RESOURCE } from './acl-binding.ts';
import type {
  AclPermissionName,
  Operation,
  PatternTypeName,
  ResourceTypeName,
} from './operation.ts';

export interface AclFilter {
  readonly resourceType?: ResourceTypeName | null;
  readonly resourceName?: string | null;
  /** Absent means ANY. */
  readonly patternType?: PatternTypeName | 'ANY' | 'MATCH';
  readonly principal?: string | null;
  readonly host?: string | null;
  /** ALL is the operation ALL itself; null or absent is any operation. */
  readonly operation?: Operation | 'ALL' | null;
  readonly permission?: AclPermissionName | null;
}

const accepts = <T>(wanted: T | null | undefined, actual: T): boolean =>
  wanted === null || wanted === undefined || wanted === actual;

function patternAccepted(filter: AclFilter, binding: AclBinding): boolean {
  const type = filter.patternType ?? 'ANY';
  if (type !== 'ANY' && type !== 'MATCH' && type !== binding.patternType) return false;
  const name = filter.resourceName;
  if (name === null || name === undefined) return true;
  if (type !== 'MATCH') return name === binding.resourceName;
  if (binding.patternType === 'PREFIXED') return name.startsWith(binding.resourceName);
  return binding.resourceName === name || binding.resourceName === WILDCARD_RESOURCE;
}

export function filterAccepts(filter: AclFilter, binding: AclBinding): boolean {
  return (
    accepts(filter.resourceType, binding.resourceType) &&
    patternAccepted(filter, binding) &&
    accepts(filter.principal, binding.principal) &&
    accepts(filter.host, binding.host) &&
    accepts(filter.operation, binding.operation) &&
    accepts(filter.permission, binding.permission)
  );
}
