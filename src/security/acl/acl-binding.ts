/**
 * Kafka's AclBinding: one rule as the ACL API, the CLI and the metadata log carry it. A binding
 * belongs to one tenant; the tenant stands beside it, never inside it.
 */
import type {
  AclPermissionName,
  Operation,
  PatternTypeName,
  ResourceTypeName,
} from './operation.ts';

export interface AclBinding {
  readonly resourceType: ResourceTypeName;
  readonly resourceName: string;
  readonly patternType: PatternTypeName;
  /** `User:<name>`, `User:*`, and beyond Kafka `Fleet:<name>` or `Role:<name>`. */
  readonly principal: string;
  /** An IP address, a network such as `10.0.0.0/8`, or `*`. */
  readonly host: string;
  readonly operation: Operation | 'ALL';
  readonly permission: AclPermissionName;
}

/** LITERAL with this name means every resource of the type. */
export const WILDCARD_RESOURCE = '*';
export const WILDCARD_HOST = '*';
/** Everyone of the tenant: the only wildcard principal. */
export const WILDCARD_PRINCIPAL = 'User:*';
