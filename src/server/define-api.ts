/**
 * How an API is declared: one definition an API, from which dispatch, ApiVersions, audit names and
 * metric labels derive. The authorization stance is a required part of it.
 */
import type { ApiKey } from '../protocol/api-keys.ts';
import type { RequestOf, ResponseInit } from '../protocol/schemas/index.ts';
import type { Operation } from '../security/acl/operation.ts';
import type { RequestContext } from './request-context.ts';

/**
 * Who may call an API: `cluster` is checked by the pipeline before the handler runs; `perResource`
 * means that the handler authorises each resource that it names; `none` says why nothing is asked.
 */
export type Authorization =
  | { readonly stance: 'cluster'; readonly operation: Operation }
  | { readonly stance: 'perResource' }
  | { readonly stance: 'none'; readonly why: string };

export const cluster = (operation: Operation): Authorization => ({ stance: 'cluster', operation });
export const perResource: Authorization = { stance: 'perResource' };
export const none = (why: string): Authorization => ({ stance: 'none', why });

/** Null: no answer is sent (acks=0). 'close': the connection is closed instead of an answer. */
type Outcome<Response> = Response | null | 'close';

export interface ApiDefinition<Request = unknown, Response = unknown> {
  readonly key: ApiKey;
  /** The versions served: what the tables allow, less what is not real yet. */
  readonly versions: { readonly min: number; readonly max: number };
  /** What ApiVersions says where it is lower than what is served (Produce, for old librdkafka). */
  readonly advertisedMin?: number;
  readonly authorization: Authorization;
  /**
   * Validates, authorises and splits, acts, merges. It may run more than once for one request until
   * it acts (draft-context.ts): whatever has an effect other than through `ctx.call`,
   * `ctx.administration` or `ctx.recorded` calls `ctx.beforeActing()` first.
   */
  handle(ctx: RequestContext, request: Request): Outcome<Response> | Promise<Outcome<Response>>;
  /** The answer to a request that failed as a whole with `errorCode`. */
  fail(request: Request, errorCode: number, apiVersion: number): Outcome<Response>;
}

/** Keeps the types of request and response inside a definition, and forgets them outside. */
export function defineApi<K extends ApiKey>(
  definition: { readonly key: K } & ApiDefinition<RequestOf<K>, ResponseInit<K>>,
): ApiDefinition {
  return definition as unknown as ApiDefinition;
}
