/**
 * Owns the files in which device records outlive a restart: `devices-<generation>.log`, each a header
 * and frames (device-frames.ts) in the order of the changes.
 *
 * A file that has grown is made anew: the next generation is begun, gets every change from then on,
 * and beside them, in turns, every record that there is; then a frame that says so, a sync, and the
 * older files go. A start reads what is there in order of generation, from the newest file that is
 * whole.
 *
 * Invariants: a write never waits for the disk; what a kill costs is what was not written yet, what a
 * power cut costs what was not synced yet. A torn end is cut off. This is a view and no security
 * state: what is damaged is told, left out, and written anew. Where the disk refuses, the records go
 * on in memory and `problem` says so; a file whose sync failed is never written again.
 */
import { join } from 'node:path';
import { type FileHandle, type FileSystem, makeDirectoriesSync } from '../base/file-system.ts';
import type { Logger } from '../base/logger.ts';
import {
  applyFrame,
  FILE_HEADER,
  FRAME_BYTES_MAX,
  FRAME_HEADER_BYTES,
  FrameWriter,
  frameBytes,
} from './device-frames.ts';
import type { CodeWords } from './device-record.ts';
import type { DeviceTable } from './device-table.ts';

const FILE_NAME = /^devices-(\d{1,12})\.log$/;
const READ_BYTES = 1024 * 1024;
const WRITE_BYTES = 64 * 1024;
/** A file smaller than this is not made anew for its size. */
const SMALL_BYTES = 4 * 1024 * 1024;
const GROWTH_MAX = 3;

export interface DeviceLogOptions {
  readonly files: FileSystem;
  readonly directory: string;
  readonly table: DeviceTable;
  readonly words: CodeWords;
  readonly logger: Logger;
}

export class DeviceLog {
  readonly #options: DeviceLogOptions;
  readonly #writer = new FrameWriter(WRITE_BYTES + FRAME_BYTES_MAX);
  #handle: FileHandle | null = null;
  #generation = 0;
  #sizeBytes = 0;
  #unsyncedBytes = 0;
  /** Of the file when it was whole; 0 while it is not. */
  #wholeBytes = 0;
  /** All records have to be written once more, to this generation. */
  #isPartial = true;
  #problem: string | null = null;
  #sync: Promise<void> | null = null;

  constructor(options: DeviceLogOptions) {
    this.#options = options;
  }

  /** Why nothing is kept on disk just now, as a sentence; null: all is well. */
  get problem(): string | null {
    return this.#problem;
  }

  get sizeBytes(): number {
    return this.#sizeBytes;
  }

  get isOpen(): boolean {
    return this.#handle !== null;
  }

  /** The files hold less than all records, or have grown: all have to be written to a new one. */
  get isDue(): boolean {
    if (this.#handle === null || this.#wholeBytes === 0) return true;
    return this.#sizeBytes > Math.max(SMALL_BYTES, GROWTH_MAX * this.#wholeBytes);
  }

  /** Reads what there is into the table. Never throws: a view that cannot be read begins anew. */
  load(): void {
    const { files, directory, logger } = this.#options;
    try {
      makeDirectoriesSync(files, directory);
      const generations = this.#generations();
      this.#generation = generations.at(-1) ?? 0;
      for (const generation of this.#needed(generations)) this.#read(generation);
    } catch (err) {
      logger.error({ err }, 'the fleet view could not be read: it begins anew');
    }
  }

  /** Begins the next generation: changes go there from now on. */
  begin(): void {
    this.#attempt(() => {
      this.#close();
      const { files } = this.#options;
      const generation = this.#generation + 1;
      const handle = files.openSync(this.#pathOf(generation), 'create');
      this.#handle = handle;
      this.#generation = generation;
      this.#isPartial = true;
      handle.truncateSync(0);
      handle.writevSync([FILE_HEADER], 0);
      this.#sizeBytes = FILE_HEADER.length;
      this.#unsyncedBytes = FILE_HEADER.length;
      this.#wholeBytes = 0;
    });
  }

  /** Adds the record to what is to be written; false: write first. */
  device(slot: number): boolean {
    if (!this.#writer.hasRoom) return false;
    this.#writer.device(this.#options.table, this.#options.words, slot);
    return true;
  }

  removed(tenant: string, name: string): void {
    if (!this.#writer.hasRoom) this.write();
    this.#writer.removed(tenant, name);
  }

  /** Written at once: a tenant that comes back must not find these. */
  tenantRemoved(tenant: string): void {
    if (!this.#writer.hasRoom) this.write();
    this.#writer.tenantRemoved(tenant);
    this.write();
  }

  /** Puts what was added into the file; false: it could not be, and all has to be written anew. */
  write(): boolean {
    const frames = this.#writer.take();
    const handle = this.#handle;
    if (handle === null) return false;
    if (frames.length === 0) return true;
    return this.#attempt(() => {
      handle.writevSync([frames], this.#sizeBytes);
      this.#sizeBytes += frames.length;
      this.#unsyncedBytes += frames.length;
    });
  }

  /** What was written is on stable storage; in the background. */
  async sync(): Promise<void> {
    const handle = this.#handle;
    if (handle === null || this.#unsyncedBytes === 0) return;
    this.#unsyncedBytes = 0;
    this.#sync = handle.datasync().catch((error: unknown) => this.#failed(error));
    await this.#sync;
    this.#sync = null;
  }

  /** Every record has been written to this generation: the older files go. */
  async conclude(): Promise<void> {
    if (this.#handle === null || !this.#isPartial) return;
    const generation = this.#generation;
    if (!this.#writer.hasRoom) this.write();
    this.#writer.whole();
    if (!this.write()) return;
    await this.sync();
    const { files, directory } = this.#options;
    try {
      await files.syncDirectory(directory);
      if (this.#handle === null || this.#generation !== generation) return;
      for (const old of this.#generations()) {
        if (old < generation) await files.unlink(this.#pathOf(old));
      }
    } catch (error) {
      this.#failed(error);
      return;
    }
    this.#isPartial = false;
    this.#wholeBytes = this.#sizeBytes;
    this.#problem = null;
  }

  async close(): Promise<void> {
    this.write();
    await this.#sync;
    await this.sync();
    this.#close();
  }

  #close(): void {
    const handle = this.#handle;
    this.#handle = null;
    if (handle === null) return;
    // A handle with a sync under way is closed when that is over.
    if (this.#sync === null) handle.closeSync();
    else void this.#sync.then(() => handle.closeSync());
  }

  #attempt(act: () => void): boolean {
    try {
      act();
      return true;
    } catch (error) {
      this.#failed(error);
      return false;
    }
  }

  #failed(cause: unknown): void {
    const { logger } = this.#options;
    if (this.#problem === null) {
      logger.error(
        { err: cause },
        'the fleet view cannot be written: it goes on in memory; free space or look at the disk',
      );
    }
    this.#problem = 'The fleet view is not kept on disk: a restart would show it as it was before.';
    const isHalf = this.#handle !== null && this.#isPartial;
    this.#close();
    // What is half written says nothing that the files before it and the memory do not.
    if (isHalf) this.#options.files.unlink(this.#pathOf(this.#generation)).catch(() => {});
  }

  #generations(): number[] {
    const { files, directory } = this.#options;
    return files
      .readdirSync(directory)
      .flatMap((name) => FILE_NAME.exec(name)?.[1] ?? [])
      .map(Number)
      .sort((a, b) => a - b);
  }

  /** From the newest whole one on. */
  #needed(generations: readonly number[]): readonly number[] {
    for (let index = generations.length - 1; index > 0; index--) {
      if (this.#isWhole(generations[index]!)) return generations.slice(index);
    }
    return generations;
  }

  #isWhole(generation: number): boolean {
    let isWhole = false;
    const isWholeFrame = (frame: Buffer): void => {
      isWhole ||= frame.length === FRAME_HEADER_BYTES + 1;
    };
    this.#walk(generation, isWholeFrame);
    return isWhole;
  }

  #read(generation: number): void {
    const { table, words, logger } = this.#options;
    let unknown = 0;
    const cutBytes = this.#walk(generation, (frame) => {
      if (applyFrame(frame, table, words) === 'unknown') unknown++;
    });
    if (cutBytes === 0 && unknown === 0) return;
    logger.warn(
      { generation, cutBytes, unknown },
      'the end of a file of the fleet view is torn or damaged: what it held is left out',
    );
  }

  /** Calls `take` for each good frame; answers how many bytes were left at the first that is none. */
  #walk(generation: number, take: (frame: Buffer) => void): number {
    const handle = this.#options.files.openSync(this.#pathOf(generation), 'read');
    try {
      const sizeBytes = handle.sizeBytesSync();
      const header = Buffer.alloc(FILE_HEADER.length);
      const length = handle.readSync(header, 0);
      if (length < header.length || !header.equals(FILE_HEADER)) return sizeBytes;
      const buffer = Buffer.alloc(READ_BYTES);
      let position = FILE_HEADER.length;
      for (;;) {
        const end = handle.readSync(buffer, position);
        let at = 0;
        for (;;) {
          const taken = frameBytes(buffer, at, end);
          if (taken === 0) break;
          take(buffer.subarray(at, at + taken));
          at += taken;
        }
        position += at;
        if (at === 0 || position === sizeBytes) return sizeBytes - position;
      }
    } finally {
      handle.closeSync();
    }
  }

  #pathOf(generation: number): string {
    return join(this.#options.directory, `devices-${generation}.log`);
  }
}
