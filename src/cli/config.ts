/** `breakwater config check|show`: what the broker would run with, and where each value is from. */
import type { Command } from 'commander';
import { fileExists, readBytesRequired } from '../base/credential-files.ts';
import { ConfigError } from '../base/errors.ts';
import { CONFIG_KEYS, CONFIG_SECTIONS, type ConfigKey } from '../config/config-schema.ts';
import type { LoadedConfig } from '../config/load-config.ts';
import { checkForServing } from '../config/serving-checks.ts';
import {
  addConfigurationOptions,
  type ConfigurationOptions,
  loadFromOptions,
} from './configuration-options.ts';
import { devDefaults } from './dev-defaults.ts';
import { printJson, printLine } from './output.ts';

interface Options extends ConfigurationOptions {
  readonly json?: boolean;
  readonly dev?: boolean;
}

const MASK = '(hidden)';

export function registerConfig(program: Command): void {
  const group = program.command('config').description('look at the configuration');
  const check = group
    .command('check')
    .description('check keys, values, and that the files which they name can be read');
  const show = group.command('show').description('print every key with its value and its source');
  for (const command of [check, show]) {
    addConfigurationOptions(command)
      .option('--dev', 'as "serve --dev" would see it')
      .option('--json', 'print JSON');
  }
  check.action((options: Options) => checkConfiguration(options));
  show.action((options: Options) => showConfiguration(options));
}

const load = (options: Options): Promise<LoadedConfig> =>
  loadFromOptions(options, options.dev === true ? devDefaults() : {});

async function checkConfiguration(options: Options): Promise<void> {
  const loaded = await load(options);
  checkForServing(loaded.config, options.dev === true);
  checkNamedFiles(loaded);
  if (options.json === true) {
    printJson({ ok: true, warnings: loaded.warnings });
    return;
  }
  for (const warning of loaded.warnings) printLine(`warning: ${warning}`);
  printLine('the configuration is good');
}

/** Made by the broker when it is not there. */
const MADE: ReadonlySet<ConfigKey> = new Set([
  'audit.dir',
  'backup.dir',
  'security.watermark.file',
]);

/** What is in the files is for `serve`; that they are there and can be read shows here. */
function checkNamedFiles({ config }: LoadedConfig): void {
  const problems: string[] = [];
  for (const key of Object.keys(CONFIG_KEYS) as ConfigKey[]) {
    const { isPath, default: usual } = CONFIG_KEYS[key];
    const value = config[key];
    if (isPath !== true || usual !== null || typeof value !== 'string' || MADE.has(key)) continue;
    try {
      if (!key.endsWith('.dir')) readBytesRequired(value, 'make it, or name another');
      else if (!fileExists(value)) throw new ConfigError(`${value} is missing`);
    } catch (error) {
      problems.push(`${key}: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
  if (problems.length > 0) throw new ConfigError(problems.join('\n'));
}

async function showConfiguration(options: Options): Promise<void> {
  const loaded = await load(options);
  if (options.json === true) printJson(asJson(loaded));
  else printSections(loaded);
}

function shown(loaded: LoadedConfig, key: ConfigKey): string | number | boolean | null {
  const value = loaded.config[key];
  return CONFIG_KEYS[key].sensitive && value !== null ? MASK : value;
}

function asJson(loaded: LoadedConfig): Record<string, unknown> {
  const keys = Object.keys(CONFIG_KEYS) as ConfigKey[];
  return Object.fromEntries(
    keys.map((key) => [key, { value: shown(loaded, key), source: loaded.sources[key] }]),
  );
}

function printSections(loaded: LoadedConfig): void {
  for (const [section, keys] of Object.entries(CONFIG_SECTIONS)) {
    printLine(`# ${section}`);
    for (const key of Object.keys(keys) as ConfigKey[]) {
      printLine(`${key} = ${shown(loaded, key) ?? ''}  (${loaded.sources[key]})`);
    }
    printLine('');
  }
}
