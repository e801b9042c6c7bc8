import { randomInt } from 'node:crypto';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { MembershipModel, steps } from './membership-model.ts';

it('what random clients are told fits together, and in the end the group settles', () => {
  const seed = randomInt(2 ** 31);
  console.log(`seed ${seed}`);
  fc.assert(
    fc.property(steps, (history) => new MembershipModel().run(history)),
    { seed, numRuns: 500 },
  );
  expect.hasAssertions();
});
