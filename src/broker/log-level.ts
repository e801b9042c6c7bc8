/**
 * Owns the level of the broker's log while it runs. Invariant: another level than the configured one
 * is for a time, so that nobody's debugging goes on for ever.
 */
import type { LogLevelView } from '../admin/admin-services.ts';
import type { Clock, Timer } from '../base/clock.ts';
import type { Logger, LogLevel } from '../base/logger.ts';

export class LogLevelSwitch {
  readonly #logger: Logger;
  readonly #clock: Clock;
  readonly #configured: LogLevel;
  #timer: Timer | null = null;
  #untilMs: number | null = null;

  constructor(logger: Logger, clock: Clock, configured: LogLevel) {
    this.#logger = logger;
    this.#clock = clock;
    this.#configured = configured;
  }

  get(): LogLevelView {
    return { level: this.#logger.level(), configured: this.#configured, untilMs: this.#untilMs };
  }

  set(level: LogLevel, durationMs: number): LogLevelView {
    this.#timer?.cancel();
    this.#timer = null;
    this.#untilMs = null;
    this.#logger.setLevel(level);
    if (level !== this.#configured) {
      this.#untilMs = this.#clock.nowMs() + durationMs;
      this.#timer = this.#clock.setTimer(durationMs, () => this.reset());
    }
    return this.get();
  }

  /** As it is configured. */
  reset(): void {
    this.set(this.#configured, 0);
  }
}
