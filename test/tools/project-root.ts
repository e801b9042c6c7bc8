/**
 * Owns one fact: where the checkout is. Found by walking up to package.json, so that it holds for
 * the sources and for their compiled copies alike.
 */
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const findRoot = (): string => {
  let directory = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(directory, 'package.json'))) {
    const parent = dirname(directory);
    if (parent === directory) throw new Error('package.json not found above test/tools');
    directory = parent;
  }
  return directory;
};

/** Absolute path of the checkout. */
export const projectRoot = findRoot();
