/** Power cuts from a random seed for ten minutes, or from BREAKWATER_POWER_CUT_SEED. */
import { expect, test } from 'vitest';
import { emptyTally, runLives } from './log-power-cut.ts';

const DURATION_MS = 600_000;

test('power cuts lose nothing that was acknowledged as durable', async () => {
  const given = process.env.BREAKWATER_POWER_CUT_SEED;
  const firstSeed = given === undefined ? Math.floor(Math.random() * 1_000_000) : Number(given);
  console.log(`power cuts: seeds from ${firstSeed}`);
  const tally = emptyTally();
  const endMs = Date.now() + DURATION_MS;
  for (let seed = firstSeed; Date.now() < endMs; seed += 1) await runLives(seed, tally);
  console.log(`power cuts: ${JSON.stringify(tally)}`);
  expect(tally.acknowledged).toBeGreaterThan(1000);
});
