/**
 * Owns how listings come a page at a time: what a request asks with, how a page is found, and what
 * the cursor to the next one is.
 *
 * Invariants: an item has one place in the order, by its key, so that a walk through the pages meets
 * every item that was there all the while once, whatever comes and goes meanwhile; a page costs one
 * pass over what is listed, in turns of the event loop, and keeps no more than two pages in memory.
 * A cursor says where to go on and permits nothing: it is judged like any text of a caller.
 */
import type { Clock } from '../base/clock.ts';
import { workInTurns } from '../protocol/records/event-loop-slices.ts';
import { integer, list, nullable, object, type Shape, text } from './json-shape.ts';
import { AdminError } from './problem.ts';
import { Grammars, optional, withDefault } from './request-fields.ts';

export const PAGE_DEFAULT = 100;
export const PAGE_MAX = 1000;

/** The query of a listing. */
export const pageQuery = {
  limit: withDefault(integer(1, PAGE_MAX), PAGE_DEFAULT),
  cursor: optional(text(Grammars.cursor)),
} as const;

/** The last field of a page. */
export const NEXT = nullable({
  schema: { type: 'string', description: 'the cursor of the next page; null: this is the last' },
} as Shape<string>);

/** `{ [name]: [...], next }`. */
export const pageShape = <const Name extends string, T>(
  name: Name,
  item: Shape<T>,
): Shape<{ readonly [K in Name]: readonly T[] } & { readonly next: string | null }> => ({
  schema: object({ [name]: list(item), next: NEXT }).schema,
});

export interface PageRequest {
  readonly limit: number;
  readonly cursor: string | null;
}

export interface Page<T> {
  readonly items: readonly T[];
  readonly next: string | null;
}

/**
 * The items behind the cursor in order of their keys, which are unique in what is listed; null stands
 * for one that is passed over. `listing` tells one listing's cursors from another's.
 */
export async function pageOf<T>(
  listing: string,
  items: Iterable<T | null>,
  keyOf: (item: T) => string,
  { limit, cursor }: PageRequest,
  clock: Clock,
): Promise<Page<T>> {
  const after = cursor === null ? null : keyIn(listing, cursor);
  const found = await workInTurns(clock, firstOf(items, keyOf, after, limit + 1));
  const page = found.slice(0, limit);
  const last = page.at(-1);
  const hasMore = found.length > limit && last !== undefined;
  return {
    items: page.map(({ item }) => item),
    next: hasMore ? cursorTo(listing, last.key) : null,
  };
}

interface Keyed<T> {
  readonly key: string;
  readonly item: T;
}

const byKey = (a: Keyed<unknown>, b: Keyed<unknown>): number =>
  a.key < b.key ? -1 : a.key > b.key ? 1 : 0;

/** The `count` items with the least keys above `after`, in order. */
function* firstOf<T>(
  items: Iterable<T | null>,
  keyOf: (item: T) => string,
  after: string | null,
  count: number,
): Generator<void, Keyed<T>[]> {
  let kept: Keyed<T>[] = [];
  let most: string | null = null;
  let seen = 0;
  for (const item of items) {
    seen += 1;
    if (seen % 64 === 0) yield;
    if (item === null) continue;
    const key = keyOf(item);
    if ((after !== null && key <= after) || (most !== null && key >= most)) continue;
    kept.push({ key, item });
    if (kept.length < 2 * count) continue;
    kept = kept.sort(byKey).slice(0, count);
    most = kept.at(-1)?.key ?? null;
  }
  return kept.sort(byKey).slice(0, count);
}

function cursorTo(listing: string, key: string): string {
  return Buffer.from(JSON.stringify([listing, key])).toString('base64url');
}

function keyIn(listing: string, cursor: string): string {
  try {
    const parts: unknown = JSON.parse(Buffer.from(cursor, 'base64url').toString('utf8'));
    if (Array.isArray(parts) && parts.length === 2 && parts[0] === listing) {
      const [, key] = parts as readonly unknown[];
      if (typeof key === 'string') return key;
    }
  } catch {
    // Said below.
  }
  const detail = '"cursor" is not of this listing: begin without one.';
  throw new AdminError(400, 'invalid-cursor', detail);
}
