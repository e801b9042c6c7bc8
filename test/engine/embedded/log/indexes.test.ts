import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { OffsetIndex } from '../../../../src/engine/embedded/log/offset-index.ts';
import { TimeIndex } from '../../../../src/engine/embedded/log/time-index.ts';
import { PowerCutFileSystem, seededRandom } from '../../../crash/power-cut-file-system.ts';

const BASE = 5_000_000_000;
const PATH = '/00000000005000000000.index';

const files = () => new PowerCutFileSystem(seededRandom(1));

/** Strictly growing numbers from `first`. */
const growing = (first: number) =>
  fc
    .array(fc.integer({ min: 1, max: 1000 }), { maxLength: 200 })
    .map((steps) =>
      steps.map((_, index) => steps.slice(0, index + 1).reduce((a, b) => a + b, first)),
    );

describe('OffsetIndex', () => {
  test('finds the last entry at or before an offset, as a linear search does', () => {
    fc.assert(
      fc.property(growing(0), fc.integer({ min: -5, max: 100_000 }), (offsets, target) => {
        const index = new OffsetIndex(files(), PATH, BASE);
        for (const [at, offset] of offsets.entries()) index.append(BASE + offset, (at + 1) * 7);
        const expected = offsets.findLastIndex((offset) => offset <= target);
        expect(index.lookup(BASE + target)).toBe((expected + 1) * 7);
      }),
    );
  });

  test('keeps what lies before the cut', () => {
    fc.assert(
      fc.property(growing(0), fc.integer({ min: 0, max: 100_000 }), (offsets, cut) => {
        const index = new OffsetIndex(files(), PATH, BASE);
        for (const [at, offset] of offsets.entries()) index.append(BASE + offset, at);
        index.truncateTo(BASE + cut);
        expect(index.count).toBe(offsets.filter((offset) => offset < cut).length);
      }),
    );
  });

  test('is the same after it was written, released and read again', () => {
    const disk = files();
    const index = new OffsetIndex(disk, PATH, BASE);
    for (let entry = 1; entry <= 500; entry += 1) index.append(BASE + entry, entry * 10);
    index.file.writeSync();
    index.file.release();
    expect(index.file.memoryBytes).toBe(0);
    expect(index.lookup(BASE + 77)).toBe(770);
    const again = new OffsetIndex(disk, PATH, BASE);
    expect(again.file.adopt()).toBe(true);
    expect(again.count).toBe(500);
    expect(again.lookup(BASE + 499)).toBe(4990);
  });

  test('writes only what is new, and all of it after a cut', () => {
    const disk = files();
    const index = new OffsetIndex(disk, PATH, BASE);
    for (let entry = 1; entry <= 10; entry += 1) index.append(BASE + entry, entry);
    index.file.writeSync();
    index.append(BASE + 11, 11);
    index.file.writeSync();
    expect(disk.statSync(PATH)?.sizeBytes).toBe(88);
    index.truncateTo(BASE + 3);
    index.append(BASE + 50, 50);
    index.file.writeSync();
    const again = new OffsetIndex(disk, PATH, BASE);
    again.file.adopt();
    expect(again.count).toBe(3);
    expect([again.offset(2), again.position(2)]).toEqual([BASE + 50, 50]);
  });

  test('does not adopt a file that is missing or holds a part of an entry', () => {
    const disk = files();
    expect(new OffsetIndex(disk, PATH, BASE).file.adopt()).toBe(false);
    disk.writeFileSync(PATH, Buffer.alloc(12));
    expect(new OffsetIndex(disk, PATH, BASE).file.adopt()).toBe(false);
  });

  test('sees entries that do not grow or lie outside the log', () => {
    const index = new OffsetIndex(files(), PATH, BASE);
    index.append(BASE + 1, 100);
    index.append(BASE + 2, 200);
    expect(index.isPlausible(201)).toBe(true);
    expect(index.isPlausible(200)).toBe(false);
    index.append(BASE + 2, 300);
    expect(index.isPlausible(1000)).toBe(false);
  });

  test('is full when one more entry would exceed the limit', () => {
    const index = new OffsetIndex(files(), PATH, BASE);
    expect(index.isFull(16)).toBe(false);
    index.append(BASE + 1, 1);
    expect(index.isFull(16)).toBe(false);
    index.append(BASE + 2, 2);
    expect(index.isFull(16)).toBe(true);
  });
});

describe('TimeIndex', () => {
  test('leads to an offset before which nothing is young enough', () => {
    fc.assert(
      fc.property(growing(1), fc.integer({ min: 0, max: 100_000 }), (times, target) => {
        const index = new TimeIndex(files(), PATH, BASE);
        for (const [at, time] of times.entries()) index.maybeAppend(time, BASE + at + 1);
        const expected = times.findLastIndex((time) => time <= target);
        expect(index.lookup(target)).toBe(BASE + expected + 1);
      }),
    );
  });

  test('takes no entry that is not younger or not later', () => {
    const index = new TimeIndex(files(), PATH, BASE);
    index.maybeAppend(100, BASE + 5);
    index.maybeAppend(100, BASE + 6);
    index.maybeAppend(99, BASE + 7);
    index.maybeAppend(101, BASE + 5);
    index.maybeAppend(-1, BASE + 8);
    expect(index.count).toBe(1);
    index.maybeAppend(101, BASE + 6);
    expect([index.timestamp(1), index.offset(1)]).toEqual([101, BASE + 6]);
  });

  test('drops the entries from a cut on', () => {
    const index = new TimeIndex(files(), PATH, BASE);
    for (let entry = 1; entry <= 9; entry += 1) index.maybeAppend(entry, BASE + entry);
    index.truncateTo(BASE + 4);
    expect(index.count).toBe(3);
  });
});
