/**
 * Owns the copying of many or large files beside a running broker: asynchronous, in small pieces, at
 * a pace, each file hashed as its bytes pass. For backups and restores; the data folder's own writes
 * go through `FileSystem`.
 *
 * Invariants: a copy is new (nothing is overwritten), readable by its owner alone, and on stable
 * storage with its folder's entry once `syncFolder` of that folder has returned too; a piece is so
 * small that hashing it does not hold up the event loop.
 */
import { createHash } from 'node:crypto';
import { link, mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { StorageError } from './errors.ts';

/** Hashed in well under a millisecond. */
const PIECE_BYTES = 256 * 1024;
/** Lines of about a thousand records. */
const LINES_PIECE_BYTES = 256 * 1024;
const LINE_BYTES_MAX = 1024 * 1024;
const NEWLINE = 0x0a;
const FILE_MODE = 0o600;
const FOLDER_MODE = 0o700;

/** Called with the bytes that passed; resolves when the next may. */
export type Pace = (bytes: number) => Promise<void>;

const AT_ONCE: Pace = async () => {};

/** The source ended before its `sizeBytes`. */
export class ShortFileError extends StorageError {}

/** Copies the first `sizeBytes` of `from` to the new file `to`; the SHA-256 of them, hexadecimal. */
export async function copyHashed(
  from: string,
  to: string,
  sizeBytes: number,
  pace: Pace = AT_ONCE,
): Promise<string> {
  const hash = createHash('sha256');
  const source = await open(from, 'r');
  try {
    const target = await open(to, 'wx', FILE_MODE);
    try {
      const piece = Buffer.allocUnsafe(Math.min(PIECE_BYTES, Math.max(1, sizeBytes)));
      for (let at = 0; at < sizeBytes; ) {
        const wanted = Math.min(piece.length, sizeBytes - at);
        const { bytesRead } = await source.read(piece, 0, wanted, at);
        if (bytesRead === 0) throw new ShortFileError(`${from} ends at byte ${at}`);
        const read = piece.subarray(0, bytesRead);
        hash.update(read);
        await writeAll(target, read, at);
        at += bytesRead;
        await pace(bytesRead);
      }
      await target.datasync();
    } finally {
      await target.close();
    }
  } finally {
    await source.close();
  }
  return hash.digest('hex');
}

type Handle = Awaited<ReturnType<typeof open>>;

async function writeAll(target: Handle, bytes: Buffer, position: number): Promise<void> {
  for (let done = 0; done < bytes.length; ) {
    const { bytesWritten } = await target.write(bytes, done, bytes.length - done, position + done);
    done += bytesWritten;
  }
}

/** Makes the new file `path`; the SHA-256 of its bytes. */
export async function writeHashed(path: string, bytes: Buffer): Promise<string> {
  const target = await open(path, 'wx', FILE_MODE);
  try {
    await writeAll(target, bytes, 0);
    await target.datasync();
  } finally {
    await target.close();
  }
  return createHash('sha256').update(bytes).digest('hex');
}

export interface HashedFile {
  readonly sizeBytes: number;
  readonly sha256: string;
}

/** Of a whole file. */
export async function hashFile(path: string): Promise<HashedFile> {
  const hash = createHash('sha256');
  const source = await open(path, 'r');
  try {
    const piece = Buffer.allocUnsafe(PIECE_BYTES);
    for (let sizeBytes = 0; ; ) {
      const { bytesRead } = await source.read(piece, 0, piece.length, sizeBytes);
      if (bytesRead === 0) return { sizeBytes, sha256: hash.digest('hex') };
      hash.update(piece.subarray(0, bytesRead));
      sizeBytes += bytesRead;
    }
  } finally {
    await source.close();
  }
}

/** Makes the folder and those above it. */
export async function makeFolder(path: string): Promise<void> {
  await mkdir(path, { recursive: true, mode: FOLDER_MODE });
}

/** Another name for the same file, which stays when the first name goes. */
export const linkFile = (from: string, to: string): Promise<void> => link(from, to);

/** Makes the entries of a folder durable. */
export async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

/** Gives a whole folder its name, durably; nothing stands there. */
export async function renameFolder(from: string, to: string): Promise<void> {
  if ((await statOf(to)) !== undefined) throw new StorageError(`${to} exists already`);
  await rename(from, to);
  await syncFolder(dirname(to));
}

/** Removes a folder with all that is in it; one that is not there is no error. */
export const removeTree = (path: string): Promise<void> =>
  rm(path, { recursive: true, force: true });

/** The names in a folder; none when it is not there. */
export async function namesIn(path: string): Promise<string[]> {
  try {
    return await readdir(path);
  } catch (error) {
    if (isMissing(error)) return [];
    throw error;
  }
}

export async function statOf(
  path: string,
): Promise<{ readonly sizeBytes: number; readonly isDirectory: boolean } | undefined> {
  try {
    const found = await stat(path);
    return { sizeBytes: found.size, isDirectory: found.isDirectory() };
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}

export const isMissing = (error: unknown): boolean =>
  error instanceof Error && 'code' in error && error.code === 'ENOENT';

/** Calls `visit` with every line that ends in a newline, others having turns of the event loop. */
export async function forEachLineInTurns(
  path: string,
  visit: (line: string) => void,
): Promise<void> {
  const source = await open(path, 'r');
  try {
    const piece = Buffer.allocUnsafe(LINES_PIECE_BYTES);
    let rest: Buffer = Buffer.alloc(0);
    for (let at = 0; ; ) {
      const { bytesRead } = await source.read(piece, 0, piece.length, at);
      if (bytesRead === 0) return;
      at += bytesRead;
      const text = Buffer.concat([rest, piece.subarray(0, bytesRead)]);
      const end = text.lastIndexOf(NEWLINE) + 1;
      for (const line of text.toString('utf8', 0, end).split('\n').slice(0, -1)) visit(line);
      rest = text.subarray(end);
      if (rest.length > LINE_BYTES_MAX) throw new StorageError(`${path} holds no lines`);
    }
  } finally {
    await source.close();
  }
}

/** All files below a folder, relative to it, in no particular order. */
export async function filesBelow(root: string, under = ''): Promise<string[]> {
  const found: string[] = [];
  for (const entry of await readdir(join(root, under), { withFileTypes: true })) {
    const name = join(under, entry.name);
    if (entry.isDirectory()) found.push(...(await filesBelow(root, name)));
    else found.push(name);
  }
  return found;
}
