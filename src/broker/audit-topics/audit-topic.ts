/**
 * Owns one audit topic: what waits to be published to it, how far it has come, and the writing.
 *
 * Invariants: `position` never passes a line of the topic's that is not in its log; a line at or
 * below `position` is not published again; what waits is bounded, and what does not fit is left to
 * be read from the audit files.
 *
 *   closed --opened, all published--> live <--caught up-- joining <--chosen-- behind
 *      ^                               | overflow, failure   | failure           ^
 *      +-- its topic is gone           +---------------------+------------------+
 *   foreign: a topic of that name holds what this broker did not write; it is left alone
 */
import type { AuditStreamName } from '../../audit/audit-replay.ts';
import type { Clock } from '../../base/clock.ts';
import type { NewRecord } from '../../protocol/records/record.ts';
import { laterOf, POSITION_HEADER, type Position, START, sealPosition } from './position.ts';
import type { TopicLog } from './topic-log.ts';
import {
  type EventLine,
  isReadingOfTopic,
  noteRecord,
  operatorRecord,
  tenantRecord,
  textHeader,
} from './topic-record.ts';

/** A line on its way to topics; several topics share one. */
export interface Waiting {
  readonly stream: AuditStreamName;
  readonly sequence: number;
  readonly line: string;
  /** How far a topic has come that has this line and all before it. */
  readonly upTo: Position;
  /** Where they were parsed already. */
  readonly fields?: EventLine['fields'];
}

export type TopicState = 'closed' | 'foreign' | 'behind' | 'joining' | 'live';

export interface TopicSettings {
  readonly log: TopicLog;
  readonly sealKey: Buffer;
  readonly isAuditTopic: (visibleName: string) => boolean;
  readonly clock: Clock;
  readonly batchBytesMax: number;
  readonly queueCharsMax: number;
  /** Of all topics together. */
  readonly budget: QueueBudget;
}

export interface QueueBudget {
  readonly charsMax: number;
  chars: number;
}

const FIRST_RETRY_MS = 1_000;
const LAST_RETRY_MS = 30_000;
/** Of a record beside its value and key, and of its seal. */
const RECORD_OVERHEAD_BYTES = 160;

export class AuditTopic {
  readonly name: string;
  /** Whose events it has; null: everybody's. */
  readonly tenant: string | null;
  readonly #settings: TopicSettings;
  state: TopicState = 'closed';
  position: Position = START;
  /** A position that is known to be on stable storage. */
  durable: Position = START;
  /** Of the last record written in this run; -1: none. */
  #lastOffset = -1;
  #waiting: Waiting[] = [];
  #waitingChars = 0;
  #hasOverflowed = false;
  #isWriting = false;
  #failures = 0;
  /** Monotonic. */
  retryAtMs = 0;

  constructor(name: string, tenant: string | null, settings: TopicSettings) {
    this.name = name;
    this.tenant = tenant;
    this.#settings = settings;
  }

  get isWriting(): boolean {
    return this.#isWriting;
  }

  get isIdle(): boolean {
    return this.state === 'live' && !this.#isWriting && this.#waiting.length === 0;
  }

  get hasUndurable(): boolean {
    return this.#lastOffset !== -1;
  }

  /** Takes a line that was just written to the audit log, of this topic's events. */
  offer(line: Waiting, before: Position): void {
    if (this.state !== 'live' && this.state !== 'joining') return;
    // Nothing of its own lay between.
    if (this.isIdle) this.position = before;
    const chars = line.line.length;
    const { budget, queueCharsMax } = this.#settings;
    const hasRoom = budget.chars + chars <= budget.charsMax;
    if (hasRoom && this.#waitingChars + chars <= queueCharsMax) {
      this.#waiting.push(line);
      this.#waitingChars += chars;
      budget.chars += chars;
      return;
    }
    this.#forgetWaiting();
    if (this.state === 'live') this.state = 'behind';
    else this.#hasOverflowed = true;
  }

  /** Begins to take new lines while older ones are read from the files. */
  join(): void {
    this.state = 'joining';
    this.#hasOverflowed = false;
    this.#forgetWaiting();
  }

  /** Its tenant is gone. */
  discard(): void {
    this.state = 'closed';
    this.#forgetWaiting();
  }

  /** All of its lines up to `target` were published. */
  joined(target: Position): void {
    this.position = laterOf(this.position, target);
    this.state = this.#hasOverflowed ? 'behind' : 'live';
    this.#hasOverflowed = false;
  }

  /** Its topic cannot be used now: it is tried again, later and later. */
  failed(state: 'closed' | 'behind'): void {
    this.state = state;
    this.#forgetWaiting();
    const delayMs = Math.min(FIRST_RETRY_MS * 2 ** this.#failures, LAST_RETRY_MS);
    this.#failures += 1;
    this.retryAtMs = this.#settings.clock.monotonicMs() + delayMs;
  }

  get failures(): number {
    return this.#failures;
  }

  /** Publishes some of what waits. Rejects when it cannot. */
  async publishWaiting(): Promise<void> {
    if (!this.#isWriting && this.#waiting.length > 0) await this.publish(this.#take());
  }

  /** Publishes lines that were read from the files, or waited; those it has already are left out. */
  async publish(lines: readonly Waiting[]): Promise<void> {
    this.#isWriting = true;
    try {
      let batch: NewRecord[] = [];
      let batchBytes = 0;
      let upTo = this.position;
      for (const line of lines) {
        if (line.sequence <= this.position[line.stream]) continue;
        const record = this.#recordOf(line);
        if (record !== null) {
          const bytes = sizeOf(record);
          if (batch.length > 0 && batchBytes + bytes > this.#settings.batchBytesMax) {
            await this.#append(batch, upTo);
            batch = [];
            batchBytes = 0;
          }
          batch.push(record);
          batchBytes += bytes;
        }
        upTo = laterOf(upTo, line.upTo);
      }
      if (batch.length > 0) await this.#append(batch, upTo);
      this.position = laterOf(this.position, upTo);
      this.#failures = 0;
    } finally {
      this.#isWriting = false;
    }
  }

  /** Says something of its own in the topic; with `all`, durably. */
  async note(
    note: Pick<Parameters<typeof noteRecord>[0], 'outcome' | 'reason' | 'detail'>,
    upTo: Position,
    acks: 'written' | 'all',
  ): Promise<void> {
    this.#isWriting = true;
    try {
      const nowMs = this.#settings.clock.nowMs();
      await this.#append([noteRecord({ ...note, tenant: this.tenant, nowMs })], upTo, acks);
      if (acks === 'all') this.durable = this.position;
    } finally {
      this.#isWriting = false;
    }
  }

  /** Finds out how much of it is durable by now. */
  async settleDurable(): Promise<void> {
    const { position } = this;
    const lastOffset = this.#lastOffset;
    if (lastOffset !== -1) {
      if ((await this.#settings.log.durableEnd(this.name)) <= lastOffset) return;
      if (this.#lastOffset === lastOffset) this.#lastOffset = -1;
    }
    this.durable = laterOf(this.durable, position);
  }

  #take(): Waiting[] {
    let chars = 0;
    let count = 0;
    for (const { line } of this.#waiting) {
      if (count > 0 && chars + line.length > this.#settings.batchBytesMax) break;
      chars += line.length;
      count += 1;
    }
    this.#waitingChars -= chars;
    this.#settings.budget.chars -= chars;
    return this.#waiting.splice(0, count);
  }

  #forgetWaiting(): void {
    this.#settings.budget.chars -= this.#waitingChars;
    this.#waiting = [];
    this.#waitingChars = 0;
  }

  /** Null for a line that is in the files alone. */
  #recordOf(waiting: Waiting): NewRecord | null {
    const { isAuditTopic, clock, batchBytesMax } = this.#settings;
    const fields = waiting.fields ?? (JSON.parse(waiting.line) as EventLine['fields']);
    if (isReadingOfTopic(fields, isAuditTopic)) return null;
    const event: EventLine = { ...waiting, fields };
    const record = this.tenant === null ? operatorRecord(event) : tenantRecord(event);
    if (sizeOf(record) <= batchBytesMax) return record;
    return noteRecord({
      tenant: this.tenant,
      nowMs: clock.nowMs(),
      outcome: 'failure',
      reason: 'audit-record-too-large',
      detail: 'A record is larger than message.max.bytes allows; it is in the audit files.',
    });
  }

  async #append(
    records: NewRecord[],
    upTo: Position,
    acks: 'written' | 'all' = 'written',
  ): Promise<void> {
    const last = records.at(-1)!;
    const seal = textHeader(POSITION_HEADER, sealPosition(this.#settings.sealKey, upTo));
    records[records.length - 1] = { ...last, headers: [...(last.headers ?? []), seal] };
    const offset = await this.#settings.log.append(this.name, records, acks);
    this.position = laterOf(this.position, upTo);
    this.#lastOffset = offset;
  }
}

const sizeOf = ({ key, value }: NewRecord): number =>
  (key?.length ?? 0) + (value?.length ?? 0) + RECORD_OVERHEAD_BYTES;
