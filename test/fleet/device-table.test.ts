import { describe, expect, it } from 'vitest';
import { systemRandom } from '../../src/base/random.ts';
import { Word } from '../../src/fleet/device-slabs.ts';
import { DeviceTable } from '../../src/fleet/device-table.ts';
import { NO_TEXTS } from '../../src/fleet/device-texts.ts';
import { testSeed } from '../tools/test-seed.ts';

const WIDE = { devicesMax: 100_000, devicesPerTenantMax: 100_000 };

/** A small generator whose numbers follow from the seed alone. */
function numbersFrom(seed: number): (below: number) => number {
  let state = seed >>> 0;
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

function namesOf(table: DeviceTable, tenant: string): string[] {
  const names: string[] = [];
  for (let slot = table.tenant(tenant)?.firstMade ?? 0; slot !== 0; slot = table.after(slot)) {
    names.push(table.textsOf(slot).name);
  }
  return names;
}

describe('the table of devices', () => {
  it('finds what a map would find, whatever comes and goes', () => {
    const below = numbersFrom(testSeed('device-table', 7));
    const table = new DeviceTable(WIDE, systemRandom);
    const model = new Map<string, Map<string, string>>();
    for (let step = 0; step < 15_000; step++) {
      const tenant = `tenant-${below(5)}`;
      const name = `device-${below(900)}`;
      const known = model.get(tenant) ?? new Map<string, string>();
      model.set(tenant, known);
      if (below(3) === 0) {
        const slot = table.find(tenant, name);
        expect(slot !== 0).toBe(known.delete(name));
        if (slot !== 0) table.remove(slot);
        continue;
      }
      const slot = table.ensure(tenant, name);
      const clientId = 'c'.repeat(below(90));
      table.setTexts(slot, { ...NO_TEXTS, name, clientId });
      known.delete(name);
      known.set(name, clientId);
    }
    let count = 0;
    for (const [tenant, known] of model) {
      count += known.size;
      expect(new Set(namesOf(table, tenant))).toEqual(new Set(known.keys()));
      for (const [name, clientId] of known) {
        expect(table.textsOf(table.find(tenant, name))).toMatchObject({ name, clientId });
      }
    }
    expect(table.count).toBe(count);
  });

  it('cuts what a client says of itself at its bound, not within a character', () => {
    const table = new DeviceTable(WIDE, systemRandom);
    const slot = table.ensure('acme', 'pump');
    table.setTexts(slot, {
      ...NO_TEXTS,
      name: 'pump',
      clientId: 'é'.repeat(40_000),
      failureDetail: `x${'é'.repeat(500)}`,
    });
    const { clientId, failureDetail } = table.textsOf(slot);
    expect(clientId).toBe('é'.repeat(48));
    expect(failureDetail).toBe(`x${'é'.repeat(79)}`);
  });

  it('makes no record for what is no name', () => {
    const table = new DeviceTable(WIDE, systemRandom);
    expect(table.ensure('acme', '')).toBe(0);
    expect(table.ensure('acme', 'x'.repeat(64))).toBe(0);
    expect([...table.tenants()]).toEqual([]);
  });

  it('lets go of who was unseen longest, of the tenant that has reached its limit', () => {
    const gone: string[] = [];
    const limits = { devicesMax: 100, devicesPerTenantMax: 3 };
    const table = new DeviceTable(limits, systemRandom, (tenant, name) =>
      gone.push(`${tenant}/${name}`),
    );
    for (const name of ['a', 'b', 'c']) table.ensure('acme', name);
    table.ensure('globex', 'a');
    table.touch(table.find('acme', 'a'));
    table.ensure('acme', 'd');
    expect(gone).toEqual(['acme/b']);
    expect(namesOf(table, 'acme')).toEqual(['a', 'c', 'd']);
    expect(namesOf(table, 'globex')).toEqual(['a']);
  });

  it('never lets a flood of one tenant cost another a device within its share', () => {
    const limits = { devicesMax: 90, devicesPerTenantMax: 90 };
    const table = new DeviceTable(limits, systemRandom);
    for (let index = 0; index < 20; index++) table.ensure('acme', `device-${index}`);
    for (let index = 0; index < 1000; index++) table.ensure('flood', `device-${index}`);
    expect(table.tenant('acme')?.count).toBe(20);
    expect(table.tenant('flood')?.count).toBe(70);
    // Who comes later has its share all the same.
    for (let index = 0; index < 1000; index++) table.ensure('late', `device-${index}`);
    expect(table.tenant('acme')?.count).toBe(20);
    expect(table.tenant('late')?.count).toBeGreaterThanOrEqual(30);
    expect(table.count).toBe(90);
  });

  it('replaces the only device of a tenant that may have one', () => {
    const table = new DeviceTable({ devicesMax: 100, devicesPerTenantMax: 1 }, systemRandom);
    table.ensure('acme', 'a');
    table.ensure('acme', 'b');
    expect(namesOf(table, 'acme')).toEqual(['b']);
    expect(table.find('acme', 'a')).toBe(0);
  });

  it('knows the order of last sight again after a restart', () => {
    const gone: string[] = [];
    const limits = { devicesMax: 100, devicesPerTenantMax: 3 };
    const table = new DeviceTable(limits, systemRandom, (_, name) => gone.push(name));
    for (const [name, seenS] of [
      ['a', 4_000_000_000],
      ['b', 1_700_000_000],
      ['c', 1_700_000_001],
    ] as const) {
      table.slabs.setWord(table.ensure('acme', name), Word.lastSeenS, seenS);
    }
    table.orderByLastSeen();
    table.ensure('acme', 'd');
    table.ensure('acme', 'e');
    expect(gone).toEqual(['b', 'c']);
  });

  it('uses again what was let go of', () => {
    const table = new DeviceTable({ devicesMax: 500, devicesPerTenantMax: 500 }, systemRandom);
    for (let index = 0; index < 1000; index++) table.ensure('acme', `device-${index}`);
    const before = table.allocatedBytes;
    for (let index = 0; index < 20_000; index++) table.ensure('acme', `device-${index}`);
    expect(table.allocatedBytes).toBeLessThan(1.05 * before);
  });
});
