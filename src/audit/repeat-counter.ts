/**
 * Owns the counting of equal accesses: the first of its kind on a connection is written at once,
 * repeats within the window become one line with their count.
 *
 * Invariant: every event is either written or counted in an entry that a later `sweep` writes; memory
 * is bounded, and when it is used up events are written one by one instead. A repeat allocates
 * nothing.
 */
import type { Clock } from '../base/clock.ts';
import type { AccessEvent, AuditSubject } from './audit-event.ts';
import type { Repeats } from './audit-record.ts';

interface Entry {
  readonly event: AccessEvent;
  count: number;
  firstMs: number;
  lastMs: number;
  /** Another kind of access to the same resource name. */
  readonly next: Entry | undefined;
  readonly depth: number;
}

type Entries = Map<string, Entry>;

const KINDS_PER_NAME_MAX = 16;
const NAME_LENGTH_MAX = 255;

export type WriteAccess = (
  subject: AuditSubject,
  event: AccessEvent,
  repeats: Repeats | null,
) => void;

const sameKind = (a: AccessEvent, b: AccessEvent): boolean =>
  a.operation === b.operation &&
  a.rule === b.rule &&
  a.api === b.api &&
  a.allowed === b.allowed &&
  a.resourceType === b.resourceType &&
  a.apiVersion === b.apiVersion &&
  a.clientId === b.clientId &&
  a.origin === b.origin &&
  a.tokenRole === b.tokenRole &&
  (a.rolePath === b.rolePath || a.rolePath?.join() === b.rolePath?.join());

export class RepeatCounter {
  readonly #clock: Clock;
  readonly #write: WriteAccess;
  readonly #entriesMax: number;
  readonly #bySubject = new Map<AuditSubject, Entries>();
  #size = 0;
  #lastSubject: AuditSubject | null = null;
  #lastEntries: Entries | null = null;
  /** The rest of a sweep that was begun. */
  #sweeping: IterableIterator<[AuditSubject, Entries]> | null = null;
  /** Connections still to visit: those that come during a sweep are left to the next one. */
  #toVisit = 0;

  constructor(clock: Clock, entriesMax: number, write: WriteAccess) {
    this.#clock = clock;
    this.#entriesMax = entriesMax;
    this.#write = write;
  }

  get size(): number {
    return this.#size;
  }

  record(subject: AuditSubject, event: AccessEvent): void {
    const entries = subject === this.#lastSubject ? this.#lastEntries : this.#entriesOf(subject);
    const head = entries?.get(event.resourceName);
    for (let entry = head; entry !== undefined; entry = entry.next) {
      if (!sameKind(entry.event, event)) continue;
      const nowMs = this.#clock.nowMs();
      if (entry.count === 0) entry.firstMs = nowMs;
      entry.lastMs = nowMs;
      entry.count += 1;
      return;
    }
    this.#add(subject, event, head);
    this.#write(subject, event, null);
  }

  #entriesOf(subject: AuditSubject): Entries | null {
    const entries = this.#bySubject.get(subject) ?? null;
    this.#lastSubject = subject;
    this.#lastEntries = entries;
    return entries;
  }

  #add(subject: AuditSubject, event: AccessEvent, next: Entry | undefined): void {
    const depth = (next?.depth ?? 0) + 1;
    if (this.#size >= this.#entriesMax || depth > KINDS_PER_NAME_MAX) return;
    if (event.resourceName.length > NAME_LENGTH_MAX) return;
    let entries = this.#lastEntries;
    if (entries === null) {
      entries = new Map();
      this.#bySubject.set(subject, entries);
      this.#lastEntries = entries;
    }
    entries.set(event.resourceName, { event, count: 0, firstMs: 0, lastMs: 0, next, depth });
    this.#size += 1;
  }

  /** Makes the next sweep begin at the beginning. */
  restartSweep(): void {
    this.#sweeping = null;
  }

  /**
   * Writes what was counted and forgets what was not repeated since the last sweep; looks at about
   * `budget` entries and returns true when there are more to look at.
   */
  sweep(budget = Number.POSITIVE_INFINITY): boolean {
    if (this.#sweeping === null) {
      this.#sweeping = this.#bySubject.entries();
      this.#toVisit = this.#bySubject.size;
    }
    for (let left = budget; left > 0; ) {
      const next = this.#toVisit > 0 ? this.#sweeping.next() : undefined;
      if (next === undefined || next.done === true) {
        this.#sweeping = null;
        return false;
      }
      this.#toVisit -= 1;
      const [subject, entries] = next.value;
      left -= entries.size + 1;
      this.#sweepEntries(subject, entries);
    }
    return true;
  }

  #sweepEntries(subject: AuditSubject, entries: Entries): void {
    for (const [name, head] of entries) {
      let repeated = false;
      for (let entry: Entry | undefined = head; entry !== undefined; entry = entry.next) {
        if (entry.count === 0) continue;
        repeated = true;
        const { count, firstMs, lastMs } = entry;
        entry.count = 0;
        this.#write(subject, entry.event, { count, firstMs, lastMs });
      }
      if (repeated) continue;
      entries.delete(name);
      this.#size -= head.depth;
    }
    if (entries.size > 0) return;
    this.#bySubject.delete(subject);
    if (this.#lastSubject === subject) this.#lastEntries = null;
  }
}
