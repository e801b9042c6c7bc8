/**
 * Vitest reporter: ends a run by naming every test that was skipped, and why.
 *
 * Invariant: with BREAKWATER_TEST_REQUIRE=all a skipped test fails the run, whatever skipped it.
 */
import type { Reporter, TestCase, TestModule } from 'vitest/node';

/** One line for a skipped test: its suite and the reason; without a reason its own name. */
const lineOf = (module: TestModule, test: TestCase): string => {
  const result = test.result();
  const note = result.state === 'skipped' ? result.note : undefined;
  if (note === undefined) return `  ${module.relativeModuleId}: ${test.fullName}: skipped`;
  const suite = test.parent.type === 'suite' ? test.parent.fullName : test.fullName;
  return `  ${module.relativeModuleId}: ${suite}: ${note}`;
};

/** Tests below a failed beforeAll are skipped too, but the failure already tells about them. */
const isBelowFailure = (test: TestCase): boolean => {
  let parent = test.parent;
  while (parent.type === 'suite' && parent.errors().length === 0) parent = parent.parent;
  return parent.errors().length > 0;
};

/** The tests of one suite that share a reason make one line. */
const skippedLines = (modules: readonly TestModule[]): string[] => {
  const lines = new Set<string>();
  for (const module of modules) {
    for (const test of module.children.allTests('skipped')) {
      if (!isBelowFailure(test)) lines.add(lineOf(module, test));
    }
  }
  return [...lines];
};

export default class CouldNotRunReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[]): void {
    const lines = skippedLines(modules);
    if (lines.length === 0) {
      console.log('\nnothing was skipped\n');
      return;
    }
    console.log(`\ncould not run here:\n${lines.join('\n')}\n`);
    if (process.env.BREAKWATER_TEST_REQUIRE !== 'all') return;
    console.log('BREAKWATER_TEST_REQUIRE=all: a skipped test is a failure');
    process.exitCode = 1;
  }
}
