/**
 * Folders of tests, below the system's temporary directory, removed when the test file is done: the
 * worker that runs it may be stopped before its own exit handlers run.
 */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { afterAll } from 'vitest';
import { type CreatePkiOptions, createPki, type Pki } from '../../src/pki/pki-directory.ts';
import { removeDirectory, temporaryDirectory } from '../tools/temporary-directory.ts';
import { TRUST_DOMAIN } from './test-pki.ts';

const made: string[] = [];
afterAll(() => {
  for (const directory of made.splice(0)) removeDirectory(directory);
});

export function testDirectory(purpose: string): string {
  const directory = temporaryDirectory(purpose);
  made.push(directory);
  return directory;
}

export function temporaryPki(options: CreatePkiOptions = {}): Pki {
  const dir = join(testDirectory('pki'), 'pki');
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
