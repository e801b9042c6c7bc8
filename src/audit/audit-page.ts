/**
 * Owns one page of an answer from the audit log: both streams merged by time, a bounded number of
 * records, and where the next page begins.
 *
 * Invariant: pages, one after the other, give every record asked for exactly once, each stream in
 * its order; a page makes progress however little it may read.
 */
import type { Clock } from '../base/clock.ts';
import type { FileSystem } from '../base/file-system.ts';
import { auditFiles, type BlockSource, isGone, type Unpack } from './audit-blocks.ts';
import {
  AUDIT_STREAMS,
  type AuditFilter,
  type AuditStreamName,
  compileFilter,
  type QueryOrder,
} from './audit-query.ts';
import { type FoundRecord, newestSequence, type ScanCounts, StreamScan } from './audit-scan.ts';

/** Where each stream stands: the `seq` that is done; null: nothing is. */
export type Bounds = Readonly<Record<AuditStreamName, number | null>>;

export const FROM_THE_START: Bounds = { security: null, access: null };

export interface PageRequest {
  readonly filter: AuditFilter;
  readonly order: QueryOrder;
  readonly limit: number;
  /** Of the records' lines. */
  readonly bytesMax: number;
  readonly after: Bounds;
  /** When nothing more is read; Infinity: the page is filled. */
  readonly workMsMax: number;
}

export interface Page {
  readonly records: readonly FoundRecord[];
  readonly after: Bounds;
  /** True: there is nothing more, as of now. */
  readonly isLast: boolean;
  readonly counts: ScanCounts;
}

export interface PageReaderOptions {
  readonly files: FileSystem;
  readonly clock: Clock;
  readonly directory: string;
  readonly source: BlockSource;
  readonly unpack: Unpack;
  readonly readAhead: number;
}

/** A file that goes while it is read (retention, compression) makes the page begin again. */
const ATTEMPTS = 4;

export class PageReader {
  readonly #options: PageReaderOptions;

  constructor(options: PageReaderOptions) {
    this.#options = options;
  }

  /** Throws the file system's error, DamagedBlockError, RangeError for a filter that cannot be. */
  async page(request: PageRequest): Promise<Page> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await this.#attempt(request);
      } catch (error) {
        if (attempt === ATTEMPTS || !isGone(error)) throw error;
      }
    }
  }

  /** Behind the newest records: where following the log begins. */
  async end(): Promise<Bounds> {
    const { files, directory, source, unpack } = this.#options;
    const [security, access] = await Promise.all(
      AUDIT_STREAMS.map((stream) =>
        newestSequence(source, auditFiles(files, directory, stream), unpack),
      ),
    );
    return { security: security ?? 0, access: access ?? 0 };
  }

  async #attempt(request: PageRequest): Promise<Page> {
    const { files, directory, source, unpack, readAhead, clock } = this.#options;
    const { order, after, workMsMax } = request;
    const filter = compileFilter(request.filter);
    const scans = filter.streams.map((stream) => ({
      stream,
      scan: new StreamScan({
        source,
        files: auditFiles(files, directory, stream),
        stream,
        filter,
        order,
        afterSeq: after[stream],
        unpack,
        readAhead,
      }),
    }));
    const untilMs = clock.monotonicMs() + workMsMax;
    try {
      const { records, isLast } = await merged(scans, request, () => clock.monotonicMs() < untilMs);
      const done = Object.fromEntries(scans.map(({ stream, scan }) => [stream, scan.doneSeq]));
      return { records, isLast, after: { ...after, ...done }, counts: sum(scans) };
    } finally {
      for (const { scan } of scans) await scan.settle();
    }
  }
}

interface OneScan {
  readonly scan: StreamScan;
}

async function merged(
  scans: readonly OneScan[],
  { limit, bytesMax, order }: PageRequest,
  mayRead: () => boolean,
): Promise<{ records: FoundRecord[]; isLast: boolean }> {
  const records: FoundRecord[] = [];
  let bytes = 0;
  while (records.length < limit && (bytes < bytesMax || records.length === 0)) {
    let best: { scan: StreamScan; head: FoundRecord } | null = null;
    for (const { scan } of scans) {
      const head = await scan.peek(mayRead);
      if (head === 'later') return { records, isLast: false };
      if (head === 'end') continue;
      if (best === null || comesBefore(head, best.head, order)) best = { scan, head };
    }
    if (best === null) return { records, isLast: true };
    best.scan.take();
    records.push(best.head);
    bytes += best.head.line.length;
  }
  return { records, isLast: false };
}

/** By the text of the time: ISO 8601 in UTC sorts as it runs. */
function comesBefore(a: FoundRecord, b: FoundRecord, order: QueryOrder): boolean {
  const [left, right] = [String(a.record.time), String(b.record.time)];
  return order === 'oldest' ? left < right : left > right;
}

function sum(scans: readonly OneScan[]): ScanCounts {
  const total: ScanCounts = { blocksRead: 0, blocksSkipped: 0, badLines: 0 };
  for (const { scan } of scans) {
    total.blocksRead += scan.counts.blocksRead;
    total.blocksSkipped += scan.counts.blocksSkipped;
    total.badLines += scan.counts.badLines;
  }
  return total;
}
