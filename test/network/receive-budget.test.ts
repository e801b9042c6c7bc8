import { expect, it } from 'vitest';
import { ReceiveBudget } from '../../src/network/receive-budget.ts';

it('a tenant may hold as much as is free: alone half, and others always find room', () => {
  const budget = new ReceiveBudget(900);
  const [acme, globex] = [budget.join('acme'), budget.join('globex')];
  acme.change(449);
  expect(acme.spent).toBe(false);
  acme.change(1);
  expect([acme.spent, globex.spent]).toEqual([true, false]);
  globex.change(225);
  expect([acme.spent, globex.spent]).toEqual([true, true]);
  acme.change(-150);
  expect([acme.spent, globex.spent]).toEqual([false, false]);
});

it('who waits goes on once its own tenant has room, be it by what another gave back', () => {
  const budget = new ReceiveBudget(900);
  const [acme, globex] = [budget.join('acme'), budget.join('globex')];
  const resumed: string[] = [];
  acme.change(500);
  globex.change(250);
  acme.whenRoom(() => resumed.push('acme'));
  globex.whenRoom(() => resumed.push('globex'));
  acme.change(-101);
  expect(resumed).toEqual(['globex']);
  acme.change(-150);
  expect(resumed).toEqual(['globex', 'acme']);
  acme.change(-100);
  expect(resumed).toHaveLength(2);
});

it('who went away is not called, and a tenant without connections is forgotten', () => {
  const budget = new ReceiveBudget(900);
  const [first, second] = [budget.join('acme'), budget.join('acme')];
  expect(first).toBe(second);
  const resumed: string[] = [];
  const resume = (): void => void resumed.push('acme');
  first.change(500);
  first.whenRoom(resume);
  first.forget(resume);
  first.change(-500);
  expect(resumed).toEqual([]);
  first.leave();
  expect(budget.join('acme')).toBe(first);
  first.leave();
  first.leave();
  expect(budget.join('acme')).not.toBe(first);
});
