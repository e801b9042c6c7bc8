/**
 * How long a connection is silent after an answer: for a quota that was passed (request-quotas.ts),
 * for what it was refused (refusal-pace.ts), or, where both are so, for the longer of the two.
 *
 * Invariant: a quota that is raised shortens its own part alone; the pace of refusals is kept.
 */
import type { Clock } from '../base/clock.ts';
import type { Throttle } from './request-quotas.ts';

export interface AnswerPause {
  readonly muteMs: number;
  /** What is left of it; absent where the time alone says so. */
  readonly stillMuteMs?: () => number;
}

export function answerPause(
  throttle: Throttle | null,
  paceMs: number,
  clock: Pick<Clock, 'monotonicMs'>,
): AnswerPause {
  if (throttle === null) return { muteMs: paceMs };
  const untilMs = clock.monotonicMs() + paceMs;
  return {
    muteMs: Math.max(throttle.ms, paceMs),
    stillMuteMs: () => Math.max(throttle.waitMs(), untilMs - clock.monotonicMs()),
  };
}
