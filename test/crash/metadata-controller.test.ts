import { describe, expect, it } from 'vitest';
import { testSeed } from '../tools/test-seed.ts';
import { emptyTally, liveController } from './metadata-controller.ts';

describe('topics and producer ids when the power is cut', () => {
  it('are as they were answered, and deleted data never comes back', async () => {
    const tally = emptyTally();
    const base = testSeed('metadata-controller', 1_314_536);
    for (let n = 0; n < 40; n++) await liveController(base + n, tally);
    // Each kind of end and of failure has happened, or the test shows less than it says.
    for (const count of Object.values(tally)) expect(count).toBeGreaterThan(5);
  });
});
