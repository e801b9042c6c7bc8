/** The options that choose a configuration, shared by the commands that load one. */
import type { Command } from 'commander';
import { nodeFileSystem } from '../base/file-system.ts';
import type { ConfigKey } from '../config/config-schema.ts';
import type { RawValue } from '../config/config-spec.ts';
import { type LoadedConfig, loadConfig } from '../config/load-config.ts';

export interface ConfigurationOptions {
  readonly config?: string;
  readonly set: readonly string[];
}

export function addConfigurationOptions(command: Command): Command {
  const collect = (value: string, earlier: string[]): string[] => [...earlier, value];
  return command
    .option('--config <file>', 'configuration file (YAML)')
    .option('--set <key=value>', 'override one key; may be repeated', collect, []);
}

export function loadFromOptions(
  options: ConfigurationOptions,
  modeDefaults: Partial<Record<ConfigKey, RawValue>> = {},
): Promise<LoadedConfig> {
  return loadConfig({
    file: options.config ?? null,
    environment: process.env,
    sets: options.set,
    cwd: process.cwd(),
    modeDefaults,
    readText: (path) => nodeFileSystem.readFileSync(path).toString('utf8'),
  });
}
