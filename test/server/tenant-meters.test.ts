import { describe, expect, it } from 'vitest';
import { MetricRegistry } from '../../src/base/metrics.ts';
import { OTHER_TENANTS, TenantMeters } from '../../src/server/tenant-meters.ts';

const tenants = (...names: string[]): Map<string, null> =>
  new Map(names.map((name) => [name, null]));

async function requestsOf(registry: MetricRegistry): Promise<Record<string, number>> {
  const text = await registry.render();
  const lines = text.matchAll(/^breakwater_tenant_requests_total\{tenant="(.*)"\} (\d+)$/gm);
  return Object.fromEntries([...lines].map(([, tenant, value]) => [tenant!, Number(value)]));
}

describe('the figures of tenants', () => {
  it('are there for each tenant, and go with it', async () => {
    const registry = new MetricRegistry();
    const meters = new TenantMeters(registry, 10);
    meters.setTenants(tenants('acme', 'globex'));
    meters.of('acme').requests.inc(3);
    expect(await requestsOf(registry)).toEqual({ acme: 3, globex: 0 });
    meters.setTenants(tenants('globex'));
    expect(await requestsOf(registry)).toEqual({ globex: 0 });
    expect(await registry.render()).not.toContain('acme');
    // One that is made again begins anew.
    meters.setTenants(tenants('globex', 'acme'));
    expect(await requestsOf(registry)).toEqual({ acme: 0, globex: 0 });
  });

  it('are added up under one label beyond the limit', async () => {
    const registry = new MetricRegistry();
    const meters = new TenantMeters(registry, 2);
    const names = ['a', 'b', 'c', 'd'];
    meters.setTenants(tenants(...names));
    for (const name of names) meters.of(name).requests.inc();
    expect(await requestsOf(registry)).toEqual({ a: 1, b: 1, [OTHER_TENANTS]: 2 });
    expect(names.map((name) => meters.labelOf(name))).toEqual([
      'a',
      'b',
      OTHER_TENANTS,
      OTHER_TENANTS,
    ]);
    // A place that becomes free is another's.
    meters.setTenants(tenants('b', 'c', 'd'));
    expect(meters.labelOf('c')).toBe('c');
    expect(meters.labelOf('d')).toBe(OTHER_TENANTS);
  });

  it('use a label for the rest that no tenant can have as its name', () => {
    expect(OTHER_TENANTS).not.toMatch(/^[a-z0-9-]{1,63}$/);
  });
});
