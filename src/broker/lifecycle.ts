/**
 * Owns in which part of its life the broker is. Forward only:
 *
 *   running --close--> draining
 *
 * (While it starts, admin/starting-server answers in its place.)
 */
import type { Clock } from '../base/clock.ts';

export class Lifecycle {
  #isDraining = false;

  get isDraining(): boolean {
    return this.#isDraining;
  }

  /** Resolves when those who ask /readyz have had time to send clients elsewhere. */
  async drain(noticeMs: number, clock: Clock): Promise<void> {
    this.#isDraining = true;
    if (noticeMs === 0) return;
    await new Promise<void>((resolve) => {
      clock.setTimer(noticeMs, resolve);
    });
  }
}
