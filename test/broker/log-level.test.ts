import { expect, it } from 'vitest';
import { createLogger } from '../../src/base/logger.ts';
import { LogLevelSwitch } from '../../src/broker/log-level.ts';
import { handClock } from '../tools/hand-clock.ts';

function scene() {
  const clock = handClock();
  const logger = createLogger('info', { write: () => {} });
  return { clock, logger, level: new LogLevelSwitch(logger, clock, 'info') };
}

it('another level of the log is for a time', () => {
  const { clock, logger, level } = scene();
  expect(level.get()).toEqual({ level: 'info', configured: 'info', untilMs: null });
  const set = level.set('debug', 60_000);
  expect(set).toEqual({ level: 'debug', configured: 'info', untilMs: clock.nowMs() + 60_000 });
  clock.pass(59_999);
  expect(logger.isLevelEnabled('debug')).toBe(true);
  clock.pass(1);
  expect(level.get()).toEqual({ level: 'info', configured: 'info', untilMs: null });
  expect(logger.isLevelEnabled('debug')).toBe(false);
});

it('a level that is set again counts from then, and the configured one at once', () => {
  const { clock, logger, level } = scene();
  level.set('debug', 60_000);
  clock.pass(50_000);
  level.set('trace', 60_000);
  clock.pass(50_000);
  expect(logger.level()).toBe('trace');
  level.set('info', 60_000);
  expect(level.get()).toEqual({ level: 'info', configured: 'info', untilMs: null });
  clock.pass(60_000);
  expect(logger.level()).toBe('info');
});
