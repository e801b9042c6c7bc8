/**
 * Owns reading the bytes of a file of the log, compressed or not, window by window.
 *
 * Invariant: memory is a few windows, whatever the size of the file.
 */
import { Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import type { FileSystem } from '../base/file-system.ts';

const WINDOW_BYTES = 1024 * 1024;

/** Throws the error of the file system, or of zlib for a damaged file. */
export async function* auditBytesOf(files: FileSystem, path: string): AsyncGenerator<Buffer> {
  if (!path.endsWith('.gz')) {
    yield* windowsOf(files, path);
    return;
  }
  const gunzip = createGunzip({ chunkSize: WINDOW_BYTES });
  const source = Readable.from(windowsOf(files, path));
  source.on('error', (error) => gunzip.destroy(error));
  source.pipe(gunzip);
  try {
    for await (const window of gunzip) yield window as Buffer;
  } finally {
    source.destroy();
    gunzip.destroy();
  }
}

/** The bytes as they stand there. Throws the error of the file system. */
export async function* windowsOf(
  files: FileSystem,
  path: string,
  windowBytes = WINDOW_BYTES,
): AsyncGenerator<Buffer> {
  const handle = files.openSync(path, 'read');
  try {
    for (let position = 0; ; ) {
      const window = Buffer.allocUnsafe(windowBytes);
      const count = await handle.read(window, position);
      if (count === 0) return;
      yield window.subarray(0, count);
      position += count;
    }
  } finally {
    handle.closeSync();
  }
}
