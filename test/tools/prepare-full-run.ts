/**
 * Vitest global set-up of the `full` project: fetches and compiles the Java tools where Maven and a
 * JDK are present. A failure here is not fatal: the suites that need them say so one by one.
 */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { projectRoot } from './project-root.ts';

export const setup = (): void => {
  const script = join(projectRoot, 'scripts', 'fetch-java-tools.mjs');
  spawnSync(process.execPath, [script], { stdio: 'inherit', timeout: 900_000 });
};
