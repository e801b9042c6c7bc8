import { describe, expect, it } from 'vitest';
import { formatAmount, parseAmount } from '../../src/cli/human-units.ts';

describe('amounts as people write them', () => {
  it.each<[string, number | null | undefined]>([
    ['1MiB', 1_048_576],
    ['1MiB/s', 1_048_576],
    ['1.5KiB', 1536],
    ['1.1MiB', 1_153_434],
    ['500k', 500_000],
    ['2M', 2_000_000],
    ['20%', 20],
    ['0.5', 0.5],
    ['10/s', 10],
    ['none', null],
    ['remove', null],
    ['', undefined],
    ['MiB', undefined],
    ['1mib', undefined],
    ['-1', undefined],
    ['1e9', undefined],
    ['1 MiB', 1_048_576],
    ['constructor', undefined],
    ['1constructor', undefined],
  ])('%s', (text, amount) => {
    expect(parseAmount(text)).toBe(amount);
  });

  it.each([
    ['producer_byte_rate', 1_048_576, '1MiB/s'],
    ['stored_bytes', 1536, '1.5KiB'],
    ['request_percentage', 12.345, '12.35%'],
    ['topics', 10, '10'],
    ['request_rate', 10, '10/s'],
  ])('%s %d', (name, amount, text) => {
    expect(formatAmount(name, amount)).toBe(text);
  });
});
