/**
 * Owns the backups of a running broker: one at a time, by name, all of them in one folder that the
 * configuration names. Invariants: an operator says what a backup is called and never where it goes;
 * its beginning and its end are in the access log; a broker that ends lets none go on.
 */
import type { KeyObject } from 'node:crypto';
import { join } from 'node:path';
import type { AuditLog } from '../audit/audit-log.ts';
import { namesIn, removeTree, statOf } from '../base/bulk-files.ts';
import type { Logger } from '../base/logger.ts';
import { BackupError } from './backup-error.ts';
import { MANIFEST_FILE, type Manifest, readManifest } from './backup-manifest.ts';
import {
  BackupWriter,
  type BackupWriterOptions,
  HELD_FOLDER,
  PARTIAL_SUFFIX,
} from './backup-writer.ts';

export interface BackupJobsOptions extends Omit<BackupWriterOptions, 'backupDir' | 'key'> {
  /** Null: no backups are taken. */
  readonly backupDir: string | null;
  /** Read anew for each backup. */
  readonly signingKey: () => KeyObject | null;
  readonly bytesPerSecondMax: number;
  readonly audit: AuditLog;
  readonly logger: Logger;
}

export interface BackupView {
  readonly name: string;
  readonly state: 'running' | 'complete' | 'failed';
  readonly startedAtMs: number;
  readonly finishedAtMs: number | null;
  readonly parts: number;
  readonly files: number;
  readonly bytes: number;
  /** Parts that are offline, and so not in it. */
  readonly skipped: readonly string[];
  /** SHA-256 of its manifest: kept elsewhere, it tells this backup from any other. */
  readonly sha256: string | null;
  readonly failure: string | null;
}

export interface BackupWish {
  readonly name: string;
  /** Null: as much as the configuration allows. */
  readonly bytesPerSecond: number | null;
  readonly since: string | null;
}

/** Also what a folder may be called: no dot at the beginning, no suffix of an unfinished one. */
export const BACKUP_NAME = /^(?!.*\.partial$)[A-Za-z0-9][A-Za-z0-9._-]{0,99}$/;

export class BackupJobs {
  readonly #options: BackupJobsOptions;
  #writer: BackupWriter | null = null;
  #running: Promise<void> = Promise.resolve();
  /** The one under way, or the last. */
  #last: BackupView | null = null;

  constructor(options: BackupJobsOptions) {
    this.#options = options;
  }

  /** Removes what a broker left that was killed while it took a backup. */
  async removeLeftOvers(): Promise<void> {
    const { backupDir, dataDir } = this.#options;
    await removeTree(join(dataDir, HELD_FOLDER));
    if (backupDir === null) return;
    for (const name of await namesIn(backupDir)) {
      const isOurs = name.endsWith(PARTIAL_SUFFIX) && BACKUP_NAME.test(name.slice(0, -8));
      if (isOurs) await removeTree(join(backupDir, name));
    }
  }

  get directory(): string | null {
    return this.#options.backupDir;
  }

  /** Names of the whole ones, in order. */
  async list(): Promise<string[]> {
    const { backupDir } = this.#options;
    if (backupDir === null) return [];
    const found: string[] = [];
    for (const name of await namesIn(backupDir)) {
      const isWhole = (await statOf(join(backupDir, name, MANIFEST_FILE))) !== undefined;
      if (BACKUP_NAME.test(name) && isWhole) found.push(name);
    }
    return found.sort();
  }

  /** The one under way, or the last one since the start. */
  view(name: string): BackupView | undefined {
    if (this.#last?.name !== name) return undefined;
    return this.#writer === null ? this.#last : { ...this.#last, ...this.#writer.progress };
  }

  /** Begins a backup. Throws BackupError 'no-backup-dir', 'backup-running', 'backup-exists' or 'no-such-backup'. */
  async start(wish: BackupWish): Promise<BackupView> {
    const { backupDir, bytesPerSecondMax, clock, signingKey } = this.#options;
    if (backupDir === null) {
      const message = 'The configuration names no folder for backups: set backup.dir and restart.';
      throw new BackupError(message, { code: 'no-backup-dir' });
    }
    this.#requireIdle();
    const since = wish.since === null ? null : await this.#sinceOf(backupDir, wish.since);
    if ((await statOf(join(backupDir, wish.name))) !== undefined) {
      const message = `There is a backup ${wish.name} already: choose another name.`;
      throw new BackupError(message, { code: 'backup-exists' });
    }
    const key = signingKey();
    this.#requireIdle();
    const bytesPerSecond = Math.min(wish.bytesPerSecond ?? bytesPerSecondMax, bytesPerSecondMax);
    const writer = new BackupWriter(
      { ...this.#options, backupDir, key },
      { name: wish.name, bytesPerSecond, since },
    );
    this.#writer = writer;
    this.#last = {
      ...{ name: wish.name, state: 'running', startedAtMs: clock.nowMs(), finishedAtMs: null },
      ...{ ...writer.progress, skipped: [], sha256: null, failure: null },
    };
    this.#running = this.#run(writer, this.#last);
    return this.#last;
  }

  /** Resolves when nothing is at work any more. */
  async stop(): Promise<void> {
    this.#writer?.cancel();
    await this.#running;
  }

  #requireIdle(): void {
    if (this.#writer === null) return;
    const message = `The backup ${this.#last?.name} is under way: one at a time.`;
    throw new BackupError(message, { code: 'backup-running' });
  }

  async #sinceOf(
    backupDir: string,
    name: string,
  ): Promise<{ readonly folder: string; readonly manifest: Manifest }> {
    const folder = join(backupDir, name);
    if ((await statOf(join(folder, MANIFEST_FILE))) === undefined) {
      throw new BackupError(`There is no backup ${name}.`, { code: 'no-such-backup' });
    }
    return { folder, manifest: await readManifest(join(folder, MANIFEST_FILE)) };
  }

  async #run(writer: BackupWriter, begun: BackupView): Promise<void> {
    const { clock, logger } = this.#options;
    const end = (): Pick<BackupView, 'finishedAtMs' | 'files' | 'bytes' | 'parts'> => ({
      finishedAtMs: clock.nowMs(),
      ...writer.progress,
    });
    try {
      const { sha256, skipped, security } = await writer.run();
      const whole: BackupView = { ...begun, ...end(), state: 'complete', sha256, skipped };
      await this.#record('success', 'backup-complete', {
        ...{ name: begun.name, bytes: whole.bytes, files: whole.files, sha256 },
        ...{ skipped: skipped.length, securityChange: security.offset },
      });
      this.#last = whole;
      logger.info({ backup: begun.name, bytes: whole.bytes, skipped }, 'a backup is complete');
    } catch (err) {
      const failure = err instanceof Error ? err.message : 'unknown';
      this.#last = { ...begun, ...end(), state: 'failed', failure };
      logger.error({ err, backup: begun.name }, 'a backup failed');
      await this.#record('failure', 'backup-failed', { name: begun.name }).catch(() => undefined);
    } finally {
      this.#writer = null;
    }
  }

  async #record(
    outcome: 'success' | 'failure',
    reason: string,
    facts: Readonly<Record<string, string | number>>,
  ): Promise<void> {
    const { audit } = this.#options;
    audit.security(null, { type: 'administration', outcome, reason, facts });
    await audit.durable();
  }
}
