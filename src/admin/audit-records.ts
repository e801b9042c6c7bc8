/**
 * Owns reading the audit log for the admin API, page by page, and the cursors that carry a reader from
 * one page to the next.
 *
 * Invariants: a cursor is good only for who got it and for the question that it belongs to (it is
 * authenticated with a key of this process), so that no reading begins without being recorded; a
 * question that names a tenant is answered with records of that tenant alone.
 */
import { createHmac, timingSafeEqual } from 'node:crypto';
import { type Bounds, FROM_THE_START } from '../audit/audit-page.ts';
import {
  type AuditFilter,
  type HideValue,
  hideFilter,
  type QueryOrder,
} from '../audit/audit-query.ts';
import {
  AuditBusyError,
  type AuditQueryThread,
  type LinePage,
} from '../audit/audit-query-thread.ts';
import type { Clock } from '../base/clock.ts';
import type { Logger } from '../base/logger.ts';
import type { Random } from '../base/random.ts';
import type { AdminAuditRecords, AuditAnswer, AuditQuestion } from './admin-services.ts';
import { AdminError } from './problem.ts';

/** What the event loop has to turn into an answer at once. */
const PAGE_BYTES_MAX = 512 * 1024;
/** How long a page may look for records before it says how far it came. */
const PAGE_WORK_MS_MAX = 750;
const POLL_MS = 250;
const FOLLOWERS_MAX = 32;
const MAC_BYTES = 16;

type Reads = Pick<AuditQueryThread, 'page' | 'end'>;

interface Parts {
  readonly log: Reads;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** Where values are hidden in the log, what stands for them: audit.hmac.fields. */
  readonly hide?: HideValue;
}

export class ThreadAuditRecords implements AdminAuditRecords {
  readonly #parts: Parts;
  readonly #key: Buffer;
  #followers = 0;

  constructor(parts: Parts) {
    this.#parts = parts;
    this.#key = parts.random.bytes(32);
  }

  /** Throws AdminError for a cursor that is not of this question, and for what cannot be asked. */
  check(question: AuditQuestion, cursor: string | null): void {
    if (cursor !== null) this.#bounds(question, cursor);
    this.#hidden(question.filter);
  }

  #hidden(filter: AuditFilter): AuditFilter {
    const { hide } = this.#parts;
    if (hide === undefined) return filter;
    try {
      return hideFilter(filter, hide);
    } catch (cause) {
      const detail = cause instanceof RangeError ? cause.message : 'it cannot be asked';
      throw new AdminError(400, 'invalid-field', `This is refused: ${detail}.`, { cause });
    }
  }

  async page(question: AuditQuestion, cursor: string | null, limit: number): Promise<AuditAnswer> {
    const after = cursor === null ? FROM_THE_START : this.#bounds(question, cursor);
    const page = await this.#page(question.filter, question.order, after, limit);
    return this.#answer(question, page, page.isLast ? null : page.after);
  }

  async follow(
    question: AuditQuestion,
    cursor: string | null,
    limit: number,
    waitMs: number,
  ): Promise<AuditAnswer> {
    if (this.#followers >= FOLLOWERS_MAX) throw busy();
    this.#followers += 1;
    try {
      return await this.#follow(question, cursor, { limit, waitMs });
    } finally {
      this.#followers -= 1;
    }
  }

  async #follow(
    question: AuditQuestion,
    cursor: string | null,
    { limit, waitMs }: { limit: number; waitMs: number },
  ): Promise<AuditAnswer> {
    const { log, clock } = this.#parts;
    const isFromNow = cursor === null && question.filter.sinceMs === undefined;
    if (isFromNow) {
      const end = await this.#asked(log.end());
      return this.#answer(question, { lines: [], after: end, isLast: true, badLines: 0 }, end);
    }
    let after = cursor === null ? FROM_THE_START : this.#bounds(question, cursor);
    const untilMs = clock.monotonicMs() + waitMs;
    for (;;) {
      const page = await this.#page(question.filter, question.order, after, limit);
      const isOver = page.lines.length > 0 || clock.monotonicMs() >= untilMs;
      if (isOver) return this.#answer(question, page, page.after);
      after = page.after;
      if (page.isLast) await new Promise<void>((resolve) => clock.setTimer(POLL_MS, resolve));
    }
  }

  #page(filter: AuditFilter, order: QueryOrder, after: Bounds, limit: number): Promise<LinePage> {
    const bounded = { bytesMax: PAGE_BYTES_MAX, workMsMax: PAGE_WORK_MS_MAX };
    const hidden = this.#hidden(filter);
    return this.#asked(this.#parts.log.page({ filter: hidden, order, limit, after, ...bounded }));
  }

  async #asked<T>(answer: Promise<T>): Promise<T> {
    try {
      return await answer;
    } catch (error) {
      if (error instanceof AuditBusyError) throw busy();
      this.#parts.logger.error({ err: error }, 'the audit log could not be read');
      const detail = 'The audit log cannot be read; the log of the broker says why.';
      throw new AdminError(503, 'audit-unreadable', detail, { cause: error });
    }
  }

  #answer(question: AuditQuestion, page: LinePage, next: Bounds | null): AuditAnswer {
    const records = page.lines.map(({ stream, line }) => {
      const record = JSON.parse(line) as Readonly<Record<string, unknown>>;
      return { id: `${stream}:${String(record.seq)}`, stream, ...record };
    });
    const { badLines } = page;
    return { records, badLines, next: next === null ? null : this.#cursor(question, next) };
  }

  #cursor(question: AuditQuestion, { security, access }: Bounds): string {
    const text = JSON.stringify([security, access]);
    return Buffer.concat([this.#mac(question, text), Buffer.from(text)]).toString('base64url');
  }

  #bounds(question: AuditQuestion, cursor: string): Bounds {
    const bytes = Buffer.from(cursor, 'base64url');
    const text = bytes.toString('utf8', MAC_BYTES);
    const mac = this.#mac(question, text);
    if (bytes.length <= MAC_BYTES || !timingSafeEqual(mac, bytes.subarray(0, MAC_BYTES))) {
      const detail = 'The cursor is not of this question, or of an earlier run: begin without one.';
      throw new AdminError(400, 'invalid-cursor', detail);
    }
    const [security, access] = JSON.parse(text) as [number | null, number | null];
    return { security, access };
  }

  #mac({ filter, order, reader }: AuditQuestion, text: string): Buffer {
    const about = JSON.stringify([reader, order, Object.entries(filter).sort(), text]);
    return createHmac('sha256', this.#key).update(about).digest().subarray(0, MAC_BYTES);
  }
}

const busy = (): AdminError =>
  new AdminError(429, 'audit-busy', 'Too many read the audit log at once: try again in a moment.');
