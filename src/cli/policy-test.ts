/** `breakwater policy test FILE...`: does a policy decide as expected? For a user's own CI. */
import type { Command } from 'commander';
import { nodeFileSystem } from '../base/file-system.ts';
import type { AuthorizationResult } from '../security/authorizer.ts';
import { CommandError, UsageError } from './command-error.ts';
import { addPolicyOptions, openOfflinePolicy, type PolicyOptions } from './offline-policy.ts';
import { counted, printJson, printLine } from './output.ts';
import { type Expectation, readExpectations } from './policy-expectations.ts';

interface Options extends PolicyOptions {
  readonly policy?: string;
}

interface Outcome {
  readonly file: string;
  readonly name: string;
  readonly passed: boolean;
  readonly expected: string;
  readonly found: string;
  /** Why, in a sentence. */
  readonly because: string;
}

export function registerPolicyTest(group: Command): void {
  const command = group
    .command('test')
    .description('hold a policy against files of expectations (YAML); exit code 1 when one fails')
    .argument('<file...>', 'files with a list "tests", see docs/policy-changes.md')
    .option(
      '--policy <dir>',
      'default: policy.dir of the configuration, else the development policy',
    );
  addPolicyOptions(command).action((files: readonly string[], options: Options) =>
    testPolicy(files, options),
  );
}

async function testPolicy(files: readonly string[], options: Options): Promise<void> {
  const read = files.map((file) => ({ file, tests: readExpectations(file, readText(file)) }));
  const { authorizer } = await openOfflinePolicy(options.policy, options);
  const outcomes: Outcome[] = [];
  for (const { file, tests } of read) {
    for (const test of tests) {
      const { principal, host, action } = test.question;
      const result = authorizer.authorize(principal, host, action);
      const because = authorizer.explain(principal, host, action).sentence;
      outcomes.push({ file, because, ...judge(test, result) });
    }
  }
  authorizer.close();
  const failed = outcomes.filter(({ passed }) => !passed);
  if (options.json === true) printJson({ ok: failed.length === 0, tests: outcomes });
  else {
    for (const { file, name, expected, found, because } of failed) {
      printLine(`${file}: ${name}: expected ${expected}, found ${found}`);
      printLine(`  ${because}`);
    }
    printLine(`${outcomes.length - failed.length} of ${counted(outcomes.length, 'test')} passed`);
  }
  if (failed.length > 0) throw new CommandError(`${counted(failed.length, 'test')} failed`);
}

function judge(
  { name, expect, by }: Expectation,
  { allowed, origin }: AuthorizationResult,
): Pick<Outcome, 'name' | 'passed' | 'expected' | 'found'> {
  const verdict = allowed ? 'allow' : 'deny';
  const rule = origin ?? 'none';
  return {
    name,
    passed: verdict === expect && (by === undefined || by === rule),
    expected: by === undefined ? expect : `${expect} by ${by}`,
    found: `${verdict} by ${rule}`,
  };
}

function readText(file: string): string {
  try {
    return nodeFileSystem.readFileSync(file).toString('utf8');
  } catch (error) {
    throw new UsageError(`${file} cannot be read: ${error instanceof Error ? error.message : ''}`);
  }
}
