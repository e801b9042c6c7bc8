import { describe, expect, it } from 'vitest';
import { SampledRate } from '../../src/quota/sampled-rate.ts';
import { RATE_BURST_SECONDS, TokenBucket } from '../../src/quota/token-bucket.ts';

const QUOTA = 1000;

describe('a sampled rate', () => {
  it('counts ten seconds and what is over: less than Kafka would, a burst is not throttled', () => {
    const rate = new SampledRate();
    rate.record(10 * QUOTA, 0);
    expect(rate.measure(0)).toBe(QUOTA);
    expect(rate.throttleMs(QUOTA, 0)).toBe(0);
    rate.record(1, 0);
    expect(rate.throttleMs(QUOTA, 0)).toBe(1);
  });

  it('is throttled by (rate - quota) / quota of the window', () => {
    const rate = new SampledRate();
    rate.record(30_000, 0);
    // 30,000 in ten seconds is three times the quota: twice the window is to be waited.
    expect(rate.throttleMs(QUOTA, 0)).toBe(20_000);
    expect(rate.throttleMs(3 * QUOTA, 0)).toBe(0);
    expect(rate.throttleMs(QUOTA / 2, 0)).toBe(50_000);
  });

  it('begins a sample a second and forgets one whose last event is eleven seconds old', () => {
    const rate = new SampledRate();
    for (let ms = 0; ms < 11_000; ms += 100) rate.record(100, ms);
    expect(rate.sum(10_900)).toBe(11_000);
    expect(rate.measure(10_900)).toBeCloseTo((11_000 * 1000) / 10_900, 6);
    expect(rate.sum(11_900)).toBe(10_000);
    expect(rate.sum(21_800)).toBe(1000);
    expect(rate.sum(21_900)).toBe(0);
    expect(rate.measure(21_900)).toBe(0);
  });
});

describe('a token bucket', () => {
  it('gives eleven seconds at once, goes below zero, and waits until it is paid', () => {
    const bucket = new TokenBucket(11);
    bucket.record(110, 10, 0);
    expect(bucket.throttleMs(10, 0)).toBe(0);
    bucket.record(50, 10, 0);
    expect(bucket.throttleMs(10, 0)).toBe(5000);
    expect(bucket.throttleMs(10, 4000)).toBe(1000);
    expect(bucket.throttleMs(10, 5000)).toBe(0);
    expect(bucket.used(10, 5000)).toBe(110);
    bucket.record(-110, 10, 5000);
    expect(bucket.used(10, 5000)).toBe(0);
  });

  it('follows a quota that changes', () => {
    const bucket = new TokenBucket(11);
    bucket.record(160, 10, 0);
    expect(bucket.throttleMs(100, 0)).toBe(500);
    expect(bucket.throttleMs(5, 0)).toBe(10_000);
  });

  it('makes a rate wait as long as Kafka would, and lets the same burst through before', () => {
    for (const size of [10, 640, 5000, 30_000]) {
      const bucket = new TokenBucket(RATE_BURST_SECONDS);
      const rate = new SampledRate();
      for (let used = 0; used < 30_000; used += size) {
        bucket.record(size, QUOTA, 0);
        rate.record(size, 0);
        expect(bucket.throttleMs(QUOTA, 0)).toBe(rate.throttleMs(QUOTA, 0));
      }
    }
  });

  it.each([1, 5])(
    'holds a rate evenly with %i connections, whatever is used at a time',
    (count) => {
      for (const size of [10, 640, 5000]) {
        const bucket = new TokenBucket(RATE_BURST_SECONDS);
        const dueMs = Array.from({ length: count }, (_, index) => index);
        let total = 0;
        for (;;) {
          const nowMs = Math.min(...dueMs);
          if (nowMs >= 75_000) break;
          bucket.record(size, QUOTA, nowMs);
          if (nowMs >= 15_000) total += size;
          dueMs[dueMs.indexOf(nowMs)] = nowMs + Math.max(2, bucket.throttleMs(QUOTA, nowMs));
        }
        expect(total / 60, `uses of ${size}`).toBeGreaterThan(QUOTA * 0.95);
        expect(total / 60, `uses of ${size}`).toBeLessThan(QUOTA * 1.05);
      }
    },
  );
});
