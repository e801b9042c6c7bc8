/** When a PDP is left alone, and how it is tried again. */
import { expect, it } from 'vitest';
import { CircuitBreaker } from '../../../src/security/external/circuit-breaker.ts';
import { TestClock } from './test-clock.ts';

const breaker = () => {
  const clock = new TestClock();
  return { clock, circuit: new CircuitBreaker({ failures: 3, openMs: 1000 }, clock) };
};

it('opens after failures in a row, and a success in between begins the row anew', () => {
  const { circuit } = breaker();
  expect([circuit.failed(), circuit.failed()]).toEqual([false, false]);
  circuit.succeeded();
  expect([circuit.failed(), circuit.failed()]).toEqual([false, false]);
  expect(circuit.failed()).toBe(true);
  expect(circuit.state).toBe('open');
  expect(circuit.mayCall()).toBe(false);
});

it('lets one call through when its time is over, and closes when that succeeds', () => {
  const { circuit, clock } = breaker();
  for (let failure = 0; failure < 3; failure++) circuit.failed();
  clock.advance(999);
  expect(circuit.refuses).toBe(true);
  clock.advance(1);
  expect(circuit.refuses).toBe(false);
  expect([circuit.mayCall(), circuit.mayCall()]).toEqual([true, false]);
  expect(circuit.refuses).toBe(true);
  circuit.succeeded();
  expect([circuit.state, circuit.mayCall(), circuit.mayCall()]).toEqual(['closed', true, true]);
});

it('stays open as long again when the probe fails', () => {
  const { circuit, clock } = breaker();
  for (let failure = 0; failure < 3; failure++) circuit.failed();
  clock.advance(1000);
  expect(circuit.mayCall()).toBe(true);
  expect(circuit.failed()).toBe(true);
  clock.advance(999);
  expect(circuit.mayCall()).toBe(false);
  clock.advance(1);
  expect(circuit.mayCall()).toBe(true);
});

it('a late failure of a call from before does not keep it open for longer', () => {
  const { circuit, clock } = breaker();
  for (let failure = 0; failure < 3; failure++) circuit.failed();
  clock.advance(900);
  expect(circuit.failed()).toBe(false);
  clock.advance(100);
  expect(circuit.state).toBe('half-open');
});
