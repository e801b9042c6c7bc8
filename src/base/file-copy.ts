/**
 * Owns keeping a copy of a growing file on another disk, which may be slow, full or away: all of it
 * happens in the thread pool. Outside of the `FileSystem` seam, since the copy is not broker data.
 */
import { open } from 'node:fs/promises';

const WINDOW_BYTES = 1024 * 1024;
const FILE_MODE = 0o600;

/**
 * Appends to `to` what `from` has beyond it, durably. False when the copy is the longer one: then it
 * is left as it is, since something was taken from the original.
 */
export async function extendCopy(from: string, to: string): Promise<boolean> {
  const source = await open(from, 'r');
  try {
    const target = await open(to, 'a', FILE_MODE);
    try {
      const { size: sizeBytes } = await source.stat();
      let { size: atBytes } = await target.stat();
      if (atBytes > sizeBytes) return false;
      const window = Buffer.allocUnsafe(Math.min(WINDOW_BYTES, Math.max(1, sizeBytes - atBytes)));
      while (atBytes < sizeBytes) {
        const { bytesRead } = await source.read(window, 0, window.length, atBytes);
        if (bytesRead === 0) break;
        await target.appendFile(window.subarray(0, bytesRead));
        atBytes += bytesRead;
      }
      await target.datasync();
      return true;
    } finally {
      await target.close();
    }
  } finally {
    await source.close();
  }
}
