/**
 * Owns how configuration comes together: defaults < mode's defaults < file < environment < --set.
 * Every value keeps its source; all problems are reported at once, each with key, source and what
 * is allowed. A loaded configuration is complete, checked and immutable.
 */
import { dirname, isAbsolute, resolve } from 'node:path';
import { ConfigError } from '../base/errors.ts';
import {
  CONFIG_KEYS,
  type Config,
  type ConfigKey,
  environmentName,
  isConfigKey,
} from './config-schema.ts';
import type { ConfigSpec, RawValue } from './config-spec.ts';
import { nearest } from './nearest-key.ts';

export interface ConfigInput {
  /** The file named by --config; null when there is none. */
  readonly file: string | null;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Each `key=value`, in order; a later one wins. */
  readonly sets: readonly string[];
  /** Relative paths of the environment, --set and the defaults are resolved against it. */
  readonly cwd: string;
  /** Defaults of the mode (serve --dev), below the file. */
  readonly modeDefaults?: Partial<Record<ConfigKey, RawValue>>;
  readonly readText: (path: string) => string;
}

export interface LoadedConfig {
  readonly config: Config;
  /** `default`, `config.yaml:12`, `BREAKWATER_PORT`, `--set`. */
  readonly sources: Readonly<Record<ConfigKey, string>>;
  /** Sentences worth a line in the log: an environment variable that is no key. */
  readonly warnings: readonly string[];
}

interface Assignment {
  readonly key: ConfigKey;
  readonly raw: RawValue;
  readonly source: string;
  readonly folder: string;
}

/** BREAKWATER_* variables that are not configuration keys but known: the commands, tests, tools. */
const OTHER_VARIABLES = /^BREAKWATER_(ADMIN_(URL|CERT|KEY|CA)|(TEST|BENCH|CI|KAFKA)(_.*)?)$/;
const VARIABLE_PREFIX = 'BREAKWATER_';
/** Edits within which an unknown name is taken for a slip of the pen. */
const TYPO_DISTANCE = 2;

export async function loadConfig(input: ConfigInput): Promise<LoadedConfig> {
  const problems: string[] = [];
  const warnings: string[] = [];
  const assignments = [
    ...fromDefaults(input),
    ...(input.file === null ? [] : await fromFile(input.file, input, problems)),
    ...fromEnvironment(input, problems, warnings),
    ...fromSets(input, problems),
  ];
  const values: Record<string, unknown> = {};
  const sources: Record<string, string> = {};
  for (const assignment of assignments) {
    const value = checkedValue(assignment, problems);
    if (value === undefined) continue;
    values[assignment.key] = value;
    sources[assignment.key] = assignment.source;
  }
  const config = Object.freeze(values) as Config;
  if (problems.length === 0) checkTogether(config, sources, problems);
  if (problems.length > 0) throw new ConfigError(problems.join('\n'));
  return { config, sources: sources as LoadedConfig['sources'], warnings };
}

function fromDefaults(input: ConfigInput): Assignment[] {
  const assignments: Assignment[] = [];
  for (const key of Object.keys(CONFIG_KEYS) as ConfigKey[]) {
    const folder = input.cwd;
    assignments.push({ key, raw: CONFIG_KEYS[key].default, source: 'default', folder });
  }
  for (const [key, raw] of Object.entries(input.modeDefaults ?? {})) {
    if (isConfigKey(key)) assignments.push({ key, raw, source: '--dev', folder: input.cwd });
  }
  return assignments;
}

async function fromFile(
  file: string,
  input: ConfigInput,
  problems: string[],
): Promise<Assignment[]> {
  const path = resolve(input.cwd, file);
  let content: string;
  try {
    content = input.readText(path);
  } catch (cause) {
    const why = (cause as NodeJS.ErrnoException).code ?? 'unreadable';
    const hint = 'name an existing file with --config; "breakwater init DIR" writes one';
    throw new ConfigError(`cannot read the configuration file ${file} (${why}): ${hint}`, {
      cause,
    });
  }
  // Loaded only when there is a file: the YAML parser costs more than the rest of this folder.
  const { parseConfigFile } = await import('./config-file.ts');
  const parsed = parseConfigFile(content);
  problems.push(...parsed.problems.map((problem) => `${file}:${problem}`));
  const seen = new Map<string, string>();
  const assignments: Assignment[] = [];
  for (const { key, raw, line } of parsed.entries) {
    const source = `${file}:${line}`;
    const earlier = seen.get(key);
    if (earlier !== undefined) {
      problems.push(`${source}: ${key} is already set at ${earlier}: remove one of them`);
    } else if (isConfigKey(key)) {
      assignments.push({ key, raw, source, folder: dirname(path) });
    } else problems.push(unknownKey(key, source));
    seen.set(key, source);
  }
  return assignments;
}

function fromEnvironment(input: ConfigInput, problems: string[], warnings: string[]): Assignment[] {
  const keysByVariable = new Map<string, ConfigKey>();
  for (const key of Object.keys(CONFIG_KEYS) as ConfigKey[]) {
    keysByVariable.set(environmentName(key), key);
  }
  const assignments: Assignment[] = [];
  for (const [name, raw] of Object.entries(input.environment)) {
    if (!name.startsWith(VARIABLE_PREFIX) || raw === undefined) continue;
    const key = keysByVariable.get(name);
    if (key !== undefined) assignments.push({ key, raw, source: name, folder: input.cwd });
    else if (!OTHER_VARIABLES.test(name)) {
      // Container platforms invent variables of this shape, so only a near miss is an error.
      const meant = nearest(name, keysByVariable.keys(), TYPO_DISTANCE);
      if (meant === undefined) warnings.push(`the environment variable ${name} is no known key`);
      else problems.push(`${name}: no such key; did you mean ${meant}?`);
    }
  }
  return assignments;
}

function fromSets(input: ConfigInput, problems: string[]): Assignment[] {
  const assignments: Assignment[] = [];
  for (const text of input.sets) {
    const equals = text.indexOf('=');
    const key = text.slice(0, Math.max(equals, 0)).trim();
    if (equals <= 0) problems.push('--set: write it as key=value, for example --set port=0');
    else if (!isConfigKey(key)) problems.push(unknownKey(key, '--set'));
    else {
      assignments.push({ key, raw: text.slice(equals + 1), source: '--set', folder: input.cwd });
    }
  }
  return assignments;
}

function unknownKey(key: string, source: string): string {
  const meant = nearest(key, Object.keys(CONFIG_KEYS), TYPO_DISTANCE + 1);
  const hint =
    meant === undefined ? '"breakwater config show" lists all keys' : `did you mean ${meant}?`;
  return `${source}: ${printable(key)}: no such key; ${hint}`;
}

function checkedValue(assignment: Assignment, problems: string[]): unknown {
  const spec: ConfigSpec<unknown> = CONFIG_KEYS[assignment.key];
  const value = spec.parse(assignment.raw);
  if (value === undefined) {
    const shown = spec.sensitive ? 'this value' : printable(String(assignment.raw));
    problems.push(
      `${assignment.source}: ${assignment.key}: ${shown} is not allowed; it must be ${spec.allowed}`,
    );
  }
  if (spec.isPath && typeof value === 'string' && !isAbsolute(value)) {
    return resolve(assignment.folder, value);
  }
  return value;
}

/** Text of someone else's making, fit to stand in a sentence on one line. */
function printable(text: string): string {
  return JSON.stringify(text.length > 100 ? `${text.slice(0, 100)}...` : text);
}

const WILDCARD_HOSTS: ReadonlySet<string> = new Set(['0.0.0.0', '::']);

/** What no single key can judge. */
function checkTogether(
  config: Config,
  sources: Readonly<Record<string, string>>,
  problems: string[],
): void {
  const refuse = (key: ConfigKey, why: string): void => {
    problems.push(`${sources[key]}: ${key}: ${why}`);
  };
  if (WILDCARD_HOSTS.has(config.host) && config['advertised.host'] === null) {
    refuse('host', `${config.host} is no address to connect to: set advertised.host as well`);
  }
  if (config['message.max.bytes'] >= config['socket.request.max.bytes']) {
    refuse('message.max.bytes', 'must be smaller than socket.request.max.bytes');
  }
  if (config['socket.request.small.max.bytes'] > config['socket.request.max.bytes']) {
    refuse('socket.request.small.max.bytes', 'must not exceed socket.request.max.bytes');
  }
  const bansAt = config['ban.automatic.failures'];
  if (bansAt !== 0 && bansAt < config['failed.authentication.max.per.address']) {
    refuse('ban.automatic.failures', 'must not be below failed.authentication.max.per.address');
  }
  const ports = [config.port, config['admin.port']].filter((number) => number !== 0);
  if (new Set(ports).size < ports.length && config.host === config['admin.host']) {
    refuse('admin.port', `${config['admin.port']} is the port of the client listener already`);
  }
}
