/** The first half of 100,000 random requests; in two files, so that they run side by side. */
import { it } from 'vitest';
import { testSeed } from '../tools/test-seed.ts';
import { runAtLength } from './at-length.ts';

it('50,000 random requests get the same bytes, whatever another tenant does', async () => {
  await runAtLength(testSeed('noninterference-first', 5_011), 50_000);
}, 900_000);
