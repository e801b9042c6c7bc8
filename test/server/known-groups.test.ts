import { expect, it } from 'vitest';
import { KnownGroups } from '../../src/server/known-groups.ts';
import { ManualClock } from '../audit/audit-fixture.ts';

it('are listed again once a group came that nobody asked about', async () => {
  const there = ['first'];
  const groups = new KnownGroups(new ManualClock(), async () => [...there]);
  expect(await groups.count()).toBe(1);
  // While there was no limit.
  there.push('second');
  groups.outdate();
  expect(await groups.admit('third', 2)).toBe(false);
  expect(await groups.admit('second', 2)).toBe(true);
  expect(await groups.admit('third', 3)).toBe(true);
  expect(await groups.count()).toBe(3);
});
