/**
 * Owns the restoring of a backup into a new data folder, with no broker on it:
 *
 *   manifest and every hash checked -> marker "unfinished" -> files copied, hashed again
 *   -> the security metadata settled -> marker taken away: a broker may start
 *
 * Invariant: no revoked certificate, suspended device, ban or deleted rule, user, token or tenant of
 * after the backup comes back. The newest security metadata takes the place of the backup's where it
 * is at hand (`currentDataDir`); that the backup's own is the newest is shown by the watermark alone;
 * without either every tenant comes back shut out, until an operator takes it over by name.
 */
import { dirname, join, resolve } from 'node:path';
import {
  copyHashed,
  filesBelow,
  hashFile,
  makeFolder,
  namesIn,
  removeTree,
  statOf,
  syncFolder,
  writeHashed,
} from '../base/bulk-files.ts';
import type { Clock } from '../base/clock.ts';
import { lockDataDirectory } from '../base/data-directory-lock.ts';
import type { FileSystem } from '../base/file-system.ts';
import { silentLogger } from '../base/logger.ts';
import type { Random } from '../base/random.ts';
import { type EmbeddedStateLog, openStateLog } from '../engine/embedded/state-log.ts';
import type { Tenant } from '../metadata/metadata-image.ts';
import { SECURITY_METADATA_LOG } from '../metadata/metadata-log.ts';
import { SecurityState } from '../metadata/security-state.ts';
import { BackupError } from './backup-error.ts';
import { isSignedBy, MANIFEST_FILE, type Manifest, readManifest } from './backup-manifest.ts';
import { UNFINISHED_FILE, writeMarker } from './restored-marker.ts';
import { LINEAGE_FILE, readLineage, readWatermark, writeLineage } from './security-lineage.ts';

export interface RestoreParts {
  readonly files: FileSystem;
  readonly clock: Clock;
  readonly random: Random;
}

export interface RestoreWish {
  /** The folder of the backup. */
  readonly from: string;
  /** Empty, or not there. */
  readonly dataDir: string;
  /** Where the access log goes; null: into the data folder. */
  readonly auditDir: string | null;
  /** The data folder of before, whose security metadata is the newest; null: it is lost. */
  readonly currentDataDir: string | null;
  /** The file of security.watermark.file; null: there is none. */
  readonly watermark: string | null;
  /** Who must have signed the manifest, PEM; null: anybody. */
  readonly publicKeyPem: string | null;
}

export interface RestoreReport {
  readonly backup: string;
  readonly createdAtMs: number;
  readonly files: number;
  readonly bytes: number;
  readonly skipped: readonly string[];
  /** Null: nothing shows that the security metadata is the newest. */
  readonly proof: 'current-data-dir' | 'watermark' | null;
  /** Tenants that are shut out until an operator takes them over. */
  readonly unproven: readonly string[];
  /** Tenants whose data in the backup is dropped at the first start: they were deleted since. */
  readonly purged: readonly string[];
  readonly signed: boolean;
}

const METADATA_FOLDER = 'metadata';
const SECURITY_FOLDER = join(METADATA_FOLDER, `__${SECURITY_METADATA_LOG}-0`);
/** What a new file system brings along. */
const NOT_OURS = new Set(['lost+found']);

/** Rejects with BackupError, ConfigError (a broker runs there) or StorageError (damaged metadata). */
export async function restore(wish: RestoreWish, parts: RestoreParts): Promise<RestoreReport> {
  const manifest = await readManifest(join(wish.from, MANIFEST_FILE));
  requireSignature(manifest, wish);
  await requireEmpty(wish.dataDir);
  if (wish.auditDir !== null) await requireEmpty(wish.auditDir);
  await verifyFiles(wish.from, manifest);
  await makeFolder(wish.dataDir);
  const lock = await lockDataDirectory(wish.dataDir, parts.random);
  try {
    return await withCurrentLocked(wish, parts.random, () => restoreInto(wish, parts, manifest));
  } catch (error) {
    // Both were empty: what is there now is ours.
    for (const folder of [wish.dataDir, wish.auditDir]) await emptyAgain(folder);
    throw error;
  } finally {
    await lock.release();
  }
}

/** All sizes and hashes of a backup; BackupError names the first file that is not as it was. */
export async function verifyFiles(folder: string, { files }: Manifest): Promise<void> {
  for (const { path, bytes, sha256 } of files) {
    const status = await statOf(join(folder, path));
    if (status === undefined) throw damaged(path, 'is missing');
    const found = await hashFile(join(folder, path));
    if (found.sizeBytes !== bytes || found.sha256 !== sha256) throw damaged(path, 'was changed');
  }
}

const damaged = (path: string, what: string): BackupError =>
  new BackupError(
    `The backup is damaged: ${path} ${what}. Nothing was restored; take another backup.`,
    { code: 'backup-damaged' },
  );

function requireSignature(manifest: Manifest, { publicKeyPem }: RestoreWish): void {
  if (publicKeyPem === null || isSignedBy(manifest, publicKeyPem)) return;
  throw new BackupError(
    'The manifest is not signed by that key: this is not a backup of the broker that has it.',
    { code: 'not-signed' },
  );
}

async function requireEmpty(folder: string): Promise<void> {
  const names = (await namesIn(folder)).filter((name) => !NOT_OURS.has(name));
  if (names.length === 0) return;
  throw new BackupError(
    `${folder} is not empty: a backup is restored into a new folder only. Nothing was changed.`,
    { code: 'not-empty' },
  );
}

async function emptyAgain(folder: string | null): Promise<void> {
  if (folder === null) return;
  for (const name of await namesIn(folder)) {
    if (!NOT_OURS.has(name) && !name.startsWith('.lock-')) await removeTree(join(folder, name));
  }
}

/** A broker that runs on the folder of before could revoke something behind our back. */
async function withCurrentLocked<T>(
  { currentDataDir, dataDir }: RestoreWish,
  random: Random,
  run: () => Promise<T>,
): Promise<T> {
  if (currentDataDir === null) return await run();
  if (resolve(currentDataDir) === resolve(dataDir)) {
    throw new BackupError('The folder of before and the new one are the same: name a new one.');
  }
  if ((await statOf(join(currentDataDir, SECURITY_FOLDER))) === undefined) {
    const message = `${currentDataDir} holds no security metadata: is it the data folder of before?`;
    throw new BackupError(message);
  }
  const lock = await lockDataDirectory(currentDataDir, random);
  try {
    return await run();
  } finally {
    await lock.release();
  }
}

async function restoreInto(
  wish: RestoreWish,
  parts: RestoreParts,
  manifest: Manifest,
): Promise<RestoreReport> {
  const { dataDir, currentDataDir } = wish;
  const unfinished = join(dataDir, UNFINISHED_FILE);
  await writeHashed(unfinished, Buffer.from(`${manifest.head.name}\n`));
  await syncFolder(dataDir);
  await copyFiles(wish, manifest);
  const backedUp = await tenantsIn(dataDir, parts);
  if (currentDataDir !== null) await takeCurrentSecurity(currentDataDir, dataDir, manifest);
  const proof = await proofOf(wish, manifest, parts);
  const unproven = proof === null ? await shutAllOut(dataDir, parts) : [];
  const now = await tenantsIn(dataDir, parts);
  const purge = backedUp
    .filter(({ name, clusterId }) => now.find((one) => one.name === name)?.clusterId !== clusterId)
    .map(({ name }) => name);
  const { name: backup, createdAtMs } = manifest.head;
  await writeMarker(parts.files, dataDir, {
    ...{ backup, backupCreatedAtMs: createdAtMs, restoredAtMs: parts.clock.nowMs() },
    ...{ proof, isNew: true, purge, unproven },
  });
  await removeTree(unfinished);
  await syncFolder(dataDir);
  const { files, bytes } = manifest.end;
  const skipped = manifest.skipped.map(({ part }) => part);
  const signed = wish.publicKeyPem !== null;
  return { backup, createdAtMs, files, bytes, skipped, proof, unproven, purged: purge, signed };
}

async function copyFiles({ from, dataDir, auditDir }: RestoreWish, manifest: Manifest) {
  const auditTarget = auditDir ?? join(dataDir, 'audit');
  const folders = new Set([dataDir, auditTarget]);
  for (const { path, bytes, sha256 } of manifest.files) {
    const [top = '', ...rest] = path.split('/');
    const to = join(top === 'audit' ? auditTarget : dataDir, ...rest);
    await makeFolder(dirname(to));
    folders.add(dirname(to));
    // What was checked may have been changed since: the copy counts.
    if ((await copyHashed(join(from, path), to, bytes)) !== sha256) throw damaged(path, 'changed');
  }
  for (const folder of folders) {
    await makeFolder(folder);
    await syncFolder(folder);
  }
  await syncFolder(dirname(resolve(dataDir)));
}

/** Puts the security metadata of the folder of before in the place of the backup's. */
async function takeCurrentSecurity(
  currentDataDir: string,
  dataDir: string,
  { end: { security } }: Manifest,
): Promise<void> {
  const lineage = readLineage(currentDataDir);
  if (lineage !== security.lineage) {
    throw new BackupError(
      `The security metadata in ${currentDataDir} is not of the broker that was backed up: name its ` +
        'data folder, or leave the option out and have every tenant shut out.',
      { code: 'other-lineage' },
    );
  }
  const [source, target] = [currentDataDir, dataDir].map((dir) => join(dir, SECURITY_FOLDER));
  await removeTree(target!);
  await makeFolder(target!);
  for (const name of await filesBelow(source!)) {
    const status = await statOf(join(source!, name));
    await copyHashed(join(source!, name), join(target!, name), status?.sizeBytes ?? 0);
  }
  await syncFolder(target!);
}

async function proofOf(
  { currentDataDir, watermark, dataDir }: RestoreWish,
  { end: { security } }: Manifest,
  parts: RestoreParts,
): Promise<RestoreReport['proof']> {
  const reached = await withSecurity(dataDir, parts, async (_, log) => log.endOffset);
  const known = watermark === null ? null : readWatermark(watermark);
  if (watermark !== null && known === null) throw new BackupError(`${watermark} is not there.`);
  const isProven = known?.lineage === security.lineage && reached >= known.offset;
  if (currentDataDir !== null) {
    if (reached >= security.offset && (known === null || isProven)) return 'current-data-dir';
    throw new BackupError(
      `The security metadata in ${currentDataDir} is older than what was in force: name the newest ` +
        'data folder, or leave the option out and have every tenant shut out.',
      { code: 'stale-security' },
    );
  }
  return isProven ? 'watermark' : null;
}

/** Suspends every tenant under a new lineage; a broker tells the two kinds of suspended apart. */
async function shutAllOut(dataDir: string, parts: RestoreParts): Promise<string[]> {
  await removeTree(join(dataDir, LINEAGE_FILE));
  await writeLineage(parts.files, dataDir, parts.random);
  return await withSecurity(dataDir, parts, async (state) => {
    const names = [...state.image.tenants.values()]
      .filter(({ deletion }) => deletion === null)
      .map(({ name }) => name);
    for (const name of names) await state.setTenantState(name, 'suspended');
    return names;
  });
}

async function tenantsIn(dataDir: string, parts: RestoreParts): Promise<Tenant[]> {
  return await withSecurity(dataDir, parts, async (state) => [...state.image.tenants.values()]);
}

async function withSecurity<T>(
  dataDir: string,
  { files, clock, random }: RestoreParts,
  run: (state: SecurityState, log: EmbeddedStateLog) => Promise<T>,
): Promise<T> {
  const directory = join(dataDir, METADATA_FOLDER);
  const log = await openStateLog({ files, clock, directory, name: SECURITY_METADATA_LOG });
  try {
    const state = await SecurityState.open({ log, clock, random, logger: silentLogger });
    try {
      return await run(state, log);
    } finally {
      await state.close();
    }
  } finally {
    await log.close();
  }
}
