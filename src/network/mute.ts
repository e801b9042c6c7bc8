/**
 * The silence of a connection after an answer that was throttled (KIP-219): nothing more is read or
 * begun, so that the peer meets TCP's own back-pressure.
 *
 * Invariant: it ends when all throttles that were added are over. How long one still lasts is asked
 * again every half second where the answer says whom, so that it follows a limit that changes.
 */
const ASKED_AGAIN_MS = 500;

interface Pending {
  readonly endMs: number;
  readonly stillMs: (() => number) | undefined;
}

export class Mute {
  readonly #nowMs: () => number;
  readonly #onEnd: () => void;
  #pending: Pending[] = [];
  #timer: NodeJS.Timeout | null = null;

  constructor(nowMs: () => number, onEnd: () => void) {
    this.#nowMs = nowMs;
    this.#onEnd = onEnd;
  }

  get isMute(): boolean {
    return this.#timer !== null;
  }

  add(ms: number, stillMs?: () => number): void {
    this.#pending.push({ endMs: this.#nowMs() + ms, stillMs });
    this.#arm();
  }

  /** The connection is gone. */
  end(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    this.#pending = [];
  }

  #arm(): void {
    let longestMs = 0;
    const nowMs = this.#nowMs();
    this.#pending = this.#pending.filter(({ endMs, stillMs }) => {
      const leftMs = stillMs?.() ?? endMs - nowMs;
      longestMs = Math.max(longestMs, leftMs);
      return leftMs > 0;
    });
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    if (this.#pending.length === 0) return;
    this.#timer = setTimeout(
      () => {
        this.#arm();
        if (this.#timer === null) this.#onEnd();
      },
      Math.min(ASKED_AGAIN_MS, Math.ceil(longestMs)),
    );
  }
}
