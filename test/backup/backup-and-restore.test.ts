import { createHash, generateKeyPairSync } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { MANIFEST_FILE, readManifest } from '../../src/backup/backup-manifest.ts';
import { HELD_FOLDER } from '../../src/backup/backup-writer.ts';
import { type RestoreWish, restore, verifyFiles } from '../../src/backup/restore.ts';
import { UNFINISHED_FILE } from '../../src/backup/restored-marker.ts';
import { deletionOf } from '../../src/engine/embedded/namespace-purge.ts';
import { ErrorCode } from '../../src/protocol/error-codes.ts';
import { ZERO_UUID } from '../../src/protocol/schema.ts';
import { removeDirectory, temporaryDirectory } from '../tools/temporary-directory.ts';
import { BackupScene, PARTS } from './backup-scene.ts';

const TOPIC = 'acme.t';
const LARGE = Buffer.alloc(300 * 1024, 'x');

describe('a backup of an engine at work', () => {
  let root: string;
  let scene: BackupScene;
  let opened: BackupScene[];
  beforeEach(async () => {
    root = temporaryDirectory('backup');
    scene = await BackupScene.open(root);
    opened = [scene];
    await scene.createTopic(TOPIC);
  });
  afterEach(async () => {
    for (const one of opened) await one.close();
    removeDirectory(root);
  });

  const folderOf = (name: string): string => join(scene.backupDir, name);
  const manifestOf = (name: string) => readManifest(join(folderOf(name), MANIFEST_FILE));
  const restoreTo = (backup: string, name: string, more: Partial<RestoreWish> = {}) =>
    restore(
      {
        ...{ from: folderOf(backup), dataDir: join(root, name), auditDir: null },
        ...{ currentDataDir: null, watermark: null, publicKeyPem: null, ...more },
      },
      PARTS,
    );
  const restored = async (backup: string): Promise<BackupScene> => {
    await restoreTo(backup, `restored-${backup}`);
    const other = await BackupScene.open(root, `restored-${backup}`);
    opened.push(other);
    return other;
  };

  it('holds every segment up to the high watermark and nothing beyond', async () => {
    for (let at = 0; at < 10; at += 1) await scene.produce(TOPIC, LARGE);
    const durable = await scene.read(TOPIC);
    await scene.produce(TOPIC, Buffer.from('in the page cache only'), 1);
    await scene.writer('first').run();
    await scene.produce(TOPIC, Buffer.from('after the backup'));
    const other = await restored('first');
    expect(await other.read(TOPIC)).toEqual(durable);
    expect(durable.end).toBe(10);
    const segments = (await manifestOf('first')).files.filter(({ path }) => path.endsWith('.log'));
    expect(segments.filter(({ path }) => path.includes(TOPIC)).length).toBeGreaterThan(2);
    expect(await other.produce(TOPIC, Buffer.from('goes on'))).toMatchObject({ baseOffset: 10 });
  });

  it('brings groups back with the offsets that they had committed', async () => {
    const commit = (committedOffset: number) =>
      scene.engine.offsetCommit(
        {
          ...{ groupId: 'acme.readers', generationIdOrMemberEpoch: -1, memberId: '' },
          ...{ groupInstanceId: null, retentionTimeMs: -1 },
          topics: [
            {
              ...{ name: TOPIC, topicId: ZERO_UUID },
              partitions: [
                {
                  ...{ partitionIndex: 0, committedOffset, committedLeaderEpoch: -1 },
                  committedMetadata: 'at noon',
                },
              ],
            },
          ],
        },
        { apiVersion: 9, signal: null },
      );
    await commit(3);
    await scene.writer('first').run();
    await commit(4);
    const { engine } = await restored('first');
    const { groups } = await engine.offsetFetch({
      ...{ groupId: '', topics: null, requireStable: false },
      groups: [{ groupId: 'acme.readers', memberId: null, memberEpoch: -1, topics: null }],
    });
    const [topic] = groups[0]!.topics;
    expect(topic).toMatchObject({
      name: TOPIC,
      partitions: [{ committedOffset: 3, metadata: 'at noon' }],
    });
  });

  it('knows the producers: what was stored once is not stored again', async () => {
    const value = Buffer.from('once');
    expect(await scene.produce(TOPIC, value, -1, { sequence: 0 })).toMatchObject({ errorCode: 0 });
    await scene.writer('first').run();
    const other = await restored('first');
    expect(await other.produce(TOPIC, value, -1, { sequence: 0 })).toMatchObject({ baseOffset: 0 });
    expect((await other.read(TOPIC)).end).toBe(1);
    expect(await other.produce(TOPIC, value, -1, { sequence: 5 })).toMatchObject({
      errorCode: ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER,
    });
  });

  it('is whole though the topic is deleted while it is copied', async () => {
    for (let at = 0; at < 4; at += 1) await scene.produce(TOPIC, LARGE);
    const writer = scene.writer('first', { bytesPerSecond: 4 << 20 });
    const running = writer.run();
    const held = join(scene.dataDir, HELD_FOLDER);
    while (!existsSync(held) || readdirSync(held).length < 2) {
      await new Promise((resolve) => setImmediate(resolve));
    }
    await scene.engine.deleteTopics(deletionOf([TOPIC]));
    await running;
    await verifyFiles(folderOf('first'), await manifestOf('first'));
    expect(existsSync(held)).toBe(false);
    const other = await restored('first');
    expect(other.engine.topicByName(TOPIC)).toBeUndefined();
    expect(readdirSync(other.dataDir).filter((name) => name === `${TOPIC}-0`)).toEqual([]);
  });

  it('shares closed segments with an earlier one, but never those of another topic', async () => {
    for (let at = 0; at < 8; at += 1) await scene.produce(TOPIC, LARGE);
    await scene.writer('first').run();
    const since = { folder: folderOf('first'), manifest: await manifestOf('first') };
    await scene.writer('second', { since }).run();
    const segment = join('data', `${TOPIC}-0`, `${'0'.repeat(20)}.log`);
    const inode = (name: string): number => statSync(join(folderOf(name), segment)).ino;
    expect(inode('second')).toBe(inode('first'));
    await scene.engine.deleteTopics(deletionOf([TOPIC]));
    await scene.createTopic(TOPIC);
    for (let at = 0; at < 8; at += 1) await scene.produce(TOPIC, Buffer.alloc(300 * 1024, 'y'));
    await scene.writer('third', { since }).run();
    expect(inode('third')).not.toBe(inode('first'));
    await verifyFiles(folderOf('third'), await manifestOf('third'));
  });

  it('fails rather than fill the disk, and leaves nothing', async () => {
    const writer = scene.writer('first', { minFreeBytes: Number.MAX_SAFE_INTEGER });
    await expect(writer.run()).rejects.toMatchObject({ code: 'disk-full' });
    expect(readdirSync(scene.backupDir)).toEqual([]);
    expect(existsSync(join(scene.dataDir, HELD_FOLDER))).toBe(false);
  });

  it('stops when it is told to, and leaves nothing', async () => {
    await scene.produce(TOPIC, LARGE);
    const writer = scene.writer('first', { bytesPerSecond: 1 << 20 });
    const running = writer.run();
    writer.cancel();
    await expect(running).rejects.toMatchObject({ code: 'stopped' });
    expect(readdirSync(scene.backupDir)).toEqual([]);
  });

  it('is refused when a byte of any file, or a line of the manifest, is another', async () => {
    await scene.produce(TOPIC, Buffer.from('original'));
    await scene.writer('first').run();
    const { files } = await manifestOf('first');
    expect(files.length).toBeGreaterThan(8);
    for (const { path, bytes } of files.filter((file) => file.bytes > 0)) {
      const full = join(folderOf('first'), path);
      const good = readFileSync(full);
      const bad = Buffer.from(good);
      bad[bytes >> 1]! ^= 1;
      writeFileSync(full, bad);
      await expect(restoreTo('first', 'new'), path).rejects.toMatchObject({
        code: 'backup-damaged',
      });
      writeFileSync(full, good);
    }
    const manifest = join(folderOf('first'), MANIFEST_FILE);
    const lines = readFileSync(manifest, 'utf8').split('\n').slice(0, -1);
    for (let at = 0; at < lines.length; at += 1) {
      writeFileSync(manifest, `${lines.filter((_, index) => index !== at).join('\n')}\n`);
      await expect(restoreTo('first', 'new'), lines[at]).rejects.toThrow(/no manifest of a whole/);
    }
    expect(existsSync(join(root, 'new'))).toBe(false);
  });

  it('writes nowhere else, though its manifest be made to say so', async () => {
    await scene.writer('first').run();
    const manifest = join(folderOf('first'), MANIFEST_FILE);
    const lines = readFileSync(manifest, 'utf8').split('\n').slice(0, -2);
    for (const path of ['data/../../out', 'data//out', '/out', 'other/out', 'data/..', 'data']) {
      const forged = lines.map((line) =>
        line.replace(/"path":"data\/meta.properties"/, () => `"path":"${path}"`),
      );
      expect(forged).not.toEqual(lines);
      const body = `${forged.join('\n')}\n`;
      const sha256 = createHash('sha256').update(body).digest('hex');
      writeFileSync(
        manifest,
        `${body}${JSON.stringify({ type: 'end', sha256, signature: null })}\n`,
      );
      await expect(restoreTo('first', 'new'), path).rejects.toThrow(/leads out of the backup/);
    }
  });

  it('is believed under a key only with the signature of that key', async () => {
    const [ours, other] = [generateKeyPairSync('ed25519'), generateKeyPairSync('ed25519')];
    const pem = ({ publicKey }: typeof ours): string =>
      publicKey.export({ type: 'spki', format: 'pem' }).toString();
    await scene.writer('signed', { key: ours.privateKey }).run();
    await scene.writer('unsigned').run();
    const refused = { code: 'not-signed' };
    await expect(restoreTo('unsigned', 'a', { publicKeyPem: pem(ours) })).rejects.toMatchObject(
      refused,
    );
    await expect(restoreTo('signed', 'b', { publicKeyPem: pem(other) })).rejects.toMatchObject(
      refused,
    );
    expect(await restoreTo('signed', 'c', { publicKeyPem: pem(ours) })).toMatchObject({
      signed: true,
    });
  });

  it('goes into no folder on which somebody lives, and leaves none half made', async () => {
    await scene.writer('first').run();
    await expect(restoreTo('first', 'data')).rejects.toMatchObject({ code: 'not-empty' });
    const missing = join(root, 'no-watermark');
    await expect(restoreTo('first', 'new', { watermark: missing })).rejects.toThrow(/not there/);
    expect(readdirSync(join(root, 'new'))).toEqual([]);
    writeFileSync(join(root, 'new', UNFINISHED_FILE), '');
    const { RestoredMarker } = await import('../../src/backup/restored-marker.ts');
    expect(() => RestoredMarker.open(PARTS.files, join(root, 'new'))).toThrow(
      /did not come to its/,
    );
  });
});
