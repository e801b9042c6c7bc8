/**
 * Owns the files at the top of a log directory: `meta.properties` with the version of the format,
 * the mark of a clean end, and Kafka's two offset checkpoints.
 *
 * Invariant: each is replaced atomically. The mark is removed, durably, before anything is written.
 * A checkpoint that is there but cannot be read stops the start: without it torn and broken data
 * look alike, and what was durable would be cut off in silence.
 */
import { dirname, join } from 'node:path';
import { ConfigError } from '../../../base/errors.ts';
import { type FileSystem, replaceFile, replaceFileSync } from '../../../base/file-system.ts';
import { formatCheckpoint, parseOffsetCheckpoint } from './checkpoint-file.ts';

const META_FILE = 'meta.properties';
const CLEAN_FILE = '.kafka_cleanshutdown';
const RECOVERY_POINTS_FILE = 'recovery-point-offset-checkpoint';
const LOG_STARTS_FILE = 'log-start-offset-checkpoint';

/** Grows when the meaning of the files changes; older directories are upgraded at the start. */
export const LOG_FORMAT_VERSION = 1;
const FORMAT_KEY = 'breakwater.log.format.version';

/** Offsets by `topic-partition`. */
export interface Checkpoints {
  readonly recoveryPoints: ReadonlyMap<string, number>;
  readonly logStarts: ReadonlyMap<string, number>;
}

export class LogDirectoryFiles {
  readonly #files: FileSystem;
  readonly #directory: string;

  constructor(files: FileSystem, directory: string) {
    this.#files = files;
    this.#directory = directory;
  }

  /** Refuses a directory of a newer version or of something else; marks an empty one as ours. */
  async checkFormat(): Promise<void> {
    const bytes = this.#readIfPresent(META_FILE);
    if (bytes === undefined) {
      if (this.#files.readdirSync(this.#directory).some((name) => /-\d+$/.test(name))) {
        throw new ConfigError(
          `${this.#directory} holds partitions but no ${META_FILE}: it is not Breakwater's, or a ` +
            'restore left the file out. Bring it back, or choose another data folder.',
        );
      }
      return this.#writeFormat();
    }
    const match = /^breakwater\.log\.format\.version=(\d+)$/m.exec(bytes.toString('latin1'));
    if (match === null) {
      throw new ConfigError(
        `${join(this.#directory, META_FILE)} does not name a format of Breakwater: choose another ` +
          'data folder.',
      );
    }
    if (Number(match[1]) > LOG_FORMAT_VERSION) {
      throw new ConfigError(
        `${this.#directory} was written by a newer version (log format ${match[1]}, this one knows ` +
          `${LOG_FORMAT_VERSION}): upgrade Breakwater.`,
      );
    }
  }

  /** Whether the last end was clean. The mark is gone when the promise resolves. */
  async takeCleanMark(): Promise<boolean> {
    const path = join(this.#directory, CLEAN_FILE);
    if (this.#files.statSync(path) === undefined) return false;
    this.#files.unlinkSync(path);
    await this.#files.syncDirectory(this.#directory);
    return true;
  }

  async writeCleanMark(): Promise<void> {
    const mark = Buffer.from('{"version":0,"brokerEpoch":-1}');
    await replaceFile(this.#files, join(this.#directory, CLEAN_FILE), mark);
  }

  readRecoveryPoints(): Map<string, number> {
    return this.#readOffsets(RECOVERY_POINTS_FILE);
  }

  readLogStarts(): Map<string, number> {
    return this.#readOffsets(LOG_STARTS_FILE);
  }

  /** `isWanted` is asked before each replacement, as in `replaceFile`. */
  async writeCheckpoints(checkpoints: Checkpoints, isWanted: () => boolean): Promise<void> {
    for (const [name, bytes] of this.#checkpointBytes(checkpoints)) {
      await replaceFile(this.#files, join(this.#directory, name), bytes, isWanted);
    }
  }

  writeCheckpointsSync(checkpoints: Checkpoints): void {
    for (const [name, bytes] of this.#checkpointBytes(checkpoints)) {
      replaceFileSync(this.#files, join(this.#directory, name), bytes);
    }
  }

  async #writeFormat(): Promise<void> {
    await replaceFile(this.#files, join(this.#directory, META_FILE), formatFile());
    await this.#files.syncDirectory(dirname(this.#directory));
  }

  #readIfPresent(name: string): Buffer | undefined {
    const path = join(this.#directory, name);
    return this.#files.statSync(path) === undefined ? undefined : this.#files.readFileSync(path);
  }

  #readOffsets(name: string): Map<string, number> {
    const bytes = this.#readIfPresent(name);
    if (bytes === undefined) return new Map();
    const offsets = parseOffsetCheckpoint(bytes);
    if (offsets !== undefined) return offsets;
    throw new ConfigError(
      `${join(this.#directory, name)} is damaged. Restore it from a backup; to start without it ` +
        'delete it, and each log then ends at the first damage found in it.',
    );
  }

  #checkpointBytes(checkpoints: Checkpoints): [string, Buffer][] {
    return [
      [RECOVERY_POINTS_FILE, formatOffsets(checkpoints.recoveryPoints)],
      [LOG_STARTS_FILE, formatOffsets(checkpoints.logStarts)],
    ];
  }
}

function formatFile(): Buffer {
  return Buffer.from(`version=1\n${FORMAT_KEY}=${LOG_FORMAT_VERSION}\n`);
}

/** The files at the top of a directory that holds so much. */
export function checkpointFilesOf({ recoveryPoints, logStarts }: Checkpoints) {
  return [
    { name: RECOVERY_POINTS_FILE, bytes: formatOffsets(recoveryPoints) },
    { name: LOG_STARTS_FILE, bytes: formatOffsets(logStarts) },
    { name: META_FILE, bytes: formatFile() },
  ];
}

function formatOffsets(offsets: ReadonlyMap<string, number>): Buffer {
  const lines = [...offsets].map(([name, offset]) => {
    const dash = name.lastIndexOf('-');
    return `${name.slice(0, dash)} ${name.slice(dash + 1)} ${offset}`;
  });
  return formatCheckpoint(lines);
}
