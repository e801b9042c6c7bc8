/**
 * Owns how audit topics that are behind come up to date: the lines after what they have are read
 * from the audit files once for all of them, both streams by time, up to where the log stood when
 * the reading began.
 *
 * Invariants: memory is bounded by what is held for a batch of each, and for all together; a topic
 * that cannot be written is left behind and holds up no other; lines that are no longer kept are
 * told of in the topic that may have lacked them.
 */
import {
  type AuditStreamName,
  type ReplayedLine,
  type ReplaySource,
  replayLines,
} from '../../audit/audit-replay.ts';
import type { Logger } from '../../base/logger.ts';
import type { AuditTopic, Waiting } from './audit-topic.ts';
import { earlierOf, type Position } from './position.ts';

export interface CatchUpParts {
  readonly source: ReplaySource;
  readonly logger: Logger;
  /** Called often: lets others have their turn, and rejects when the work is to end. */
  readonly turn: () => Promise<void>;
  readonly heldCharsMax: number;
}

const STREAMS: readonly AuditStreamName[] = ['security', 'access'];
/** Held for one topic before it is written. */
const HELD_PER_TOPIC_CHARS = 64 * 1024;

interface Line extends ReplayedLine {
  readonly stream: AuditStreamName;
}

interface Holder {
  readonly topic: AuditTopic;
  held: Waiting[];
  heldChars: number;
}

/** Brings `topics`, which are 'joining', up to `target`; each is 'live' or 'behind' after it. */
export async function catchUp(
  topics: readonly AuditTopic[],
  target: Position,
  parts: CatchUpParts,
): Promise<void> {
  const run = new CatchUp(topics, target, parts);
  try {
    await run.read();
  } catch (err) {
    for (const topic of topics) if (topic.state === 'joining') topic.failed('behind');
    throw err;
  }
}

class CatchUp {
  readonly #parts: CatchUpParts;
  readonly #target: Position;
  readonly #holders: Set<Holder>;
  readonly #byTenant = new Map<string, Holder>();
  readonly #everybodys: Holder[] = [];
  #heldChars = 0;

  constructor(topics: readonly AuditTopic[], target: Position, parts: CatchUpParts) {
    this.#parts = parts;
    this.#target = target;
    this.#holders = new Set(topics.map((topic) => ({ topic, held: [], heldChars: 0 })));
    for (const holder of this.#holders) {
      const { tenant } = holder.topic;
      if (tenant === null) this.#everybodys.push(holder);
      else this.#byTenant.set(tenant, holder);
    }
  }

  async read(): Promise<void> {
    const from = [...this.#holders]
      .map(({ topic }) => topic.position)
      .reduce((a, b) => earlierOf(a, b), this.#target);
    const seen = { ...from };
    const unseen = new Set(STREAMS.filter((stream) => from[stream] < this.#target[stream]));
    for await (const line of byTime(this.#parts, from, this.#target)) {
      const { stream, sequence } = line;
      if (unseen.delete(stream)) await this.#tellGap(stream, sequence, seen);
      seen[stream] = sequence;
      await this.#dispatch(line, { ...seen });
    }
    for (const stream of unseen) await this.#tellGap(stream, this.#target[stream] + 1, seen);
    for (const holder of this.#holders) await this.#write(holder);
    for (const { topic } of this.#holders) topic.joined(this.#target);
  }

  /** The first line that is left of a stream is `first`. */
  async #tellGap(stream: AuditStreamName, first: number, seen: Position): Promise<void> {
    for (const holder of [...this.#holders]) {
      const { topic } = holder;
      if (topic.position[stream] + 1 >= first) continue;
      const upTo = { ...seen, [stream]: first - 1 };
      const note = {
        outcome: 'failure',
        reason: 'audit-records-missing',
        detail: `Records of the ${stream} stream may be missing here: the audit files that held them were no longer kept when this topic could be written again.`,
      } as const;
      await this.#use(holder, async () => {
        await topic.publish(holder.held);
        this.#drop(holder);
        await topic.note(note, upTo, 'written');
      });
    }
  }

  async #dispatch(line: Line, upTo: Position): Promise<void> {
    const { tenant } = line.fields;
    const ofTenant = typeof tenant === 'string' ? this.#byTenant.get(tenant) : undefined;
    for (const holder of ofTenant === undefined
      ? this.#everybodys
      : [ofTenant, ...this.#everybodys]) {
      if (!this.#holders.has(holder)) continue;
      if (line.sequence <= holder.topic.position[line.stream]) continue;
      holder.held.push({ ...line, upTo });
      holder.heldChars += line.line.length;
      this.#heldChars += line.line.length;
      if (holder.heldChars >= HELD_PER_TOPIC_CHARS) await this.#write(holder);
    }
    if (this.#heldChars < this.#parts.heldCharsMax) return;
    for (const holder of [...this.#holders]) await this.#write(holder);
  }

  async #write(holder: Holder): Promise<void> {
    if (holder.held.length === 0) return;
    await this.#use(holder, () => holder.topic.publish(holder.held));
    this.#drop(holder);
    await this.#parts.turn();
  }

  #drop(holder: Holder): void {
    this.#heldChars -= holder.heldChars;
    holder.held = [];
    holder.heldChars = 0;
  }

  /** A topic that fails is out of this run. */
  async #use(holder: Holder, work: () => Promise<void>): Promise<void> {
    const { topic } = holder;
    try {
      await work();
    } catch (err) {
      if (topic.failures === 0) {
        this.#parts.logger.error({ err, topic: topic.name }, 'an audit topic cannot be written');
      }
      topic.failed('behind');
      this.#drop(holder);
      this.#holders.delete(holder);
    }
  }
}

/** Both streams in one, by the time of the lines; each keeps its own order. */
async function* byTime(
  { source, turn }: CatchUpParts,
  from: Position,
  target: Position,
): AsyncGenerator<Line> {
  const readers = STREAMS.filter((stream) => from[stream] < target[stream]).map(
    (stream) => new StreamReader(source, stream, from[stream], target[stream], turn),
  );
  try {
    for (;;) {
      let first: StreamReader | null = null;
      let firstTime = '';
      for (const reader of readers) {
        const line = reader.ready() ?? (await reader.next());
        if (line === null) continue;
        const time = String(line.fields.time);
        if (first !== null && time >= firstTime) continue;
        first = reader;
        firstTime = time;
      }
      if (first === null) return;
      yield first.take();
    }
  } finally {
    for (const reader of readers) await reader.close();
  }
}

class StreamReader {
  readonly #stream: AuditStreamName;
  readonly #last: number;
  readonly #turn: () => Promise<void>;
  readonly #windows: AsyncGenerator<ReplayedLine[]>;
  #lines: ReplayedLine[] = [];
  #at = 0;
  #isAtEnd = false;

  constructor(
    source: ReplaySource,
    stream: AuditStreamName,
    after: number,
    last: number,
    turn: () => Promise<void>,
  ) {
    this.#stream = stream;
    this.#last = last;
    this.#turn = turn;
    this.#windows = replayLines(source, stream, after);
  }

  /** The next line without waiting; undefined: ask `next`. */
  ready(): ReplayedLine | null | undefined {
    const line = this.#lines[this.#at];
    if (line === undefined) return this.#isAtEnd ? null : undefined;
    if (line.sequence <= this.#last) return line;
    this.#isAtEnd = true;
    this.#lines = [];
    return null;
  }

  async next(): Promise<ReplayedLine | null> {
    for (;;) {
      const line = this.ready();
      if (line !== undefined) return line;
      await this.#turn();
      const window = await this.#windows.next();
      this.#at = 0;
      this.#lines = window.done === true ? [] : window.value;
      this.#isAtEnd = window.done === true;
    }
  }

  take(): Line {
    const line = this.#lines[this.#at]!;
    this.#at += 1;
    return { ...line, stream: this.#stream };
  }

  async close(): Promise<void> {
    await this.#windows.return([]);
  }
}
