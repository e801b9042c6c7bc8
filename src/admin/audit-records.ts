/**
 * Owns reading the audit log for the admin API, page by page, and the cursors that carry a reader from
 * one page to the next.
 *
 * Invariants: a cursor is good only for who got it and for the question that it belongs to (it is
 * authenticated with a key of this process), so that no reading begins without being recorded; a
 * question that names a tenant is answered with records of that tenant alone. Sequence numbers count
 * the events of all tenants: a cursor is encrypted, and a tenant's reader is told none of them. Of
 * the bounded room for readers each tenant has a share, and operators what tenants cannot take.
 */
import { type Bounds, FROM_THE_START } from '../audit/audit-page.ts';
import { type AuditFilter, type HideValue, hideFilter } from '../audit/audit-query.ts';
import {
  AuditBusyError,
  type AuditQueryThread,
  type LinePage,
} from '../audit/audit-query-thread.ts';
import { tenantFields } from '../audit/tenant-fields.ts';
import type { Clock } from '../base/clock.ts';
import type { Logger } from '../base/logger.ts';
import type { Random } from '../base/random.ts';
import type { AdminAuditRecords, AuditAnswer, AuditQuestion } from './admin-services.ts';
import { AdminError } from './problem.ts';
import { ReaderShares } from './reader-shares.ts';
import { SealedTexts } from './sealed-text.ts';

/** What the event loop has to turn into an answer at once. */
const PAGE_BYTES_MAX = 512 * 1024;
/** How long a page may look for records before it says how far it came. */
const PAGE_WORK_MS_MAX = 750;
const POLL_MS = 250;
const FOLLOWERS_MAX = 32;
/** What the thread takes at a time is 32 as well: it refuses more by itself. */
const PAGES_MAX = 32;

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
  readonly #sealed: SealedTexts;
  readonly #followers = new ReaderShares(FOLLOWERS_MAX, busy);
  readonly #pages = new ReaderShares(PAGES_MAX, busy);

  constructor(parts: Parts) {
    this.#parts = parts;
    this.#sealed = new SealedTexts(parts.random);
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
    const page = await this.#page(question, after, limit);
    return this.#answer(question, page, page.isLast ? null : page.after);
  }

  async follow(
    question: AuditQuestion,
    cursor: string | null,
    limit: number,
    waitMs: number,
  ): Promise<AuditAnswer> {
    return await this.#followers.within(question.readerTenant, () =>
      this.#follow(question, cursor, { limit, waitMs }),
    );
  }

  async #follow(
    question: AuditQuestion,
    cursor: string | null,
    { limit, waitMs }: { limit: number; waitMs: number },
  ): Promise<AuditAnswer> {
    const { log, clock } = this.#parts;
    const isFromNow = cursor === null && question.filter.sinceMs === undefined;
    if (isFromNow) {
      const end = await this.#pages.within(question.readerTenant, () => this.#asked(log.end()));
      return this.#answer(question, { lines: [], after: end, isLast: true, badLines: 0 }, end);
    }
    let after = cursor === null ? FROM_THE_START : this.#bounds(question, cursor);
    const untilMs = clock.monotonicMs() + waitMs;
    for (;;) {
      const page = await this.#page(question, after, limit);
      const isOver = page.lines.length > 0 || clock.monotonicMs() >= untilMs;
      if (isOver) return this.#answer(question, page, page.after);
      after = page.after;
      if (page.isLast) await new Promise<void>((resolve) => clock.setTimer(POLL_MS, resolve));
    }
  }

  #page(question: AuditQuestion, after: Bounds, limit: number): Promise<LinePage> {
    const { order, readerTenant } = question;
    const filter = this.#hidden(question.filter);
    const bounded = { bytesMax: PAGE_BYTES_MAX, workMsMax: PAGE_WORK_MS_MAX };
    const request = { filter, order, limit, after, ...bounded };
    const { log } = this.#parts;
    return this.#pages.within(readerTenant, () => this.#asked(log.page(request)));
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
      const id = `${stream}:${String(record.seq)}`;
      if (question.readerTenant === null) return { id, stream, ...record };
      return { id: `${stream}:${this.#sealed.nameOf(id)}`, stream, ...tenantFields(record) };
    });
    const { badLines } = page;
    return { records, badLines, next: next === null ? null : this.#cursor(question, next) };
  }

  #cursor(question: AuditQuestion, { security, access }: Bounds): string {
    return this.#sealed.seal(aboutOf(question), JSON.stringify([security, access]));
  }

  #bounds(question: AuditQuestion, cursor: string): Bounds {
    const text = this.#sealed.open(aboutOf(question), cursor);
    if (text === null) {
      const detail = 'The cursor is not of this question, or of an earlier run: begin without one.';
      throw new AdminError(400, 'invalid-cursor', detail);
    }
    const [security, access] = JSON.parse(text) as [number | null, number | null];
    return { security, access };
  }
}

const busy = (): AdminError =>
  new AdminError(429, 'audit-busy', 'Too many read the audit log at once: try again in a moment.');

const aboutOf = ({ filter, order, reader }: AuditQuestion): string =>
  JSON.stringify(['audit', reader, order, Object.entries(filter).sort()]);
