import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { Mute } from '../../src/network/mute.ts';

let ends = 0;
let mute: Mute;
beforeEach(() => {
  vi.useFakeTimers();
  ends = 0;
  mute = new Mute(
    () => Date.now(),
    () => {
      ends += 1;
    },
  );
});
afterEach(() => {
  mute.end();
  vi.useRealTimers();
});
const after = (ms: number): [boolean, number] => {
  vi.advanceTimersByTime(ms);
  return [mute.isMute, ends];
};

it('lasts as long as was told, and ends once', () => {
  mute.add(1200);
  expect(after(1190)).toEqual([true, 0]);
  expect(after(20)).toEqual([false, 1]);
  expect(after(5000)).toEqual([false, 1]);
});

it('lasts until the last of several is over, whatever came later', () => {
  mute.add(1000);
  mute.add(100);
  expect(after(900)).toEqual([true, 0]);
  mute.add(600);
  expect(after(500)).toEqual([true, 0]);
  expect(after(200)).toEqual([false, 1]);
});

it('follows what is left: shorter and longer than was told', () => {
  const endMs = { at: Date.now() + 60_000 };
  mute.add(60_000, () => endMs.at - Date.now());
  endMs.at = Date.now() + 700;
  expect(after(490)).toEqual([true, 0]);
  expect(after(300)).toEqual([false, 1]);
  endMs.at = Date.now() + 100;
  mute.add(100, () => endMs.at - Date.now());
  endMs.at = Date.now() + 2000;
  expect(after(1900)).toEqual([true, 1]);
  expect(after(200)).toEqual([false, 2]);
});

it('is over when the connection is gone, and tells nobody', () => {
  mute.add(100);
  mute.end();
  expect(after(1000)).toEqual([false, 0]);
});
