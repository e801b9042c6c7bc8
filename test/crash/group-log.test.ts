import { describe, expect, it } from 'vitest';
import { testSeed } from '../tools/test-seed.ts';
import { emptyGroupLogTally, liveGroupLog } from './group-log.ts';

describe('a compacted log whose power is cut', () => {
  it('keeps every acknowledged append, whole and in order, through compactions', async () => {
    const tally = emptyGroupLogTally();
    const base = testSeed('group-log', 5_256_679);
    for (let n = 0; n < 80; n++) await liveGroupLog(base + n, tally);
    // Each kind of end and of failure has happened, or the test shows less than it says.
    expect(tally.cuts).toBeGreaterThan(250);
    expect(tally.compacted).toBeGreaterThan(50);
    for (const count of Object.values(tally)) expect(count).toBeGreaterThan(0);
  });

  /** What a refused write left came back in a closed segment; a torn write lacked its base offset. */
  it.each([1_645_896_352, 900_025_564])('seed %i finds nothing any more', async (seed) => {
    const tally = emptyGroupLogTally();
    await liveGroupLog(seed, tally);
    expect(tally.cuts).toBeGreaterThan(0);
  });
});
