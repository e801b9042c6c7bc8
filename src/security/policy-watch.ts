/**
 * Owns noticing that files in a folder changed: the kernel's notifications, and a comparison of
 * names, sizes, inodes and times now and then, for file systems that notify of nothing.
 *
 * Invariant: `changed` comes at least once after the last change; it may come without one.
 */
import * as fs from 'node:fs';
import { join } from 'node:path';
import type { Clock, Timer } from '../base/clock.ts';

export interface DirectoryWatch {
  close(): void;
}

export interface DirectoryObserver {
  /** Equal texts mean that nothing changed; never throws (an unreadable folder has its own text). */
  fingerprint(directory: string): string;
  watch(directory: string, changed: () => void): DirectoryWatch;
}

/** Links are followed: a mounted configuration map swaps a link rather than the files. */
function fileFingerprint(path: string): string {
  const stats = fs.statSync(path, { throwIfNoEntry: false, bigint: true });
  if (stats === undefined) return 'gone';
  return `${stats.ino} ${stats.size} ${stats.mtimeNs} ${stats.ctimeNs}`;
}

export const nodeDirectoryObserver: DirectoryObserver = {
  fingerprint(directory) {
    try {
      const names = fs.readdirSync(directory).sort();
      return names.map((name) => `${name} ${fileFingerprint(join(directory, name))}`).join('\n');
    } catch (error) {
      return `unreadable: ${String(error)}`;
    }
  },
  watch(directory, changed) {
    try {
      const watcher = fs.watch(directory, { persistent: false }, changed);
      watcher.on('error', changed);
      return { close: () => watcher.close() };
    } catch {
      // No notifications here (limit reached, folder missing): the comparison finds changes.
      return { close: () => {} };
    }
  },
};

export interface WatchOptions {
  readonly directory: string;
  readonly observer: DirectoryObserver;
  readonly clock: Clock;
  /** How long the folder must have been quiet before `changed` is called. */
  readonly settleMs: number;
  readonly pollMs: number;
  /** The fingerprint that counts as unchanged: taken before the files were first read. */
  readonly since: string;
  readonly changed: () => void;
}

/** Calls `changed` once the folder differs from what it was and has settled. */
export function watchDirectory(options: WatchOptions): DirectoryWatch {
  const { directory, observer, clock } = options;
  let last = options.since;
  let settling: Timer | null = null;
  let closed = false;

  const settle = (): void => {
    settling = null;
    if (closed) return;
    const now = observer.fingerprint(directory);
    if (now === last) return;
    last = now;
    options.changed();
  };
  const notice = (): void => {
    if (closed) return;
    settling?.cancel();
    settling = clock.setTimer(options.settleMs, settle);
  };
  let polling: Timer;
  const poll = (): void => {
    if (settling === null && observer.fingerprint(directory) !== last) notice();
    polling = clock.setTimer(options.pollMs, poll);
  };
  polling = clock.setTimer(options.pollMs, poll);
  const notifications = observer.watch(directory, notice);
  if (observer.fingerprint(directory) !== last) notice();
  return {
    close() {
      closed = true;
      settling?.cancel();
      polling.cancel();
      notifications.close();
    },
  };
}
