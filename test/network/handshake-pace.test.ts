import { describe, expect, it } from 'vitest';
import { HandshakePace } from '../../src/network/handshake-pace.ts';

function paceOf() {
  const loop = { nowMs: 1000, idleMs: 500 };
  const pace = new HandshakePace(() => ({ ...loop }));
  const pass = (idleMs: number, busyMs: number): void => {
    loop.nowMs += idleMs + busyMs;
    loop.idleMs += idleMs;
  };
  return { pace, pass };
}

describe('the pace of handshakes', () => {
  it('the first one begins at once', () => {
    expect(paceOf().pace.mayStart()).toBe(true);
  });

  it('the next one waits until the loop has been idle for its share of the time', () => {
    const { pace, pass } = paceOf();
    pace.started();
    expect(pace.mayStart()).toBe(false);
    pass(0, 3);
    expect(pace.mayStart()).toBe(false);
    pass(1, 0);
    expect(pace.mayStart()).toBe(false);
    pass(1, 0);
    expect(pace.mayStart()).toBe(true);
  });

  it('waits while connections are pouring in', () => {
    const { pace, pass } = paceOf();
    pace.started();
    pass(8, 0);
    pace.accepted();
    expect(pace.mayStart()).toBe(false);
    pass(3, 0);
    expect(pace.mayStart()).toBe(true);
  });

  it('goes on after a while, however busy the loop is and however many come', () => {
    const { pace, pass } = paceOf();
    pace.started();
    for (let n = 0; n < 10; n++) {
      pass(0, 1.9);
      pace.accepted();
      expect(pace.mayStart()).toBe(false);
    }
    pass(0, 1.5);
    expect(pace.mayStart()).toBe(true);
    pace.started();
    expect(pace.mayStart()).toBe(false);
  });
});
