/**
 * What limits one client of one connection, looked up once and kept until something of it changes:
 * its principal, its client id, the tenant's quotas, the operator's limits, or a bucket that was
 * dropped for being idle.
 */
import type {
  ClientQuotaBuckets,
  ClientQuotaKey,
  QuotaBucket,
} from '../quota/client-quota-buckets.ts';
import type { ClientQuotas } from '../quota/client-quotas.ts';
import type { ShareNode } from '../quota/share-node.ts';
import type { LimitBook, ShareTree } from '../quota/share-tree.ts';
import { SHARED_RATE_KEYS, type SharedRateKey } from '../quota/tenant-limits.ts';
import type { KafkaPrincipal } from '../security/principal.ts';

export interface ClientStanding {
  readonly principal: KafkaPrincipal;
  readonly tenant: string;
  readonly user: string;
  readonly clientId: string;
  readonly quotas: ClientQuotas;
  readonly generation: number;
  readonly buckets: Readonly<Record<ClientQuotaKey, QuotaBucket | null>>;
  readonly leaves: Readonly<Record<SharedRateKey, ShareNode | null>>;
  /** Nothing limits it. */
  readonly isFree: boolean;
}

interface Books {
  readonly buckets: ClientQuotaBuckets;
  readonly trees: Readonly<Record<SharedRateKey, ShareTree>>;
  readonly book: LimitBook;
  readonly quotasOf: (tenant: string) => ClientQuotas;
}

export function standingOf(
  { buckets, trees, book, quotasOf }: Books,
  principal: KafkaPrincipal,
  clientId: string,
  nowMs: number,
): ClientStanding {
  const { tenant, name: user, fleet } = principal;
  const quotas = quotasOf(tenant);
  const bucket = (key: ClientQuotaKey): QuotaBucket | null =>
    buckets.find(tenant, quotas, key, { user, clientId, nowMs });
  const leaf = (key: SharedRateKey): ShareNode | null =>
    trees[key].leafOf({ tenant, fleet, name: user }, nowMs);
  const found = {
    producer_byte_rate: bucket('producer_byte_rate'),
    consumer_byte_rate: bucket('consumer_byte_rate'),
    request_percentage: bucket('request_percentage'),
    controller_mutation_rate: bucket('controller_mutation_rate'),
  };
  const leaves = {
    producer_byte_rate: leaf('producer_byte_rate'),
    consumer_byte_rate: leaf('consumer_byte_rate'),
    request_rate: leaf('request_rate'),
    request_percentage: leaf('request_percentage'),
  };
  const isFree = [...Object.values(found), ...Object.values(leaves)].every((one) => one === null);
  const { generation } = book;
  return { principal, tenant, user, clientId, quotas, generation, buckets: found, leaves, isFree };
}

export function isStale(
  standing: ClientStanding,
  principal: KafkaPrincipal,
  clientId: string,
  quotas: ClientQuotas,
  generation: number,
): boolean {
  if (
    standing.principal !== principal ||
    standing.clientId !== clientId ||
    standing.quotas !== quotas ||
    standing.generation !== generation
  ) {
    return true;
  }
  if (standing.isFree) return false;
  const { buckets, leaves } = standing;
  return (
    buckets.producer_byte_rate?.isGone === true ||
    buckets.consumer_byte_rate?.isGone === true ||
    buckets.request_percentage?.isGone === true ||
    buckets.controller_mutation_rate?.isGone === true ||
    SHARED_RATE_KEYS.some((key) => leaves[key]?.isGone === true)
  );
}

/** The entry that limits the client, as it was set: `user pump-1`, `client-id *`. */
export function scopeOf({ quotas, user, clientId }: ClientStanding, key: ClientQuotaKey): string {
  const entity = quotas.forClient(key, user, clientId)?.entity ?? {};
  const parts: string[] = [];
  if (entity.user !== undefined) parts.push(`user ${entity.user ?? '*'}`);
  const ofClient = entity['client-id'];
  if (ofClient !== undefined) parts.push(`client-id ${ofClient ?? '*'}`);
  return parts.join(', ');
}
