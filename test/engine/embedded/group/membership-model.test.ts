import fc from 'fast-check';
import { expect, it } from 'vitest';
import { testSeed } from '../../../tools/test-seed.ts';
import { MembershipModel, steps } from './membership-model.ts';

it('what random clients are told fits together, and in the end the group settles', () => {
  const seed = testSeed('membership-model', 4_067_620);
  fc.assert(
    fc.property(steps, (history) => new MembershipModel().run(history)),
    { seed, numRuns: 500 },
  );
  expect.hasAssertions();
});
