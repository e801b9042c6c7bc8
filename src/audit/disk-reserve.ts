/**
 * Owns the file `reserve` in the folder of the log: space that is kept while the disk has room and let
 * go when it has none, so that what an operator does can still be recorded.
 *
 * Invariant: the file holds bytes that no file system can leave out or compress away. Without room for
 * it the log works without a reserve and makes one when there is room.
 */
import { join } from 'node:path';
import type { FileSystem } from '../base/file-system.ts';
import type { Logger } from '../base/logger.ts';
import { systemRandom } from '../base/random.ts';

const RESERVE_FILE = 'reserve';
const PORTION_BYTES = 256 * 1024;
/** So much more than the reserve must be free before it is made again. */
const MARGIN_BYTES = 1024 * 1024;

export interface DiskReserveOptions {
  readonly directory: string;
  readonly files: FileSystem;
  readonly logger: Logger;
  /** 0: none is kept. */
  readonly sizeBytes: number;
}

export class DiskReserve {
  readonly #options: DiskReserveOptions;
  readonly #path: string;
  #isHeld: boolean;

  constructor(options: DiskReserveOptions) {
    this.#options = options;
    this.#path = join(options.directory, RESERVE_FILE);
    const { files, sizeBytes } = options;
    const there = files.statSync(this.#path)?.sizeBytes;
    this.#isHeld = sizeBytes > 0 && (there === sizeBytes || this.#make());
    if (sizeBytes === 0 && there !== undefined) files.unlinkSync(this.#path);
  }

  get isHeld(): boolean {
    return this.#isHeld;
  }

  /** Gives the space back; false when there was none to give. */
  release(): boolean {
    if (!this.#isHeld) return false;
    const { files, logger } = this.#options;
    this.#isHeld = false;
    files.unlinkSync(this.#path);
    logger.error('the disk of the audit log is full: its reserve is for operators now');
    return true;
  }

  /** Takes the space again if there is room; true when it is held. */
  async restore(): Promise<boolean> {
    const { files, directory, sizeBytes } = this.#options;
    if (this.#isHeld || sizeBytes === 0) return true;
    const { usableBytes } = await files.space(directory);
    if (usableBytes < sizeBytes + MARGIN_BYTES) return false;
    this.#isHeld = this.#make();
    return this.#isHeld;
  }

  #make(): boolean {
    const { files, sizeBytes, logger } = this.#options;
    const bytes = systemRandom.bytes(Math.min(sizeBytes, PORTION_BYTES));
    const handle = files.openSync(this.#path, 'create');
    try {
      handle.truncateSync(0);
      for (let at = 0; at < sizeBytes; at += bytes.length) {
        handle.writevSync([bytes.subarray(0, Math.min(bytes.length, sizeBytes - at))], at);
      }
      return true;
    } catch (err) {
      logger.warn({ err }, 'there is no room for the reserve of the audit log');
      return false;
    } finally {
      handle.closeSync();
      if (files.statSync(this.#path)?.sizeBytes !== sizeBytes) files.unlinkSync(this.#path);
    }
  }
}
