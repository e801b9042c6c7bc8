/**
 * Owns what a client quota can be set for and what can be set: entities of users, client ids and
 * addresses, their defaults, the keys of each and the values that a key takes (Kafka's
 * ClientQuotaEntity, QuotaConfigs and ClientQuotaControlManager).
 *
 * An entity names a type with a name, with null for the default of that type, or not at all. A user
 * and a client id combine; an address stands alone. Everything here is one tenant's own: an address
 * means the connections of that tenant from it.
 */
import { isIP } from 'node:net';

export const ENTITY_TYPES = ['user', 'client-id', 'ip'] as const;
export type EntityType = (typeof ENTITY_TYPES)[number];

export type ClientQuotaEntity = { readonly [T in EntityType]?: string | null };

export const QUOTA_KEYS = [
  /** Bytes a second. */
  'producer_byte_rate',
  /** Bytes a second. */
  'consumer_byte_rate',
  /** Percent of one thread's time. */
  'request_percentage',
  /** Partitions created or deleted a second. */
  'controller_mutation_rate',
  /** Connections a second. */
  'connection_creation_rate',
] as const;
export type QuotaKey = (typeof QUOTA_KEYS)[number];

/** By key, in no particular order; at least one. */
export type ClientQuotaValues = Readonly<Partial<Record<QuotaKey, number>>>;

/** A change of one entity's quotas; null removes a value. */
export interface ClientQuotaAlteration {
  readonly entity: ClientQuotaEntity;
  readonly values: Readonly<Partial<Record<QuotaKey, number | null>>>;
}

const KEYS_OF_CLIENTS: ReadonlySet<string> = new Set<QuotaKey>([
  'producer_byte_rate',
  'consumer_byte_rate',
  'request_percentage',
  'controller_mutation_rate',
]);
const KEYS_OF_ADDRESSES: ReadonlySet<string> = new Set<QuotaKey>(['connection_creation_rate']);

const NAME_CHARS_MAX = 255;
const INT32_MAX = 2 ** 31 - 1;
/** As a double; Java's Long.MAX_VALUE, which tools send for "no limit", is this. */
const INT64_MAX = 2 ** 63;
/** How far from a whole number a value may lie that must be one (Kafka's epsilon). */
const WHOLE_WITHIN = 1e-6;

export function isEntityType(text: string): text is EntityType {
  return (ENTITY_TYPES as readonly string[]).includes(text);
}

export function isQuotaKey(text: string): text is QuotaKey {
  return (QUOTA_KEYS as readonly string[]).includes(text);
}

/** The types that an entity names, in a fixed order. */
export function typesOf(entity: ClientQuotaEntity): EntityType[] {
  return ENTITY_TYPES.filter((type) => entity[type] !== undefined);
}

/** Equal for equal entities: no name of an entity in order holds a control character. */
export function entityKey(entity: ClientQuotaEntity): string {
  return `${part(entity.user)}\n${part(entity['client-id'])}\n${part(entity.ip)}`;
}

function part(name: string | null | undefined): string {
  if (name === undefined) return '';
  return name === null ? '*' : `=${name}`;
}

/** What is wrong with the entity, as a sentence; null when it is in order. */
export function entityProblem(entity: ClientQuotaEntity): string | null {
  const types = typesOf(entity);
  if (types.length === 0) return 'Invalid empty client quota entity';
  for (const type of types) {
    const name = entity[type];
    if (name === '') return `Empty ${type} not supported`;
    if (typeof name !== 'string') continue;
    if (name.length > NAME_CHARS_MAX) return `A ${type} is at most ${NAME_CHARS_MAX} characters`;
    if (/\p{Cc}/u.test(name)) return `A ${type} holds no control characters`;
  }
  if (entity.ip === undefined) return null;
  if (types.length > 1) {
    return 'Invalid quota entity combination, ip cannot be combined with user or client-id';
  }
  if (entity.ip === null || isIP(entity.ip) !== 0) return null;
  return `${entity.ip} is not a valid IP address`;
}

/** What is wrong with `key` being `value` for an entity in order; null when it may. */
export function valueProblem(entity: ClientQuotaEntity, key: string, value: number): string | null {
  const keys = entity.ip === undefined ? KEYS_OF_CLIENTS : KEYS_OF_ADDRESSES;
  if (!keys.has(key)) return `Invalid configuration key ${key}`;
  if (!(value > 0)) return `Quota ${key} must be greater than 0`;
  switch (key as QuotaKey) {
    case 'producer_byte_rate':
    case 'consumer_byte_rate':
      return isWhole(value, INT64_MAX) ? null : `Configuration ${key} must be a Long value`;
    case 'connection_creation_rate':
      return isWhole(value, INT32_MAX) ? null : `Configuration ${key} must be an Integer value`;
    case 'request_percentage':
    case 'controller_mutation_rate':
      return Number.isFinite(value) ? null : `Configuration ${key} must be a Double value`;
  }
}

function isWhole(value: number, most: number): boolean {
  return value <= most && Math.abs(Math.round(value) - value) <= WHOLE_WITHIN;
}
