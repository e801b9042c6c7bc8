import { mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import {
  isOutOfSpace,
  makeDirectoriesSync,
  nodeFileSystem,
  replaceFile,
  replaceFileSync,
  systemErrorCode,
} from '../../src/base/file-system.ts';
import { PowerCutFileSystem, seededRandom } from '../crash/power-cut-file-system.ts';
import { temporaryDirectory } from '../tools/temporary-directory.ts';

const folder = () => temporaryDirectory('files');

describe('nodeFileSystem', () => {
  test('writes more buffers than one system call takes, in order, at a position', () => {
    const path = join(folder(), 'file');
    const handle = nodeFileSystem.openSync(path, 'create');
    const buffers = Array.from({ length: 3000 }, (_, index) => Buffer.from(`${index},`));
    handle.writevSync([Buffer.from('xxxx')], 0);
    handle.writevSync(buffers, 2);
    expect(readFileSync(path).equals(Buffer.concat([Buffer.from('xx'), ...buffers]))).toBe(true);
    handle.closeSync();
  });

  test('reads all that is asked for, less only at the end', async () => {
    const path = join(folder(), 'file');
    writeFileSync(path, 'abcdef');
    const handle = nodeFileSystem.openSync(path, 'read');
    const bytes = Buffer.alloc(4);
    expect([handle.readSync(bytes, 1), bytes.toString()]).toEqual([4, 'bcde']);
    expect(handle.readSync(bytes, 4)).toBe(2);
    expect([await handle.read(bytes, 2), bytes.toString()]).toEqual([4, 'cdef']);
    expect(await handle.read(bytes, 9)).toBe(0);
    handle.closeSync();
  });

  test('makes files and folders for the own user alone', () => {
    const path = join(folder(), 'sub');
    nodeFileSystem.mkdirSync(path);
    nodeFileSystem.writeFileSync(join(path, 'one'), Buffer.from('1'));
    nodeFileSystem.openSync(join(path, 'two'), 'create').closeSync();
    const modes = [path, join(path, 'one'), join(path, 'two')].map(
      (each) => statSync(each).mode & 0o777,
    );
    expect(modes).toEqual([0o700, 0o600, 0o600]);
  });

  test('tells a missing file from an error', () => {
    expect(nodeFileSystem.statSync(join(folder(), 'none'))).toBeUndefined();
    expect(() => nodeFileSystem.openSync(join(folder(), 'none'), 'readWrite')).toThrow('ENOENT');
  });

  test('syncs files and folders', async () => {
    const path = folder();
    const handle = nodeFileSystem.openSync(join(path, 'file'), 'create');
    await handle.datasync();
    handle.datasyncSync();
    handle.closeSync();
    await nodeFileSystem.syncDirectory(path);
    nodeFileSystem.syncDirectorySync(path);
    await expect(nodeFileSystem.syncDirectory(join(path, 'none'))).rejects.toThrow('ENOENT');
  });

  test('replaces a file and leaves nothing beside it', async () => {
    const path = folder();
    await replaceFile(nodeFileSystem, join(path, 'file'), Buffer.from('one, and longer'));
    replaceFileSync(nodeFileSystem, join(path, 'file'), Buffer.from('two'));
    expect(readFileSync(join(path, 'file'), 'utf8')).toBe('two');
    expect(nodeFileSystem.readdirSync(path)).toEqual(['file']);
  });
});

describe('replaceFile', () => {
  test('leaves the old or the new content after a cut at any time, and the new one when done', async () => {
    for (let seed = 0; seed < 300; seed += 1) {
      const random = seededRandom(seed);
      const files = new PowerCutFileSystem(random);
      replaceFileSync(files, '/file', Buffer.from('old content'));
      let isDone = false;
      void replaceFile(files, '/file', Buffer.from('new')).then(() => {
        isDone = true;
      });
      const turns = Math.floor(random() * 8);
      for (let turn = 0; turn < turns; turn += 1) await new Promise((done) => setImmediate(done));
      const wasDone = isDone;
      const content = files.cut().readFileSync('/file').toString();
      expect(wasDone ? ['new'] : ['old content', 'new'], `seed ${seed}`).toContain(content);
    }
  });

  test('gives way to a replacement made at once in the meantime', async () => {
    const files = new PowerCutFileSystem(seededRandom(1));
    let isWanted = true;
    const slow = replaceFile(files, '/file', Buffer.from('slow'), () => isWanted);
    replaceFileSync(files, '/file', Buffer.from('fast'));
    isWanted = false;
    await slow;
    expect(files.readFileSync('/file').toString()).toBe('fast');
  });

  test('on a full disk the old file stays', async () => {
    const files = new PowerCutFileSystem(seededRandom(1));
    replaceFileSync(files, '/file', Buffer.from('old'));
    files.freeBytes = 2;
    const failed = replaceFile(files, '/file', Buffer.from('new and longer'));
    await expect(failed).rejects.toSatisfy(isOutOfSpace);
    expect(files.readFileSync('/file').toString()).toBe('old');
    expect(files.openHandleCount).toBe(0);
  });
});

test('makeDirectoriesSync makes every level durable, and refuses a file in the way', () => {
  const files = new PowerCutFileSystem(seededRandom(1));
  makeDirectoriesSync(files, '/a/b/c');
  expect(files.cut().statSync('/a/b/c')?.isDirectory).toBe(true);
  const real = folder();
  mkdirSync(join(real, 'there'));
  makeDirectoriesSync(nodeFileSystem, join(real, 'there'));
  writeFileSync(join(real, 'file'), '');
  expect(() => makeDirectoriesSync(nodeFileSystem, join(real, 'file'))).toThrow('not a directory');
});

test('system errors are known by their code', () => {
  expect(systemErrorCode(Object.assign(new Error('x'), { code: 'EIO' }))).toBe('EIO');
  expect(systemErrorCode(new Error('x'))).toBeUndefined();
  expect(systemErrorCode('EIO')).toBeUndefined();
  for (const code of ['ENOSPC', 'EDQUOT', 'EFBIG']) {
    expect(isOutOfSpace(Object.assign(new Error('x'), { code }))).toBe(true);
  }
  expect(isOutOfSpace(Object.assign(new Error('x'), { code: 'EIO' }))).toBe(false);
});

test('makeDirectoriesSync makes a folder durable that an earlier start left unsynced', () => {
  let lost = 0;
  for (let seed = 0; seed < 50; seed += 1) {
    const files = new PowerCutFileSystem(seededRandom(seed));
    makeDirectoriesSync(files, '/data');
    files.mkdirSync('/data/metadata');
    // The process dies before the sync; the next start finds the folder in the cache.
    const next = files.kill();
    makeDirectoriesSync(next, '/data/metadata');
    expect(next.cut().statSync('/data/metadata')?.isDirectory, `seed ${seed}`).toBe(true);
    const unsynced = new PowerCutFileSystem(seededRandom(seed));
    unsynced.mkdirSync('/data');
    if (unsynced.cut().statSync('/data') === undefined) lost += 1;
  }
  // The disk of this test does forget what nobody synced.
  expect(lost).toBeGreaterThan(0);
});

test('a folder whose parent may not be synced is used as it is', () => {
  for (const code of ['EACCES', 'EPERM', 'EROFS', 'EINVAL']) {
    const files = new PowerCutFileSystem(seededRandom(1));
    makeDirectoriesSync(files, '/data');
    files.failNext('syncDirectory', code);
    makeDirectoriesSync(files, '/data');
  }
  const files = new PowerCutFileSystem(seededRandom(1));
  makeDirectoriesSync(files, '/data');
  files.failNext('syncDirectory', 'EIO');
  expect(() => makeDirectoriesSync(files, '/data')).toThrow('EIO');
});

test('the space of a disk is what the system says', async () => {
  const { totalBytes, usableBytes } = await nodeFileSystem.space(folder());
  expect(totalBytes).toBeGreaterThan(0);
  expect(usableBytes).toBeLessThanOrEqual(totalBytes);
});
