/** Opens policy files as the broker would, without a broker. */
import { join, resolve } from 'node:path';
import type { Command } from 'commander';
import { nodeFileSystem } from '../base/file-system.ts';
import { PACKAGE_ROOT } from '../config/package-root.ts';
import type { CasbinAuthorizer } from '../security/casbin-authorizer.ts';
import type { PolicyText } from '../security/policy-diff.ts';
import {
  addConfigurationOptions,
  type ConfigurationOptions,
  loadFromOptions,
} from './configuration-options.ts';
import { devDefaults } from './dev-defaults.ts';

export interface PolicyOptions extends ConfigurationOptions {
  readonly json?: boolean;
  readonly model?: string;
}

export interface OfflinePolicy {
  readonly directory: string;
  readonly authorizer: CasbinAuthorizer;
  /** Null where the model is the operator's own: its columns may mean anything. */
  readonly text: PolicyText | null;
}

export const addPolicyOptions = (command: Command): Command =>
  addConfigurationOptions(
    command
      .option('--model <file>', 'the Casbin model (default: the one that Breakwater ships)')
      .option('--json', 'print JSON'),
  );

/** Without a folder: `policy.dir` of the configuration, else the development policy. */
export async function openOfflinePolicy(
  directory: string | undefined,
  options: PolicyOptions,
): Promise<OfflinePolicy> {
  const { config } = await loadFromOptions(options, devDefaults());
  const policyDirectory = resolve(directory ?? config['policy.dir'] ?? '.');
  const modelFile =
    options.model ?? config['policy.model'] ?? join(PACKAGE_ROOT, 'policies', 'model.conf');
  const { createCasbinAuthorizer } = await import('../security/casbin-authorizer.ts');
  const { readPolicyFiles } = await import('../security/policy-files.ts');
  const { nodeDirectoryObserver } = await import('../security/policy-watch.ts');
  const authorizer = await createCasbinAuthorizer({ policyDirectory, modelFile, watch: false });
  if (authorizer.runsOwnModel) return { directory: policyDirectory, authorizer, text: null };
  const { rules, links } = await readPolicyFiles({
    directory: policyDirectory,
    files: nodeFileSystem,
    observer: nodeDirectoryObserver,
  });
  return { directory: policyDirectory, authorizer, text: { rules, links } };
}
