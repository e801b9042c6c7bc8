/**
 * Owns the operator's ceilings: of the broker, of a tenant, of a fleet and of a principal ("device")
 * in it, and what a value of each may be.
 *
 * Invariants: a TenantLimits never changes; a change makes another one. Tenants cannot set them: what
 * they set themselves (client-quotas.ts) holds beside these, and never above.
 */
export const LIMIT_KEYS = [
  /** Bytes of Produce requests a second. */
  'producer_byte_rate',
  /** Bytes of Fetch responses a second. */
  'consumer_byte_rate',
  /** Requests a second. */
  'request_rate',
  /** Percent of the event loop's time. */
  'request_percentage',
  /** Partitions created or deleted a second. */
  'controller_mutation_rate',
  /** Connections that are admitted a second. */
  'connection_creation_rate',
  /** Connections at a time. */
  'connections',
  /** Topics of the tenant. */
  'topics',
  /** Partitions of the tenant, over all its topics. */
  'partitions',
  /** Bytes of the tenant on disk. */
  'stored_bytes',
  /** Bytes of one record batch. */
  'message_bytes',
  /** Consumer groups of the tenant. */
  'groups',
] as const;
export type LimitKey = (typeof LIMIT_KEYS)[number];

export type SharedRateKey = Extract<
  LimitKey,
  'producer_byte_rate' | 'consumer_byte_rate' | 'request_rate' | 'request_percentage'
>;

/** Rates that are shared out among those below; see share-node.ts. */
export const SHARED_RATE_KEYS = [
  'producer_byte_rate',
  'consumer_byte_rate',
  'request_rate',
  'request_percentage',
] as const satisfies readonly SharedRateKey[];

/** What a scope below the tenant may have; the rest is counted for tenants only. */
const KEYS_BELOW_TENANTS: ReadonlySet<LimitKey> = new Set<LimitKey>([
  ...SHARED_RATE_KEYS,
  'connection_creation_rate',
  'connections',
]);
/** The broker as a whole: the ceiling over all tenants. */
const KEYS_OF_THE_BROKER = KEYS_BELOW_TENANTS;

/** Neither: the tenant itself (or the broker). Never both: a device's name is unique in its tenant. */
export interface LimitScope {
  readonly fleet?: string;
  readonly device?: string;
}

export type LimitValues = Readonly<Partial<Record<LimitKey, number>>>;

/** A change of one scope's limits; null removes one. */
export interface LimitAlteration {
  readonly scope: LimitScope;
  readonly values: Readonly<Partial<Record<LimitKey, number | null>>>;
}

export interface LimitEntry {
  readonly scope: LimitScope;
  readonly values: LimitValues;
}

export type LimitHolder = 'broker' | 'tenant';

const NAME = /^[A-Za-z0-9][A-Za-z0-9_-]{0,62}$/;
const WHOLE: ReadonlySet<LimitKey> = new Set<LimitKey>([
  'producer_byte_rate',
  'consumer_byte_rate',
  'connections',
  'topics',
  'partitions',
  'stored_bytes',
  'message_bytes',
  'groups',
]);

export function isLimitKey(text: string): text is LimitKey {
  return (LIMIT_KEYS as readonly string[]).includes(text);
}

export const scopeKey = ({ fleet, device }: LimitScope): string =>
  device === undefined ? (fleet === undefined ? '' : `fleet/${fleet}`) : `device/${device}`;

/** What is wrong with an alteration, as a sentence; null when it is in order. */
export function limitProblem(
  holder: LimitHolder,
  { scope, values }: LimitAlteration,
): string | null {
  const { fleet, device } = scope;
  if (fleet !== undefined && device !== undefined) return 'give a fleet or a device, not both';
  const name = fleet ?? device;
  if (name !== undefined && !NAME.test(name)) return 'the fleet or device is no name';
  if (name !== undefined && holder === 'broker') return 'a fleet or device belongs to a tenant';
  for (const [key, value] of Object.entries(values)) {
    const problem = isLimitKey(key)
      ? valueProblem(key, value, holder, name !== undefined)
      : `${key} is no limit`;
    if (problem !== null) return problem;
  }
  return null;
}

function valueProblem(
  key: LimitKey,
  value: number | null,
  holder: LimitHolder,
  isBelow: boolean,
): string | null {
  if (isBelow && !KEYS_BELOW_TENANTS.has(key)) return `${key} is a limit of tenants only`;
  if (holder === 'broker' && !KEYS_OF_THE_BROKER.has(key)) return `${key} is a tenant's limit`;
  if (value === null) return null;
  if (!Number.isFinite(value) || value <= 0) return `${key} must be greater than 0`;
  if (value > Number.MAX_SAFE_INTEGER) return `${key} is too large`;
  return WHOLE.has(key) && !Number.isInteger(value) ? `${key} must be a whole number` : null;
}

/** Applies an alteration, whole, to entries by scopeKey; a scope without a limit is gone. */
export function applyLimits(
  entries: Map<string, LimitEntry>,
  { scope, values }: LimitAlteration,
): void {
  const key = scopeKey(scope);
  const after: Partial<Record<LimitKey, number>> = { ...entries.get(key)?.values };
  for (const [name, value] of Object.entries(values) as [LimitKey, number | null][]) {
    if (value === null) delete after[name];
    else after[name] = value;
  }
  if (Object.keys(after).length === 0) entries.delete(key);
  else entries.set(key, { scope, values: after });
}

export class TenantLimits {
  static readonly NONE = new TenantLimits(new Map());
  readonly #entries: ReadonlyMap<string, LimitEntry>;
  /** Those that any scope here has. */
  readonly #keys = new Set<LimitKey>();

  /** Takes the entries as they are now, by scopeKey. */
  constructor(entries: ReadonlyMap<string, LimitEntry>) {
    this.#entries = new Map(entries);
    for (const { values } of this.#entries.values()) {
      for (const key of Object.keys(values) as LimitKey[]) this.#keys.add(key);
    }
  }

  get size(): number {
    return this.#entries.size;
  }

  entries(): Iterable<LimitEntry> {
    return this.#entries.values();
  }

  /** Is there such a limit in any scope? */
  has(key: LimitKey): boolean {
    return this.#keys.has(key);
  }

  get(scope: LimitScope): LimitValues | undefined {
    return this.#entries.get(scopeKey(scope))?.values;
  }

  /** Undefined: no limit of its own. */
  limit(key: LimitKey, scope: LimitScope = {}): number | undefined {
    return this.#keys.has(key) ? this.get(scope)?.[key] : undefined;
  }
}
