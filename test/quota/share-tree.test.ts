import { describe, expect, it } from 'vitest';
import type { ShareNode } from '../../src/quota/share-node.ts';
import { ShareTree } from '../../src/quota/share-tree.ts';
import {
  applyLimits,
  type LimitEntry,
  type LimitScope,
  TenantLimits,
} from '../../src/quota/tenant-limits.ts';

const KEY = 'producer_byte_rate';
const MIB = 1024 * 1024;
const REQUEST = 64 * 1024;

/** A tree whose limits a test sets; `null` removes. */
function scene(nodesMax?: number) {
  const entries = new Map<string, Map<string, LimitEntry>>();
  const views = new Map<string, TenantLimits>();
  const book = {
    generation: 0,
    get broker() {
      return views.get('') ?? TenantLimits.NONE;
    },
    of: (tenant: string) => views.get(tenant) ?? TenantLimits.NONE,
  };
  const tree = new ShareTree(KEY, book, 0, nodesMax);
  const limit = (tenant: string, scope: LimitScope, value: number | null): void => {
    const ofTenant = entries.get(tenant) ?? new Map<string, LimitEntry>();
    entries.set(tenant, ofTenant);
    applyLimits(ofTenant, { scope, values: { [KEY]: value } });
    views.set(tenant, new TenantLimits(ofTenant));
    book.generation += 1;
  };
  return { tree, limit, book };
}

interface Load {
  readonly tenant: string;
  readonly fleet: string | null;
  readonly name: string;
  readonly connections?: number;
  readonly fromMs?: number;
  readonly toMs?: number;
  /** Between the end of one request and the next; 2 ms by default. */
  readonly gapMs?: number;
  readonly bytes?: number;
}

/** Closed loops of requests, each waiting as a connection does; answers MiB/s by name in a span. */
function run(
  { tree, book }: Pick<ReturnType<typeof scene>, 'tree' | 'book'>,
  loads: readonly Load[],
  untilMs: number,
  changes: readonly { readonly atMs: number; readonly change: () => void }[] = [],
) {
  const sent: { name: string; atMs: number; bytes: number }[] = [];
  const loops = loads.flatMap((load) =>
    Array.from({ length: load.connections ?? 1 }, (_, index) => ({
      load,
      atMs: (load.fromMs ?? 0) + index * 0.1,
      waits: null as { leaf: ShareNode; mark: number } | null,
    })),
  );
  const due = [...changes];
  for (;;) {
    let next = loops[0]!;
    for (const loop of loops) if (loop.atMs < next.atMs) next = loop;
    const nowMs = next.atMs;
    if (nowMs >= untilMs) break;
    while (due.length > 0 && due[0]!.atMs <= nowMs) due.shift()!.change();
    const { load, waits } = next;
    if (waits !== null) {
      waits.leaf.refresh(book.generation);
      const leftMs = waits.leaf.waitMs(waits.mark, nowMs);
      if (leftMs > 0) next.atMs += Math.min(leftMs, 500);
      else {
        next.waits = null;
        next.atMs += load.gapMs ?? 2;
      }
      continue;
    }
    if (nowMs >= (load.toMs ?? Number.POSITIVE_INFINITY)) {
      next.atMs = Number.POSITIVE_INFINITY;
      continue;
    }
    const bytes = load.bytes ?? REQUEST;
    sent.push({ name: load.name, atMs: nowMs, bytes });
    const leaf = tree.leafOf(load, nowMs);
    if (leaf === null) {
      next.atMs += load.gapMs ?? 2;
      continue;
    }
    const mark = leaf.charge(bytes, nowMs);
    const leftMs = leaf.waitMs(mark, nowMs);
    next.waits = leftMs > 0 ? { leaf, mark } : null;
    next.atMs += leftMs > 0 ? Math.min(leftMs, 500) : (load.gapMs ?? 2);
  }
  return (name: string | null, fromMs: number, toMs: number): number => {
    let bytes = 0;
    for (const one of sent) {
      const isAsked = name === null || one.name === name;
      if (isAsked && one.atMs >= fromMs && one.atMs < toMs) bytes += one.bytes;
    }
    return bytes / MIB / ((toMs - fromMs) / 1000);
  };
}

const pump = (name: string, more: Partial<Load> = {}): Load => ({
  tenant: 'acme',
  fleet: 'plant-a',
  name,
  ...more,
});

describe('a ceiling', () => {
  it.each<[string, string, LimitScope]>([
    ['the broker', '', {}],
    ['a tenant', 'acme', {}],
    ['a fleet', 'acme', { fleet: 'plant-a' }],
    ['a device', 'acme', { device: 'pump-1' }],
  ])('of %s holds within one percent, from the beginning', (_what, tenant, scope) => {
    const { tree, limit, book } = scene();
    limit(tenant, scope, MIB);
    const rate = run({ tree, book }, [pump('pump-1', { connections: 3 })], 60_000);
    expect(rate(null, 0, 60_000)).toBeGreaterThan(0.99);
    expect(rate(null, 0, 60_000)).toBeLessThan(1.01);
  });

  it('is not felt below it, and by nobody whom it does not concern', () => {
    const { tree, limit, book } = scene();
    limit('acme', {}, MIB);
    expect(tree.leafOf({ tenant: 'globex', fleet: null, name: 'pump-1' }, 0)).toBeNull();
    limit('acme', {}, null);
    limit('acme', { fleet: 'plant-b' }, MIB);
    expect(tree.leafOf(pump('pump-1'), 0)).toBeNull();
    limit('acme', {}, MIB);
    const quiet = run({ tree, book }, [pump('pump-1', { gapMs: 125 })], 20_000);
    expect(quiet(null, 5000, 20_000)).toBeCloseTo(0.5, 1);
  });

  it('that is lowered, raised and removed holds at once', () => {
    const { tree, limit, book } = scene();
    limit('acme', {}, 4 * MIB);
    const rate = run({ tree, book }, [pump('pump-1', { connections: 4 })], 40_000, [
      { atMs: 10_000, change: () => limit('acme', {}, MIB) },
      { atMs: 20_000, change: () => limit('acme', {}, 8 * MIB) },
      { atMs: 30_000, change: () => limit('acme', {}, null) },
    ]);
    expect(rate(null, 2000, 10_000)).toBeCloseTo(4, 1);
    expect(rate(null, 10_500, 20_000)).toBeCloseTo(1, 1);
    expect(rate(null, 20_600, 30_000)).toBeCloseTo(8, 0);
    expect(rate(null, 30_600, 40_000)).toBeGreaterThan(50);
  });
});

describe('siblings', () => {
  it('share by their weights, however many connections each has', () => {
    const { tree, limit, book } = scene();
    limit('acme', {}, 2 * MIB);
    const loads = [pump('loud', { connections: 50 }), pump('calm', { fleet: 'plant-b' })];
    const even = run({ tree, book }, loads, 40_000);
    expect(even('loud', 15_000, 40_000)).toBeCloseTo(1, 1);
    expect(even('calm', 15_000, 40_000)).toBeCloseTo(1, 1);

    const other = scene();
    other.limit('acme', {}, 2 * MIB);
    other.limit('acme', { fleet: 'plant-a' }, 1.8 * MIB);
    other.limit('acme', { fleet: 'plant-b' }, 0.6 * MIB);
    const weighed = run(other, loads, 40_000);
    expect(weighed('loud', 15_000, 40_000)).toBeCloseTo(1.5, 1);
    expect(weighed('calm', 15_000, 40_000)).toBeCloseTo(0.5, 1);
  });

  it('lend what they do not use, and have it back within a second', () => {
    const { tree, limit, book } = scene();
    limit('acme', {}, 2 * MIB);
    const loads = [
      pump('loud', { connections: 20 }),
      pump('guest', { fleet: 'plant-b', fromMs: 20_000, toMs: 30_000 }),
    ];
    const rate = run({ tree, book }, loads, 45_000);
    expect(rate('loud', 10_000, 20_000)).toBeCloseTo(2, 1);
    expect(rate('guest', 20_000, 21_000)).toBeGreaterThan(0.9);
    expect(rate('guest', 22_000, 30_000)).toBeCloseTo(1, 1);
    expect(rate('loud', 31_000, 32_000)).toBeGreaterThan(1.6);
    expect(rate('loud', 33_000, 45_000)).toBeCloseTo(2, 1);
  });

  it('who stays within its share never waits for one that does not', () => {
    const { tree, limit, book } = scene();
    limit('acme', {}, 2 * MIB);
    const loads = [
      pump('loud', { connections: 50 }),
      pump('steady', { fleet: 'plant-b', bytes: 16_384, gapMs: 62.5 }),
    ];
    const rate = run({ tree, book }, loads, 40_000);
    expect(rate('steady', 5000, 40_000)).toBeCloseTo(0.25, 2);
    expect(rate('loud', 15_000, 40_000)).toBeCloseTo(1.75, 1);
  });

  it('by the hundred keep the ceiling and get the same each', () => {
    const { tree, limit, book } = scene();
    limit('acme', { fleet: 'plant-a' }, MIB);
    const loads = Array.from({ length: 100 }, (_, index) => pump(`p-${index}`, { bytes: 8192 }));
    const rate = run({ tree, book }, loads, 40_000);
    expect(rate(null, 15_000, 40_000)).toBeGreaterThan(0.95);
    expect(rate(null, 15_000, 40_000)).toBeLessThan(1.05);
    for (const { name } of loads) {
      expect(rate(name, 15_000, 40_000)).toBeGreaterThan(0.007);
      expect(rate(name, 15_000, 40_000)).toBeLessThan(0.014);
    }
  });

  it('share a tenant that has less than its limit, since the broker is full', () => {
    const { tree, limit, book } = scene();
    limit('', {}, 2 * MIB);
    limit('acme', {}, 4 * MIB);
    limit('globex', {}, 4 * MIB);
    const loads = [
      pump('a', { connections: 10 }),
      pump('b', { fleet: 'plant-b' }),
      { tenant: 'globex', fleet: null, name: 'c' },
    ];
    const rate = run({ tree, book }, loads, 50_000);
    expect(rate(null, 15_000, 50_000)).toBeCloseTo(2, 1);
    expect(rate('c', 15_000, 50_000)).toBeCloseTo(1, 1);
    expect(rate('a', 15_000, 50_000)).toBeCloseTo(0.5, 1);
    expect(rate('b', 15_000, 50_000)).toBeCloseTo(0.5, 1);
  });
});

describe('a tree', () => {
  it('takes no principal for a fleet, whatever they are named, and tells what each uses', () => {
    const { tree, limit } = scene();
    limit('acme', {}, MIB);
    const odd = tree.leafOf(pump('plant-a', { fleet: 'fleet' }), 0)!;
    const plain = tree.leafOf(pump('pump-1'), 0)!;
    expect(plain.parent).not.toBe(odd);
    odd.charge(100, 500);
    plain.charge(30, 500);
    tree.leafOf({ tenant: 'globex', fleet: null, name: 'pump-1' }, 0)?.charge(7, 500);
    const walk = tree.usedByPrincipals('acme', 1500);
    let step = walk.next();
    while (step.done !== true) step = walk.next();
    expect([...step.value]).toEqual([
      ['plant-a', 100],
      ['pump-1', 30],
    ]);
    expect(tree.usedBy('acme', undefined, 1500)).toBe(130);
    expect(tree.usedBy('acme', 'plant-a', 1500)).toBe(30);
    expect(tree.usedBy(null, undefined, 1500)).toBe(130);
  });
});

describe('memory', () => {
  it('is bounded by the number of nodes: who comes after that shares one, under the same ceiling', () => {
    const { tree, limit } = scene(1000);
    limit('acme', {}, MIB);
    for (let index = 0; index < 5000; index++) {
      const leaf = tree.leafOf(pump(`p-${index}`), 0)!;
      leaf.charge(1, 0);
    }
    expect(tree.size).toBeLessThanOrEqual(1002);
    expect(tree.leafOf(pump('p-4998'), 0)).toBe(tree.leafOf(pump('p-4999'), 0));
  });

  it('is given back by who was quiet, and kept for who has a debt: coming again does not clear it', () => {
    const { tree, limit } = scene();
    limit('acme', {}, MIB);
    limit('acme', { device: 'debtor' }, 1);
    tree.leafOf(pump('debtor'), 0)!.charge(600, 0);
    for (let index = 0; index < 1000; index++) tree.leafOf(pump(`p-${index}`), 0)!.charge(1, 0);
    tree.sweep(10_000, 60_000);
    tree.sweep(10_000, 60_000);
    expect(tree.size).toBe(3);
    const debtor = tree.leafOf(pump('debtor'), 60_000)!;
    expect(debtor.waitMs(debtor.charge(0, 60_000), 60_000)).toBeGreaterThan(500_000);
  });

  it('is given back by a tenant that is gone, with its debts; a later one of its name begins anew', () => {
    const { tree, limit } = scene();
    for (const tenant of ['acme', 'globex']) {
      limit(tenant, {}, 1000);
      const leaf = tree.leafOf({ tenant, fleet: 'plant-a', name: 'pump' }, 0)!;
      expect(leaf.waitMs(leaf.charge(60_000, 0), 0)).toBeGreaterThan(10_000);
    }
    const known = tree.leafOf({ tenant: 'acme', fleet: 'plant-a', name: 'pump' }, 0)!;
    for (const _turn of tree.forget('acme'));
    expect([known.isGone, tree.size]).toEqual([true, 3]);
    const anew = tree.leafOf({ tenant: 'acme', fleet: 'plant-a', name: 'pump' }, 0)!;
    expect(anew.waitMs(anew.charge(1, 0), 0)).toBeLessThan(1000);
    const other = tree.leafOf({ tenant: 'globex', fleet: 'plant-a', name: 'pump' }, 0)!;
    expect(other.waitMs(other.charge(0, 0), 0)).toBeGreaterThan(10_000);
  });
});
