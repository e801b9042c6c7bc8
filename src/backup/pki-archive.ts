/**
 * Owns the backup of a PKI folder in one file: certificates and the registry of what was issued and
 * revoked as they are; private keys (and whatever else is not known to be public) only on demand, and
 * then encrypted under a passphrase (scrypt, AES-256-GCM, the place of each piece bound to it).
 *
 * Invariants: a file that might be secret never enters in the clear; the archive appears whole or not
 * at all; a piece is bounded in memory; reading leads to no place outside the folder, and writes
 * nothing before the last line has shown that the archive is whole. Offline: no broker is concerned.
 */
import { createCipheriv, createDecipheriv, createHash, scryptSync } from 'node:crypto';
import { basename, dirname, join } from 'node:path';
import { filesBelow } from '../base/bulk-files.ts';
import type { Clock } from '../base/clock.ts';
import { forEachLine } from '../base/credential-files.ts';
import { type FileHandle, type FileSystem, makeDirectoriesSync } from '../base/file-system.ts';
import type { Random } from '../base/random.ts';
import { BackupError } from './backup-error.ts';

export interface PkiArchiveParts {
  readonly files: FileSystem;
  readonly clock: Clock;
  readonly random: Random;
}

export interface PkiArchiveReport {
  readonly files: number;
  readonly keys: number;
  /** Left out, since they may be secret. */
  readonly withheld: number;
}

const FORMAT = 1;
const PIECE_BYTES = 512 * 1024;
const SCRYPT = { N: 2 ** 16, r: 8, p: 1, maxmem: 128 * 1024 * 1024 } as const;
const KEY_BYTES = 32;
const IV_BYTES = 12;
const SALT_BYTES = 16;
const CIPHER = 'aes-256-gcm';
/** Everything else is taken for a secret. */
const PUBLIC_NAME = /(\.(crt|crl|ndjson)|^pki\.json|^truststore\.p12)$/;
const PRIVATE_MARK = 'PRIVATE KEY';

type Fields = Readonly<Record<string, unknown>>;

/** `passphrase` null: no private keys. */
export async function archivePki(
  dir: string,
  to: string,
  passphrase: string | null,
  { files, clock, random }: PkiArchiveParts,
): Promise<PkiArchiveReport> {
  const salt = random.bytes(SALT_BYTES);
  const key = passphrase === null ? null : scryptSync(passphrase, salt, KEY_BYTES, SCRYPT);
  if (files.statSync(to) !== undefined) throw new BackupError(`${to} exists: name another file.`);
  const partial = `${to}.partial`;
  const output = new ArchiveOutput(files, partial);
  const report = { files: 0, keys: 0, withheld: 0 };
  try {
    const kdf = key === null ? null : { salt: salt.toString('base64') };
    output.line({ type: 'pki', format: FORMAT, createdAtMs: clock.nowMs(), kdf });
    for (const path of (await filesBelow(dir)).sort()) {
      const isPublic = isKnownPublic(files, join(dir, path));
      if (!isPublic && key === null) report.withheld += 1;
      else {
        const seal = isPublic || key === null ? null : sealing(key, random);
        for (const piece of piecesOf(files, join(dir, path))) output.line(entry(path, piece, seal));
        report[isPublic ? 'files' : 'keys'] += 1;
      }
    }
    await output.finish(to);
    return report;
  } catch (error) {
    output.discard();
    throw error;
  }
}

/** `dir` is empty, or not there. Without a passphrase the private keys stay in the archive. */
export async function restorePki(
  from: string,
  dir: string,
  passphrase: string | null,
  { files }: PkiArchiveParts,
): Promise<PkiArchiveReport> {
  if (files.statSync(dir) !== undefined && files.readdirSync(dir).length > 0) {
    throw new BackupError(`${dir} is not empty: the PKI is restored into a new folder only.`);
  }
  const salt = checkWhole(from);
  const key =
    passphrase === null || salt === null
      ? null
      : scryptSync(passphrase, Buffer.from(salt, 'base64'), KEY_BYTES, SCRYPT);
  const seen = { files: new Set<string>(), keys: new Set<string>(), withheld: new Set<string>() };
  forEachLine(from, (text) => {
    const line = Object(JSON.parse(text)) as Fields;
    if (line.type !== 'piece') return;
    const path = pathIn(line.path);
    const isSealed = typeof line.tag === 'string';
    if (isSealed && key === null) seen.withheld.add(path);
    else {
      put(files, join(dir, path), Number(line.at), isSealed ? opened(line, key!) : content(line));
      (isSealed ? seen.keys : seen.files).add(path);
    }
  });
  for (const path of [...seen.files, ...seen.keys]) await syncFile(files, join(dir, path));
  return { files: seen.files.size, keys: seen.keys.size, withheld: seen.withheld.size };
}

type Seal = (bytes: Buffer, place: string) => { content: string; iv: string; tag: string };

function sealing(key: Buffer, random: Random): Seal {
  return (bytes, place) => {
    const iv = random.bytes(IV_BYTES);
    const cipher = createCipheriv(CIPHER, key, iv).setAAD(Buffer.from(place));
    const sealed = Buffer.concat([cipher.update(bytes), cipher.final()]);
    const texts = [sealed, iv, cipher.getAuthTag()].map((part) => part.toString('base64'));
    return { content: texts[0]!, iv: texts[1]!, tag: texts[2]! };
  };
}

const placeOf = (path: string, at: number): string => `${path}\n${at}`;

function opened(line: Fields, key: Buffer): Buffer {
  const place = placeOf(String(line.path), Number(line.at));
  try {
    const decipher = createDecipheriv(CIPHER, key, Buffer.from(String(line.iv), 'base64'))
      .setAAD(Buffer.from(place))
      .setAuthTag(Buffer.from(String(line.tag), 'base64'));
    return Buffer.concat([decipher.update(content(line)), decipher.final()]);
  } catch (cause) {
    throw new BackupError(
      'The passphrase is not that of the archive, or a key in it was changed.',
      {
        cause,
      },
    );
  }
}

const content = (line: Fields): Buffer => Buffer.from(String(line.content), 'base64');

function entry(path: string, { at, bytes }: Piece, seal: Seal | null): object {
  const what = { type: 'piece', path, at };
  if (seal === null) return { ...what, content: bytes.toString('base64') };
  return { ...what, ...seal(bytes, placeOf(path, at)) };
}

interface Piece {
  readonly at: number;
  readonly bytes: Buffer;
}

/** At least one, so that an empty file is there too. */
function* piecesOf(files: FileSystem, path: string): Generator<Piece> {
  const handle = files.openSync(path, 'read');
  try {
    for (let at = 0; ; ) {
      const buffer = Buffer.alloc(PIECE_BYTES);
      const count = handle.readSync(buffer, at);
      if (count > 0 || at === 0) yield { at, bytes: buffer.subarray(0, count) };
      if (count < PIECE_BYTES) return;
      at += count;
    }
  } finally {
    handle.closeSync();
  }
}

function isKnownPublic(files: FileSystem, path: string): boolean {
  if (!PUBLIC_NAME.test(basename(path))) return false;
  for (const { bytes } of piecesOf(files, path)) if (bytes.includes(PRIVATE_MARK)) return false;
  return true;
}

class ArchiveOutput {
  readonly #files: FileSystem;
  readonly #path: string;
  readonly #handle: FileHandle;
  readonly #hash = createHash('sha256');
  #position = 0;
  #isClosed = false;

  constructor(files: FileSystem, path: string) {
    this.#files = files;
    this.#path = path;
    this.#handle = files.openSync(path, 'create');
    this.#handle.truncateSync(0);
  }

  line(line: object): void {
    const bytes = Buffer.from(`${JSON.stringify(line)}\n`);
    this.#hash.update(bytes);
    this.#handle.writevSync([bytes], this.#position);
    this.#position += bytes.length;
  }

  async finish(to: string): Promise<void> {
    this.line({ type: 'end', sha256: this.#hash.copy().digest('hex') });
    await this.#handle.datasync();
    this.#close();
    this.#files.renameSync(this.#path, to);
    await this.#files.syncDirectory(dirname(to));
  }

  discard(): void {
    this.#close();
    if (this.#files.statSync(this.#path) !== undefined) this.#files.unlinkSync(this.#path);
  }

  #close(): void {
    if (!this.#isClosed) this.#handle.closeSync();
    this.#isClosed = true;
  }
}

/** The salt of the keys, null without keys; BackupError unless the archive is as it was written. */
function checkWhole(from: string): string | null {
  const hash = createHash('sha256');
  let head: Fields | null = null;
  let isWhole = false;
  forEachLine(from, (text) => {
    const line = fieldsOf(text, from);
    if (isWhole) throw damaged(from);
    if (line.type === 'end') {
      isWhole = line.sha256 === hash.copy().digest('hex');
      if (!isWhole) throw damaged(from);
      return;
    }
    head ??= line;
    if (line.type === 'piece') pathIn(line.path);
    hash.update(`${text}\n`);
  });
  const first = head as Fields | null;
  if (!isWhole || first?.type !== 'pki') throw damaged(from);
  if (first.format !== FORMAT) {
    throw new BackupError(`${from} is of a format that this release does not know: upgrade`);
  }
  const { salt } = Object(first.kdf) as Fields;
  return typeof salt === 'string' ? salt : null;
}

function fieldsOf(text: string, from: string): Fields {
  try {
    return Object(JSON.parse(text)) as Fields;
  } catch {
    throw damaged(from);
  }
}

const damaged = (from: string): BackupError =>
  new BackupError(`${from} is no whole archive of a PKI: take another one.`);

const PATH_PIECE = /^(?!\.{1,2}$)[A-Za-z0-9._-]{1,255}$/;

function pathIn(value: unknown): string {
  const path = typeof value === 'string' ? value : '';
  if (path.split('/').every((piece) => PATH_PIECE.test(piece))) return path;
  throw new BackupError('A path in the archive leads out of its folder: it is not one of ours.');
}

function put(files: FileSystem, path: string, at: number, bytes: Buffer): void {
  makeDirectoriesSync(files, dirname(path));
  const handle = files.openSync(path, 'create');
  try {
    handle.writevSync([bytes], at);
  } finally {
    handle.closeSync();
  }
}

async function syncFile(files: FileSystem, path: string): Promise<void> {
  const handle = files.openSync(path, 'read');
  await handle.datasync().finally(() => handle.closeSync());
}
