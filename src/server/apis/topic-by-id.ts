/** What the handlers share that name topics by name in old versions and by id in new ones. */
import { ErrorCode } from '../../protocol/error-codes.ts';
import { ZERO_UUID } from '../../protocol/schema.ts';
import type { Operation } from '../../security/acl/operation.ts';
import type { RequestContext } from '../request-context.ts';

export interface ById {
  /** From this version on there is no name in the request. */
  readonly sinceVersion: number;
}

/**
 * Fills in the name of a topic asked for by id, and decides whether the caller may do `operation` on
 * it; NONE or the error. Whether a topic asked for by name exists plays no part.
 */
export function resolveTopic(
  ctx: RequestContext,
  topic: { name: string; topicId: string },
  operation: Operation,
  { sinceVersion }: ById,
): number {
  if (ctx.apiVersion >= sinceVersion) {
    const known = topic.topicId === ZERO_UUID ? undefined : ctx.engine.topicById(topic.topicId);
    if (known === undefined) return ErrorCode.UNKNOWN_TOPIC_ID;
    topic.name = known.name;
  }
  return ctx.authorize(operation, 'TOPIC', topic.name)
    ? ErrorCode.NONE
    : ErrorCode.TOPIC_AUTHORIZATION_FAILED;
}
