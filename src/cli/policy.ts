/** `breakwater policy check|test|diff|replay` (offline, on files) and `shadow` (asks the broker). */
import type { Command } from 'commander';
import { registerPolicyCheck } from './policy-check.ts';
import { registerPolicyDiff } from './policy-diff.ts';
import { registerPolicyReplay } from './policy-replay.ts';
import { registerPolicyShadow } from './policy-shadow.ts';
import { registerPolicyTest } from './policy-test.ts';

export function registerPolicy(program: Command): void {
  const group = program
    .command('policy')
    .description('check and try out policy files before they are rolled out');
  registerPolicyCheck(group);
  registerPolicyTest(group);
  registerPolicyDiff(group);
  registerPolicyReplay(group);
  registerPolicyShadow(group);
}
