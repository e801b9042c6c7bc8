/**
 * Temporary directories of tests, below the system's own, removed when the process ends (or
 * earlier, by `removeDirectory`).
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const made = new Set<string>();

/** Removes a directory made here; a second removal is harmless. */
export const removeDirectory = (directory: string): void => {
  made.delete(directory);
  rmSync(directory, { recursive: true, force: true, maxRetries: 3 });
};

process.on('exit', () => {
  for (const directory of made) removeDirectory(directory);
});

/** A new empty directory whose name begins with `breakwater-<purpose>-`. */
export const temporaryDirectory = (purpose: string): string => {
  const directory = mkdtempSync(join(tmpdir(), `breakwater-${purpose}-`));
  made.add(directory);
  return directory;
};
