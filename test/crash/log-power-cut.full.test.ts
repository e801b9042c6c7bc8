/** Power cuts, long: 1,000 cuts of a log directory at random points. */
import { expect, test } from 'vitest';
import { testSeed } from '../tools/test-seed.ts';
import { emptyTally, runLives } from './log-power-cut.ts';

test('1,000 power cuts lose nothing that was acknowledged as durable', async () => {
  const firstSeed = testSeed('log-power-cut', 826_889);
  const tally = emptyTally();
  for (let seed = firstSeed; tally.cuts < 1000; seed += 1) await runLives(seed, tally);
  console.log(`power cuts: ${JSON.stringify(tally)}`);
  expect(tally.acknowledged).toBeGreaterThan(1000);
  expect(tally.frontsGone).toBeGreaterThan(0);
});
