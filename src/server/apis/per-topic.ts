/**
 * What the handlers of topic APIs share: splitting a request's topics into those the caller may
 * touch and those refused, before anything is looked up, so that a refusal tells nothing about
 * whether a topic exists.
 *
 * Invariant: a request that names very many things is worked on a few milliseconds at a time, so
 * that nobody else's requests wait for it; what was decided under an older policy is decided again.
 */
import { nextTurn, runInSlices } from '../../protocol/records/event-loop-slices.ts';
import type { Operation, ResourceTypeName } from '../../security/acl/operation.ts';
import type { RequestContext } from '../request-context.ts';

export interface Split<T> {
  readonly accepted: T[];
  readonly refused: T[];
}

/** Items that are handled before the time is looked at. */
const ITEMS_BETWEEN_LOOKS = 4;
/** How long one request may hold up the event loop. */
const TURN_MS = 10;

export function splitByTopic<T>(
  ctx: RequestContext,
  operation: Operation,
  topics: readonly T[],
  nameOf: (topic: T) => string,
): Split<T> | Promise<Split<T>> {
  return splitByName(ctx, operation, 'TOPIC', topics, nameOf);
}

/** The same for groups. */
export function splitByGroup(
  ctx: RequestContext,
  operation: Operation,
  groups: readonly string[],
): Split<string> | Promise<Split<string>> {
  return splitByName(ctx, operation, 'GROUP', groups, (group) => group);
}

function splitByName<T>(
  ctx: RequestContext,
  operation: Operation,
  resourceType: ResourceTypeName,
  items: readonly T[],
  nameOf: (item: T) => string,
): Split<T> | Promise<Split<T>> {
  return decideInTurns(ctx, items, () => {
    const split: Split<T> = { accepted: [], refused: [] };
    const decide = (item: T): void => {
      const allowed = ctx.authorize(operation, resourceType, nameOf(item));
      (allowed ? split.accepted : split.refused).push(item);
    };
    return { decide, outcome: split };
  });
}

/** How a list is decided on: one call an item, and what they amount to. */
export interface Decision<T, R> {
  readonly decide: (item: T) => void;
  readonly outcome: R;
}

/**
 * Runs a decision over all items: at once where that is quick, in turns of the event loop where it
 * is not. A policy that changed between turns makes it begin again, and so does a decision that had
 * to be asked for outside.
 */
export function decideInTurns<T, R>(
  ctx: RequestContext,
  items: readonly T[],
  begin: () => Decision<T, R>,
): R | Promise<R> {
  const epoch = ctx.policyEpoch;
  const mark = ctx.mark();
  const { decide, outcome } = begin();
  const again = (): R | Promise<R> => decideInTurns(ctx, items, begin);
  const settled = (): R | Promise<R> => {
    const open = ctx.settle(mark);
    if (open === undefined) return outcome;
    return open.then((isOpen) => (isOpen || ctx.policyEpoch !== epoch ? again() : outcome));
  };
  const done = forEachInTurns(ctx, items, decide);
  if (done === undefined) return settled();
  return done.then(() => {
    if (ctx.policyEpoch === epoch) return settled();
    ctx.rewind(mark);
    return again();
  });
}

/** The same for one question that comes after a wait. */
export function decideAgain(ctx: RequestContext, ask: () => boolean): boolean | Promise<boolean> {
  const answer = decideInTurns(ctx, [ask], () => {
    const outcome = { allowed: false };
    const decide = (question: () => boolean): void => {
      outcome.allowed = question();
    };
    return { decide, outcome };
  });
  return whenReady(answer, ({ allowed }) => allowed);
}

/** Calls `step` with every item; undefined when that was done at once. */
export function forEachInTurns<T>(
  { services: { clock }, work }: RequestContext,
  items: readonly T[],
  step: (item: T) => void,
): Promise<void> | undefined {
  let next = 0;
  /** True when all is done, false when the turn is over. */
  const run = (): boolean => {
    const beganMs = items.length > ITEMS_BETWEEN_LOOKS ? clock.monotonicMs() : 0;
    while (next < items.length) {
      step(items[next]!);
      next += 1;
      if (next % ITEMS_BETWEEN_LOOKS === 0 && clock.monotonicMs() - beganMs > TURN_MS) break;
    }
    return next >= items.length;
  };
  if (run()) return undefined;
  work.pause();
  return runInSlices(() => {
    work.resume();
    const isDone = run();
    work.pause();
    return isDone;
  });
}

/**
 * Hands over `items` a batch at a time, each when the work on the one before has ended, and lets
 * others have their turn in between.
 */
export async function inBatches<T>(
  { services: { clock } }: RequestContext,
  items: readonly T[],
  size: number,
  work: (batch: T[]) => unknown,
): Promise<void> {
  let beganMs = clock.monotonicMs();
  for (let at = 0; at < items.length; at += size) {
    await work(items.slice(at, at + size));
    if (clock.monotonicMs() - beganMs <= TURN_MS) continue;
    await nextTurn();
    beganMs = clock.monotonicMs();
  }
}

/** As `RequestContext.visible`, in turns. */
export function visibleInTurns<T>(
  ctx: RequestContext,
  operation: Operation,
  resourceType: ResourceTypeName,
  items: readonly T[],
  nameOf: (item: T) => string,
): T[] | Promise<T[]> {
  const filtered = decideInTurns(ctx, items, () => {
    const seen: T[] = [];
    const decide = (item: T): void => {
      if (ctx.permits(operation, resourceType, nameOf(item))) seen.push(item);
    };
    return { decide, outcome: seen };
  });
  return whenReady(filtered, (seen) => (ctx.listed(operation, resourceType) ? seen : []));
}

/** Runs `next` on an answer that may or may not be there yet. */
export function whenReady<T, R>(
  answer: T | Promise<T>,
  next: (value: T) => R | Promise<R>,
): R | Promise<R> {
  return answer instanceof Promise ? answer.then(next) : next(answer);
}
