import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { archivePki, restorePki } from '../../src/backup/pki-archive.ts';
import { filesBelow } from '../../src/base/bulk-files.ts';
import { removeDirectory, temporaryDirectory } from '../tools/temporary-directory.ts';
import { PARTS } from './backup-scene.ts';

const PASSPHRASE = 'correct horse battery staple';
const FILES: Readonly<Record<string, Buffer>> = {
  'pki.json': Buffer.from('{"trustDomain":"example"}'),
  'ca.crt': Buffer.from('-----BEGIN CERTIFICATE-----'),
  'acme/issued.ndjson': Buffer.alloc(600_000, '{"serial":"01"}\n'),
  'acme/empty.crl': Buffer.alloc(0),
};
const SECRETS: Readonly<Record<string, Buffer>> = {
  'server-ca.key': Buffer.from('the key of the CA'),
  'acme/device-1.p12': Buffer.alloc(530_000, 'p'),
  'acme/odd.crt': Buffer.from(`-----BEGIN ${'PRIVATE'} KEY-----\nmisplaced`),
  notes: Buffer.from('who knows'),
};

describe('the archive of a PKI folder', () => {
  let root: string;
  let archive: string;
  beforeEach(() => {
    root = temporaryDirectory('pki-archive');
    archive = join(root, 'pki.backup');
    mkdirSync(join(root, 'pki', 'acme'), { recursive: true });
    for (const [path, bytes] of Object.entries({ ...FILES, ...SECRETS })) {
      writeFileSync(join(root, 'pki', path), bytes);
    }
  });
  afterEach(() => removeDirectory(root));

  const make = (passphrase: string | null) =>
    archivePki(join(root, 'pki'), archive, passphrase, PARTS);
  const restoreTo = (name: string, passphrase: string | null) =>
    restorePki(archive, join(root, name), passphrase, PARTS);
  const expectFiles = async (name: string, files: Readonly<Record<string, Buffer>>) => {
    expect((await filesBelow(join(root, name))).sort()).toEqual(Object.keys(files).sort());
    for (const [path, bytes] of Object.entries(files)) {
      expect(bytes.equals(readFileSync(join(root, name, path))), path).toBe(true);
    }
  };

  it('holds certificates and the registry, and no key unless asked to', async () => {
    expect(await make(null)).toEqual({ files: 4, keys: 0, withheld: 4 });
    const text = readFileSync(archive, 'latin1');
    for (const secret of ['device-1.p12', 'server-ca.key', 'odd.crt']) {
      expect(text.includes(secret), secret).toBe(false);
    }
    expect(await restoreTo('new', null)).toEqual({ files: 4, keys: 0, withheld: 0 });
    await expectFiles('new', FILES);
  });

  it('holds keys under a passphrase, and gives them back for it alone', async () => {
    expect(await make(PASSPHRASE)).toEqual({ files: 4, keys: 4, withheld: 0 });
    const text = readFileSync(archive, 'latin1');
    for (const [path, bytes] of Object.entries(SECRETS)) {
      const start = bytes.subarray(0, 3 * Math.floor(Math.min(27, bytes.length) / 3));
      expect(text.includes(start.toString('base64')), path).toBe(false);
    }
    expect(await restoreTo('all', PASSPHRASE)).toEqual({ files: 4, keys: 4, withheld: 0 });
    await expectFiles('all', { ...FILES, ...SECRETS });
    expect(await restoreTo('public', null)).toEqual({ files: 4, keys: 0, withheld: 4 });
    await expect(restoreTo('guessed', 'incorrect horse')).rejects.toThrow(/passphrase is not/);
  });

  it('is refused where a line was changed, taken out or put in', async () => {
    await make(PASSPHRASE);
    const lines = readFileSync(archive, 'utf8').split('\n').slice(0, -1);
    const variants = [
      ...lines.map((_, at) => lines.filter((__, index) => index !== at)),
      ...lines.map((line, at) => lines.with(at, line.replace(/"(path|sha256)":"./, '"$1":"z'))),
      [...lines, lines[1]!],
    ].filter((variant) => variant.join() !== lines.join());
    expect(variants.length).toBeGreaterThan(lines.length);
    for (const variant of variants) {
      writeFileSync(archive, `${variant.join('\n')}\n`);
      await expect(restoreTo('new', PASSPHRASE)).rejects.toThrow(/no whole archive/);
    }
    expect(existsSync(join(root, 'new'))).toBe(false);
  });

  it('leads to no place outside of the new folder, and into an empty one only', async () => {
    const piece = { type: 'piece', path: '../out.crt', at: 0, content: '' };
    const body = `${JSON.stringify({ type: 'pki', format: 1, kdf: null })}\n${JSON.stringify(piece)}\n`;
    const sha256 = createHash('sha256').update(body).digest('hex');
    writeFileSync(archive, `${body}${JSON.stringify({ type: 'end', sha256 })}\n`);
    await expect(restoreTo('new', null)).rejects.toThrow(/leads out/);
    await expect(restoreTo('pki', null)).rejects.toThrow(/not empty/);
    expect(readdirSync(root).sort()).toEqual(['pki', 'pki.backup']);
  });
});
