/**
 * Owns the reading of OTLP metrics (opentelemetry.proto.metrics.v1.MetricsData) as far as they are
 * shown: name, labels and newest value of gauges, sums and histograms.
 *
 * Invariants: what is kept is bounded in number and in bytes, and what is beyond is skipped; the number
 * of fields that are passed is bounded, so that the time is; nothing is allocated from a length that
 * was not checked against the bytes that are there. Throws MalformedMetrics for what is no such
 * message.
 */

export interface Metric {
  readonly name: string;
  readonly unit: string;
  readonly labels: Readonly<Record<string, string>>;
  /** Of a histogram the mean; null: not a number, or infinite. */
  readonly value: number | null;
}

export interface ReadMetrics {
  readonly metrics: readonly Metric[];
  /** Data points that there was no room for. */
  readonly leftOut: number;
  /** What they take in memory, about. */
  readonly sizeBytes: number;
}

export interface MetricBounds {
  readonly metricsMax: number;
  readonly bytesMax: number;
}

export class MalformedMetrics extends Error {}

const NAME_LENGTH_MAX = 128;
const LABELS_MAX = 6;
const LABEL_LENGTH_MAX = 64;
/** That are looked at, skipped ones too: a few milliseconds. */
const FIELDS_MAX = 40_000;
/** An object with its numbers and references. */
const METRIC_BYTES = 120;

const Wire = { varint: 0, fixed64: 1, bytes: 2, fixed32: 5 } as const;

export function readMetrics(bytes: Buffer, bounds: MetricBounds): ReadMetrics {
  const kept = new Kept(bounds);
  for (const resource of messages(new Fields(bytes, { left: FIELDS_MAX }), 1)) {
    for (const scope of messages(resource, 2)) {
      for (const metric of messages(scope, 2)) readMetric(metric, kept);
    }
  }
  return kept;
}

class Kept implements ReadMetrics {
  readonly metrics: Metric[] = [];
  leftOut = 0;
  sizeBytes = 0;
  readonly #bounds: MetricBounds;

  constructor(bounds: MetricBounds) {
    this.#bounds = bounds;
  }

  get isFull(): boolean {
    const { metricsMax, bytesMax } = this.#bounds;
    return this.metrics.length >= metricsMax || this.sizeBytes >= bytesMax;
  }

  add(metric: Metric): void {
    this.metrics.push(metric);
    const texts = [metric.name, metric.unit, ...Object.entries(metric.labels).flat()];
    this.sizeBytes += METRIC_BYTES + texts.reduce((sum, { length }) => sum + 16 + length, 0);
  }
}

const DATA_FIELDS: ReadonlySet<number> = new Set([5, 7, 9]);
const HISTOGRAM = 9;

function readMetric(fields: Fields, kept: Kept): void {
  if (kept.isFull) {
    kept.leftOut++;
    return;
  }
  let name = '';
  let unit = '';
  const data: { readonly points: Fields; readonly isHistogram: boolean }[] = [];
  while (fields.next()) {
    if (fields.number === 1) name = fields.text(NAME_LENGTH_MAX);
    else if (fields.number === 3) unit = fields.text(LABEL_LENGTH_MAX);
    else if (DATA_FIELDS.has(fields.number)) {
      data.push({ points: fields.message(), isHistogram: fields.number === HISTOGRAM });
    } else fields.skip();
  }
  for (const { points, isHistogram } of data) {
    for (const point of messages(points, 1)) {
      if (kept.isFull) {
        kept.leftOut++;
        continue;
      }
      kept.add({ name, unit, ...readPoint(point, isHistogram) });
    }
  }
}

function readPoint(fields: Fields, isHistogram: boolean): Pick<Metric, 'labels' | 'value'> {
  const labels: Record<string, string> = Object.create(null) as Record<string, string>;
  const attributesField = isHistogram ? 9 : 7;
  let labelCount = 0;
  let value = 0;
  let count = 0;
  let sum = 0;
  while (fields.next()) {
    if (fields.number === attributesField && labelCount < LABELS_MAX) {
      const [key, text] = readAttribute(fields.message());
      labels[key] = text;
      labelCount++;
    } else if (isHistogram && fields.number === 4) count = Number(fields.fixed64());
    else if (isHistogram && fields.number === 5) sum = fields.double();
    else if (!isHistogram && fields.number === 4) value = fields.double();
    else if (!isHistogram && fields.number === 6) value = Number(fields.fixed64());
    else fields.skip();
  }
  const shown = isHistogram ? (count === 0 ? 0 : sum / count) : value;
  return { labels, value: Number.isFinite(shown) ? shown : null };
}

function readAttribute(fields: Fields): [string, string] {
  let key = '';
  let text = '';
  while (fields.next()) {
    if (fields.number === 1) key = fields.text(LABEL_LENGTH_MAX);
    else if (fields.number === 2) text = readValue(fields.message());
    else fields.skip();
  }
  return [key, text];
}

/** Of an AnyValue what is a text, a truth value or a number. */
function readValue(fields: Fields): string {
  let text = '';
  while (fields.next()) {
    if (fields.number === 1) text = fields.text(LABEL_LENGTH_MAX);
    else if (fields.number === 2) text = fields.varint() === 0n ? 'false' : 'true';
    else if (fields.number === 3) text = BigInt.asIntN(64, fields.varint()).toString();
    else if (fields.number === 4) text = String(fields.double());
    else fields.skip();
  }
  return text;
}

function* messages(fields: Fields, number: number): Generator<Fields> {
  while (fields.next()) {
    if (fields.number === number) yield fields.message();
    else fields.skip();
  }
}

/** The fields of one message, one after the other. */
class Fields {
  readonly #bytes: Buffer;
  /** Shared by all messages of one reading. */
  readonly #budget: { left: number };
  #at = 0;
  number = 0;
  #wire = 0;

  constructor(bytes: Buffer, budget: { left: number }) {
    this.#bytes = bytes;
    this.#budget = budget;
  }

  /** False at the end. After true, exactly one of the methods below takes the field. */
  next(): boolean {
    if (this.#at === this.#bytes.length) return false;
    if (--this.#budget.left < 0) throw new MalformedMetrics('more fields than are looked at');
    const tag = Number(this.#rawVarint());
    this.number = Math.floor(tag / 8);
    this.#wire = tag % 8;
    if (this.number === 0) throw new MalformedMetrics('a field without a number');
    return true;
  }

  message(): Fields {
    return new Fields(this.#delimited(), this.#budget);
  }

  /** Cut, and without what would not be seen for what it is. */
  text(lengthMax: number): string {
    const bytes = this.#delimited();
    return bytes.toString('utf8', 0, Math.min(bytes.length, 4 * lengthMax)).slice(0, lengthMax);
  }

  double(): number {
    return this.#take(Wire.fixed64, 8).readDoubleLE(0);
  }

  fixed64(): bigint {
    return this.#take(Wire.fixed64, 8).readBigInt64LE(0);
  }

  varint(): bigint {
    this.#expect(Wire.varint);
    return this.#rawVarint();
  }

  skip(): void {
    if (this.#wire === Wire.varint) this.#rawVarint();
    else if (this.#wire === Wire.bytes) this.#delimited();
    else if (this.#wire === Wire.fixed64) this.#take(Wire.fixed64, 8);
    else if (this.#wire === Wire.fixed32) this.#take(Wire.fixed32, 4);
    else throw new MalformedMetrics('a wire type that is none');
  }

  #delimited(): Buffer {
    this.#expect(Wire.bytes);
    const length = Number(this.#rawVarint());
    return this.#slice(length);
  }

  #take(wire: number, length: number): Buffer {
    this.#expect(wire);
    return this.#slice(length);
  }

  #slice(length: number): Buffer {
    const from = this.#at;
    if (length > this.#bytes.length - from) throw new MalformedMetrics('a field that is cut');
    this.#at = from + length;
    return this.#bytes.subarray(from, from + length);
  }

  #expect(wire: number): void {
    if (this.#wire !== wire) throw new MalformedMetrics('a field of another wire type');
  }

  /** Unsigned, of up to ten bytes. Short ones, which nearly all are, cost no big number. */
  #rawVarint(): bigint {
    let small = 0;
    for (let shift = 0; shift < 28; shift += 7) {
      const byte = this.#byte();
      small |= (byte & 0x7f) << shift;
      if (byte < 0x80) return BigInt(small);
    }
    let value = BigInt(small);
    for (let shift = 28n; shift < 70n; shift += 7n) {
      const byte = this.#byte();
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return BigInt.asUintN(64, value);
    }
    throw new MalformedMetrics('a number that does not end');
  }

  #byte(): number {
    const byte = this.#bytes[this.#at++];
    if (byte === undefined) throw new MalformedMetrics('a number that is cut');
    return byte;
  }
}
