import { randomInt } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { emptyGroupLogTally, liveGroupLog } from './group-log.ts';

describe('a compacted log whose power is cut', () => {
  it('keeps every acknowledged append, whole and in order, through compactions', async () => {
    const tally = emptyGroupLogTally();
    const base = randomInt(2 ** 31);
    for (let n = 0; n < 80; n++) await liveGroupLog(base + n, tally);
    // Each kind of end and of failure has happened, or the test shows less than it says.
    expect(tally.cuts).toBeGreaterThan(250);
    expect(tally.compacted).toBeGreaterThan(50);
    for (const count of Object.values(tally)) expect(count).toBeGreaterThan(0);
  });
});
