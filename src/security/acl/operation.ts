/**
 * Kafka's ACL vocabulary: operations, resource types, pattern types and permissions with the codes
 * of the wire (org.apache.kafka.common.acl, org.apache.kafka.common.resource).
 */

export const AclOperation = {
  UNKNOWN: 0,
  ANY: 1,
  ALL: 2,
  READ: 3,
  WRITE: 4,
  CREATE: 5,
  DELETE: 6,
  ALTER: 7,
  DESCRIBE: 8,
  CLUSTER_ACTION: 9,
  DESCRIBE_CONFIGS: 10,
  ALTER_CONFIGS: 11,
  IDEMPOTENT_WRITE: 12,
  CREATE_TOKENS: 13,
  DESCRIBE_TOKENS: 14,
  TWO_PHASE_COMMIT: 15,
} as const;
export type AclOperationName = keyof typeof AclOperation;

/** What a request can ask for: a concrete operation, never ANY or ALL. */
export type Operation = Exclude<AclOperationName, 'UNKNOWN' | 'ANY' | 'ALL'>;

export const ResourceType = {
  TOPIC: 2,
  GROUP: 3,
  CLUSTER: 4,
  TRANSACTIONAL_ID: 5,
  DELEGATION_TOKEN: 6,
  USER: 7,
} as const;
export type ResourceTypeName = keyof typeof ResourceType;

export const PatternType = { LITERAL: 3, PREFIXED: 4 } as const;
export type PatternTypeName = keyof typeof PatternType;

export const AclPermission = { DENY: 2, ALLOW: 3 } as const;
export type AclPermissionName = keyof typeof AclPermission;

/** The only name a CLUSTER resource has; for a tenant it means the tenant's virtual cluster. */
export const CLUSTER_NAME = 'kafka-cluster';

const name = <T extends string>(table: Record<T, number>) => {
  const byCode = new Map<number, T>();
  for (const key of Object.keys(table) as T[]) byCode.set(table[key], key);
  return (code: number): T | undefined => byCode.get(code);
};

export const operationName = name(AclOperation);
export const resourceTypeName = name(ResourceType);
export const patternTypeName = name(PatternType);
export const permissionName = name(AclPermission);

/** The operations that make sense on each resource type (Kafka's AclEntry.supportedOperations). */
export const SUPPORTED_OPERATIONS: Record<ResourceTypeName, readonly Operation[]> = {
  TOPIC: [
    'READ',
    'WRITE',
    'CREATE',
    'DESCRIBE',
    'DELETE',
    'ALTER',
    'DESCRIBE_CONFIGS',
    'ALTER_CONFIGS',
  ],
  GROUP: ['READ', 'DESCRIBE', 'DELETE', 'DESCRIBE_CONFIGS', 'ALTER_CONFIGS'],
  CLUSTER: [
    'CREATE',
    'CLUSTER_ACTION',
    'DESCRIBE_CONFIGS',
    'ALTER_CONFIGS',
    'IDEMPOTENT_WRITE',
    'ALTER',
    'DESCRIBE',
  ],
  TRANSACTIONAL_ID: ['DESCRIBE', 'WRITE', 'TWO_PHASE_COMMIT'],
  DELEGATION_TOKEN: ['DESCRIBE'],
  USER: ['CREATE_TOKENS', 'DESCRIBE_TOKENS'],
};

/** The operation of this name that a request can ask for; undefined for anything else. */
export function operationOf(value: unknown): Operation | undefined {
  if (typeof value !== 'string' || !Object.hasOwn(AclOperation, value)) return undefined;
  return /^(UNKNOWN|ANY|ALL)$/.test(value) ? undefined : (value as Operation);
}

export function resourceTypeOf(value: unknown): ResourceTypeName | undefined {
  const isKnown = typeof value === 'string' && Object.hasOwn(ResourceType, value);
  return isKnown ? (value as ResourceTypeName) : undefined;
}
