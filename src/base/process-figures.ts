/**
 * Owns what the process and its event loop tell of themselves: memory, processor time, garbage
 * collection, file descriptors, delay of the event loop. The names are those that Prometheus'
 * clients use everywhere.
 *
 * Invariant: the delay shown is of the last whole window of WINDOW_MS, whoever scrapes and how often.
 */
import { promises as fs } from 'node:fs';
import {
  type EventLoopUtilization,
  type IntervalHistogram,
  monitorEventLoopDelay,
  PerformanceObserver,
  performance,
} from 'node:perf_hooks';
import { getHeapStatistics } from 'node:v8';
import type { Clock, Timer } from './clock.ts';
import type { Gauge, MetricRegistry } from './metrics.ts';

const WINDOW_MS = 10_000;
const RESOLUTION_MS = 10;
const STATISTICS = [50, 90, 99, 100] as const;
const GC_SECONDS = [0.0005, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1] as const;
/** `kind` of a garbage collection, as V8 counts them. */
const GC_KINDS: Readonly<Record<number, string>> = {
  1: 'minor',
  4: 'major',
  8: 'incremental',
  16: 'weakcb',
};
const DESCRIPTORS = '/proc/self/fd';
const LIMITS = '/proc/self/limits';

export class ProcessFigures {
  readonly #clock: Clock;
  readonly #delay: IntervalHistogram;
  readonly #collections: PerformanceObserver;
  readonly #statistics: readonly Gauge[];
  readonly #utilization: Gauge;
  #lastUtilization: EventLoopUtilization;
  #timer: Timer | null = null;
  #delayP99Ms = 0;

  constructor(registry: MetricRegistry, clock: Clock) {
    this.#clock = clock;
    const delays = registry.gauge(
      'breakwater_event_loop_delay_seconds',
      `How late the event loop came to its timers in the last ${WINDOW_MS / 1000} s.`,
      ['statistic'],
    );
    this.#statistics = STATISTICS.map((percent) =>
      delays.of(percent === 100 ? 'max' : `p${percent}`),
    );
    this.#utilization = registry
      .gauge(
        'breakwater_event_loop_utilization_ratio',
        `Share of the last ${WINDOW_MS / 1000} s in which the event loop was at work.`,
      )
      .of();
    this.#delay = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
    this.#delay.enable();
    this.#lastUtilization = performance.eventLoopUtilization();
    const collections = registry.histogram(
      'nodejs_gc_duration_seconds',
      'Garbage collections by kind.',
      ['kind'],
      GC_SECONDS,
    );
    this.#collections = new PerformanceObserver((list) => {
      for (const entry of list.getEntries()) {
        collections.of(GC_KINDS[kindOf(entry)] ?? 'other').observe(entry.duration / 1000);
      }
    });
    this.#collections.observe({ entryTypes: ['gc'] });
    registerProcess(registry);
    this.#arm();
  }

  /** Of the last window. */
  get delayP99Ms(): number {
    return this.#delayP99Ms;
  }

  close(): void {
    this.#timer?.cancel();
    this.#delay.disable();
    this.#collections.disconnect();
  }

  #arm(): void {
    this.#timer = this.#clock.setTimer(WINDOW_MS, () => {
      this.#endWindow();
      this.#arm();
    });
  }

  #endWindow(): void {
    // What is told includes the interval of the timer itself.
    const late = (ns: number): number => Math.max(0, ns / 1e6 - RESOLUTION_MS);
    for (const [at, percent] of STATISTICS.entries()) {
      const ns = percent === 100 ? this.#delay.max : this.#delay.percentile(percent);
      this.#statistics[at]!.set(late(ns) / 1000);
    }
    this.#delayP99Ms = late(this.#delay.percentile(99));
    this.#delay.reset();
    const now = performance.eventLoopUtilization();
    const { utilization } = performance.eventLoopUtilization(now, this.#lastUtilization);
    this.#utilization.set(utilization);
    this.#lastUtilization = now;
  }
}

/** Node puts it into `detail`, which its types do not know. */
function kindOf(entry: object): number {
  const { detail } = entry as { readonly detail?: { readonly kind?: number } };
  return detail?.kind ?? 0;
}

function registerProcess(registry: MetricRegistry): void {
  const gauge = (name: string, help: string): Gauge => registry.gauge(name, help).of();
  const processor = registry.counter(
    'process_cpu_seconds_total',
    'Processor time, of the system and the user, in seconds.',
  );
  const started = gauge('process_start_time_seconds', 'Start of the process, since the epoch.');
  started.set(performance.timeOrigin / 1000);
  const resident = gauge('process_resident_memory_bytes', 'Resident memory.');
  const openFiles = gauge('process_open_fds', 'Open file descriptors, connections included.');
  const maxFiles = gauge('process_max_fds', 'The most file descriptors that may be open.');
  const heapUsed = gauge('nodejs_heap_size_used_bytes', 'Heap in use.');
  const heapTotal = gauge('nodejs_heap_size_total_bytes', 'Heap that is reserved.');
  const heapLimit = gauge('nodejs_heap_size_limit_bytes', 'The most that the heap may take.');
  const external = gauge('nodejs_external_memory_bytes', 'Memory of buffers, outside the heap.');
  registry.onScrape(async () => {
    const { user, system } = process.cpuUsage();
    processor.of().value = (user + system) / 1e6;
    const memory = process.memoryUsage();
    resident.set(memory.rss);
    heapUsed.set(memory.heapUsed);
    heapTotal.set(memory.heapTotal);
    heapLimit.set(getHeapStatistics().heap_size_limit);
    external.set(memory.external);
    openFiles.set(await openDescriptors());
    maxFiles.set(await descriptorsMax());
  });
}

/** NaN where the system does not tell. Linux since 6.2 tells the number as the folder's size. */
async function openDescriptors(): Promise<number> {
  try {
    const { size } = await fs.stat(DESCRIPTORS);
    return size > 0 ? size : (await fs.readdir(DESCRIPTORS)).length;
  } catch {
    return Number.NaN;
  }
}

async function descriptorsMax(): Promise<number> {
  try {
    const text = await fs.readFile(LIMITS, 'utf8');
    const limit = /^Max open files\s+(\d+)/m.exec(text)?.[1];
    return limit === undefined ? Number.NaN : Number(limit);
  } catch {
    return Number.NaN;
  }
}
