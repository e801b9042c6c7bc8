/** The benchmark in small: what a decision costs must not grow with the number of rules. */
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { projectRoot } from '../tools/project-root.ts';

interface Measured {
  readonly rules: number;
  readonly cachedNs: number;
  readonly coldUs: number;
  readonly anyUs: number;
  readonly rssMiB: number;
  readonly casbinUs: number | null;
}

it('decides over 200,000 rules about as fast as over 2,000, and far faster than stock Casbin', () => {
  const benchmark = join(projectRoot, 'bench', 'authorize.mjs');
  const output = execFileSync(process.execPath, [benchmark, '--sizes', '2000,200000'], {
    encoding: 'utf8',
  });
  const { results } = JSON.parse(output.trim().split('\n').at(-1)!) as { results: Measured[] };
  const [small, large] = results as [Measured, Measured];
  // A scan would be a hundred times as much; a busy machine adds less than three times.
  expect(large.coldUs).toBeLessThan(4 * small.coldUs + 10);
  expect(large.anyUs).toBeLessThan(4 * small.anyUs + 20);
  expect(large.cachedNs).toBeLessThan(1_000);
  expect(large.rssMiB).toBeLessThan(512);
  expect(small.casbinUs).toBeGreaterThan(20 * large.coldUs);
}, 120_000);
