import { randomInt } from 'node:crypto';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { followModel, operations } from './groups-model.ts';

it('groups and offsets are what a small model says, through crashes and restarts', async () => {
  const seed = randomInt(2 ** 31);
  console.log(`seed ${seed}`);
  await fc.assert(fc.asyncProperty(operations, followModel), { seed, numRuns: 400 });
  expect.hasAssertions();
}, 60_000);
