import { expect, it } from 'vitest';
import { UnsentBudget } from '../../src/network/unsent-budget.ts';

it('answers become smaller as a tenant fills its share, down to nothing, and grow again', () => {
  const budget = new UnsentBudget(800);
  const acme = budget.join('acme');
  expect(budget.answerBytes('acme', 50)).toBe(50);
  expect(budget.answerBytes('acme', 500)).toBe(100);
  acme.change(360);
  expect(budget.answerBytes('acme', 500)).toBe(10);
  acme.change(100);
  expect(budget.answerBytes('acme', 500)).toBe(0);
  acme.change(-460);
  expect(budget.answerBytes('acme', 500)).toBe(100);
});

it('leaves room for who holds nothing, whoever else is greedy', () => {
  const budget = new UnsentBudget(800);
  const acme = budget.join('acme');
  acme.change(400);
  expect(budget.answerBytes('acme', 500)).toBe(0);
  expect(budget.answerBytes('globex', 500)).toBe(50);
});

it('is pressed from half of it on', () => {
  const budget = new UnsentBudget(800);
  const acme = budget.join('acme');
  acme.change(399);
  expect(budget.pressed).toBe(false);
  acme.change(1);
  expect(budget.pressed).toBe(true);
});
