/** `breakwater policy check [DIR]`: are these policy files in order? Offline; starts nothing. */
import { join, resolve } from 'node:path';
import type { Command } from 'commander';
import { PACKAGE_ROOT } from '../config/package-root.ts';
import {
  addConfigurationOptions,
  type ConfigurationOptions,
  loadFromOptions,
} from './configuration-options.ts';
import { devDefaults } from './dev-defaults.ts';
import { counted, printJson, printLine } from './output.ts';

interface Options extends ConfigurationOptions {
  readonly json?: boolean;
  readonly model?: string;
}

export function registerPolicy(program: Command): void {
  const group = program.command('policy').description('look at policy files');
  const check = group
    .command('check')
    .description('read the policy files of a folder as the broker would')
    .argument('[dir]', 'default: policy.dir of the configuration, else the development policy')
    .option('--model <file>', 'the Casbin model (default: the one that Breakwater ships)')
    .option('--json', 'print JSON');
  addConfigurationOptions(check).action((dir: string | undefined, options: Options) =>
    checkPolicy(dir, options),
  );
}

async function checkPolicy(dir: string | undefined, options: Options): Promise<void> {
  const { config } = await loadFromOptions(options, devDefaults());
  const policyDirectory = resolve(dir ?? config['policy.dir'] ?? '.');
  const modelFile =
    options.model ?? config['policy.model'] ?? join(PACKAGE_ROOT, 'policies', 'model.conf');
  const { createCasbinAuthorizer } = await import('../security/casbin-authorizer.ts');
  const authorizer = await createCasbinAuthorizer({ policyDirectory, modelFile, watch: false });
  const { files, fileRules } = authorizer.policyStatus();
  authorizer.close();
  if (options.json === true) printJson({ ok: true, directory: policyDirectory, files, fileRules });
  else {
    const read = `${counted(fileRules, 'rule')} in ${counted(files.length, 'file')}`;
    printLine(`in order: ${read}: ${files.join(', ')}`);
  }
}
