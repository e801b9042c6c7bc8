import { expect, it } from 'vitest';
import { answerPause } from '../../src/server/answer-pause.ts';
import { ManualClock } from '../audit/audit-fixture.ts';

const throttle = (ms: number, leftMs = ms) => {
  const left = { ms: leftMs };
  return { throttle: { ms, waitMs: () => left.ms }, left };
};

it('is that of the refusals where no quota was passed, and none where nothing was', () => {
  expect(answerPause(null, 70, new ManualClock())).toEqual({ muteMs: 70 });
  expect(answerPause(null, 0, new ManualClock())).toEqual({ muteMs: 0 });
});

it('is the longer of both', () => {
  const clock = new ManualClock();
  expect(answerPause(throttle(900).throttle, 70, clock).muteMs).toBe(900);
  expect(answerPause(throttle(30).throttle, 70, clock).muteMs).toBe(70);
});

it('ends with the pace of refusals, not before, when the quota is removed meanwhile', () => {
  const clock = new ManualClock();
  const { throttle: found, left } = throttle(900);
  const { stillMuteMs } = answerPause(found, 500, clock);
  clock.advance(100);
  left.ms = 800;
  expect(stillMuteMs!()).toBe(800);
  left.ms = 0;
  expect(stillMuteMs!()).toBe(400);
  clock.advance(400);
  expect(stillMuteMs!()).toBe(0);
});
