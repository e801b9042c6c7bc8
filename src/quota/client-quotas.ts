/**
 * Owns one tenant's client quotas as they are looked at: which quota holds for a client, and which
 * entries a filter of DescribeClientQuotas finds.
 *
 * Invariant: an object of this class never changes; a change of the tenant's quotas makes another
 * one. Whoever enforces may keep what it found for as long as it meets the same object.
 */
import {
  type ClientQuotaAlteration,
  type ClientQuotaEntity,
  type ClientQuotaValues,
  ENTITY_TYPES,
  type EntityType,
  entityKey,
  type QuotaKey,
  typesOf,
} from './client-quota-entity.ts';

export interface ClientQuotaEntry {
  readonly entity: ClientQuotaEntity;
  readonly values: ClientQuotaValues;
}

/** A limit and whose it is: the clients to whom the same entry applies share it. */
export interface ClientQuota {
  readonly limit: number;
  readonly entity: ClientQuotaEntity;
}

/** What a filter asks of one entity type: a name, the default (null), or any of the two. */
export type EntityFilter = {
  readonly [T in EntityType]?: { readonly name: string | null } | 'any';
};

/** Applies an alteration, whole, to entries by entityKey; an entity without a value is gone. */
export function applyAlteration(
  entries: Map<string, ClientQuotaEntry>,
  { entity, values }: ClientQuotaAlteration,
): void {
  const key = entityKey(entity);
  const after: Partial<Record<QuotaKey, number>> = { ...entries.get(key)?.values };
  for (const [name, value] of Object.entries(values) as [QuotaKey, number | null][]) {
    if (value === null) delete after[name];
    else after[name] = value;
  }
  if (Object.keys(after).length === 0) entries.delete(key);
  else entries.set(key, { entity, values: after });
}

/** Finds entries that have all that the filter names; with `strict` nothing beside that. */
export function entryMatcher(
  filter: EntityFilter,
  strict: boolean,
): (entry: ClientQuotaEntry) => boolean {
  const asked = ENTITY_TYPES.filter((type) => filter[type] !== undefined);
  return ({ entity }) => {
    // As in Kafka: a strict filter without components finds nothing.
    if (strict && (asked.length === 0 || typesOf(entity).length !== asked.length)) return false;
    return asked.every((type) => {
      const wanted = filter[type];
      const name = entity[type];
      if (wanted === undefined || name === undefined) return false;
      return wanted === 'any' || wanted.name === name;
    });
  };
}

export class ClientQuotas {
  readonly #entries: ReadonlyMap<string, ClientQuotaEntry>;

  /** Takes the entries as they are now, by entityKey. */
  constructor(entries: ReadonlyMap<string, ClientQuotaEntry>) {
    this.#entries = new Map(entries);
  }

  /** Entities with a quota. */
  get size(): number {
    return this.#entries.size;
  }

  entries(): Iterable<ClientQuotaEntry> {
    return this.#entries.values();
  }

  /** The quotas set for exactly this entity. */
  get(entity: ClientQuotaEntity): ClientQuotaValues | undefined {
    return this.#entries.get(entityKey(entity))?.values;
  }

  /**
   * The quota of `key` for a client: of the eight levels of KIP-257 the first that sets the key.
   * Every level with the user comes before any with the client id alone.
   */
  forClient(key: QuotaKey, user: string, clientId: string): ClientQuota | undefined {
    if (this.#entries.size === 0) return undefined;
    return (
      this.#limit(key, { user, 'client-id': clientId }) ??
      this.#limit(key, { user, 'client-id': null }) ??
      this.#limit(key, { user }) ??
      this.#limit(key, { user: null, 'client-id': clientId }) ??
      this.#limit(key, { user: null, 'client-id': null }) ??
      this.#limit(key, { user: null }) ??
      this.#limit(key, { 'client-id': clientId }) ??
      this.#limit(key, { 'client-id': null })
    );
  }

  /** The quota of connections from an address: its own, or else the default. */
  forAddress(ip: string): ClientQuota | undefined {
    const key = 'connection_creation_rate';
    return this.#limit(key, { ip }) ?? this.#limit(key, { ip: null });
  }

  #limit(key: QuotaKey, entity: ClientQuotaEntity): ClientQuota | undefined {
    const entry = this.#entries.get(entityKey(entity));
    const limit = entry?.values[key];
    return entry === undefined || limit === undefined ? undefined : { limit, entity: entry.entity };
  }
}
