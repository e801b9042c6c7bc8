/** Owns a progress bar on stderr, when that is a terminal; silent otherwise. */
import { systemClock } from '../base/clock.ts';

const WIDTH = 30;
const INTERVAL_MS = 100;

export interface ProgressBar {
  update(done: number, total: number): void;
  /** Takes the bar away. */
  end(): void;
}

export function progressBar(what: string): ProgressBar {
  if (process.stderr.isTTY !== true) return { update: () => undefined, end: () => undefined };
  let startMs: number | null = null;
  let startDone = 0;
  let drawnMs = 0;
  return {
    update: (done, total) => {
      const nowMs = systemClock.monotonicMs();
      if (startMs === null) [startMs, startDone] = [nowMs, done];
      if (nowMs - drawnMs < INTERVAL_MS && done < total) return;
      drawnMs = nowMs;
      const perSecond = (done - startDone) / Math.max(0.001, (nowMs - startMs) / 1000);
      process.stderr.write(`\r${progressText(what, done, total, perSecond)}\u001b[K`);
    },
    end: () => void process.stderr.write('\r\u001b[K'),
  };
}

/** `[#####.....] 3200/10000 devices, 1900/s, 4 s left` */
export function progressText(what: string, done: number, total: number, perSecond: number): string {
  const filled = total === 0 ? WIDTH : Math.floor((WIDTH * done) / total);
  const bar = '#'.repeat(filled) + '.'.repeat(WIDTH - filled);
  const left = perSecond > 0 ? `, ${Math.ceil((total - done) / perSecond)} s left` : '';
  return `[${bar}] ${done}/${total} ${what}, ${Math.round(perSecond)}/s${left}`;
}
