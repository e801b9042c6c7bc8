/**
 * What the handlers of topic APIs share: splitting a request's topics into those the caller may
 * touch and those refused, before anything is looked up, so that a refusal tells nothing about
 * whether a topic exists.
 */
import type { Operation } from '../../security/acl/operation.ts';
import type { RequestContext } from '../request-context.ts';

export interface Split<T> {
  readonly accepted: T[];
  readonly refused: T[];
}

export function splitByTopic<T>(
  ctx: RequestContext,
  operation: Operation,
  topics: readonly T[],
  nameOf: (topic: T) => string,
): Split<T> {
  const accepted: T[] = [];
  const refused: T[] = [];
  for (const topic of topics) {
    if (ctx.authorize(operation, 'TOPIC', nameOf(topic))) accepted.push(topic);
    else refused.push(topic);
  }
  return { accepted, refused };
}

/** Runs `next` on an answer that may or may not be there yet. */
export function whenReady<T, R>(answer: T | Promise<T>, next: (value: T) => R): R | Promise<R> {
  return answer instanceof Promise ? answer.then(next) : next(answer);
}
