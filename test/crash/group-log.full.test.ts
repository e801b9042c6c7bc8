import { describe, it } from 'vitest';
import { testSeed } from '../tools/test-seed.ts';
import { emptyGroupLogTally, liveGroupLog } from './group-log.ts';

describe('a compacted log whose power is cut, at length', () => {
  it('keeps every acknowledged append', async () => {
    const tally = emptyGroupLogTally();
    const base = testSeed('group-log', 8_631_150);
    for (let n = 0; n < 3000; n++) await liveGroupLog(base + n, tally);
    console.log(JSON.stringify(tally));
  });
});
