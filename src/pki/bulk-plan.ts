/**
 * Owns the decision what a bulk issue has to make: it compares a list with the folder of an earlier
 * run and with what the tenant's CA has signed.
 *
 * Invariant: what is kept is whole: a certificate of the list of what was issued, for that identity,
 * still valid, with its key and every file that was asked for. What is not this program's is never
 * replaced without force, a CA's files never.
 */
import { createPublicKey } from 'node:crypto';
import { join } from 'node:path';
import { listDirectory, readIfThere } from '../base/credential-files.ts';
import { PkiError } from '../base/errors.ts';
import type { BulkEntry } from './bulk-batch.ts';
import { parsePrivateKey } from './ca-key.ts';
import { splitPem } from './der.ts';
import type { ListedIdentity } from './device-list.ts';
import { refuseToReplaceCa } from './issue.ts';
import { forEachIssued, type IssuedRecord, nameIsTaken } from './issue-record.ts';
import { keyIdOf } from './key-pair.ts';
import { isReservedBaseName, LEAF_EXTENSIONS, type LeafOutput } from './leaf-files.ts';
import type { Pki } from './pki-directory.ts';
import { wasRevoked } from './renew.ts';
import { earliestStartsMs, isRevoked } from './revoked-record.ts';

export interface BulkPlanOptions {
  readonly outDir: string;
  readonly outputs: readonly LeafOutput[];
  /** Keys belong to requests: none is written. */
  readonly keysAreTheirs: boolean;
  readonly force: boolean;
  /** What ends within it counts as missing. */
  readonly renewsWithinMs: number;
}

export interface BulkPlan {
  readonly missing: readonly BulkEntry[];
  /** How many have all their files already. */
  readonly kept: number;
  /** Who has each key that was ever certified for the tenant: name by id of the key. */
  readonly holders: Map<string, string>;
}

const PROBLEMS_SHOWN = 10;

/** Throws PkiError, by name, for what cannot be issued; nothing has been made then. */
export function planBulk(
  pki: Pki,
  tenant: string,
  list: readonly ListedIdentity[],
  options: BulkPlanOptions,
): BulkPlan {
  const { byName, holders } = issuedTo(pki, tenant, new Set(list.map(({ name }) => name)));
  const startsMs = earliestStartsMs(pki, tenant);
  const present = new Set(listDirectory(options.outDir).map(({ name }) => name));
  const problems: string[] = [];
  const missing: BulkEntry[] = [];
  let kept = 0;
  for (const entry of list) {
    try {
      const records = byName.get(entry.name) ?? [];
      const newest = records.at(-1);
      if (newest !== undefined && !options.force && isRevoked(startsMs, newest)) {
        throw wasRevoked(entry.name, tenant);
      }
      const state = stateOf(pki, tenant, entry, records, present, options);
      if (state === 'whole') kept++;
      else
        missing.push({
          ...entry,
          replace: state === 'replace',
          notBeforeMs: startsMs.get(entry.name) ?? null,
        });
    } catch (error) {
      if (!(error instanceof PkiError)) throw error;
      problems.push(error.message);
    }
  }
  if (problems.length === 0) return { missing, kept, holders };
  const more = problems.length - PROBLEMS_SHOWN;
  const shown = problems.slice(0, PROBLEMS_SHOWN);
  const lines = [...shown, ...(more > 0 ? [`and ${more} more`] : [])];
  throw new PkiError(`nothing was issued:\n${lines.join('\n')}`);
}

function issuedTo(
  pki: Pki,
  tenant: string,
  names: ReadonlySet<string>,
): { byName: Map<string, IssuedRecord[]>; holders: Map<string, string> } {
  const byName = new Map<string, IssuedRecord[]>();
  const holders = new Map<string, string>();
  forEachIssued(pki, tenant, (record) => {
    if (record.keyId !== null) holders.set(record.keyId, record.name);
    if (!names.has(record.name)) return;
    const known = byName.get(record.name);
    if (known === undefined) byName.set(record.name, [record]);
    else known.push(record);
  });
  return { byName, holders };
}

type State = 'whole' | 'new' | 'replace';

function stateOf(
  pki: Pki,
  tenant: string,
  entry: ListedIdentity,
  records: readonly IssuedRecord[],
  present: ReadonlySet<string>,
  options: BulkPlanOptions,
): State {
  const { outDir, outputs, keysAreTheirs, force } = options;
  const { name, kind, fleet } = entry;
  const nowMs = pki.clock.nowMs();
  if (isReservedBaseName(name)) throw new PkiError(`${name} is the name of the server CA's files`);
  const mine = records.filter((record) => record.kind === kind && record.fleet === fleet);
  const another = records.find((record) => !mine.includes(record) && record.expiresAtMs > nowMs);
  if (another !== undefined && !force) throw nameIsTaken(another, tenant);
  const there = LEAF_EXTENSIONS.filter(
    (extension) => present.has(`${name}.${extension}`) && !(keysAreTheirs && extension === 'key'),
  );
  if (there.length === 0) return 'new';
  const stays = nowMs + options.renewsWithinMs;
  const valid = mine.filter((record) => record.expiresAtMs > stays);
  const wanted = ['crt', ...(keysAreTheirs ? [] : ['key']), ...outputs.flatMap(extensionOf)];
  const path = (extension: string): string => join(outDir, `${name}.${extension}`);
  const isThere = wanted.every((extension) => there.includes(extension));
  if (isThere && isWhole(path('crt'), keysAreTheirs ? null : path('key'), valid)) return 'whole';
  refuseToReplaceCa({ dir: outDir, baseName: name });
  if (force) return 'replace';
  const ends = mine.filter((record) => record.expiresAtMs <= stays);
  if (there.includes('crt') && isWhole(path('crt'), null, ends)) return 'replace';
  const isLeftOver = mine.length > 0 && !there.includes('crt');
  if (isLeftOver && (!there.includes('key') || isKeyOf(path('key'), mine))) return 'replace';
  throw new PkiError(
    `${path(there.at(-1)!)} is there and is not what this list wants: move it away, choose ` +
      'another --out folder, or use --force to replace it',
  );
}

const EXTENSION: Readonly<Record<LeafOutput, readonly string[]>> = {
  p12: ['p12'],
  truststore: [],
  properties: ['properties'],
  kcat: ['kcat.conf'],
};
const extensionOf = (output: LeafOutput): readonly string[] => EXTENSION[output];

/**
 * The certificate is one of `records`. It was written after all the others, each of them whole, so
 * what is beside it is not parsed: that would take as long as making it anew.
 */
function isWhole(
  certificatePath: string,
  keyPath: string | null,
  records: readonly IssuedRecord[],
): boolean {
  const [leaf] = splitPem('CERTIFICATE', readIfThere(certificatePath) ?? '');
  const serial = leaf === undefined ? null : serialOf(leaf);
  if (!records.some((record) => record.serial === serial)) return false;
  return keyPath === null || splitPem('PRIVATE KEY', readIfThere(keyPath) ?? '').length === 1;
}

/** TBSCertificate ::= SEQUENCE { [0] version, serialNumber INTEGER, ... } (RFC 5280, 4.1). */
function serialOf(pem: string): string | null {
  const der = Buffer.from(pem.replace(/-----[^-]+-----/g, ''), 'base64').toString('hex');
  const found = /^3082.{4}3082.{4}a0030201020210(.{32})/.exec(der);
  return found === null ? null : found[1]!.toUpperCase();
}

/** The key at `path` was certified for one of `records`; a file that holds no key counts too. */
function isKeyOf(path: string, records: readonly IssuedRecord[]): boolean {
  const text = readIfThere(path) ?? '';
  if (text.trim() === '') return true;
  try {
    const keyId = keyIdOf(createPublicKey(parsePrivateKey(text, path)));
    return records.some((record) => record.keyId === keyId);
  } catch {
    return false;
  }
}
