/**
 * Owns figures about the running broker: counters, gauges and histograms, by name and labels, and
 * their text for Prometheus. prom-client formats and checks the names; the figures are kept here.
 *
 * Invariants: who counts holds the child of its labels (`of`, resolved once), so that counting is an
 * addition and no look-up; a label's value is never what a client says (who registers sees to it);
 * a scrape leaves the event loop between two families and while gauges are collected. Two scrapes at
 * a time are one.
 */
import {
  Counter as PromCounter,
  Gauge as PromGauge,
  Histogram as PromHistogram,
  Registry,
} from 'prom-client';

/** Only ever goes up. */
export class Counter {
  value = 0;

  inc(by = 1): void {
    this.value += by;
  }
}

export class Gauge {
  value = 0;

  set(value: number): void {
    this.value = value;
  }

  add(by: number): void {
    this.value += by;
  }
}

export class Histogram {
  readonly bounds: readonly number[];
  /** How many fell at or below each bound and above the one before; the last: above all. */
  readonly counts: Float64Array;
  sum = 0;
  count = 0;

  constructor(bounds: readonly number[]) {
    this.bounds = bounds;
    this.counts = new Float64Array(bounds.length + 1);
  }

  observe(value: number): void {
    const { bounds } = this;
    let at = 0;
    while (at < bounds.length && value > bounds[at]!) at++;
    this.counts[at]! += 1;
    this.sum += value;
    this.count += 1;
  }
}

/** All children of one name; `labels` are the names of their labels. */
export class Family<T> {
  readonly name: string;
  readonly help: string;
  readonly labels: readonly string[];
  readonly #make: () => T;
  readonly #children = new Map<string, { readonly values: readonly string[]; readonly child: T }>();

  constructor(name: string, help: string, labels: readonly string[], make: () => T) {
    this.name = name;
    this.help = help;
    this.labels = labels;
    this.#make = make;
  }

  /** The child of these label values, made when there is none yet. Keep it where it is hot. */
  of(...values: string[]): T {
    if (values.length !== this.labels.length) {
      throw new Error(`${this.name} has the labels ${this.labels.join(', ') || 'none'}`);
    }
    const key = values.join('\0');
    const known = this.#children.get(key);
    if (known !== undefined) return known.child;
    const child = this.#make();
    this.#children.set(key, { values, child });
    return child;
  }

  remove(...values: string[]): void {
    this.#children.delete(values.join('\0'));
  }

  clear(): void {
    this.#children.clear();
  }

  get size(): number {
    return this.#children.size;
  }

  *entries(): Generator<{ readonly labels: Record<string, string>; readonly child: T }> {
    for (const { values, child } of this.#children.values()) {
      const labels: Record<string, string> = {};
      for (const [at, name] of this.labels.entries()) labels[name] = values[at]!;
      yield { labels, child };
    }
  }
}

export type MetricType = 'counter' | 'gauge' | 'histogram';

export interface MetricDescription {
  readonly name: string;
  readonly type: MetricType;
  readonly help: string;
  readonly labels: readonly string[];
}

/** Sets gauges before a scrape. It yields where it may be interrupted; what it throws fails the scrape. */
export type Collector = () => Generator<void, void> | Promise<void> | void;

/** Of things that take from a tenth of a millisecond to a minute. */
export const LATENCY_SECONDS = [
  0.0001, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60,
] as const;

/** How long a scrape has the event loop at a time. */
const TURN_MS = 5;

export class MetricRegistry {
  readonly #prom = new Registry();
  readonly #descriptions: MetricDescription[] = [];
  readonly #collectors: Collector[] = [];
  #rendering: Promise<string> | null = null;

  counter(name: string, help: string, labels: readonly string[] = []): Family<Counter> {
    const family = this.#family('counter', { name, help, labels }, () => new Counter());
    this.#prom.registerMetric(new CounterText(family));
    return family;
  }

  gauge(name: string, help: string, labels: readonly string[] = []): Family<Gauge> {
    const family = this.#family('gauge', { name, help, labels }, () => new Gauge());
    this.#prom.registerMetric(new GaugeText(family));
    return family;
  }

  /** `bounds` in ascending order; seconds unless the name says otherwise. */
  histogram(
    name: string,
    help: string,
    labels: readonly string[] = [],
    bounds: readonly number[] = LATENCY_SECONDS,
  ): Family<Histogram> {
    const family = this.#family('histogram', { name, help, labels }, () => new Histogram(bounds));
    this.#prom.registerMetric(new HistogramText(family, bounds));
    return family;
  }

  /** Called before every scrape, one after the other. */
  onScrape(collector: Collector): void {
    this.#collectors.push(collector);
  }

  get contentType(): string {
    return this.#prom.contentType;
  }

  /** What there is, in the order of registration. */
  get descriptions(): readonly MetricDescription[] {
    return this.#descriptions;
  }

  /** The text format of Prometheus, version 0.0.4. */
  render(): Promise<string> {
    this.#rendering ??= this.#render().finally(() => {
      this.#rendering = null;
    });
    return this.#rendering;
  }

  async #render(): Promise<string> {
    const turn = new Turn();
    for (const collect of this.#collectors) {
      const work = collect();
      if (work instanceof Promise) await work;
      else if (work !== undefined) {
        while (work.next().done !== true) if (turn.isOver) await turn.next();
      }
      if (turn.isOver) await turn.next();
    }
    const texts: string[] = [];
    for (const { name } of this.#descriptions) {
      texts.push(await this.#prom.getSingleMetricAsString(name));
      if (turn.isOver) await turn.next();
    }
    return `${texts.join('\n')}\n`;
  }

  #family<T>(
    type: MetricType,
    { name, help, labels }: Omit<MetricDescription, 'type'>,
    make: () => T,
  ): Family<T> {
    this.#descriptions.push({ name, type, help, labels });
    const family = new Family(name, help, labels, make);
    // Without labels there is one child, and it is shown from the beginning.
    if (labels.length === 0) family.of();
    return family;
  }
}

/** A scrape's share of the event loop. */
class Turn {
  #beganMs = performance.now();

  get isOver(): boolean {
    return performance.now() - this.#beganMs >= TURN_MS;
  }

  async next(): Promise<void> {
    await new Promise((resolve) => {
      setImmediate(resolve);
    });
    this.#beganMs = performance.now();
  }
}

interface Value {
  readonly value: number;
  readonly labels: Record<string, string | number>;
  readonly metricName?: string;
}

const described = (family: Family<unknown>) => ({
  name: family.name,
  help: family.help,
  labelNames: [...family.labels],
  registers: [],
});

class CounterText extends PromCounter {
  readonly #family: Family<Counter>;

  constructor(family: Family<Counter>) {
    super(described(family));
    this.#family = family;
  }

  override async get() {
    return { ...(await super.get()), values: plainValues(this.#family) };
  }
}

class GaugeText extends PromGauge {
  readonly #family: Family<Gauge>;

  constructor(family: Family<Gauge>) {
    super(described(family));
    this.#family = family;
  }

  override async get() {
    return { ...(await super.get()), values: plainValues(this.#family) };
  }
}

class HistogramText extends PromHistogram {
  readonly #family: Family<Histogram>;

  constructor(family: Family<Histogram>, bounds: readonly number[]) {
    super({ ...described(family), buckets: [...bounds] });
    this.#family = family;
  }

  override async get() {
    return { ...(await super.get()), values: histogramValues(this.#family) };
  }

  /** What prom-client's registry asks a histogram for. */
  async getForPromString() {
    const { name, help } = this.#family;
    return { name, help, type: 'histogram', values: histogramValues(this.#family) };
  }
}

function plainValues(family: Family<{ readonly value: number }>): Value[] {
  return Array.from(family.entries(), ({ labels, child }) => ({ labels, value: child.value }));
}

function histogramValues(family: Family<Histogram>): Value[] {
  const values: Value[] = [];
  for (const { labels, child } of family.entries()) {
    const metricName = `${family.name}_bucket`;
    let below = 0;
    for (const [at, bound] of child.bounds.entries()) {
      below += child.counts[at]!;
      values.push({ metricName, labels: { ...labels, le: bound }, value: below });
    }
    values.push({ metricName, labels: { ...labels, le: '+Inf' }, value: child.count });
    values.push({ metricName: `${family.name}_sum`, labels, value: child.sum });
    values.push({ metricName: `${family.name}_count`, labels, value: child.count });
  }
  return values;
}
