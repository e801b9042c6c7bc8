/**
 * Owns reading the whole set of policy files of a folder.
 *
 * Invariant: either every file of the set is valid and the set is consistent (the folder did not
 * change while it was read), or a PolicyError names the file, the line and the reason.
 */
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import type { FileSystem } from '../base/file-system.ts';
import { type ParsedPolicy, PolicyError, parsePolicy, type RowCheck } from './policy-parser.ts';
import type { DirectoryObserver } from './policy-watch.ts';

/** Other names (editors' backups, notes) are no part of the policy. */
const POLICY_FILE = /^[A-Za-z0-9][A-Za-z0-9._-]{0,100}\.csv$/;
const FILE_BYTES_MAX = 256 * 1024 * 1024;

export interface PolicyFileSet extends ParsedPolicy {
  /** The names read, sorted. */
  readonly files: readonly string[];
}

export interface PolicyFolder {
  readonly directory: string;
  readonly files: FileSystem;
  readonly observer: DirectoryObserver;
  /** Where the model is the operator's own: what its lines look like. */
  readonly checkRow?: RowCheck;
}

function listPolicyFiles({ directory, files }: PolicyFolder): string[] {
  let names: string[];
  try {
    names = files.readdirSync(directory);
  } catch (cause) {
    throw new PolicyError(directory, 0, 'the policy folder cannot be read', { cause });
  }
  const policies = names.filter((name) => POLICY_FILE.test(name)).sort();
  if (policies.length === 0) {
    throw new PolicyError(directory, 0, 'the policy folder holds no .csv file');
  }
  return policies;
}

function readText({ directory, files }: PolicyFolder, name: string): string {
  const path = join(directory, name);
  let bytes: Buffer;
  try {
    const sizeBytes = files.statSync(path)?.sizeBytes ?? 0;
    if (sizeBytes > FILE_BYTES_MAX) {
      throw new PolicyError(name, 0, `the file is larger than ${FILE_BYTES_MAX} bytes`);
    }
    bytes = files.readFileSync(path);
  } catch (cause) {
    if (cause instanceof PolicyError) throw cause;
    throw new PolicyError(name, 0, 'the file cannot be read', { cause });
  }
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (cause) {
    throw new PolicyError(name, 0, 'the file is not UTF-8 text', { cause });
  }
}

async function readOnce(folder: PolicyFolder): Promise<PolicyFileSet> {
  const files = listPolicyFiles(folder);
  const set: PolicyFileSet = { files, rules: [], links: [], rows: [] };
  for (const name of files) {
    const parsed = await parsePolicy(name, readText(folder, name), folder.checkRow ?? null);
    const { rules, links, rows } = parsed;
    for (const rule of rules) set.rules.push(rule);
    for (const link of links) set.links.push(link);
    for (const row of rows) set.rows.push(row);
    // A large policy must not hold up the connections for all of its length.
    await setImmediate();
  }
  return set;
}

const ATTEMPTS_MAX = 5;

/** Reads every `.csv` of the folder. Throws PolicyError. */
export async function readPolicyFiles(folder: PolicyFolder): Promise<PolicyFileSet> {
  const { directory, observer } = folder;
  for (let attempt = 1; attempt <= ATTEMPTS_MAX; attempt += 1) {
    const before = observer.fingerprint(directory);
    const set = await readOnce(folder);
    if (observer.fingerprint(directory) === before) return set;
  }
  throw new PolicyError(directory, 0, 'the folder keeps changing while it is read');
}
