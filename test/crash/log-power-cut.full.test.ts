/** Power cuts, long: 1,000 cuts of a log directory at random points. */
import { expect, test } from 'vitest';
import { emptyTally, runLives } from './log-power-cut.ts';

/** The same each time, so that a red run is a change's fault; log-power-cut.soak.test.ts looks for new ones. */
const FIRST_SEED = 826889;

test('1,000 power cuts lose nothing that was acknowledged as durable', async () => {
  const firstSeed = FIRST_SEED;
  console.log(`power cuts: seeds from ${firstSeed}`);
  const tally = emptyTally();
  for (let seed = firstSeed; tally.cuts < 1000; seed += 1) await runLives(seed, tally);
  console.log(`power cuts: ${JSON.stringify(tally)}`);
  expect(tally.acknowledged).toBeGreaterThan(1000);
  expect(tally.frontsGone).toBeGreaterThan(0);
});
