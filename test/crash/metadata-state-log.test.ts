import { describe, expect, it } from 'vitest';
import { testSeed } from '../tools/test-seed.ts';
import { emptyTally, liveStateLog } from './metadata-state-log.ts';

describe('a state log whose power is cut', () => {
  it('keeps every acknowledged record, in order, once, and starts again', async () => {
    const tally = emptyTally();
    const base = testSeed('metadata-state-log', 2_801_018);
    for (let n = 0; n < 60; n++) await liveStateLog(base + n, tally);
    // Each kind of end and of failure has happened, or the test shows less than it says.
    expect(tally.cuts).toBeGreaterThan(180);
    for (const count of Object.values(tally)) expect(count).toBeGreaterThan(0);
  });
});
