import { defineConfig } from 'vitest/config';

/**
 * Three projects, told apart by file name: `x.test.ts` runs in `npm test`, `x.full.test.ts` in
 * `npm run test:full` (real Java, kills, storms, fuzz), `x.soak.test.ts` only by hand.
 */
const common = { environment: 'node' as const, pool: 'forks' as const, maxWorkers: 2 };

export default defineConfig({
  test: {
    projects: [
      {
        test: {
          ...common,
          name: 'fast',
          include: ['test/**/*.test.ts'],
          exclude: ['test/**/*.full.test.ts', 'test/**/*.soak.test.ts'],
          testTimeout: 20_000,
        },
      },
      {
        test: {
          ...common,
          name: 'full',
          include: ['test/**/*.full.test.ts'],
          testTimeout: 300_000,
          hookTimeout: 120_000,
        },
      },
      {
        test: {
          ...common,
          name: 'soak',
          include: ['test/**/*.soak.test.ts'],
          testTimeout: 3_600_000,
        },
      },
    ],
  },
});
