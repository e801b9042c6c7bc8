/**
 * `breakwater audit tail`: follows the access log, of a running broker or in a folder, over the end of
 * a file and over a restart of the broker. Ends with SIGINT, SIGTERM, --for or --limit.
 */
import type { Command } from 'commander';
import type { AuditFilter } from '../audit/audit-query.ts';
import { systemClock } from '../base/clock.ts';
import { addFilterOptions, type FilterOptions, filterOf } from './audit-filter.ts';
import { limitOf, rowOf, warn } from './audit-query.ts';
import {
  type AuditSource,
  addSourceOptions,
  type ShownRecord,
  type SourceOptions,
  type SourcePage,
  withSource,
} from './audit-source.ts';
import { CommandError, UsageError } from './command-error.ts';
import { printLine } from './output.ts';

interface Options extends FilterOptions, SourceOptions {
  readonly json?: boolean;
  readonly for?: string;
  readonly limit: string;
}

const RETRY_MS = 1_000;
/** How long a broker may be gone before following it is given up. */
const RETRIES_MAX = 30;
const REMEMBERED_MAX = 10_000;

export function registerAuditTail(group: Command): void {
  const command = group
    .command('tail')
    .description('print records as they are written; with --since, first those since then')
    .option('--for <seconds>', 'end after so many seconds')
    .option('--limit <count>', 'end after so many records; 0: never', '0')
    .option('--json', 'print a JSON object a line');
  addSourceOptions(addFilterOptions(command)).action((options: Options) => tail(options));
}

async function tail(options: Options): Promise<void> {
  const filter = filterOf(options);
  if (filter.untilMs !== undefined)
    throw new UsageError('--until has no end to wait for: use query');
  const isOver = endOf(options.for);
  let left = limitOf(options.limit);
  const print = options.json === true ? printJsonLine : printRow;
  await withSource(options, async (source) => {
    const follower = new Follower(source, filter);
    try {
      while (!isOver.now) {
        for (const record of await Promise.race([follower.next(), isOver.promise])) {
          if (isOver.now) return;
          print(record);
          left -= 1;
          if (left === 0) return;
        }
      }
    } finally {
      follower.stop();
    }
  });
}

/** When to stop: after --for, a signal, or when nobody reads any more. */
function endOf(seconds: string | undefined) {
  if (seconds !== undefined && !/^[0-9]{1,6}$/.test(seconds)) {
    throw new UsageError('--for is a number of seconds');
  }
  const over = { now: false, promise: Promise.resolve<ShownRecord[]>([]) };
  over.promise = new Promise((resolve) => {
    const end = (): void => {
      over.now = true;
      resolve([]);
    };
    process.once('SIGINT', end);
    process.once('SIGTERM', end);
    process.stdout.once('error', end);
    if (seconds !== undefined) systemClock.setTimer(Number(seconds) * 1000, end);
  });
  return over;
}

/** Keeps its place; begins again by time where the broker does not know the place any more. */
class Follower {
  readonly #source: AuditSource;
  #filter: AuditFilter;
  #cursor: string | null = null;
  /** Of the newest record that was given out; before the first, when following began. */
  #lastMs = systemClock.nowMs();
  readonly #seen = new Set<string>();
  #isStopped = false;
  /** A broker that never answered is not waited for. */
  #hasBegun = false;

  constructor(source: AuditSource, filter: AuditFilter) {
    this.#source = source;
    this.#filter = filter;
  }

  /** What is under way is nobody's any more. */
  stop(): void {
    this.#isStopped = true;
  }

  async next(): Promise<readonly ShownRecord[]> {
    const page = await this.#page();
    this.#cursor = page.next;
    this.#hasBegun = true;
    return page.records.filter((record) => this.#isNew(record));
  }

  async #page(): Promise<SourcePage> {
    for (let retry = 0; ; retry += 1) {
      try {
        return await this.#source.follow(this.#filter, this.#cursor);
      } catch (error) {
        if (this.#isStopped) return { records: [], next: null, badLines: 0 };
        if (!(error instanceof CommandError) || !this.#hasBegun) throw error;
        if (retry === RETRIES_MAX) throw error;
        if (retry === 0) warn(`${error.message}; trying again`);
        this.#rewind();
        await new Promise<void>((resolve) => systemClock.setTimer(RETRY_MS, resolve));
      }
    }
  }

  /** A restarted broker takes no cursor of the one before. */
  #rewind(): void {
    this.#filter = { ...this.#filter, sinceMs: this.#lastMs };
    this.#cursor = null;
  }

  #isNew({ id, time }: ShownRecord): boolean {
    const key = String(id);
    if (this.#seen.has(key)) return false;
    this.#seen.add(key);
    if (typeof time === 'string') this.#lastMs = Date.parse(time);
    if (this.#seen.size > REMEMBERED_MAX) {
      const [oldest] = this.#seen;
      this.#seen.delete(oldest ?? '');
    }
    return true;
  }
}

const printJsonLine = (record: ShownRecord): void =>
  void process.stdout.write(`${JSON.stringify(record)}\n`);

const printRow = (record: ShownRecord): void => printLine(rowOf(record).join('  '));
