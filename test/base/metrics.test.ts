import { describe, expect, it } from 'vitest';
import { LATENCY_SECONDS, MetricRegistry } from '../../src/base/metrics.ts';

const samples = async (registry: MetricRegistry): Promise<string[]> =>
  (await registry.render()).split('\n').filter((line) => line !== '' && !line.startsWith('#'));

describe('a registry of metrics', () => {
  it('writes counters and gauges with their labels, escaped', async () => {
    const registry = new MetricRegistry();
    const requests = registry.counter('requests_total', 'Requests.', ['api', 'why']);
    const held = requests.of('Fetch', 'a "word"\n\\');
    held.inc();
    requests.of('Fetch', 'a "word"\n\\').inc(2);
    registry.gauge('depth', 'How deep.').of().set(-1.5);
    expect(await registry.render()).toBe(
      '# HELP requests_total Requests.\n# TYPE requests_total counter\n' +
        'requests_total{api="Fetch",why="a \\"word\\"\\n\\\\"} 3\n' +
        '# HELP depth How deep.\n# TYPE depth gauge\ndepth -1.5\n',
    );
  });

  it('adds histograms up: each bucket holds all below it', async () => {
    const registry = new MetricRegistry();
    const seconds = registry.histogram('seconds', 'Time.', ['api'], [0.1, 1]).of('Fetch');
    for (const value of [0.05, 0.1, 0.5, 1, 7]) seconds.observe(value);
    expect(await samples(registry)).toEqual([
      'seconds_bucket{api="Fetch",le="0.1"} 2',
      'seconds_bucket{api="Fetch",le="1"} 4',
      'seconds_bucket{api="Fetch",le="+Inf"} 5',
      'seconds_sum{api="Fetch"} 8.65',
      'seconds_count{api="Fetch"} 5',
    ]);
  });

  it('shows what has no labels from the beginning, and what has some once it is there', async () => {
    const registry = new MetricRegistry();
    registry.counter('plain_total', 'Plain.');
    const family = registry.counter('labelled_total', 'Labelled.', ['tenant']);
    expect(await samples(registry)).toEqual(['plain_total 0']);
    family.of('acme');
    expect(await samples(registry)).toContain('labelled_total{tenant="acme"} 0');
    family.remove('acme');
    expect(await samples(registry)).toEqual(['plain_total 0']);
  });

  it('refuses a wrong number of labels, a bad name and a name twice', () => {
    const registry = new MetricRegistry();
    const family = registry.gauge('depth', 'How deep.', ['tenant']);
    expect(() => family.of()).toThrow('depth has the labels tenant');
    expect(() => family.of('a', 'b')).toThrow();
    expect(() => registry.gauge('de-pth', 'How deep.')).toThrow('not in order');
    expect(() => registry.gauge('deep', 'How deep.', ['ten ant'])).toThrow('not in order');
    expect(() => registry.gauge('deep', 'How\ndeep.')).toThrow('not in order');
    expect(() => registry.counter('depth', 'Once more.')).toThrow('depth is registered already');
  });

  it('collects before it writes, once for scrapes at the same time', async () => {
    const registry = new MetricRegistry();
    const gauge = registry.gauge('collected', 'Scrapes.').of();
    registry.onScrape(() => gauge.add(1));
    registry.onScrape(async () => {
      await new Promise((resolve) => setImmediate(resolve));
      gauge.add(10);
    });
    registry.onScrape(function* () {
      yield;
      gauge.add(100);
    });
    expect(await Promise.all([registry.render(), registry.render()])).toEqual([
      expect.stringContaining('collected 111\n'),
      expect.stringContaining('collected 111\n'),
    ]);
    expect(await samples(registry)).toEqual(['collected 222']);
  });

  it('fails a scrape whose collector fails, and not the next', async () => {
    const registry = new MetricRegistry();
    let isBroken = true;
    registry.onScrape(() => {
      if (isBroken) throw new Error('not there');
    });
    await expect(registry.render()).rejects.toThrow('not there');
    isBroken = false;
    await expect(registry.render()).resolves.toBe('');
  });

  it('leaves the event loop to others while it collects', async () => {
    const registry = new MetricRegistry();
    registry.onScrape(function* () {
      for (let piece = 0; piece < 30; piece++) {
        const endMs = performance.now() + 1;
        while (performance.now() < endMs);
        yield;
      }
    });
    let turns = 0;
    let isDone = false;
    const count = (): void => {
      turns++;
      if (!isDone) setImmediate(count);
    };
    setImmediate(count);
    await registry.render();
    isDone = true;
    expect(turns).toBeGreaterThanOrEqual(4);
  });

  it('writes numbers that are none as Prometheus reads them', async () => {
    const registry = new MetricRegistry();
    const odd = registry.gauge('odd', 'Odd.', ['is']);
    odd.of('inf').set(Number.POSITIVE_INFINITY);
    odd.of('minus').set(Number.NEGATIVE_INFINITY);
    odd.of('nan').set(Number.NaN);
    odd.of('large').set(1e22);
    expect((await samples(registry)).map((sample) => sample.split(' ')[1])).toEqual([
      '+Inf',
      '-Inf',
      'NaN',
      '1e+22',
    ]);
  });

  it('has buckets in ascending order', () => {
    expect([...LATENCY_SECONDS].sort((a, b) => a - b)).toEqual([...LATENCY_SECONDS]);
  });
});
