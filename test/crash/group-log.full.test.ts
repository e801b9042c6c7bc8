import { randomInt } from 'node:crypto';
import { describe, it } from 'vitest';
import { emptyGroupLogTally, liveGroupLog } from './group-log.ts';

describe('a compacted log whose power is cut, at length', () => {
  it('keeps every acknowledged append', async () => {
    const tally = emptyGroupLogTally();
    const base = randomInt(2 ** 31);
    for (let n = 0; n < 3000; n++) await liveGroupLog(base + n, tally);
    console.log(`from seed ${base}: ${JSON.stringify(tally)}`);
  });
});
