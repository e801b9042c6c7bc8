/**
 * Owns what a backup takes of the access log: every file of its folder, and of the newest ones, which
 * grow, the whole lines that are there. Invariant: a file that was closed is taken as it is.
 */
import { join } from 'node:path';
import type { FileSystem } from '../base/file-system.ts';
import type { CutFile, DataCut, DataPart } from '../engine/engine.ts';

/** No line of ours is as long. */
const WINDOW_BYTES = 1024 * 1024;
const NEWLINE = 0x0a;
/** Lines of records, and of signed checkpoints. */
const GROWING = /\.(ndjson|jws)$/;
const FILE_NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,254}$/;

export function auditPart(files: FileSystem, directory: string): DataPart {
  return { name: 'audit', kind: 'state', cut: () => auditCut(files, directory) };
}

function auditCut(files: FileSystem, directory: string): DataCut {
  const names = files.readdirSync(directory).filter((name) => FILE_NAME.test(name));
  const newest = newestOfEach(names);
  const found: CutFile[] = [];
  for (const name of names.sort()) {
    const path = join(directory, name);
    const status = files.statSync(path);
    if (status === undefined || status.isDirectory || name.endsWith('.tmp')) continue;
    const grows = newest.has(name);
    const sizeBytes = grows ? wholeLinesOf(files, path, status.sizeBytes) : status.sizeBytes;
    found.push({ name, path, sizeBytes, isFinal: !grows });
  }
  return { files: found, facts: {} };
}

/** Of each stream the file that may still grow. */
function newestOfEach(names: readonly string[]): Set<string> {
  const newest = new Map<string, string>();
  for (const name of names.filter((one) => GROWING.test(one)).sort()) {
    newest.set(name.slice(0, name.indexOf('-')), name);
  }
  return new Set(newest.values());
}

function wholeLinesOf(files: FileSystem, path: string, sizeBytes: number): number {
  const handle = files.openSync(path, 'read');
  try {
    const tail = Buffer.alloc(Math.min(sizeBytes, WINDOW_BYTES));
    const count = handle.readSync(tail, sizeBytes - tail.length);
    const end = tail.subarray(0, count).lastIndexOf(NEWLINE) + 1;
    return end === 0 ? sizeBytes : sizeBytes - tail.length + end;
  } finally {
    handle.closeSync();
  }
}
