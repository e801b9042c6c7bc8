import { describe, expect, it } from 'vitest';
import { MalformedMetrics, readMetrics } from '../../../src/fleet/telemetry/otlp-metrics.ts';
import { testSeed } from '../../tools/test-seed.ts';
import { gauge, label, otlpBytes } from './otlp-bytes.ts';

const BOUNDS = { metricsMax: 64, bytesMax: 64 * 1024 };

describe('reading OTLP metrics', () => {
  it('gives name, unit, labels and value of gauges, sums and histograms', () => {
    const bytes = otlpBytes([
      gauge('request.latency.avg', 12.5, [label('node', '1')]),
      { name: 'records', sum: { dataPoints: [{ asInt: -3 }], isMonotonic: true } },
      {
        name: 'rtt',
        histogram: {
          dataPoints: [
            { count: 4, sum: 10, bucketCounts: [1, 3], attributes: [label('broker', 'b1')] },
          ],
        },
      },
      {
        name: 'flag',
        gauge: { dataPoints: [{ attributes: [{ key: 'on', value: { boolValue: true } }] }] },
      },
    ]);
    const read = readMetrics(bytes, BOUNDS);
    expect(read.leftOut).toBe(0);
    expect(read.metrics.map(({ labels, ...metric }) => [metric, { ...labels }])).toEqual([
      [{ name: 'request.latency.avg', unit: 'ms', value: 12.5 }, { node: '1' }],
      [{ name: 'records', unit: '', value: -3 }, {}],
      [{ name: 'rtt', unit: '', value: 2.5 }, { broker: 'b1' }],
      [{ name: 'flag', unit: '', value: 0 }, { on: 'true' }],
    ]);
  });

  it('what is no number is none', () => {
    const read = readMetrics(
      otlpBytes([gauge('a', Number.NaN), gauge('b', Number.POSITIVE_INFINITY)]),
      BOUNDS,
    );
    expect(read.metrics.map(({ value }) => value)).toEqual([null, null]);
  });

  it('keeps as much as there is room for, and says how much it left out', () => {
    const metrics = Array.from({ length: 100 }, (_, index) => gauge(`m-${index}`, index));
    const read = readMetrics(otlpBytes(metrics), { ...BOUNDS, metricsMax: 10 });
    expect([read.metrics.length, read.leftOut]).toEqual([10, 90]);
    const long = readMetrics(
      otlpBytes([gauge('n'.repeat(100_000), 1, [label('k'.repeat(9000), 'v')])]),
      BOUNDS,
    );
    expect(long.metrics[0]!.name).toHaveLength(128);
    expect(long.sizeBytes).toBeLessThan(500);
    const wide = readMetrics(
      otlpBytes([
        gauge(
          'm',
          1,
          Array.from({ length: 50 }, (_, at) => label(`k${at}`, 'v')),
        ),
      ]),
      BOUNDS,
    );
    expect(Object.keys(wide.metrics[0]!.labels)).toHaveLength(6);
  });

  it('a label cannot be taken for something else', () => {
    const read = readMetrics(otlpBytes([gauge('m', 1, [label('__proto__', 'x')])]), BOUNDS);
    expect(Object.entries(read.metrics[0]!.labels)).toEqual([['__proto__', 'x']]);
    expect(({} as Record<string, unknown>).x).toBeUndefined();
  });

  it('a message of nothing but empty fields is given up, quickly', () => {
    const empty = Buffer.alloc(1024 * 1024);
    for (let at = 0; at < empty.length; at += 2) empty[at] = 0x0a;
    const began = performance.now();
    expect(() => readMetrics(empty, BOUNDS)).toThrow(MalformedMetrics);
    expect(performance.now() - began).toBeLessThan(500);
  });

  it('anything else than metrics is refused or read, never worse', () => {
    let state = testSeed('otlp-metrics', 11) >>> 0;
    const random = (below: number): number => {
      state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
      return Math.floor((state / 2 ** 32) * below);
    };
    const good = otlpBytes([gauge('a', 1, [label('b', 'c')]), gauge('d', 2)]);
    let refused = 0;
    for (let round = 0; round < 3000; round++) {
      const bytes = Buffer.from(good.subarray(0, 1 + random(good.length)));
      for (let flips = random(4); flips >= 0; flips--)
        bytes[random(bytes.length)]! ^= 1 << random(8);
      try {
        readMetrics(bytes, BOUNDS);
      } catch (error) {
        expect(error).toBeInstanceOf(MalformedMetrics);
        refused++;
      }
    }
    expect(refused).toBeGreaterThan(1000);
  });
});
