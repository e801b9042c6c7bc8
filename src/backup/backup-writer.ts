/**
 * Owns the writing of one backup beside a running broker:
 *
 *   <name>.partial made -> groups, partitions, metadata, security metadata, access log copied part by
 *   part -> manifest -> all of it synced -> renamed to <name>
 *
 * Invariants: what has the final name is whole and durable; whatever fails removes what was made, and
 * a crash leaves a `.partial` only; a part is cut once and its files are held by a second name until
 * they are copied, so that retention cannot take them away in the midst; the disk keeps a reserve.
 * Order: who refers comes before whom it refers to, and the security metadata after all of it, so that
 * nothing in the backup is more permissive than what was in force at its end.
 */
import type { KeyObject } from 'node:crypto';
import { dirname, join } from 'node:path';
import {
  copyHashed,
  isMissing,
  linkFile,
  makeFolder,
  removeTree,
  renameFolder,
  statOf,
  syncFolder,
  writeHashed,
} from '../base/bulk-files.ts';
import type { Clock } from '../base/clock.ts';
import { StorageError } from '../base/errors.ts';
import { type FileSystem, isOutOfSpace, systemErrorCode } from '../base/file-system.ts';
import type { BackupSource, CutFile, DataCut, DataPart } from '../engine/engine.ts';
import { SECURITY_METADATA_LOG } from '../metadata/metadata-log.ts';
import { BackupError } from './backup-error.ts';
import {
  type BackupFile,
  MANIFEST_FILE,
  type Manifest,
  ManifestWriter,
  type SecurityPosition,
} from './backup-manifest.ts';
import { Pacer } from './pacer.ts';
import { LINEAGE_FILE } from './security-lineage.ts';

export const PARTIAL_SUFFIX = '.partial';
/** In the data folder: other names of files that are being copied. */
export const HELD_FOLDER = '.backup-held';

export interface BackupWriterOptions {
  readonly files: FileSystem;
  readonly clock: Clock;
  readonly source: BackupSource;
  /** The access log as it is when it is asked. */
  readonly auditPart: DataPart;
  readonly security: () => SecurityPosition;
  readonly dataDir: string;
  readonly backupDir: string;
  readonly minFreeBytes: number;
  readonly version: string;
  readonly nodeId: number;
  /** Signs the manifest; null: nobody does. */
  readonly key: KeyObject | null;
}

export interface BackupRequest {
  readonly name: string;
  readonly bytesPerSecond: number;
  /** An earlier backup, whose files are shared where they cannot have changed. */
  readonly since: { readonly folder: string; readonly manifest: Manifest } | null;
}

export interface BackupProgress {
  parts: number;
  files: number;
  bytes: number;
}

export interface FinishedBackup {
  readonly sha256: string;
  readonly security: SecurityPosition;
  readonly skipped: readonly string[];
}

const SECURITY_PART = `__${SECURITY_METADATA_LOG}-0`;
/** A file that vanished is cut again so often: the log moved on. */
const CUTS_MAX = 5;

export class BackupWriter {
  readonly #options: BackupWriterOptions;
  readonly #request: BackupRequest;
  readonly #partial: string;
  readonly #held: string;
  readonly #manifest: ManifestWriter;
  readonly #pacer: Pacer;
  readonly #folders = new Set<string>();
  readonly #skipped: string[] = [];
  /** Of the partitions of the earlier backup, and of its files those that never change. */
  readonly #topicIds = new Map<string, string | number>();
  readonly #shared = new Map<string, BackupFile>();
  /** Changes as the backup goes on. */
  readonly progress: BackupProgress = { parts: 0, files: 0, bytes: 0 };
  #isCancelled = false;

  constructor(options: BackupWriterOptions, request: BackupRequest) {
    const { backupDir, dataDir, clock, version, nodeId } = options;
    const { name, since } = request;
    this.#options = options;
    this.#request = request;
    this.#partial = join(backupDir, `${name}${PARTIAL_SUFFIX}`);
    this.#held = join(dataDir, HELD_FOLDER);
    const createdAtMs = clock.nowMs();
    const sinceName = since?.manifest.head.name ?? null;
    this.#manifest = new ManifestWriter({ name, version, nodeId, createdAtMs, since: sinceName });
    this.#pacer = new Pacer(clock, request.bytesPerSecond);
    for (const { name: part, facts } of since?.manifest.parts ?? []) {
      if (facts.topicId !== undefined) this.#topicIds.set(part, facts.topicId);
    }
    for (const file of since?.manifest.files ?? []) {
      if (file.isFinal) this.#shared.set(file.path, file);
    }
  }

  /** Ends soon, as if it had failed. */
  cancel(): void {
    this.#isCancelled = true;
  }

  /** Rejects with BackupError; then nothing of it is left. */
  async run(): Promise<FinishedBackup> {
    try {
      return await this.#run();
    } catch (error) {
      await removeTree(this.#partial).catch(() => undefined);
      await removeTree(this.#held).catch(() => undefined);
      throw this.#asBackupError(error);
    }
  }

  async #run(): Promise<FinishedBackup> {
    const { backupDir, source, auditPart, security, clock, key } = this.#options;
    const target = join(backupDir, this.#request.name);
    await makeFolder(backupDir);
    if ((await statOf(target)) !== undefined) {
      throw new BackupError(`There is a backup of the name ${this.#request.name} already.`);
    }
    await removeTree(this.#partial);
    await removeTree(this.#held);
    await this.#requireSpace(0);
    await this.#makeFolder(join(this.#partial, 'data'));
    const cuts = new Map<DataPart, DataCut>();
    for (const part of securityLast(source.dataParts())) {
      const cut = await this.#copyPart(part, 'data');
      if (cut !== null) cuts.set(part, cut);
    }
    const position = security();
    for (const file of source.dataSummary(cuts)) await this.#copy(file, 'data');
    const lineage = { name: LINEAGE_FILE, bytes: Buffer.from(`${position.lineage}\n`) };
    await this.#copy(lineage, 'data');
    await this.#copyPart(auditPart, 'audit');
    const { files, bytes } = this.progress;
    // As far as its own part says: changes that came while the rest was copied are not in it.
    const offset = endOfSecurity(cuts) ?? position.offset;
    const end = { finishedAtMs: clock.nowMs(), files, bytes, security: { ...position, offset } };
    const { bytes: manifest, sha256 } = this.#manifest.finish(end, key);
    await writeHashed(join(this.#partial, MANIFEST_FILE), manifest);
    for (const folder of this.#folders) await syncFolder(folder);
    await removeTree(this.#held);
    await renameFolder(this.#partial, target);
    return { sha256, security: end.security, skipped: this.#skipped };
  }

  /** Null when the part is no more, or cannot be read. */
  async #copyPart(part: DataPart, top: 'data' | 'audit'): Promise<DataCut | null> {
    for (let attempt = 1; ; attempt += 1) {
      this.#checkCancelled();
      const cut = this.#cut(part);
      if (cut === null) return null;
      try {
        await this.#hold(cut);
        const copied = await this.#copyAll(part, cut, top);
        await removeTree(this.#held);
        this.#manifest.part({ name: part.name, kind: part.kind, facts: cut.facts });
        for (const file of copied) this.#count(file);
        this.progress.parts += 1;
        return cut;
      } catch (error) {
        if (!isMissing(error) || attempt === CUTS_MAX) throw error;
        // A file went between the cut and its second name: what is there now is cut anew.
        for (const { name } of cut.files) await removeTree(join(this.#partial, top, name));
        await removeTree(this.#held);
      }
    }
  }

  #cut(part: DataPart): DataCut | null {
    try {
      return part.cut();
    } catch (error) {
      // Without the metadata a backup is none; a damaged partition is better told than left out.
      if (!(error instanceof StorageError) || part.kind === 'state') throw error;
      this.#skipped.push(part.name);
      this.#manifest.skipped(part.name, 'it is offline');
      return null;
    }
  }

  /** Gives each file a second name, so that it stays while it is copied. */
  async #hold({ files }: DataCut): Promise<void> {
    await makeFolder(this.#held);
    for (const [index, file] of files.entries()) {
      if ('bytes' in file) continue;
      try {
        await linkFile(file.path, join(this.#held, String(index)));
      } catch (error) {
        // Without links the file is copied under its own name; if it goes meanwhile, all is cut anew.
        const code = systemErrorCode(error) ?? '';
        if (!['EPERM', 'ENOTSUP', 'ENOSYS', 'EXDEV', 'EMLINK'].includes(code)) throw error;
      }
    }
  }

  async #copyAll(part: DataPart, cut: DataCut, top: string): Promise<BackupFile[]> {
    const copied: BackupFile[] = [];
    const isSame = this.#isPartOfSince(part, cut);
    for (const [index, file] of cut.files.entries()) {
      if ('bytes' in file) {
        copied.push(await this.#write(file.name, file.bytes, top));
        continue;
      }
      const held = join(this.#held, String(index));
      const from = (await statOf(held)) === undefined ? file.path : held;
      copied.push(await this.#copyFile({ ...file, path: from }, top, isSame));
    }
    return copied;
  }

  async #copy(file: CutFile, top: string): Promise<void> {
    if ('bytes' in file) this.#count(await this.#write(file.name, file.bytes, top));
    else this.#count(await this.#copyFile(file, top, false));
  }

  async #write(name: string, bytes: Buffer, top: string): Promise<BackupFile> {
    const path = join(top, name);
    await this.#makeFolder(dirname(join(this.#partial, path)));
    const sha256 = await writeHashed(join(this.#partial, path), bytes);
    return { path, bytes: bytes.length, sha256, isFinal: false };
  }

  async #copyFile(
    { name, path: from, sizeBytes, isFinal }: Exclude<CutFile, { bytes: Buffer }>,
    top: string,
    isSame: boolean,
  ): Promise<BackupFile> {
    const path = join(top, name);
    const to = join(this.#partial, path);
    await this.#makeFolder(dirname(to));
    const shared = isSame && isFinal ? this.#shared.get(path) : undefined;
    if (shared?.bytes === sizeBytes && (await this.#share(path, to))) return shared;
    await this.#requireSpace(sizeBytes);
    const sha256 = await copyHashed(from, to, sizeBytes, async (bytes) => {
      this.#checkCancelled();
      await this.#pacer.passed(bytes);
    });
    return { path, bytes: sizeBytes, sha256, isFinal };
  }

  async #share(path: string, to: string): Promise<boolean> {
    try {
      await linkFile(join(this.#request.since!.folder, path), to);
      return true;
    } catch {
      return false;
    }
  }

  /** Final files of a topic that was made anew under its name are others. */
  #isPartOfSince(part: DataPart, cut: DataCut): boolean {
    if (part.kind !== 'partition') return false;
    return this.#topicIds.get(part.name) === cut.facts.topicId;
  }

  #count(file: BackupFile): void {
    this.#manifest.file(file);
    this.progress.files += 1;
    this.progress.bytes += file.bytes;
  }

  async #makeFolder(path: string): Promise<void> {
    if (this.#folders.has(path)) return;
    await makeFolder(path);
    for (let folder = path; folder.startsWith(this.#partial); folder = dirname(folder)) {
      this.#folders.add(folder);
    }
  }

  async #requireSpace(bytes: number): Promise<void> {
    const { files, backupDir, minFreeBytes } = this.#options;
    const { usableBytes } = await files.space(backupDir);
    if (usableBytes >= bytes + minFreeBytes) return;
    throw new BackupError(
      `The disk of ${backupDir} would have less than ${minFreeBytes} bytes left ` +
        '(backup.min.free.bytes): make room, or set backup.dir to another disk. Nothing is left of ' +
        'this backup.',
      { code: 'disk-full' },
    );
  }

  #checkCancelled(): void {
    if (!this.#isCancelled) return;
    throw new BackupError('The broker stopped before the backup was whole.', { code: 'stopped' });
  }

  #asBackupError(error: unknown): BackupError {
    if (error instanceof BackupError) return error;
    if (isOutOfSpace(error)) {
      const message = 'The disk of backup.dir is full: make room. Nothing is left of this backup.';
      return new BackupError(message, { code: 'disk-full', cause: error });
    }
    const message = 'The backup failed, and nothing is left of it: the log of the broker says why.';
    return new BackupError(message, { cause: error });
  }
}

function securityLast(parts: readonly DataPart[]): DataPart[] {
  const isSecurity = ({ name }: DataPart): boolean => name === SECURITY_PART;
  return [...parts.filter((part) => !isSecurity(part)), ...parts.filter(isSecurity)];
}

function endOfSecurity(cuts: ReadonlyMap<DataPart, DataCut>): number | undefined {
  for (const [{ kind, name }, { facts }] of cuts) {
    if (kind === 'state' && name === SECURITY_PART) return Number(facts.endOffset);
  }
  return undefined;
}
