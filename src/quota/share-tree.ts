/**
 * Owns the nodes of one shared rate: the broker, its tenants, their fleets, their principals. A
 * principal without a fleet stands right below its tenant.
 *
 * Invariant: there are nodes only where a limit stands on the way from the broker to the principal,
 * and memory is bounded: what is as new goes, and beyond a number of nodes the principals of a tenant
 * that are new share one node, which makes their part smaller and nobody else's.
 */
import { ShareNode } from './share-node.ts';
import type { LimitScope, SharedRateKey, TenantLimits } from './tenant-limits.ts';

/** The limits in force; a higher generation whenever one has changed. */
export interface LimitBook {
  readonly generation: number;
  readonly broker: TenantLimits;
  of(tenant: string): TenantLimits;
}

export interface LimitedClient {
  readonly tenant: string;
  readonly fleet: string | null;
  readonly name: string;
}

const NODES_MAX = 200_000;
/** Looked at when a node is made, so that going keeps up with coming. */
const LOOKED_AT = 4;
/** No principal is named so. */
const OTHERS = '*';

export class ShareTree {
  readonly key: SharedRateKey;
  readonly #book: LimitBook;
  readonly #nodesMax: number;
  readonly #nodes = new Map<string, ShareNode>();
  readonly #root: ShareNode;
  #sweeping: MapIterator<[string, ShareNode]> | null = null;

  constructor(key: SharedRateKey, book: LimitBook, nowMs: number, nodesMax = NODES_MAX) {
    this.key = key;
    this.#book = book;
    this.#nodesMax = nodesMax;
    const limitOf = (): number => book.broker.limit(key) ?? Number.POSITIVE_INFINITY;
    this.#root = new ShareNode(null, limitOf, nowMs);
  }

  get size(): number {
    return this.#nodes.size;
  }

  /** Where a client is charged; null where no limit stands above it. */
  leafOf({ tenant, fleet, name }: LimitedClient, nowMs: number): ShareNode | null {
    const { key } = this;
    const limits = this.#book.of(tenant);
    const isLimited =
      this.#book.broker.has(key) ||
      (limits.has(key) &&
        (limits.limit(key) !== undefined ||
          (fleet !== null && limits.limit(key, { fleet }) !== undefined) ||
          limits.limit(key, { device: name }) !== undefined));
    if (!isLimited) return null;
    const ofTenant = this.#node(this.#root, `${tenant}\n`, { tenant, scope: {} }, nowMs);
    const above =
      fleet === null
        ? ofTenant
        : this.#node(ofTenant, `${tenant}\nfleet/${fleet}`, { tenant, scope: { fleet } }, nowMs);
    // No name begins with "=", so that no principal's path is a fleet's.
    const path = `${tenant}\n=${fleet ?? ''}/${name}`;
    const isFull = this.#nodes.size >= this.#nodesMax && !this.#nodes.has(path);
    if (!isFull) return this.#node(above, path, { tenant, scope: { device: name } }, nowMs);
    const others = { tenant, scope: { device: OTHERS } };
    return this.#node(above, `${tenant}\n=${fleet ?? ''}/${OTHERS}`, others, nowMs);
  }

  /** What goes through the broker (tenant null), a tenant or a fleet a second. */
  usedBy(tenant: string | null, fleet: string | undefined, nowMs: number): number {
    if (tenant === null) return this.#root.usedPerSecond(nowMs);
    const path = fleet === undefined ? `${tenant}\n` : `${tenant}\nfleet/${fleet}`;
    return this.#nodes.get(path)?.usedPerSecond(nowMs) ?? 0;
  }

  /** What goes through each principal of a tenant a second; to be worked through in turns. */
  *usedByPrincipals(tenant: string, nowMs: number): Generator<void, Map<string, number>> {
    const used = new Map<string, number>();
    const begin = `${tenant}\n=`;
    for (const [path, node] of this.#nodes) {
      yield;
      if (!path.startsWith(begin)) continue;
      const name = path.slice(path.indexOf('/') + 1);
      // For a while there are two, where a device has come to another fleet.
      used.set(name, (used.get(name) ?? 0) + node.usedPerSecond(nowMs));
    }
    return used;
  }

  /** Drops what is as new, among about `count`; called again it goes on from there. */
  sweep(count: number, nowMs: number): void {
    for (let left = count; left > 0; left--) {
      this.#sweeping ??= this.#nodes.entries();
      const next = this.#sweeping.next();
      if (next.done === true) {
        this.#sweeping = null;
        return;
      }
      const [path, node] = next.value;
      if (node.isAsNew(nowMs)) this.#drop(path, node);
    }
  }

  /** Drops all nodes of a tenant that is gone; to be worked through in turns. */
  *forget(tenant: string): Generator<void, void> {
    const begin = `${tenant}\n`;
    for (const [path, node] of this.#nodes) {
      if (path.startsWith(begin)) this.#drop(path, node);
      yield;
    }
  }

  #drop(path: string, node: ShareNode): void {
    node.isGone = true;
    if (node.parent !== null) node.parent.children -= 1;
    this.#nodes.delete(path);
  }

  #node(
    parent: ShareNode,
    path: string,
    { tenant, scope }: { tenant: string; scope: LimitScope },
    nowMs: number,
  ): ShareNode {
    let node = this.#nodes.get(path);
    if (node === undefined) {
      this.sweep(LOOKED_AT, nowMs);
      const limitOf = (): number =>
        this.#book.of(tenant).limit(this.key, scope) ?? Number.POSITIVE_INFINITY;
      node = new ShareNode(parent, limitOf, nowMs);
      this.#nodes.set(path, node);
    }
    node.refresh(this.#book.generation);
    return node;
  }
}
