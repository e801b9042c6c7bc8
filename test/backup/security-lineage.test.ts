import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  LINEAGE_FILE,
  readWatermark,
  SecurityWatermark,
} from '../../src/backup/security-lineage.ts';
import { nodeFileSystem } from '../../src/base/file-system.ts';
import { systemRandom } from '../../src/base/random.ts';
import { removeDirectory, temporaryDirectory } from '../tools/temporary-directory.ts';

describe('the watermark of the security metadata', () => {
  let root: string;
  let path: string;
  beforeEach(() => {
    root = temporaryDirectory('watermark');
    path = join(root, 'watermark.json');
  });
  afterEach(() => removeDirectory(root));

  const open = (dataDir: string, endOffset: number, isNewLineageExpected = false) =>
    SecurityWatermark.open({
      ...{ files: nodeFileSystem, random: systemRandom, dataDir, path },
      ...{ log: { endOffset }, isNewLineageExpected },
    });
  const folder = (name: string): string => {
    const dir = join(root, name);
    nodeFileSystem.mkdirSync(dir);
    return dir;
  };

  it('moves on with the log, and lets the same log start again', async () => {
    const [data, log] = [folder('data'), { endOffset: 3 }];
    const options = { files: nodeFileSystem, random: systemRandom, dataDir: data, path };
    const watermark = await SecurityWatermark.open({
      ...options,
      log,
      isNewLineageExpected: false,
    });
    log.endOffset = 7;
    await watermark.advance();
    expect(readWatermark(path)).toEqual({ lineage: watermark.lineage, offset: 7 });
    expect((await open(data, 7)).lineage).toBe(watermark.lineage);
    // A change was durable, and the power went before the watermark was.
    await open(data, 8);
    expect(readWatermark(path)?.offset).toBe(8);
  });

  it('refuses an older log, another one, an empty folder and one without its id', async () => {
    const data = folder('data');
    await open(data, 7);
    const known = readFileSync(path, 'utf8');
    await expect(open(data, 6)).rejects.toThrow(/ends at change 6, but change 7 was in force/);
    await expect(open(folder('empty'), 0)).rejects.toThrow(/is empty/);
    await expect(open(folder('unknown'), 9)).rejects.toThrow(/is not the one/);
    const other = folder('other');
    writeFileSync(join(other, LINEAGE_FILE), `${'A'.repeat(22)}\n`);
    await expect(open(other, 9)).rejects.toThrow(/is not the one/);
    expect(readFileSync(path, 'utf8')).toBe(known);
    expect(existsSync(join(root, 'empty', LINEAGE_FILE))).toBe(false);
  });

  it('follows a restore that shut all tenants out', async () => {
    await open(folder('data'), 7);
    const restored = folder('restored');
    const { lineage } = await open(restored, 2, true);
    expect(readWatermark(path)).toEqual({ lineage, offset: 2 });
    await expect(open(join(root, 'data'), 7)).rejects.toThrow(/is not the one/);
  });

  it.each(['', '{', '{"lineage":"x","offset":1}', '{"offset":1}', '[]'])(
    'is not guessed where its file holds %j',
    async (text) => {
      writeFileSync(path, text);
      await expect(open(folder('data'), 1)).rejects.toThrow(/is damaged/);
    },
  );
});
