/**
 * What the broker's own log says of requests: those that take long, always; each one, while the
 * level is debug.
 *
 * Invariants: at most so many lines a second, however many requests there are; what was left out is
 * a number in the next line; no client id and no name of a topic or group, only who asked for what
 * kind of thing.
 */
import type { Clock } from '../base/clock.ts';
import type { LogFields, Logger } from '../base/logger.ts';
import type { BegunRequest } from '../network/connection.ts';
import { ApiKey, apiName } from '../protocol/api-keys.ts';
import type { Session } from './session.ts';

/** They wait by design, for records or for other members. */
const WAITING_APIS: ReadonlySet<number> = new Set([
  ApiKey.Fetch,
  ApiKey.JoinGroup,
  ApiKey.SyncGroup,
]);
const SLOW_LINES_PER_SECOND = 1;
const DEBUG_LINES_PER_SECOND = 100;
const SECOND_MS = 1_000;

export class RequestLog {
  readonly #logger: Logger;
  readonly #slowMs: number;
  readonly #slow: LinesPerSecond;
  readonly #all: LinesPerSecond;

  /** `slowMs` 0: no request is slow. */
  constructor(logger: Logger, clock: Clock, slowMs: number) {
    this.#logger = logger;
    this.#slowMs = slowMs === 0 ? Number.POSITIVE_INFINITY : slowMs;
    this.#slow = new LinesPerSecond(clock, SLOW_LINES_PER_SECOND);
    this.#all = new LinesPerSecond(clock, DEBUG_LINES_PER_SECOND);
  }

  /** `doneMs`: when its answer was ready, by the clock of the request's own times. */
  answered(session: Session, request: BegunRequest, doneMs: number): void {
    const isSlow = doneMs - request.arrivedMs > this.#slowMs && !WAITING_APIS.has(request.apiKey);
    if (isSlow) {
      const leftOut = this.#slow.take();
      if (leftOut === null) return;
      const fields = { code: 'slow-request', ...fieldsOf(session, request, doneMs), leftOut };
      this.#logger.warn(fields, 'a request took long');
    } else if (this.#logger.isLevelEnabled('debug')) {
      const leftOut = this.#all.take();
      if (leftOut === null) return;
      const fields = { code: 'request', ...fieldsOf(session, request, doneMs), leftOut };
      this.#logger.debug(fields, 'a request was answered');
    }
  }
}

function fieldsOf({ subject }: Session, request: BegunRequest, doneMs: number): LogFields {
  const { tenant, principal, connectionId } = subject;
  const { apiKey, frameBytes, arrivedMs, begunMs, returnedMs } = request;
  const ms = (from: number, to: number): number => Math.round((to - from) * 1000) / 1000;
  return {
    api: apiName(apiKey),
    tenant,
    principal,
    connectionId,
    requestBytes: frameBytes,
    totalMs: ms(arrivedMs, doneMs),
    queueMs: ms(arrivedMs, begunMs),
    localMs: ms(begunMs, returnedMs),
  };
}

/** Lets so many through in each second. */
class LinesPerSecond {
  readonly #clock: Clock;
  readonly #linesMax: number;
  #sinceMs = Number.NEGATIVE_INFINITY;
  #lines = 0;
  #leftOut = 0;

  constructor(clock: Clock, linesMax: number) {
    this.#clock = clock;
    this.#linesMax = linesMax;
  }

  /** How many were left out before this one; null: it is left out itself. */
  take(): number | null {
    const nowMs = this.#clock.monotonicMs();
    if (nowMs - this.#sinceMs >= SECOND_MS) {
      this.#sinceMs = nowMs;
      this.#lines = 0;
    }
    if (this.#lines >= this.#linesMax) {
      this.#leftOut += 1;
      return null;
    }
    this.#lines += 1;
    const leftOut = this.#leftOut;
    this.#leftOut = 0;
    return leftOut;
  }
}
