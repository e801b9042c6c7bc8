/**
 * Owns the walk through the pages of a listing of the admin API. Invariant: a broker whose pages do
 * not end, or that gives one cursor again, is not followed for ever.
 */
import { asObject, listIn } from './answer-fields.ts';
import { CommandError } from './command-error.ts';

/** A page of the broker at its largest. */
const PAGE_MAX = 1000;
const PAGES_MAX = 10_000;

/** The lists called `names`, from all pages (or until `most` of the first are there). */
export async function allPages<Name extends string>(
  get: (query: string) => Promise<unknown>,
  query: Readonly<Record<string, string>>,
  names: readonly Name[],
  most = Number.POSITIVE_INFINITY,
): Promise<Record<Name, ReturnType<typeof listIn>[number][]>> {
  const found = Object.fromEntries(names.map((name) => [name, []])) as unknown as Record<
    Name,
    ReturnType<typeof listIn>[number][]
  >;
  let cursor: string | null = null;
  for (let page = 0; page < PAGES_MAX; page += 1) {
    const wanted = Math.min(PAGE_MAX, most - found[names[0]!].length);
    const asked = { ...query, limit: String(wanted), ...(cursor !== null && { cursor }) };
    const answer = await get(`?${new URLSearchParams(asked).toString()}`);
    for (const name of names) found[name].push(...listIn(answer, name));
    const { next } = asObject(answer);
    if (typeof next !== 'string' || found[names[0]!].length >= most) return found;
    if (next === cursor) break;
    cursor = next;
  }
  throw new CommandError('the pages of the answer do not end: check the version of the broker');
}
