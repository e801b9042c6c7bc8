/**
 * Owns what a route of the admin API is: where it stands, which authorization it needs, what it
 * reads from a request, and what it does.
 *
 * Invariant: `authorization` is required; nothing of `handle` runs before it was asked, recorded
 * and granted. A route that changes something names the change, so that the change is in the audit
 * log, durable, before `handle` runs.
 */
import type { AuditSubject } from '../audit/audit-event.ts';
import { CLUSTER_NAME, type Operation, type ResourceTypeName } from '../security/acl/operation.ts';
import type { AdminDeps } from './admin-services.ts';
import type { RequestFields } from './request-fields.ts';

/** What a request wants to do, and to whose resource; tenant null is the broker itself. */
export interface RouteAccess {
  readonly operation: Operation;
  readonly resourceType: ResourceTypeName;
  readonly tenant: string | null;
  readonly resourceName: string;
}

export type Authorization<In> =
  | { readonly kind: 'access'; readonly access: (input: In) => RouteAccess }
  /** To be an operator is enough; `why` says why no policy is asked. */
  | { readonly kind: 'none'; readonly why: string };

export const none = (why: string): Authorization<unknown> => ({ kind: 'none', why });

export const broker = (operation: Operation): Authorization<unknown> => ({
  kind: 'access',
  access: () => ({
    operation,
    resourceType: 'CLUSTER',
    tenant: null,
    resourceName: CLUSTER_NAME,
  }),
});

export const tenantCluster = (operation: Operation): Authorization<{ tenant: string }> => ({
  kind: 'access',
  access: ({ tenant }) => ({
    operation,
    resourceType: 'CLUSTER',
    tenant,
    resourceName: CLUSTER_NAME,
  }),
});

export const topicOf = (
  operation: Operation,
): Authorization<{ tenant: string; topic: string }> => ({
  kind: 'access',
  access: ({ tenant, topic }) => ({
    operation,
    resourceType: 'TOPIC',
    tenant,
    resourceName: topic,
  }),
});

export interface RouteContext {
  readonly deps: AdminDeps;
  /** Who asks, as the audit log names them. */
  readonly subject: AuditSubject;
  /** Asks without recording: to filter a listing, never to do something. */
  permits(access: RouteAccess): boolean;
}

export interface RouteAnswer {
  readonly status: 200 | 201 | 204 | 503;
  readonly body: object | null;
}

export const ok = (body: object): RouteAnswer => ({ status: 200, body });
export const created = (body: object): RouteAnswer => ({ status: 201, body });
export const gone = (): RouteAnswer => ({ status: 204, body: null });

export type Facts = Readonly<Record<string, string | number | boolean | null>>;

export interface RouteDefinition<In> {
  readonly method: 'GET' | 'POST' | 'DELETE';
  /** With `:name` for each path parameter. */
  readonly path: string;
  readonly authorization: Authorization<In>;
  /** A stable code for the audit log (`topic-create`); null for a route that only reads. */
  readonly change: string | null;
  readonly input: (fields: RequestFields) => In;
  /** What the audit log says of the change beside its code. */
  readonly facts?: (input: In) => Facts;
  readonly handle: (input: In, context: RouteContext) => Promise<RouteAnswer> | RouteAnswer;
}

/** One request, read and ready: its type is closed over. */
export interface PreparedCall {
  readonly access: RouteAccess | null;
  readonly facts: Facts;
  run(context: RouteContext): Promise<RouteAnswer> | RouteAnswer;
}

export interface AdminRoute {
  readonly method: RouteDefinition<unknown>['method'];
  readonly path: string;
  readonly change: string | null;
  /** Why no policy is asked; null when one is. */
  readonly openTo: string | null;
  /** `POST /v1/tenants/:tenant/topics`: the name in the audit log. */
  readonly name: string;
  prepare(fields: RequestFields): PreparedCall;
}

export function defineRoute<In>(definition: RouteDefinition<In>): AdminRoute {
  const { method, path, change, authorization, input, facts, handle } = definition;
  return {
    method,
    path,
    change,
    openTo: authorization.kind === 'none' ? authorization.why : null,
    name: `${method} ${path}`,
    prepare(fields) {
      const read = input(fields);
      fields.finish();
      return {
        access: authorization.kind === 'access' ? authorization.access(read) : null,
        facts: facts?.(read) ?? {},
        run: (context) => handle(read, context),
      };
    },
  };
}
