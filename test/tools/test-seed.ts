/**
 * Owns where random tests begin. A run of the suite takes the same seeds each time, so that a red
 * run is the fault of a change; BREAKWATER_TEST_SEED repeats a seed, or is `random` to look for new
 * ones. Each test prints its seed.
 */
import { randomInt } from 'node:crypto';

/** `given`: a whole number, 'random' or undefined, which leaves the usual seed. */
export function seedFrom(given: string | undefined, usual: number): number {
  if (given === 'random') return randomInt(2 ** 31);
  const seed = Number(given ?? usual);
  if (!Number.isInteger(seed)) throw new Error(`BREAKWATER_TEST_SEED is no number: ${given}`);
  return seed;
}

export function testSeed(name: string, usual: number): number {
  const seed = seedFrom(process.env.BREAKWATER_TEST_SEED, usual);
  process.stdout.write(`${name}: seed ${seed}\n`);
  return seed;
}
