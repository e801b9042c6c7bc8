import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { testSeed } from '../tools/test-seed.ts';
import {
  type DifferentialRun,
  openDifferentialRun,
  policyArbitrary,
  requestArbitrary,
} from './casbin-differential.ts';

const POLICIES = 100;
/** Each is asked four times: for a random resource and for one that a rule speaks about, at two times. */
const REQUESTS_A_POLICY = 12;

describe('the indexed and cached authorizer', () => {
  let run: DifferentialRun;
  beforeAll(async () => {
    run = await openDifferentialRun();
  });
  afterAll(() => run.close());

  it('decides as stock Casbin over all rules does, and as Kafka would', async () => {
    const seed = testSeed('casbin-differential', 7_889_348);
    await fc.assert(
      fc.asyncProperty(
        policyArbitrary,
        fc.array(requestArbitrary, {
          minLength: REQUESTS_A_POLICY,
          maxLength: REQUESTS_A_POLICY,
        }),
        (policy, requests) => run.compare(policy, requests),
      ),
      { seed, numRuns: POLICIES },
    );
    process.stdout.write(
      `${run.compared} compared, ${run.allowed} allowed, ${run.deniedByRule} denied by a rule\n`,
    );
    expect(run.compared).toBeGreaterThanOrEqual(4 * POLICIES * REQUESTS_A_POLICY);
    expect(run.allowed / run.compared).toBeGreaterThan(0.03);
    expect(run.deniedByRule / run.compared).toBeGreaterThan(0.02);
    expect(run.byTokenRole).toBeGreaterThan(10);
  });
});
