/**
 * Owns figures about the running broker: counters, gauges and histograms, by name and labels, and
 * their text in Prometheus' exposition format 0.0.4.
 *
 * Invariants: who counts holds the child of its labels (`of`, resolved once), so that counting is an
 * addition and no look-up; a label's value is never what a client says (who registers sees to it);
 * a scrape leaves the event loop every few milliseconds, while it collects and while it writes. Two
 * scrapes at a time are one.
 */

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

interface Child<T> {
  /** `api="Fetch",error="NONE"`; '' without labels. */
  readonly labelText: string;
  readonly child: T;
}

/** All children of one name; `labels` are the names of their labels. */
export class Family<T> {
  readonly name: string;
  readonly help: string;
  readonly labels: readonly string[];
  readonly #make: () => T;
  readonly #children = new Map<string, Child<T>>();

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
    const pairs = this.labels.map((label, at) => `${label}="${escaped(values[at]!)}"`);
    this.#children.set(key, { labelText: pairs.join(','), child });
    return child;
  }

  remove(...values: string[]): void {
    this.#children.delete(values.join('\0'));
  }

  clear(): void {
    this.#children.clear();
  }

  children(): Iterable<Child<T>> {
    return this.#children.values();
  }
}

/** As the format wants the value of a label. */
function escaped(value: string): string {
  return value.replace(/[\\"\n]/g, (found) => (found === '\n' ? '\\n' : `\\${found}`));
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

const CONTENT_TYPE = 'text/plain; version=0.0.4; charset=utf-8';
const NAME = /^[a-z][a-z0-9_]*$/;

interface Registered {
  readonly description: MetricDescription;
  /** A line or more of text for each child, one after the other. */
  readonly write: () => Generator<string, void>;
}

export class MetricRegistry {
  readonly contentType: string = CONTENT_TYPE;
  readonly #registered = new Map<string, Registered>();
  readonly #collectors: Collector[] = [];
  #rendering: Promise<string> | null = null;

  counter(name: string, help: string, labels: readonly string[] = []): Family<Counter> {
    return this.#register(
      'counter',
      new Family(name, help, labels, () => new Counter()),
      plainText,
    );
  }

  gauge(name: string, help: string, labels: readonly string[] = []): Family<Gauge> {
    return this.#register('gauge', new Family(name, help, labels, () => new Gauge()), plainText);
  }

  /** `bounds` in ascending order; seconds unless the name says otherwise. */
  histogram(
    name: string,
    help: string,
    labels: readonly string[] = [],
    bounds: readonly number[] = LATENCY_SECONDS,
  ): Family<Histogram> {
    const family = new Family(name, help, labels, () => new Histogram(bounds));
    return this.#register('histogram', family, histogramText);
  }

  /** Called before every scrape, one after the other. */
  onScrape(collector: Collector): void {
    this.#collectors.push(collector);
  }

  /** What there is, in the order of registration. */
  get descriptions(): readonly MetricDescription[] {
    return Array.from(this.#registered.values(), ({ description }) => description);
  }

  /** The text for Prometheus. */
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
    for (const { description, write } of this.#registered.values()) {
      const { name, help, type } = description;
      texts.push(`# HELP ${name} ${help}\n# TYPE ${name} ${type}\n`);
      for (const text of write()) {
        texts.push(text);
        if (turn.isOver) await turn.next();
      }
    }
    return texts.join('');
  }

  #register<T>(
    type: MetricType,
    family: Family<T>,
    textOf: (name: string, child: Child<T>) => string,
  ): Family<T> {
    const { name, help, labels } = family;
    if (![name, ...labels].every((each) => NAME.test(each)) || /[\\\n]/.test(help)) {
      throw new Error(`${name} is not in order`);
    }
    if (this.#registered.has(name)) throw new Error(`${name} is registered already`);
    const write = function* (): Generator<string, void> {
      for (const child of family.children()) yield textOf(name, child);
    };
    this.#registered.set(name, { description: { name, type, help, labels }, write });
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

function plainText(name: string, { labelText, child }: Child<{ readonly value: number }>): string {
  return line(name, labelText, child.value);
}

function histogramText(name: string, { labelText, child }: Child<Histogram>): string {
  const prefix = labelText === '' ? '' : `${labelText},`;
  let text = '';
  let below = 0;
  for (const [at, bound] of child.bounds.entries()) {
    below += child.counts[at]!;
    text += line(`${name}_bucket`, `${prefix}le="${bound}"`, below);
  }
  text += line(`${name}_bucket`, `${prefix}le="+Inf"`, child.count);
  text += line(`${name}_sum`, labelText, child.sum);
  return text + line(`${name}_count`, labelText, child.count);
}

function line(name: string, labelText: string, value: number): string {
  const labels = labelText === '' ? '' : `{${labelText}}`;
  return `${name}${labels} ${numberText(value)}\n`;
}

function numberText(value: number): string {
  if (value === Number.POSITIVE_INFINITY) return '+Inf';
  return value === Number.NEGATIVE_INFINITY ? '-Inf' : String(value);
}
