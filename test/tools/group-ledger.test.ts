/** The ledger that judges groups sees each thing that must not happen, and nothing else. */
import { expect, it } from 'vitest';
import { GroupLedger } from './group-ledger.ts';

function ledgerOfTwo(): GroupLedger {
  const ledger = new GroupLedger();
  ledger.acknowledged(0, 0, 'a');
  ledger.acknowledged(0, 1, 'b');
  ledger.delivered('one', 0, 0, 'a');
  return ledger;
}

it('is content with at-least-once', () => {
  const ledger = ledgerOfTwo();
  ledger.committed({ 0: 1 });
  ledger.delivered('one', 0, 1, 'b');
  ledger.delivered('two', 0, 1, 'b');
  ledger.committed({ 0: 2 });
  ledger.delivered('two', 0, 2, 'never acknowledged');
  expect(ledger.violations()).toEqual([]);
  expect(ledger.missing()).toEqual([]);
  expect(ledger.repeated).toBe(1);
});

it('sees what nobody was given', () => {
  expect(ledgerOfTwo().missing()).toEqual(['partition 0 offset 1']);
});

it('sees a record below a committed offset come again', () => {
  const ledger = ledgerOfTwo();
  ledger.committed({ 0: 1 });
  ledger.delivered('two', 0, 0, 'a');
  expect(ledger.violations()).toEqual([
    'partition 0 offset 0 came again, to two after one; 1 was committed',
  ]);
});

it('sees a committed offset go down, or vanish', () => {
  const ledger = ledgerOfTwo();
  ledger.committed({ 0: 1, 1: 5 });
  ledger.committed({ 1: 4 });
  expect(ledger.violations()).toEqual([
    'partition 0: 1 was committed, now it is -1',
    'partition 1: 5 was committed, now it is 4',
  ]);
});

it.each([
  ['what was delivered before', (ledger: GroupLedger) => ledger.delivered('two', 0, 0, 'x')],
  ['what was acknowledged', (ledger: GroupLedger) => ledger.delivered('two', 0, 1, 'x')],
  ['what is acknowledged later', (ledger: GroupLedger) => ledger.acknowledged(0, 0, 'x')],
])('sees another value than %s', (_what, happen) => {
  const ledger = ledgerOfTwo();
  happen(ledger);
  expect(ledger.violations().join()).toMatch(/offset \d is ([ab] and x|x and a)$/);
});
