/**
 * `breakwater audit checkpoint`: prints the newest checkpoint, to be kept where the broker's machine
 * cannot reach it; `audit verify --anchor` takes it. `breakwater audit new-key DIR`: a signing key.
 */
import type { Command } from 'commander';
import { parseCheckpoint } from '../audit/checkpoint.ts';
import { newestCheckpoints } from '../audit/checkpoint-verifier.ts';
import { makeSigningKey } from '../audit/signing-key.ts';
import { makeDirectory } from '../base/credential-files.ts';
import { nodeFileSystem } from '../base/file-system.ts';
import { auditDirectory } from './audit-verify.ts';
import { CommandError } from './command-error.ts';
import {
  addConfigurationOptions,
  type ConfigurationOptions,
  loadFromOptions,
} from './configuration-options.ts';
import { devDefaults } from './dev-defaults.ts';
import { printJson, printLine } from './output.ts';

interface Options extends ConfigurationOptions {
  readonly dir?: string;
  readonly json?: boolean;
}

export function registerAuditCheckpoint(group: Command): void {
  const command = group
    .command('checkpoint')
    .description('print the newest checkpoint of each stream, to keep elsewhere')
    .option('--dir <dir>', 'the audit folder (default: that of the configuration)')
    .option('--json', 'print what they say instead of the signed lines');
  addConfigurationOptions(command).action((options: Options) => checkpoint(options));
  group
    .command('new-key')
    .description('make a key that signs checkpoints, and its public half beside it')
    .argument('<dir>', 'folder for audit-signing.key and audit-signing.pub')
    .option('--json', 'print JSON')
    .action((dir: string, { json }: { json?: boolean }) => {
      makeDirectory(dir, 'private');
      const { keyPath, publicPath } = makeSigningKey(dir);
      if (json === true) printJson({ key: keyPath, public: publicPath });
      else
        printLine(`${keyPath} signs (audit.signing.key); keep a copy of ${publicPath} elsewhere`);
    });
}

async function checkpoint(options: Options): Promise<void> {
  const { config } = await loadFromOptions(options, devDefaults());
  const directory = auditDirectory(options, config);
  const lines = newestCheckpoints(nodeFileSystem, directory);
  if (lines.length === 0) throw new CommandError(`${directory} holds no checkpoint yet`);
  if (options.json === true) printJson(lines.map((line) => parseCheckpoint(line)?.checkpoint));
  else for (const line of lines) printLine(line);
}
