import { expect, it } from 'vitest';
import { UnsentBudget } from '../../src/network/unsent-budget.ts';

it('answers become smaller as it fills, down to nothing, and grow again', () => {
  const budget = new UnsentBudget(800);
  expect(budget.answerBytes(50)).toBe(50);
  expect(budget.answerBytes(500)).toBe(100);
  budget.change(720);
  expect(budget.answerBytes(500)).toBe(10);
  budget.change(200);
  expect(budget.answerBytes(500)).toBe(0);
  budget.change(-920);
  expect(budget.answerBytes(500)).toBe(100);
});

it('is pressed from half of it on', () => {
  const budget = new UnsentBudget(800);
  budget.change(399);
  expect(budget.pressed).toBe(false);
  budget.change(1);
  expect(budget.pressed).toBe(true);
});
