/**
 * Owns turning a closed file into `<file>.gz`: independent gzip members of about a megabyte of whole
 * lines each, so that zcat reads it and a reader may begin at any member.
 *
 * Invariants: the compressed form appears whole, by a rename of what is synced, and only then the
 * plain one goes: a crash leaves either or both, never neither. Compressing is in the thread pool.
 */
import { createHash } from 'node:crypto';
import { dirname } from 'node:path';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import type { FileHandle, FileSystem } from '../base/file-system.ts';
import { auditBytesOf } from './audit-bytes.ts';

const MEMBER_BYTES = 1024 * 1024;
const NEWLINE = 0x0a;
const gzipped = promisify(gzip);

export const TEMPORARY_ENDING = '.gz.writing';

/** Called when `<file>.ndjson.gz` is in place, before the plain file goes. */
export type OnCompressed = (path: string) => Promise<void> | void;

export async function compressFile(
  files: FileSystem,
  path: string,
  onCompressed: OnCompressed,
): Promise<void> {
  const temporary = `${path}${TEMPORARY_ENDING}`;
  const target = files.openSync(temporary, 'create');
  try {
    target.truncateSync(0);
    await writeMembers(files, path, target);
    await target.datasync();
  } finally {
    target.closeSync();
  }
  files.renameSync(temporary, `${path}.gz`);
  await files.syncDirectory(dirname(path));
  await onCompressed(`${path}.gz`);
  await files.unlink(path);
  await files.syncDirectory(dirname(path));
}

async function writeMembers(files: FileSystem, path: string, target: FileHandle): Promise<void> {
  let position = 0;
  const write = async (bytes: Buffer): Promise<void> => {
    if (bytes.length === 0) return;
    const member = await gzipped(bytes);
    target.writevSync([member], position);
    position += member.length;
  };
  let carried: Buffer = Buffer.alloc(0);
  for await (const window of auditBytesOf(files, path)) {
    const bytes = Buffer.concat([carried, window]);
    const end = bytes.length < MEMBER_BYTES ? 0 : bytes.lastIndexOf(NEWLINE) + 1;
    await write(bytes.subarray(0, end));
    carried = bytes.subarray(end);
  }
  await write(carried);
}

/** Whether both forms hold the same bytes; false as well where one cannot be read. */
export async function areSame(files: FileSystem, path: string): Promise<boolean> {
  try {
    const [plain, packed] = [await digestOf(files, path), await digestOf(files, `${path}.gz`)];
    return plain === packed;
  } catch {
    return false;
  }
}

async function digestOf(files: FileSystem, path: string): Promise<string> {
  const digest = createHash('sha256');
  for await (const window of auditBytesOf(files, path)) digest.update(window);
  return digest.digest('hex');
}
