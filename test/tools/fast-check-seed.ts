/** Vitest set-up file: property tests that name no seed begin where test-seed.ts says. */
import fc from 'fast-check';
import { seedFrom } from './test-seed.ts';

fc.configureGlobal({ seed: seedFrom(process.env.BREAKWATER_TEST_SEED, 20_260_401) });
