/**
 * Publishes the audit log as topics: to each tenant its own events, in its virtual cluster, and all
 * of them to the operator, where one is named.
 *
 * Invariants: the audit log is never held up, a line is offered once it is written and costs a
 * bounded queue entry; what does not fit, what an outage or a crash kept away, comes from the audit
 * files, in order and once. A line reaches the topic of the tenant that it names as its own, and the
 * operator's; lines of no tenant reach the operator's alone. One topic that cannot be written holds
 * up no other. All of it takes about a tenth of the event loop at the most, in short turns.
 */
import { join } from 'node:path';
import { lastSequence, type ReplaySource, sequenceOf } from '../../audit/audit-replay.ts';
import type { DurableRecord } from '../../audit/file-audit-log.ts';
import type { Clock, Timer } from '../../base/clock.ts';
import type { FileSystem } from '../../base/file-system.ts';
import type { Logger } from '../../base/logger.ts';
import type { Random } from '../../base/random.ts';
import type { Engine } from '../../engine/engine.ts';
import { nextTurn } from '../../protocol/records/event-loop-slices.ts';
import { AuditTopic, type QueueBudget, type Waiting } from './audit-topic.ts';
import { catchUp } from './catch-up.ts';
import { openTopic } from './open-topic.ts';
import { laterOf, type Position, START } from './position.ts';
import { PositionFile } from './position-file.ts';
import { TopicLog } from './topic-log.ts';

export interface AuditTopicsOptions {
  readonly engine: Engine;
  readonly files: FileSystem;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** `<data>`, for the positions. */
  readonly dataDirectory: string;
  readonly auditDirectory: string;
  /** Visible names. */
  readonly topicName: string;
  readonly operatorTopicName: string;
  readonly operatorTenant: string | null;
  /** What every audit topic is set to. */
  readonly topicConfigs: Readonly<Record<string, string>>;
  readonly batchBytesMax: number;
  readonly queueCharsMax?: number;
  readonly totalQueueCharsMax?: number;
  readonly publishEveryMs?: number;
}

/** What this needs to know of a tenant; a cluster id is never used again. */
export interface AuditedTenant {
  readonly name: string;
  readonly clusterId: string;
}

const POSITION_FILE = 'audit-topics.json';
const DEFAULTS = {
  queueCharsMax: 1024 * 1024,
  totalQueueCharsMax: 32 * 1024 * 1024,
  publishEveryMs: 100,
};
const POSITIONS_EVERY_MS = 30_000;
/** The last of what is written goes out at the end, unless that takes longer. */
const CLOSING_MS = 2_000;
const CREATED_AT_ONCE = 200;
const CATCH_UP_HELD_CHARS = 4 * 1024 * 1024;
/** Publishing at a stretch, of what came live. */
const ROUND_MS = 40;
/** One turn of work, and how much longer than it others have the event loop. */
const TURN_MS = 4;
const OTHERS_SHARE = 9;
/** What a wait for the disk adds at most to what counts as work. */
const LONG_TURN_MS = 20;

class Ended extends Error {
  override readonly name = 'Ended';
}

export class AuditTopics {
  readonly #options: AuditTopicsOptions & typeof DEFAULTS;
  readonly #source: ReplaySource;
  readonly #log: TopicLog;
  readonly #positions: PositionFile;
  readonly #budget: QueueBudget;
  readonly #byTenant = new Map<string, { topic: AuditTopic; clusterId: string }>();
  #operators: AuditTopic | null = null;
  /** How far the audit log has come. */
  #live: Position = START;
  /** Where the audit files ended when this run began. */
  #atStart: Position = START;
  #isEnding = false;
  #running: Promise<void> | null = null;
  #catchingUp: Promise<void> | null = null;
  #wake: (() => void) | null = null;
  #positionsAtMs = 0;
  #turnBeganMs = 0;

  private constructor(
    options: AuditTopicsOptions & typeof DEFAULTS,
    parts: { readonly source: ReplaySource; readonly positions: PositionFile },
  ) {
    this.#options = options;
    this.#budget = { charsMax: options.totalQueueCharsMax, chars: 0 };
    this.#source = parts.source;
    this.#positions = parts.positions;
    this.#log = new TopicLog(options.engine, options.topicConfigs);
  }

  /** Rejects with Node's error when the data folder or the audit files cannot be read. */
  static async open(given: AuditTopicsOptions): Promise<AuditTopics> {
    const options = { ...DEFAULTS, ...given };
    const { files, random, logger } = options;
    const path = join(options.dataDirectory, POSITION_FILE);
    const positions = await PositionFile.open({ files, path }, random, logger);
    const source = { files, directory: options.auditDirectory };
    return new AuditTopics(options, { source, positions });
  }

  /** Makes the topics of `tenants` (the first of very many, the rest later) and begins to publish. */
  async start(tenants: Iterable<AuditedTenant>): Promise<void> {
    const [security, access] = await Promise.all([
      lastSequence(this.#source, 'security'),
      lastSequence(this.#source, 'access'),
    ]);
    this.#atStart = { security, access };
    this.#live = laterOf(this.#live, this.#atStart);
    this.#positionsAtMs = this.#options.clock.monotonicMs();
    this.follow(tenants);
    await this.#openClosed(CREATED_AT_ONCE);
    this.#running = this.#run();
  }

  /** Takes over which tenants there are. */
  follow(tenants: Iterable<AuditedTenant>): void {
    const { topicName, operatorTopicName, operatorTenant } = this.#options;
    const gone = new Set(this.#byTenant.keys());
    let hasOperators = false;
    for (const { name, clusterId } of tenants) {
      gone.delete(name);
      hasOperators ||= name === operatorTenant;
      const known = this.#byTenant.get(name);
      if (known?.clusterId === clusterId) continue;
      known?.topic.discard();
      const topic = this.#topic(`${name}.${topicName}`, name);
      this.#byTenant.set(name, { topic, clusterId });
    }
    for (const name of gone) {
      this.#byTenant.get(name)?.topic.discard();
      this.#byTenant.delete(name);
    }
    if (!hasOperators) {
      this.#operators?.discard();
      this.#operators = null;
    } else this.#operators ??= this.#topic(`${operatorTenant}.${operatorTopicName}`, null);
  }

  /** Takes a line that was written. Synchronous and cheap. */
  take({ stream, tenant, line: text }: DurableRecord): void {
    const line = text.endsWith('\n') ? text.slice(0, -1) : text;
    const sequence = sequenceOf(line);
    if (sequence === null) return;
    const before = this.#live;
    const upTo = { ...before, [stream]: Math.max(before[stream], sequence) };
    this.#live = upTo;
    const waiting: Waiting = { stream, sequence, line, upTo };
    const ofTenant = tenant === null ? undefined : this.#byTenant.get(tenant)?.topic;
    ofTenant?.offer(waiting, before);
    this.#operators?.offer(waiting, before);
  }

  /** Publishes what was written so far, if that can be done soon, and notes how far all have come. */
  async close(): Promise<void> {
    this.#isEnding = true;
    this.#wake?.();
    await this.#running;
    await this.#catchingUp;
    const { clock } = this.#options;
    const endMs = clock.monotonicMs() + CLOSING_MS;
    for (let more = true; more && clock.monotonicMs() < endMs; ) {
      more = await this.#publishRound();
    }
    await this.#writePositions();
  }

  #topic(name: string, tenant: string | null): AuditTopic {
    const { topicName, operatorTopicName, clock, batchBytesMax, queueCharsMax } = this.#options;
    return new AuditTopic(name, tenant, {
      log: this.#log,
      sealKey: this.#positions.key,
      isAuditTopic: (visible) => visible === topicName || visible === operatorTopicName,
      clock,
      batchBytesMax,
      queueCharsMax,
      budget: this.#budget,
    });
  }

  get #topics(): AuditTopic[] {
    const topics = [...this.#byTenant.values()].map(({ topic }) => topic);
    return this.#operators === null ? topics : [...topics, this.#operators];
  }

  async #run(): Promise<void> {
    const { clock, logger, publishEveryMs } = this.#options;
    while (!this.#isEnding) {
      const beganMs = clock.monotonicMs();
      try {
        await this.#openClosed(Number.POSITIVE_INFINITY);
        await this.#publishRound();
        this.#beginCatchUp();
        if (clock.monotonicMs() - this.#positionsAtMs >= POSITIONS_EVERY_MS) {
          await this.#writePositions();
        }
      } catch (err) {
        if (!(err instanceof Ended)) logger.error({ err }, 'the audit topics are not kept up');
      }
      const workedMs = clock.monotonicMs() - beganMs;
      await this.#pause(Math.max(publishEveryMs, OTHERS_SHARE * workedMs));
    }
  }

  /** Waits, unless the end comes. */
  #pause(delayMs: number): Promise<void> {
    if (this.#isEnding) return Promise.resolve();
    return new Promise((resolve) => {
      const done = (): void => {
        timer.cancel();
        this.#wake = null;
        resolve();
      };
      const timer: Timer = this.#options.clock.setTimer(delayMs, done);
      this.#wake = done;
    });
  }

  /** Batches of all topics that have something, in turn, for a bounded time; true: there is more. */
  async #publishRound(): Promise<boolean> {
    const { clock } = this.#options;
    const endMs = clock.monotonicMs() + ROUND_MS;
    for (;;) {
      const busy = this.#topics.filter((topic) => topic.state === 'live' && !topic.isIdle);
      if (busy.length === 0) return false;
      for (const topic of busy) {
        await this.#publishSome(topic);
        await nextTurn();
        if (clock.monotonicMs() > endMs) return true;
      }
    }
  }

  async #publishSome(topic: AuditTopic): Promise<void> {
    try {
      await topic.publishWaiting();
    } catch (err) {
      this.#tell(topic, err);
      topic.failed('behind');
    }
  }

  /** Makes and opens what is not open, a bounded number of topics. */
  async #openClosed(countMax: number): Promise<void> {
    const { clock } = this.#options;
    const nowMs = clock.monotonicMs();
    const closed = this.#topics
      .filter(({ state, retryAtMs }) => state === 'closed' && retryAtMs <= nowMs)
      .slice(0, countMax);
    for (let at = 0; at < closed.length && !this.#isEnding; at += CREATED_AT_ONCE) {
      const some = closed.slice(at, at + CREATED_AT_ONCE);
      const missing = some.filter(({ name }) => this.#log.find(name) === undefined);
      let failure: unknown = null;
      if (missing.length > 0) {
        await this.#log.create(missing.map(({ name }) => name)).catch((err: unknown) => {
          failure = err;
        });
      }
      for (const topic of some) {
        await this.#open(topic, failure);
        if (this.#isEnding) return;
      }
    }
  }

  async #open(topic: AuditTopic, failure: unknown): Promise<void> {
    try {
      await openTopic(topic, {
        log: this.#log,
        positions: this.#positions,
        atStart: this.#atStart,
        live: () => this.#live,
        logger: this.#options.logger,
      });
    } catch (err) {
      this.#tell(topic, failure ?? err);
      topic.failed('closed');
    }
  }

  /** At once, in the background: publishing goes on meanwhile. */
  #beginCatchUp(): void {
    if (this.#catchingUp !== null) return;
    const { clock, logger } = this.#options;
    const nowMs = clock.monotonicMs();
    const topics = this.#topics.filter(
      ({ state, isWriting, retryAtMs }) => state === 'behind' && !isWriting && retryAtMs <= nowMs,
    );
    if (topics.length === 0) return;
    for (const topic of topics) topic.join();
    this.#turnBeganMs = nowMs;
    this.#catchingUp = catchUp(topics, this.#live, {
      source: this.#source,
      logger,
      turn: () => this.#turn(),
      heldCharsMax: CATCH_UP_HELD_CHARS,
    })
      .catch((err: unknown) => {
        if (!(err instanceof Ended)) {
          logger.error({ err }, 'the audit files cannot be read for the audit topics');
        }
      })
      .finally(() => {
        this.#catchingUp = null;
      });
  }

  /** Between pieces of work that may be long. */
  async #turn(): Promise<void> {
    if (this.#isEnding) throw new Ended();
    const { clock } = this.#options;
    const workedMs = clock.monotonicMs() - this.#turnBeganMs;
    if (workedMs < TURN_MS) return;
    await new Promise<void>((resolve) => {
      clock.setTimer(OTHERS_SHARE * Math.min(workedMs, LONG_TURN_MS), resolve);
    });
    this.#turnBeganMs = clock.monotonicMs();
  }

  #tell(topic: AuditTopic, err: unknown): void {
    if (topic.failures > 0) return;
    this.#options.logger.error({ err, topic: topic.name }, 'an audit topic cannot be written');
  }

  async #writePositions(): Promise<void> {
    const live = this.#live;
    const positions = new Map<string, Position>();
    for (const topic of this.#topics) {
      const topicId = this.#log.find(topic.name)?.topicId;
      if (topicId === undefined || topic.state === 'foreign') continue;
      const known = this.#positions.positionOf(topicId);
      if (topic.state === 'closed') {
        if (known !== undefined) positions.set(topicId, known);
        continue;
      }
      if (topic.isIdle) topic.position = laterOf(topic.position, live);
      await topic.settleDurable().catch((err: unknown) => this.#tell(topic, err));
      positions.set(topicId, topic.durable);
    }
    this.#positionsAtMs = this.#options.clock.monotonicMs();
    await this.#positions.write(positions);
  }
}
