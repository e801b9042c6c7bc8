import { appendFileSync, readdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { systemClock } from '../../../src/base/clock.ts';
import { StorageError } from '../../../src/base/errors.ts';
import { type FileHandle, type FileSystem, nodeFileSystem } from '../../../src/base/file-system.ts';
import { type EmbeddedStateLog, openStateLog } from '../../../src/engine/embedded/state-log.ts';
import type { StateRecord } from '../../../src/engine/engine.ts';
import { batchSizeBytes, recordCount } from '../../../src/protocol/records/record-batch.ts';
import { removeDirectory, temporaryDirectory } from '../../tools/temporary-directory.ts';

const directories: string[] = [];
const open_: EmbeddedStateLog[] = [];

afterEach(async () => {
  for (const log of open_.splice(0)) await log.close().catch(() => {});
  for (const directory of directories.splice(0)) removeDirectory(directory);
});

function newDirectory(): string {
  const directory = temporaryDirectory('state-log');
  directories.push(directory);
  return directory;
}

async function open(directory: string, files: FileSystem = nodeFileSystem) {
  const log = await openStateLog({ files, clock: systemClock, directory, name: 'test' });
  open_.push(log);
  return log;
}

async function contents(log: EmbeddedStateLog): Promise<StateRecord[]> {
  const records: StateRecord[] = [];
  await log.replay((record) => records.push(record));
  return records;
}

async function reopened(directory: string): Promise<StateRecord[]> {
  return contents(await open(directory));
}

const record = (n: number): StateRecord => ({ type: 'number', version: 1, data: { n } });
const numbers = (records: readonly StateRecord[]) => records.map(({ data }) => data.n);
const folder = (directory: string) => join(directory, '__test-0');
const FIRST_SEGMENT = '00000000000000000000.log';
const segment = (directory: string) => join(folder(directory), FIRST_SEGMENT);

/** A disk whose handles behave as `change` says. */
function disk(change: (handle: FileHandle) => Partial<FileHandle>): FileSystem {
  return {
    ...nodeFileSystem,
    openSync(path, mode) {
      const handle = nodeFileSystem.openSync(path, mode);
      const changed: FileHandle = {
        path,
        readSync: (buffer, position) => handle.readSync(buffer, position),
        read: (buffer, position) => handle.read(buffer, position),
        writevSync: (buffers, position) => handle.writevSync(buffers, position),
        truncateSync: (sizeBytes) => handle.truncateSync(sizeBytes),
        sizeBytesSync: () => handle.sizeBytesSync(),
        datasync: () => handle.datasync(),
        datasyncSync: () => handle.datasyncSync(),
        closeSync: () => handle.closeSync(),
      };
      return Object.assign(changed, change(handle));
    },
  };
}

describe('state log', () => {
  it('gives back after a restart what was appended, in order', async () => {
    const directory = newDirectory();
    const log = await open(directory);
    expect(await contents(log)).toEqual([]);
    await log.append([record(1), record(2)]);
    await log.append([record(3)]);
    await log.close();
    expect(await reopened(directory)).toEqual([record(1), record(2), record(3)]);
  });

  it('goes on where it ended', async () => {
    const directory = newDirectory();
    for (let n = 0; n < 4; n++) {
      const log = await open(directory);
      expect(numbers(await contents(log))).toEqual([0, 1, 2, 3].slice(0, n));
      await log.append([record(n)]);
      await log.close();
    }
  });

  it('stores concurrent appends in one batch with one sync', async () => {
    const directory = newDirectory();
    let syncs = 0;
    const files = disk((handle) => ({
      datasync: () => {
        if (handle.path.endsWith('.log')) syncs += 1;
        return handle.datasync();
      },
    }));
    const log = await open(directory, files);
    const before = syncs;
    await Promise.all([1, 2, 3].map((n) => log.append([record(n)])));
    expect(syncs - before).toBe(1);
    const bytes = readFileSync(segment(directory));
    expect(recordCount(bytes, 0)).toBe(3);
    expect(batchSizeBytes(bytes, 0)).toBe(bytes.length);
  });

  it('acknowledges an append only after the sync of its bytes', async () => {
    const directory = newDirectory();
    let letGo = (): void => {};
    let hold = false;
    const files = disk((handle) => ({
      datasync: async () => {
        if (hold && handle.path.endsWith('.log')) {
          await new Promise<void>((resolve) => {
            letGo = resolve;
          });
        }
        return handle.datasync();
      },
    }));
    const log = await open(directory, files);
    hold = true;
    let isAcknowledged = false;
    const appended = log.append([record(1)]).then(() => {
      isAcknowledged = true;
    });
    await new Promise((resolve) => setImmediate(resolve));
    expect(isAcknowledged).toBe(false);
    letGo();
    await appended;
    expect(isAcknowledged).toBe(true);
  });

  it('refuses a record that could not be read back', async () => {
    const log = await open(newDirectory());
    await expect(log.append([{ type: 'Bad type', version: 1, data: {} }])).rejects.toThrow(
      TypeError,
    );
    await expect(log.append([{ type: 'fine', version: 0, data: {} }])).rejects.toThrow(TypeError);
  });

  it('is replayed once', async () => {
    const log = await open(newDirectory());
    await contents(log);
    await expect(contents(log)).rejects.toThrow('replayed once');
  });

  it('refuses calls after close', async () => {
    const log = await open(newDirectory());
    await log.close();
    open_.pop();
    await expect(log.append([record(1)])).rejects.toThrow(StorageError);
    await expect(log.snapshot([])).rejects.toThrow(StorageError);
  });
});

describe('state log snapshots', () => {
  it('replaces what came before and keeps what comes after', async () => {
    const directory = newDirectory();
    const log = await open(directory);
    await log.append([record(1), record(2)]);
    expect(log.bytesSinceSnapshot).toBeGreaterThan(0);
    await log.snapshot([record(20)]);
    expect(log.bytesSinceSnapshot).toBe(0);
    await log.append([record(3)]);
    await log.close();
    expect(readdirSync(folder(directory)).sort()).toEqual([
      '00000000000000000002-0000000000.checkpoint',
      '00000000000000000002.log',
      'acknowledged',
    ]);
    expect(numbers(await reopened(directory))).toEqual([20, 3]);
  });

  it('keeps its place among concurrent appends', async () => {
    const directory = newDirectory();
    const log = await open(directory);
    await Promise.all([
      log.append([record(1)]),
      log.snapshot([record(10)]),
      log.append([record(2)]),
    ]);
    await log.close();
    expect(numbers(await reopened(directory))).toEqual([10, 2]);
  });

  it('may be taken twice at the same place, and of nothing', async () => {
    const directory = newDirectory();
    const log = await open(directory);
    await log.snapshot([record(1)]);
    await log.snapshot([record(2)]);
    await log.append([record(3)]);
    await log.close();
    expect(numbers(await reopened(directory))).toEqual([2, 3]);
    const again = await open(directory);
    await again.snapshot([]);
    await again.close();
    expect(await reopened(directory)).toEqual([]);
  });

  it('holds many batches', async () => {
    const directory = newDirectory();
    const log = await open(directory);
    const many = Array.from({ length: 5000 }, (_, n) => ({
      ...record(n),
      data: { n, filler: 'x'.repeat(500) },
    }));
    await log.snapshot(many);
    await log.close();
    expect(await reopened(directory)).toEqual(many);
  });

  const snapshotPath = (directory: string): string => {
    const name = readdirSync(folder(directory)).find((n) => n.endsWith('.checkpoint'));
    return join(folder(directory), name!);
  };

  it.each<[string, (path: string) => void]>([
    ['cut short', (path) => truncateSync(path, readFileSync(path).length - 1)],
    ['cut at a batch', (path) => truncateSync(path, batchSizeBytes(readFileSync(path), 0))],
    ['emptied', (path) => truncateSync(path, 0)],
    ['extended', (path) => appendFileSync(path, Buffer.from([0]))],
    ['extended by itself', (path) => appendFileSync(path, readFileSync(path))],
    [
      'changed in one bit',
      (path) => {
        const bytes = readFileSync(path);
        bytes[bytes.length - 5]! ^= 1;
        writeFileSync(path, bytes);
      },
    ],
  ])('that is %s stops the start', async (_, damage) => {
    const directory = newDirectory();
    const log = await open(directory);
    await log.append([record(1)]);
    await log.snapshot([record(1)]);
    await log.append([record(2)]);
    await log.close();
    damage(snapshotPath(directory));
    await expect(open(directory)).rejects.toThrow(/backup/);
  });

  it('of another place, under this name, stops the start', async () => {
    const directory = newDirectory();
    const log = await open(directory);
    await log.append([record(1)]);
    await log.snapshot([record(1)]);
    const old = readFileSync(snapshotPath(directory));
    await log.append([record(2)]);
    await log.snapshot([record(1), record(2)]);
    await log.close();
    writeFileSync(snapshotPath(directory), old);
    await expect(open(directory)).rejects.toThrow(/changed after/);
  });
});

describe('state log damage', () => {
  async function written(count: number): Promise<string> {
    const directory = newDirectory();
    const log = await open(directory);
    for (let n = 0; n < count; n++) await log.append([record(n)]);
    await log.close();
    return directory;
  }

  /** As if the marker of acknowledged offsets had never reached the disk. */
  const forgetAcknowledged = (directory: string): void =>
    writeFileSync(join(folder(directory), 'acknowledged'), '');

  it('cuts a torn tail past what was acknowledged', async () => {
    const directory = await written(3);
    appendFileSync(segment(directory), readFileSync(segment(directory)).subarray(0, 70));
    const log = await open(directory);
    expect(log.cutBytes).toBe(70);
    expect(numbers(await contents(log))).toEqual([0, 1, 2]);
    await log.append([record(3)]);
    await log.close();
    expect(numbers(await reopened(directory))).toEqual([0, 1, 2, 3]);
  });

  it('cuts a tail of zeros', async () => {
    const directory = await written(1);
    appendFileSync(segment(directory), Buffer.alloc(4096));
    expect(numbers(await reopened(directory))).toEqual([0]);
  });

  it('does not start when an acknowledged record was cut off', async () => {
    const directory = await written(3);
    const bytes = readFileSync(segment(directory));
    truncateSync(segment(directory), bytes.length - 1);
    await expect(open(directory)).rejects.toThrow(/1 stored records are lost.*backup/);
    await expect(open(directory)).rejects.toThrow(StorageError);
  });

  it('does not start without its segment', async () => {
    const directory = await written(3);
    truncateSync(segment(directory), 0);
    await expect(open(directory)).rejects.toThrow(/3 stored records are lost/);
  });

  it('does not start when sound records follow damaged ones, whatever the marker says', async () => {
    const directory = await written(3);
    const bytes = readFileSync(segment(directory));
    bytes[80]! ^= 0x10;
    writeFileSync(segment(directory), bytes);
    forgetAcknowledged(directory);
    await expect(open(directory)).rejects.toThrow(/sound records behind/);
  });

  it('does not start when records are missing in the middle', async () => {
    const directory = await written(3);
    const bytes = readFileSync(segment(directory));
    const sizeBytes = batchSizeBytes(bytes, 0);
    const gap = Buffer.concat([bytes.subarray(0, sizeBytes), bytes.subarray(sizeBytes * 2)]);
    writeFileSync(segment(directory), gap);
    forgetAcknowledged(directory);
    await expect(open(directory)).rejects.toThrow(/record 1 is expected/);
  });

  it('does not start when the snapshot before its segment is gone', async () => {
    const directory = newDirectory();
    const log = await open(directory);
    await log.append([record(1)]);
    await log.snapshot([record(1)]);
    await log.close();
    nodeFileSystem.unlinkSync(
      join(folder(directory), '00000000000000000001-0000000000.checkpoint'),
    );
    await expect(open(directory)).rejects.toThrow(/records 0 to 0 are missing/);
  });

  it('cannot lose any single byte unnoticed', async () => {
    const directory = await written(3);
    const bytes = readFileSync(segment(directory));
    for (let at = 0; at < bytes.length; at++) {
      const changed = Buffer.from(bytes);
      changed[at]! ^= 0x01;
      writeFileSync(segment(directory), changed);
      const outcome = await open(directory).then(contents, () => 'refused');
      // The leader epoch is outside the checksum and of no meaning here.
      if (outcome !== 'refused') expect(outcome).toEqual([record(0), record(1), record(2)]);
    }
  });
});

describe('state log and a failing disk', () => {
  it('goes offline at the first failed sync and never tries again', async () => {
    const directory = newDirectory();
    let syncs = 0;
    let fails = false;
    const files = disk((handle) => ({
      datasync: async () => {
        if (!fails || !handle.path.endsWith('.log')) return handle.datasync();
        syncs += 1;
        throw Object.assign(new Error('EIO: i/o error, fdatasync'), { code: 'EIO' });
      },
    }));
    const told: StorageError[] = [];
    const log = await openStateLog({
      files,
      clock: systemClock,
      directory,
      name: 'test',
      onOffline: (failure) => told.push(failure),
    });
    await log.append([record(1)]);
    fails = true;
    await expect(log.append([record(2)])).rejects.toThrow(/offline until a restart/);
    fails = false;
    await expect(log.append([record(3)])).rejects.toThrow(/offline until a restart/);
    await expect(log.snapshot([])).rejects.toThrow(/offline until a restart/);
    expect(syncs).toBe(1);
    expect(told).toHaveLength(1);
    await log.close();
    expect(numbers(await reopened(directory))[0]).toBe(1);
  });

  it('refuses an append on a full disk and takes the next one when there is room', async () => {
    const directory = newDirectory();
    let isFull = false;
    const files = disk((handle) => ({
      writevSync: (buffers, position) => {
        if (!isFull) return handle.writevSync(buffers, position);
        handle.writevSync([buffers[0]!.subarray(0, 20)], position);
        throw Object.assign(new Error('ENOSPC: no space left'), { code: 'ENOSPC' });
      },
    }));
    const log = await open(directory, files);
    await log.append([record(1)]);
    isFull = true;
    await expect(log.append([record(2)])).rejects.toThrow(/disk is full/);
    await expect(log.snapshot([record(9)])).rejects.toThrow(/disk is full/);
    isFull = false;
    await log.append([record(3)]);
    await log.close();
    expect(numbers(await reopened(directory))).toEqual([1, 3]);
  });

  it('goes offline when the folder of a new snapshot cannot be synced', async () => {
    const directory = newDirectory();
    let fails = false;
    const files: FileSystem = {
      ...nodeFileSystem,
      syncDirectory: (path) => {
        if (fails) return Promise.reject(Object.assign(new Error('ENOSPC'), { code: 'ENOSPC' }));
        return nodeFileSystem.syncDirectory(path);
      },
    };
    const log = await open(directory, files);
    await log.append([record(1)]);
    fails = true;
    await expect(log.snapshot([record(1)])).rejects.toThrow(/offline/);
    fails = false;
    await expect(log.append([record(2)])).rejects.toThrow(/offline/);
    await log.close();
    expect(numbers(await reopened(directory))).toEqual([1]);
  });
});
