/**
 * Owns what a restore leaves in the data folder for the broker that starts there:
 *
 *   restore-unfinished   the restore did not come to its end: no broker starts here
 *   restored.json        where the data comes from; whether it is proven that no revocation or
 *                        deletion was lost; namespaces to be purged; tenants that wait for a word
 *
 * Invariant: what waits is settled durably before it is acted upon: a tenant that came back without
 * proof lets nobody in until an operator has taken it over by name.
 */
import { join } from 'node:path';
import { readIfThere } from '../base/credential-files.ts';
import { ConfigError } from '../base/errors.ts';
import { type FileSystem, replaceFile } from '../base/file-system.ts';
import { BackupError } from './backup-error.ts';

export const UNFINISHED_FILE = 'restore-unfinished';
const MARKER_FILE = 'restored.json';

export interface RestoredFacts {
  readonly backup: string;
  readonly backupCreatedAtMs: number;
  readonly restoredAtMs: number;
  /** What shows that the security metadata is the newest; null: nothing does. */
  readonly proof: string | null;
  /** No broker has started here since. */
  readonly isNew: boolean;
  /** Namespaces whose restored data is that of a tenant which is no more. */
  readonly purge: readonly string[];
  /** Tenants that were suspended for want of proof. */
  readonly unproven: readonly string[];
}

export class RestoredMarker {
  readonly #files: FileSystem;
  readonly #path: string;
  #facts: RestoredFacts | null;

  private constructor(files: FileSystem, path: string, facts: RestoredFacts | null) {
    this.#files = files;
    this.#path = path;
    this.#facts = facts;
  }

  /** Throws ConfigError where a restore was cut off, or the marker cannot be read. */
  static open(files: FileSystem, dataDir: string): RestoredMarker {
    const unfinished = join(dataDir, UNFINISHED_FILE);
    if (files.statSync(unfinished) !== undefined) {
      throw new ConfigError(
        `A restore into ${dataDir} did not come to its end: empty the folder and run "breakwater ` +
          'restore" again.',
      );
    }
    const path = join(dataDir, MARKER_FILE);
    const text = readIfThere(path);
    return new RestoredMarker(files, path, text === null ? null : factsIn(text, path));
  }

  /** Null where the folder was never restored. */
  get facts(): RestoredFacts | null {
    return this.#facts;
  }

  isUnproven(tenant: string): boolean {
    return this.#facts?.unproven.includes(tenant) ?? false;
  }

  /** The first start is done: purged, and told to the access log. */
  async started(): Promise<void> {
    await this.#change({ isNew: false, purge: [] });
  }

  /** An operator has taken the tenant over as it is. */
  async accept(tenant: string): Promise<void> {
    const unproven = (this.#facts?.unproven ?? []).filter((name) => name !== tenant);
    await this.#change({ unproven });
  }

  async #change(change: Partial<RestoredFacts>): Promise<void> {
    if (this.#facts === null) return;
    const facts = { ...this.#facts, ...change };
    await replaceFile(this.#files, this.#path, bytesOf(facts));
    this.#facts = facts;
  }
}

export async function writeMarker(
  files: FileSystem,
  dataDir: string,
  facts: RestoredFacts,
): Promise<void> {
  await replaceFile(files, join(dataDir, MARKER_FILE), bytesOf(facts));
}

const bytesOf = (facts: RestoredFacts): Buffer =>
  Buffer.from(`${JSON.stringify(facts, null, 2)}\n`);

function factsIn(text: string, path: string): RestoredFacts {
  try {
    const stored = Object(JSON.parse(text)) as Record<string, unknown>;
    const { backup, backupCreatedAtMs, restoredAtMs, proof, isNew } = stored;
    const isWhole =
      typeof backup === 'string' &&
      typeof backupCreatedAtMs === 'number' &&
      typeof restoredAtMs === 'number' &&
      (proof === null || typeof proof === 'string') &&
      typeof isNew === 'boolean';
    if (isWhole) {
      const [purge, unproven] = [textsIn(stored.purge), textsIn(stored.unproven)];
      return { backup, backupCreatedAtMs, restoredAtMs, proof, isNew, purge, unproven };
    }
  } catch {
    // Told below.
  }
  throw new ConfigError(
    `${path} is damaged: it says which tenants a restore shut out. Restore again into a new folder.`,
  );
}

function textsIn(value: unknown): string[] {
  if (Array.isArray(value) && value.every((item) => typeof item === 'string')) return value;
  throw new BackupError('a list of names is missing');
}
