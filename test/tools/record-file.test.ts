import { describe, expect, test } from 'vitest';
import {
  byPartition,
  decodeRecords,
  encodeRecords,
  firstDifference,
  makeRecords,
} from './record-file.ts';

describe('record file', () => {
  const records = makeRecords(7, 2000, 3, 1_000_000);

  test('what is encoded is decoded again', () => {
    expect(firstDifference(records, decodeRecords(encodeRecords(records)))).toBeUndefined();
  });

  test('a seed always makes the same records, with every special case among them', () => {
    expect(encodeRecords(makeRecords(7, 2000, 3, 1_000_000)).equals(encodeRecords(records))).toBe(
      true,
    );
    expect(records.some((record) => record.key === null)).toBe(true);
    expect(records.some((record) => record.value === null)).toBe(true);
    expect(records.some((record) => record.value?.length === 0)).toBe(true);
    expect(records.some((record) => record.headers.some((h) => h.value === null))).toBe(true);
  });

  test.each([
    ['a missing record', records.slice(1), /expected partition/],
    ['a missing last record', byPartition(records).slice(0, -1), /1 records missing/],
    ['a record too many', [...records, ...records.slice(0, 1)], /record \d+: expected|too many/],
    ['a changed value', [{ ...records[0]!, value: Buffer.from('x') }, ...records.slice(1)], /got/],
    ['a null in place of empty', [{ ...records[0]!, key: null, offset: 0n }], /expected/],
  ])('%s is a difference', (_, actual, message) => {
    expect(firstDifference(records, actual)).toMatch(message);
  });
});
