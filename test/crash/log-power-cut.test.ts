/** Power cuts, short: the same as log-power-cut.full.test.ts with fewer of them. */
import { expect, test } from 'vitest';
import { testSeed } from '../tools/test-seed.ts';
import { emptyTally, runLives } from './log-power-cut.ts';

test('100 power cuts lose nothing that was acknowledged as durable', async () => {
  const firstSeed = testSeed('log-power-cut', 349_988);
  const tally = emptyTally();
  for (let seed = firstSeed; tally.cuts < 100; seed += 1) await runLives(seed, tally);
  console.log(`power cuts: ${JSON.stringify(tally)}`);
  expect(tally.acknowledged).toBeGreaterThan(0);
  expect(tally.deletions).toBeGreaterThan(0);
});

/** Each found a fault once, of the log or of the model. */
test.each([960_054, 585_475, 290_691, 669_699, 928_765_024])(
  'seed %i finds nothing any more',
  async (seed) => {
    const tally = emptyTally();
    await runLives(seed, tally);
    expect(tally.cuts).toBeGreaterThan(0);
  },
);
