/** Power cuts of each kind of log for some minutes, from a random seed or BREAKWATER_TEST_SEED. */
import { randomInt } from 'node:crypto';
import { expect, test } from 'vitest';
import { testSeed } from '../tools/test-seed.ts';
import { emptyGroupLogTally, liveGroupLog } from './group-log.ts';
import { emptyTally as emptyLogTally, runLives } from './log-power-cut.ts';
import { emptyTally as emptyControllerTally, liveController } from './metadata-controller.ts';
import { emptyTally as emptyStateLogTally, liveStateLog } from './metadata-state-log.ts';

const DURATION_MS = Number(process.env.BREAKWATER_SOAK_SECONDS ?? 600) * 1000;

async function soak(name: string, live: (seed: number) => Promise<void>): Promise<void> {
  const firstSeed = testSeed(name, randomInt(2 ** 31));
  const endMs = Date.now() + DURATION_MS;
  let seed = firstSeed;
  while (Date.now() < endMs) await live(seed++);
  expect(seed).toBeGreaterThan(firstSeed + 10);
}

test('a partition log loses nothing that was acknowledged', async () => {
  const tally = emptyLogTally();
  await soak('log-power-cut', (seed) => runLives(seed, tally));
  console.log(JSON.stringify(tally));
});

test('a compacted log loses nothing that was acknowledged', async () => {
  const tally = emptyGroupLogTally();
  await soak('group-log', (seed) => liveGroupLog(seed, tally));
  console.log(JSON.stringify(tally));
});

test('a state log loses nothing that was acknowledged', async () => {
  const tally = emptyStateLogTally();
  await soak('metadata-state-log', (seed) => liveStateLog(seed, tally));
  console.log(JSON.stringify(tally));
});

test('a controller answers after a cut as it answered before', async () => {
  const tally = emptyControllerTally();
  await soak('metadata-controller', (seed) => liveController(seed, tally));
  console.log(JSON.stringify(tally));
});
