/** A file system of a few megabytes (tmpfs), for tests that must run out of space. */
import { spawnSync } from 'node:child_process';
import { rmSync, statfsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { removeDirectory, temporaryDirectory } from './temporary-directory.ts';

export interface SmallDisk {
  readonly path: string;
  freeBytes(): number;
  /** Takes everything but `leaveBytes`, in a file of its own. */
  fill(leaveBytes: number): void;
  /** Gives back what `fill` took. */
  release(): void;
  dispose(): void;
}

export function mountSmallDisk(megabytes: number): SmallDisk {
  const path = temporaryDirectory('small-disk');
  run('mount', ['-t', 'tmpfs', '-o', `size=${megabytes}m`, 'tmpfs', path]);
  const filler = join(path, 'filler');
  const disk: SmallDisk = {
    path,
    freeBytes() {
      const { bavail, bsize } = statfsSync(path);
      return bavail * bsize;
    },
    fill(leaveBytes) {
      const takeBytes = disk.freeBytes() - leaveBytes;
      try {
        if (takeBytes > 0) writeFileSync(filler, Buffer.alloc(takeBytes, 1));
      } catch (error) {
        // Somebody else took some of it meanwhile: the disk is as full as it gets.
        if (!(error instanceof Error && 'code' in error && error.code === 'ENOSPC')) throw error;
      }
    },
    release() {
      rmSync(filler, { force: true });
    },
    dispose() {
      run('umount', [path]);
      removeDirectory(path);
    },
  };
  return disk;
}

function run(command: string, args: readonly string[]): void {
  const { status, stderr } = spawnSync(command, args, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`${command} ${args.join(' ')}: ${stderr}`);
}
