/**
 * Vitest reporter: ends a run by naming every test that was skipped, and why.
 *
 * Invariant: with BREAKWATER_TEST_REQUIRE=all a skipped test fails the run, whatever skipped it.
 */
import type { Reporter, TestCase, TestModule } from 'vitest/node';

const noteOf = (test: TestCase): string => {
  const result = test.result();
  return result.state === 'skipped' && result.note !== undefined ? result.note : 'skipped';
};

/** Suite title -> reason; the tests of one suite that share a reason make one line. */
const skippedLines = (modules: readonly TestModule[]): string[] => {
  const lines = new Set<string>();
  for (const module of modules) {
    for (const test of module.children.allTests('skipped')) {
      const suite = test.parent.type === 'suite' ? test.parent.fullName : test.fullName;
      lines.add(`  ${module.relativeModuleId}: ${suite}: ${noteOf(test)}`);
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
