/**
 * Owns what a route of the admin API is: where it stands, which authorization it needs, what it
 * reads from a request, what it does, and what it answers.
 *
 * Invariant: `authorization` is required; nothing of `handle` runs before it was asked, recorded
 * and granted. A route that changes something names the change, so that the change is in the audit
 * log, durable, before `handle` runs. What leaves is what `answers` says, and nothing else.
 *
 * How a route is written (routes/topics.ts has one of each kind):
 *
 *   const describe = defineRoute({
 *     method: 'GET',                                 // POST and DELETE: name the `change`
 *     path: '/v1/tenants/:tenant/topics/:topic',     // `:name` for each field of `input.path`
 *     id: 'describeTopic',                           // operationId: unique, never changed
 *     tag: 'topics',                                 // one of TAGS in openapi.ts
 *     summary: 'One topic with its partitions and settings',
 *     authorization: topicOf('DESCRIBE'),            // broker, tenantCluster, topicOf, operators, anyone
 *     change: null,                                  // 'topic-delete': the code in the audit log
 *     input: from({ path: { tenant: text(Grammars.tenant), topic: text(Grammars.topic) } }),
 *     answers: { 200: TOPIC_DETAILS },               // shapes of json-shape.ts; `nothing` for 204
 *     handle: async ({ tenant, topic }, { deps }) => ok(await deps.topics.describe(tenant, topic)),
 *   });
 *
 * Fields that may be left out are `optional(shape)` (then null) or `withDefault(shape, value)`; what
 * needs more than one field is judged in the second argument of `from`, which throws
 * `invalidField(name, 'given')` or another AdminError of 400. A listing takes `pageQuery` and answers
 * `pageShape`, made by `pageOf` (listing-page.ts). Then: a line in routes/index.ts, a row in
 * test/admin/role-matrix.ts, a sample call in test/admin/sample-calls.ts, and the tests.
 */
import type { AuditSubject } from '../audit/audit-event.ts';
import { CLUSTER_NAME, type Operation, type ResourceTypeName } from '../security/acl/operation.ts';
import type { AdminDeps } from './admin-services.ts';
import type { Shape } from './json-shape.ts';
import type { RouteInput } from './request-fields.ts';

/** What a request wants to do, and to whose resource; tenant null is the broker itself. */
export interface RouteAccess {
  readonly operation: Operation;
  readonly resourceType: ResourceTypeName;
  readonly tenant: string | null;
  readonly resourceName: string;
}

/** What the OpenAPI document says of an authorization. */
export type Stance =
  | {
      readonly operation: Operation;
      readonly resourceType: ResourceTypeName;
      /** Whose resource: what operators and a tenant's own administrators can be allowed differs. */
      readonly of: 'broker' | 'tenant' | 'broker or tenant';
    }
  | { readonly none: string; readonly who: 'operators' | 'anyone' };

export type Authorization<In> =
  | {
      readonly kind: 'access';
      readonly stance: Extract<Stance, { of: unknown }>;
      readonly access: (input: In) => RouteAccess;
    }
  /** To have proved who one is is enough; `why` says why no policy is asked. */
  | { readonly kind: 'none'; readonly stance: Extract<Stance, { who: unknown }> };

/** Every operator, whatever the policy says; no tenant's administrator. */
export const operators = (why: string): Authorization<unknown> => ({
  kind: 'none',
  stance: { none: why, who: 'operators' },
});

/** Whoever is let in, administrators of tenants too. */
export const anyone = (why: string): Authorization<unknown> => ({
  kind: 'none',
  stance: { none: why, who: 'anyone' },
});

const clusterOf = (operation: Operation, tenant: string | null): RouteAccess => ({
  operation,
  resourceType: 'CLUSTER',
  tenant,
  resourceName: CLUSTER_NAME,
});

export const broker = (operation: Operation): Authorization<unknown> => ({
  kind: 'access',
  stance: { operation, resourceType: 'CLUSTER', of: 'broker' },
  access: () => clusterOf(operation, null),
});

export const tenantCluster = (operation: Operation): Authorization<{ tenant: string }> => ({
  kind: 'access',
  stance: { operation, resourceType: 'CLUSTER', of: 'tenant' },
  access: ({ tenant }) => clusterOf(operation, tenant),
});

/** The tenant's virtual cluster where one is named, else the broker itself. */
export const brokerOrTenant = (
  operation: Operation,
): Authorization<{ readonly tenant: string | null }> => ({
  kind: 'access',
  stance: { operation, resourceType: 'CLUSTER', of: 'broker or tenant' },
  access: ({ tenant }) => clusterOf(operation, tenant),
});

export const topicOf = (
  operation: Operation,
): Authorization<{ tenant: string; topic: string }> => ({
  kind: 'access',
  stance: { operation, resourceType: 'TOPIC', of: 'tenant' },
  access: ({ tenant, topic }) => ({
    operation,
    resourceType: 'TOPIC',
    tenant,
    resourceName: topic,
  }),
});

export interface RouteContext {
  readonly deps: AdminDeps;
  /** False: somebody of a tenant, who is not told what is the operators' alone. */
  readonly isOperator: boolean;
  /** Who asks, as the audit log names them. */
  readonly subject: AuditSubject;
  /** Asks without recording: to filter a listing, never to do something. */
  permits(access: RouteAccess): Promise<boolean>;
  /** The OpenAPI document of all routes. */
  document(): object;
}

export interface RouteAnswer<out Body = object | null> {
  readonly status: AnswerStatus;
  readonly body: Body;
}

export type AnswerStatus = 200 | 201 | 204 | 503;

export const ok = <T extends object>(body: T): RouteAnswer<T> => ({ status: 200, body });
export const created = <T extends object>(body: T): RouteAnswer<T> => ({ status: 201, body });
export const gone = (): RouteAnswer<null> => ({ status: 204, body: null });

/** The answer without a body, 204. */
export const nothing: Shape<null> = { schema: { type: 'null', description: 'done' } };
/** A body that is no JSON. */
export class PlainText {
  readonly contentType: string;
  readonly text: string;

  constructor(contentType: string, text: string) {
    this.contentType = contentType;
    this.text = text;
  }
}

export type Facts = Readonly<Record<string, string | number | boolean | null>>;

/** What the OpenAPI document says of a route beside its schemas. */
export interface RouteWords {
  /** operationId: unique, and never changed. */
  readonly id: string;
  readonly tag: string;
  /** A line. */
  readonly summary: string;
  readonly description?: string;
}

export interface RouteDefinition<In, Body> extends RouteWords {
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  /** With `:name` for each path parameter. */
  readonly path: string;
  readonly authorization: Authorization<In>;
  /** A stable code for the audit log (`topic-create`); null for a route that only reads. */
  readonly change: string | null;
  readonly input: RouteInput<In>;
  readonly answers: Readonly<Partial<Record<AnswerStatus, Shape<Body>>>>;
  /** What the audit log says of the change beside its code. */
  readonly facts?: (input: In) => Facts;
  readonly handle: (
    input: In,
    context: RouteContext,
  ) => Promise<RouteAnswer<Body>> | RouteAnswer<Body>;
}

/** One request, read and ready: its type is closed over. */
export interface PreparedCall {
  readonly access: RouteAccess | null;
  readonly facts: Facts;
  run(context: RouteContext): Promise<RouteAnswer> | RouteAnswer;
}

export interface AdminRoute extends RouteWords {
  readonly method: RouteDefinition<unknown, unknown>['method'];
  readonly path: string;
  readonly change: string | null;
  readonly stance: Stance;
  /** `POST /v1/tenants/:tenant/topics`: the name in the audit log. */
  readonly name: string;
  readonly schemas: RouteInput<unknown>['schemas'];
  readonly answers: Readonly<Partial<Record<AnswerStatus, Shape<unknown>>>>;
  /** From the parts of a request that were checked against `schemas`. */
  prepare(parts: readonly unknown[]): PreparedCall;
}

export function defineRoute<In, Body extends object | null>(
  definition: RouteDefinition<In, Body>,
): AdminRoute {
  const { method, path, authorization, input, facts, handle } = definition;
  const { id, tag, summary, description, change, answers } = definition;
  return {
    method,
    path,
    id,
    tag,
    summary,
    ...(description !== undefined && { description }),
    change,
    stance: authorization.stance,
    name: `${method} ${path}`,
    schemas: input.schemas,
    answers,
    prepare(parts) {
      const read = input.read(parts);
      return {
        access: authorization.kind === 'access' ? authorization.access(read) : null,
        facts: facts?.(read) ?? {},
        run: (context) => handle(read, context),
      };
    },
  };
}
