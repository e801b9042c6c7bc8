/**
 * Owns going through one stream of the audit log in one direction, from where an earlier page ended:
 * which blocks have to be read, and which of their lines are asked for.
 *
 * Invariant: `doneSeq` never passes a record that was asked for and not given out, so that a later
 * page may begin there; sequence numbers grow along a stream.
 */
import type { AuditBlock, AuditFile, BlockSource, Unpack } from './audit-blocks.ts';
import type { AuditStreamName, CompiledFilter, QueryOrder } from './audit-query.ts';
import { countLines, sequenceAtEdge } from './file-blocks.ts';
import type { BlockEntry } from './file-index.ts';
import { DamagedBlockError } from './gzip-member.ts';
import { recordIn, sequenceOf, type UncheckedRecord } from './record-terms.ts';

export interface FoundRecord {
  readonly stream: AuditStreamName;
  readonly seq: number;
  /** As it stands in the log, without the line end. */
  readonly line: string;
  readonly record: UncheckedRecord;
}

export interface ScanOptions {
  readonly source: BlockSource;
  readonly files: readonly AuditFile[];
  readonly stream: AuditStreamName;
  readonly filter: CompiledFilter;
  readonly order: QueryOrder;
  /** Only what comes after it in this order; null: everything. */
  readonly afterSeq: number | null;
  readonly unpack: Unpack;
  /** Blocks that are read and unpacked at the same time. */
  readonly readAhead: number;
}

export interface ScanCounts {
  blocksRead: number;
  blocksSkipped: number;
  badLines: number;
}

interface Step {
  /** Null: the index says that nothing in it is asked for. */
  readonly block: AuditBlock | null;
  readonly index: BlockEntry | null;
}

interface Pending extends Step {
  readonly text: Promise<Buffer> | null;
}

const NEWLINE = 0x0a;

export class StreamScan {
  readonly #options: ScanOptions;
  readonly #steps: Generator<Step>;
  readonly #pending: Pending[] = [];
  #reading = 0;
  #found: FoundRecord[] = [];
  #next = 0;
  #blockDone: number | null = null;
  /** Everything up to it was given out or is not asked for; null: nothing yet. */
  doneSeq: number | null;
  readonly counts: ScanCounts = { blocksRead: 0, blocksSkipped: 0, badLines: 0 };

  constructor(options: ScanOptions) {
    this.#options = options;
    this.doneSeq = options.afterSeq;
    this.#steps = stepsOf(options);
  }

  /**
   * The next record, `end`, or `later` when `mayRead` said no before one was found. It is given out
   * when `take` is called.
   */
  async peek(mayRead: () => boolean): Promise<FoundRecord | 'end' | 'later'> {
    for (;;) {
      const found = this.#found[this.#next];
      if (found !== undefined) return found;
      this.#finishBlock();
      // Whoever comes back must find less to do than before.
      if (this.doneSeq !== this.#options.afterSeq && !mayRead()) return 'later';
      this.#fill();
      const step = this.#pending[0];
      if (step === undefined) return 'end';
      this.#pending.shift();
      await this.#enter(step);
    }
  }

  take(): void {
    const found = this.#found[this.#next];
    if (found === undefined) throw new RangeError('nothing was found');
    this.doneSeq = found.seq;
    this.#next += 1;
  }

  /** Waits for what is being read ahead: nobody else will. */
  async settle(): Promise<void> {
    await Promise.allSettled(this.#pending.map(({ text }) => text));
  }

  #fill(): void {
    const { readAhead, source, unpack } = this.#options;
    while (this.#reading < readAhead) {
      const step = this.#steps.next();
      if (step.done === true) return;
      const { block } = step.value;
      const text = block === null ? null : source.read(block, unpack);
      // Its failure is met when its turn comes.
      text?.catch(() => undefined);
      if (text !== null) this.#reading += 1;
      this.#pending.push({ ...step.value, text });
      if (text === null && this.#pending.length === 1) return;
    }
  }

  async #enter({ block, index, text }: Pending): Promise<void> {
    this.counts.badLines += index?.badLines ?? 0;
    if (text === null || block === null) {
      this.counts.blocksSkipped += 1;
      this.#advance(edgeOf(index, this.#options.order));
      return;
    }
    const bytes = await text;
    this.#reading -= 1;
    this.counts.blocksRead += 1;
    if (index !== null) requireAsIndexed(bytes, index, block);
    this.#found = this.#wantedIn(bytes, index);
    if (this.#options.order === 'newest') this.#found.reverse();
    this.#next = 0;
    const side = this.#options.order === 'oldest' ? 'last' : 'first';
    const edge = index === null ? sequenceAtEdge(bytes, side) : null;
    this.#blockDone = edge ?? edgeOf(index, this.#options.order);
  }

  #finishBlock(): void {
    this.#found = [];
    this.#next = 0;
    this.#advance(this.#blockDone);
    this.#blockDone = null;
  }

  #advance(seq: number | null): void {
    if (seq === null) return;
    const isFurther =
      this.doneSeq === null ||
      (this.#options.order === 'oldest' ? seq > this.doneSeq : seq < this.doneSeq);
    if (isFurther) this.doneSeq = seq;
  }

  #wantedIn(text: Buffer, index: BlockEntry | null): FoundRecord[] {
    const { filter, stream, order, afterSeq } = this.#options;
    const found: FoundRecord[] = [];
    for (const line of candidateLines(text, filter.needles)) {
      const record = recordIn(line);
      const seq = record === null ? null : sequenceOf(record);
      if (record === null || seq === null) {
        // An index counted them before.
        if (index === null || index.badLines === 0) this.counts.badLines += 1;
        continue;
      }
      const isAfter = afterSeq === null || (order === 'oldest' ? seq > afterSeq : seq < afterSeq);
      if (isAfter && filter.matches(record)) found.push({ stream, seq, line, record });
    }
    return found;
  }
}

/** The lines that have all needles; all lines when there are none. */
function* candidateLines(text: Buffer, needles: readonly Buffer[]): Generator<string> {
  const [rarest, ...others] = needles;
  for (let at = 0; at < text.length; ) {
    const hit = rarest === undefined ? at : text.indexOf(rarest, at);
    if (hit === -1) return;
    const start =
      hit === 0 ? 0 : text.lastIndexOf(NEWLINE, hit - (rarest === undefined ? 1 : 0)) + 1;
    const stop = text.indexOf(NEWLINE, hit);
    const end = stop === -1 ? text.length : stop;
    const line = text.subarray(start, end);
    if (others.every((needle) => line.includes(needle))) yield line.toString('latin1');
    at = end + 1;
  }
}

function* stepsOf(options: ScanOptions): Generator<Step> {
  const { source, order, filter } = options;
  for (const file of filesFrom(options)) {
    const blocks = source.blocksOf(file, filter.terms);
    const from = isIndexed(blocks) ? 0 : firstRange(options, file, blocks);
    const to = isIndexed(blocks) ? blocks.length : lastRange(options, file, blocks);
    const wanted = blocks.slice(from, to);
    for (const block of order === 'oldest' ? wanted : wanted.reverse()) {
      const { index } = block;
      if (index !== null && isBehind(index, options)) continue;
      const isWanted = block.isCandidate && (index === null || isInTime(index, filter));
      yield { block: isWanted ? block : null, index };
    }
  }
}

const isIndexed = ([first]: readonly AuditBlock[]): boolean =>
  first !== undefined && first.index !== null;

/** In the order of the query, without those that an earlier page was through with. */
function filesFrom(options: ScanOptions): AuditFile[] {
  const { order, afterSeq } = options;
  const files = [...options.files];
  if (order === 'newest') files.reverse();
  if (afterSeq === null) return files;
  if (order === 'newest') {
    const at = files.findIndex((file) => (firstSequenceOf(options, file) ?? 0) < afterSeq);
    return at === -1 ? [] : files.slice(at);
  }
  const at = files.findLastIndex(
    (file) => (firstSequenceOf(options, file) ?? Number.POSITIVE_INFINITY) <= afterSeq + 1,
  );
  return files.slice(Math.max(0, at));
}

/** The newest file that begins at or before `seq`; undefined where no file does. */
export const fileOfSequence = (
  source: BlockSource,
  files: readonly AuditFile[],
  seq: number,
): AuditFile | undefined =>
  files.findLast((file) => (firstSequenceOf({ source }, file) ?? Number.POSITIVE_INFINITY) <= seq);

function firstSequenceOf({ source }: Pick<ScanOptions, 'source'>, file: AuditFile): number | null {
  return source.firstSequenceAt(file, 0);
}

/** Of a plain file without an index, sought by halving; what cannot be told is read. */
function firstRange(options: ScanOptions, file: AuditFile, blocks: readonly AuditBlock[]): number {
  const { order, afterSeq } = options;
  if (order === 'newest' || afterSeq === null) return 0;
  return Math.max(
    0,
    rangesBefore(options, file, blocks, { seq: afterSeq + 1, ifUnknown: false }) - 1,
  );
}

function lastRange(options: ScanOptions, file: AuditFile, blocks: readonly AuditBlock[]): number {
  const { order, afterSeq } = options;
  if (order === 'oldest' || afterSeq === null) return blocks.length;
  return rangesBefore(options, file, blocks, { seq: afterSeq - 1, ifUnknown: true });
}

/** How many of the ranges begin at or before `seq`; `ifUnknown` is taken where it cannot be told. */
function rangesBefore(
  { source }: ScanOptions,
  file: AuditFile,
  blocks: readonly AuditBlock[],
  { seq, ifUnknown }: { readonly seq: number; readonly ifUnknown: boolean },
): number {
  let low = 0;
  let high = blocks.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const first = source.firstSequenceAt(file, blocks[middle]!.offset);
    if (first === null ? ifUnknown : first <= seq) low = middle + 1;
    else high = middle;
  }
  return low;
}

const isBehind = (index: BlockEntry, { order, afterSeq }: ScanOptions): boolean => {
  if (afterSeq === null || index.firstSeq === null || index.lastSeq === null) return false;
  return order === 'oldest' ? index.lastSeq <= afterSeq : index.firstSeq >= afterSeq;
};

function isInTime(index: BlockEntry, { sinceMs, untilMs }: CompiledFilter): boolean {
  if (index.fromMs === null || index.toMs === null) return false;
  if (sinceMs !== null && index.toMs < sinceMs) return false;
  return untilMs === null || index.fromMs <= untilMs;
}

function edgeOf(index: BlockEntry | null, order: QueryOrder): number | null {
  return order === 'oldest' ? (index?.lastSeq ?? null) : (index?.firstSeq ?? null);
}

function requireAsIndexed(text: Buffer, index: BlockEntry, block: AuditBlock): void {
  const edges = [sequenceAtEdge(text, 'first'), sequenceAtEdge(text, 'last')];
  const { firstSeq, lastSeq } = index;
  const inRange = (seq: number | null): boolean =>
    seq === null || (seq >= (firstSeq ?? 0) && seq <= (lastSeq ?? Number.MAX_SAFE_INTEGER));
  if (countLines(text) === index.lines && edges.every(inRange)) return;
  throw new DamagedBlockError(
    `${block.file.path}, block at byte ${block.offset}, is not what was indexed; "audit verify" ` +
      'says more, "audit index --force" makes the indexes anew',
  );
}

/** The `seq` of the newest whole line of a stream; 0 when there is none. */
export function newestSequence(source: BlockSource, files: readonly AuditFile[], unpack: Unpack) {
  return newestIn(source, [...files].reverse(), unpack);
}

async function newestIn(
  source: BlockSource,
  newestFirst: readonly AuditFile[],
  unpack: Unpack,
): Promise<number> {
  for (const file of newestFirst) {
    for (const block of source.blocksOf(file).reverse()) {
      const seq = block.index?.lastSeq ?? sequenceAtEdge(await source.read(block, unpack), 'last');
      if (seq !== null) return seq;
    }
  }
  return 0;
}
