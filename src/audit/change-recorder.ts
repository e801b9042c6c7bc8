/**
 * Owns how the records of administrative changes reach the audit log: a few hundred at a time, and a
 * bounded number of them, of all connections together, not yet on stable storage.
 *
 * Invariant: a change is never dropped, however many there are; who has too many waits, first come
 * first served, so that no tenant's changes can overflow the queue of the log, which would stop
 * everybody. Small changes do not wait for each other: they share a commit.
 */
import { StorageError } from '../base/errors.ts';
import type { AuditSubject, SecurityEvent } from './audit-event.ts';
import type { AuditLog } from './audit-log.ts';

/** Lines that are written in one turn of the event loop. */
const PORTION = 256;
/** Lines that wait for the disk; a line is at most a few kilobytes. */
const OUTSTANDING_MAX = 2048;

interface Waiter {
  readonly lines: number;
  readonly admit: () => void;
}

export class ChangeRecorder {
  readonly #audit: AuditLog;
  readonly #waiters: Waiter[] = [];
  #outstanding = 0;

  constructor(audit: AuditLog) {
    this.#audit = audit;
  }

  /** Resolves when all of the events are on stable storage; rejects with StorageError. */
  async record(subject: AuditSubject, events: readonly SecurityEvent[]): Promise<void> {
    if (!this.#audit.accepts(subject)) {
      throw new StorageError('The tenant has used up its part of the access log for today.');
    }
    for (let at = 0; at < events.length; at += PORTION) {
      const portion = events.slice(at, at + PORTION);
      await this.#admitted(portion.length);
      try {
        for (const event of portion) this.#audit.security(subject, event);
        await this.#audit.durable();
      } finally {
        this.#outstanding -= portion.length;
        this.#admitNext();
      }
    }
  }

  #admitted(lines: number): Promise<void> {
    if (this.#waiters.length === 0 && this.#outstanding + lines <= OUTSTANDING_MAX) {
      this.#outstanding += lines;
      return Promise.resolve();
    }
    return new Promise((admit) => {
      this.#waiters.push({ lines, admit });
    });
  }

  #admitNext(): void {
    for (;;) {
      const next = this.#waiters[0];
      if (next === undefined || this.#outstanding + next.lines > OUTSTANDING_MAX) return;
      this.#waiters.shift();
      this.#outstanding += next.lines;
      next.admit();
    }
  }
}
