/** The budgets of refusals: whatever comes, each event is admitted or counted, and within bounds. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { FloodSource, Repeats } from '../../src/audit/audit-record.ts';
import { FloodGuard } from '../../src/audit/flood-guard.ts';
import { testSeed } from '../tools/test-seed.ts';

const SEED = testSeed('flood-guard', 6_460_434);

const LIMITS = { buckets: 6, bucketsPerTenant: 3 };
const BUDGET = { ofSource: 4, ofTenant: 5, ofEqual: 2 };

const sources: fc.Arbitrary<FloodSource> = fc.record({
  type: fc.constantFrom('access', 'protocol'),
  reason: fc.constantFrom('denied', 'protocol-error'),
  tenant: fc.constantFrom(null, 'acme', 'globex'),
  principal: fc.constantFrom('User:a', 'User:b', 'User:c', 'User:d'),
  address: fc.constantFrom('10.0.0.1', '10.0.0.2'),
});
const events = fc.array(
  fc.record({
    source: sources,
    about: fc.constantFrom('', 'x', 'y'),
    /** 0: one event; else a line that stands for so many. */
    repeats: fc.constantFrom(0, 0, 0, 3),
    sweeps: fc.boolean(),
  }),
  { maxLength: 200 },
);

describe('the budgets of refusals', () => {
  it('lose and invent nothing, tenant by tenant, and let no tenant write more than its own', () => {
    fc.assert(
      fc.property(events, (list) => {
        const counted = new Map<string, number>();
        const key = ({ type, tenant }: FloodSource): string => `${type} ${tenant}`;
        const add = (to: Map<string, number>, source: FloodSource, count: number) =>
          to.set(key(source), (to.get(key(source)) ?? 0) + count);
        const guard = new FloodGuard(LIMITS, (source: FloodSource, { count }: Repeats) =>
          add(counted, source, count),
        );
        const came = new Map<string, number>();
        let admitted = new Map<string, number>();
        for (const [at, { source, about, repeats, sweeps }] of list.entries()) {
          const count = Math.max(1, repeats);
          add(came, source, count);
          const stretch = { count, firstMs: at, lastMs: at };
          const isAdmitted =
            repeats === 0
              ? guard.admit(source, about, at, BUDGET)
              : guard.admitCounted(source, about, stretch, BUDGET);
          if (isAdmitted) {
            add(admitted, source, 1);
            add(counted, source, count);
          }
          expect(guard.size).toBeLessThanOrEqual(LIMITS.buckets);
          for (const lines of admitted.values()) {
            expect(lines).toBeLessThanOrEqual(BUDGET.ofTenant);
          }
          if (!sweeps) continue;
          guard.sweep();
          admitted = new Map();
        }
        guard.sweep();
        expect(counted).toEqual(came);
        expect(guard.size).toBe(0);
      }),
      { seed: SEED, numRuns: 500 },
    );
  });
});
