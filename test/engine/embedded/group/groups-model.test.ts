import fc from 'fast-check';
import { expect, it } from 'vitest';
import { testSeed } from '../../../tools/test-seed.ts';
import { followModel, operations } from './groups-model.ts';

it('groups and offsets are what a small model says, through crashes and restarts', async () => {
  const seed = testSeed('groups-model', 5_888_780);
  await fc.assert(fc.asyncProperty(operations, followModel), { seed, numRuns: 400 });
  expect.hasAssertions();
}, 60_000);
