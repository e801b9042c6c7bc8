import { describe, expect, test } from 'vitest';
import { checkHistory, type ReadRecord, type SendOutcome } from './consistency-checker.ts';

const ok = (sequence: number, offset: number): SendOutcome => ({
  producer: 'p',
  sequence,
  partition: 0,
  value: `p-${sequence}`,
  outcome: 'ok',
  offset,
});
const unknown = (sequence: number): SendOutcome => ({
  producer: 'p',
  sequence,
  partition: 0,
  value: `p-${sequence}`,
  outcome: 'unknown',
});
const read = (offset: number, sequence: number): ReadRecord => ({
  partition: 0,
  offset,
  value: `p-${sequence}`,
});

describe('consistency checker', () => {
  test('accepts a consistent history, with unknown outcomes in and out of the log', () => {
    const sends = [ok(0, 0), unknown(1), unknown(2), ok(3, 2)];
    expect(checkHistory(sends, [read(0, 0), read(1, 2), read(2, 3)])).toEqual([]);
  });

  const sends = [ok(0, 0), ok(1, 1), ok(2, 2)];
  const refused: SendOutcome = { ...unknown(9), outcome: 'failed' };
  test.each<[string, string, SendOutcome[], ReadRecord[]]>([
    ['a lost write', 'lost write', sends, [read(0, 0), read(1, 1)]],
    ['a duplicate', 'duplicate', sends, [read(0, 0), read(1, 1), read(2, 2), read(3, 1)]],
    [
      'a duplicate of unknown outcome',
      'duplicate',
      [...sends, unknown(3)],
      [read(0, 0), read(1, 1), read(2, 2), read(3, 3), read(4, 3)],
    ],
    [
      'another offset than told',
      'inconsistent offset',
      sends,
      [read(0, 1), read(1, 0), read(2, 2)],
    ],
    ['sends out of order', 'order', [unknown(1), unknown(2)], [read(0, 2), read(1, 1)]],
    [
      'a value nobody sent',
      'unknown value',
      sends,
      [read(0, 0), read(1, 1), read(2, 2), read(3, 7)],
    ],
    ['a refused value', 'phantom write', [refused], [read(0, 9)]],
    ['a hole in the offsets', 'offset gap', [unknown(1), unknown(2)], [read(0, 1), read(2, 2)]],
    ['an offset twice', 'inconsistent offset', [unknown(1), unknown(2)], [read(0, 1), read(0, 2)]],
  ])('finds %s', (_, kind, history, reads) => {
    expect(checkHistory(history, reads).map((anomaly) => anomaly.kind)).toContain(kind);
  });

  test('lets a producer without idempotence write twice', () => {
    const reads = [read(0, 0), read(1, 0)];
    expect(checkHistory([ok(0, 0)], reads, { duplicatesAllowed: true })).toEqual([]);
  });
});
