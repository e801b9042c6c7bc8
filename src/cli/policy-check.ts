/** `breakwater policy check [DIR]`: are these policy files in order, and do they mean what they say? */
import type { Command } from 'commander';
import { CommandError } from './command-error.ts';
import { addPolicyOptions, openOfflinePolicy, type PolicyOptions } from './offline-policy.ts';
import { counted, printJson, printLine } from './output.ts';

interface Options extends PolicyOptions {
  readonly strict?: boolean;
}

export function registerPolicyCheck(group: Command): void {
  const command = group
    .command('check')
    .description('read the policy files of a folder as the broker would, and name doubtful rules')
    .argument('[dir]', 'default: policy.dir of the configuration, else the development policy')
    .option('--strict', 'exit with 1 when a rule is doubtful');
  addPolicyOptions(command).action((dir: string | undefined, options: Options) =>
    checkPolicy(dir, options),
  );
}

async function checkPolicy(dir: string | undefined, options: Options): Promise<void> {
  const { directory, authorizer, text } = await openOfflinePolicy(dir, options);
  const { files, fileRules } = authorizer.policyStatus();
  authorizer.close();
  const { lintPolicy } = await import('../security/policy-lint.ts');
  const findings = text === null ? [] : lintPolicy(text);
  if (options.json === true) printJson({ ok: true, directory, files, fileRules, findings });
  else {
    for (const { kind, file, line, text: rule, message } of findings) {
      printLine(`${file}:${line}: ${kind}: ${message}`);
      printLine(`  ${rule}`);
    }
    const read = `${counted(fileRules, 'rule')} in ${counted(files.length, 'file')}`;
    const doubts = findings.length === 0 ? '' : `; ${counted(findings.length, 'doubtful line')}`;
    const own = text === null ? '; rules of an own model are not looked at for doubts' : '';
    printLine(`in order: ${read}: ${files.join(', ')}${doubts}${own}`);
  }
  if (options.strict === true && findings.length > 0) {
    throw new CommandError(`${counted(findings.length, 'doubtful line')} (--strict)`);
  }
}
