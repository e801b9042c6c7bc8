import { defineConfig } from 'vitest/config';

/**
 * Three projects, told apart by file name: `x.test.ts` runs in `npm test`, `x.full.test.ts` in
 * `npm run test:full` (real Java, kills, storms, fuzz), `x.soak.test.ts` only by hand.
 *
 * BREAKWATER_TEST_REPORT names a file for a JSON report (CI counts from it).
 */
const common = {
  environment: 'node' as const,
  pool: 'forks' as const,
  maxWorkers: 2,
  setupFiles: ['./test/tools/fast-check-seed.ts'],
};

const report = process.env.BREAKWATER_TEST_REPORT;
const reporters = ['default', './test/tools/could-not-run-reporter.ts'];

export default defineConfig({
  test: {
    ...(report === undefined
      ? { reporters }
      : { reporters: [...reporters, 'json'], outputFile: { json: report } }),
    projects: [
      {
        test: {
          ...common,
          name: 'fast',
          include: ['test/**/*.test.ts'],
          exclude: ['test/**/*.full.test.ts', 'test/**/*.soak.test.ts'],
          testTimeout: 20_000,
          hookTimeout: 30_000,
        },
      },
      {
        test: {
          ...common,
          name: 'full',
          include: ['test/**/*.full.test.ts'],
          globalSetup: ['./test/tools/prepare-full-run.ts'],
          testTimeout: 300_000,
          hookTimeout: 120_000,
        },
      },
      {
        test: {
          ...common,
          name: 'soak',
          include: ['test/**/*.soak.test.ts'],
          globalSetup: ['./test/tools/prepare-full-run.ts'],
          testTimeout: 3_600_000,
        },
      },
    ],
  },
});
