/**
 * Vitest global set-up of the `full` project: fetches and compiles the Java tools where Maven and a
 * JDK are present, and the Python and Go clients likewise. A failure here is not fatal: the suites
 * that need them say so one by one.
 */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { projectRoot } from './project-root.ts';

export const setup = (): void => {
  for (const name of ['fetch-java-tools.mjs', 'fetch-client-tools.mjs']) {
    const script = join(projectRoot, 'scripts', name);
    spawnSync(process.execPath, [script], { stdio: 'inherit', timeout: 900_000 });
  }
};
