/** PKI folders of tests, below the system's temporary directory. */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { type CreatePkiOptions, createPki, type Pki } from '../../src/pki/pki-directory.ts';
import { temporaryDirectory } from '../tools/temporary-directory.ts';
import { TRUST_DOMAIN } from './test-pki.ts';

export function temporaryPki(options: CreatePkiOptions = {}): Pki {
  const dir = join(temporaryDirectory('pki'), 'pki');
  return createPki(dir, { mode: 'dev', trustDomain: TRUST_DOMAIN, ...options });
}

export interface ToolResult {
  readonly status: number | null;
  /** stdout and stderr. */
  readonly text: string;
}

/** Runs an outside program to its end, at most 60 s. */
export function runTool(command: string, args: readonly string[], input = ''): ToolResult {
  const result = spawnSync(command, args, { encoding: 'utf8', timeout: 60_000, input });
  return { status: result.status, text: `${result.stdout}${result.stderr}` };
}
