/**
 * What `serve` requires of a configuration beyond its being valid: in production every file that
 * stands for a decision of trust is named, in development nothing listens beyond this machine.
 */
import { isIPv4 } from 'node:net';
import { ConfigError } from '../base/errors.ts';
import type { Config, ConfigKey } from './config-schema.ts';

const REQUIRED_IN_PRODUCTION = [
  'ssl.server.certificate',
  'ssl.server.key',
  'ssl.client.ca',
  'ssl.operator.ca',
  'policy.dir',
  'audit.signing.key',
] as const satisfies readonly ConfigKey[];

/** Throws ConfigError with every requirement that is not met. */
export function checkForServing(config: Config, dev: boolean): void {
  const problems = dev ? devProblems(config) : productionProblems(config);
  if (problems.length > 0) throw new ConfigError(problems.join('\n'));
}

function productionProblems(config: Config): string[] {
  const missing = REQUIRED_IN_PRODUCTION.filter((key) => config[key] === null);
  if (missing.length === 0) return [];
  return [
    `not set: ${missing.join(', ')}. "breakwater init DIR" writes a production set-up with all of ` +
      'them; "breakwater serve --dev" runs a development broker on this machine only',
  ];
}

function devProblems(config: Config): string[] {
  const problems: string[] = [];
  for (const key of ['host', 'admin.host'] as const) {
    if (isLoopback(config[key])) continue;
    problems.push(
      `${key}: --dev listens on loopback only (127.0.0.1, ::1 or localhost), not on ` +
        `${config[key]}: its keys lie unprotected in a folder. For a reachable broker: ` +
        '"breakwater init DIR"',
    );
  }
  return problems;
}

/** `localhost` counts: Node resolves it, and serve listens on what this function is shown. */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || (isIPv4(host) && host.startsWith('127.'));
}
