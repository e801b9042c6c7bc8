/**
 * Owns how the routes become an OpenAPI 3.1 document: what stands in it once (who may come, what a
 * problem looks like), and what each route adds. @fastify/swagger collects it from the same schemas
 * that requests are checked against and answers are written by.
 */
import type { FastifyDynamicSwaggerOptions } from '@fastify/swagger';
import type { AdminRoute } from './admin-route.ts';
import type { JsonSchema } from './json-shape.ts';
import { PROBLEM_CONTENT_TYPE } from './problem.ts';

/** A route stands under one of them. */
export const TAGS = {
  broker: 'The broker itself',
  tenants: 'Tenants: isolated virtual clusters',
  topics: 'Topics of a tenant',
  acls: 'Who may do what in a tenant',
  users: 'Users who log in with a password',
  devices: 'Devices and fleets: seen, suspended, revoked',
  certificates: 'The CAs that speak for a tenant',
  bans: 'Addresses and names that are shut out for a time',
  quotas: 'Quotas of tenants and of their clients',
  policy: 'The policy and the external authorizer',
  audit: 'The access log',
  backup: 'Backups',
  probes: 'Probes and metrics',
} as const satisfies Record<string, string>;

const PROBLEM_SCHEMA: { type: 'object' } & JsonSchema = {
  type: 'object',
  description: 'What went wrong (RFC 9457).',
  properties: {
    type: { type: 'string', description: 'urn:breakwater:problem:<code>' },
    title: { type: 'string' },
    status: { type: 'integer' },
    code: { type: 'string', description: 'stable, in kebab case: scripts may rely on it' },
    detail: { type: 'string', description: 'a sentence' },
    next: { type: 'string', description: 'what to do next, where there is something' },
  },
  required: ['type', 'title', 'status', 'code', 'detail'],
};

const DESCRIPTION = `The administration of a Breakwater broker. Operators come with a certificate of
the operator CA, or with a bearer token of an issuer that admin.oauth.issuers.file names; a token of an
issuer that is bound to tenants administers that tenant alone. Every request is decided by the policy
(\`x-authorization\` says what is asked of it) and stands in the audit log; a change stands there before
it is made. Listings come a page at a time: \`next\` of an answer is the \`cursor\` of the next request.
A POST with an \`Idempotency-Key\` is done once, however often it is sent.`;

/** OpenAPI 3.1 knows it; the types of the plugin are those of 3.0. */
const MUTUAL_TLS = {
  type: 'mutualTLS',
  description: 'a certificate of the operator CA',
} as unknown as { type: 'http'; scheme: string };

export function documentOptions(version: string): FastifyDynamicSwaggerOptions {
  return {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'Breakwater admin API',
        version,
        description: DESCRIPTION.replaceAll('\n', ' '),
        license: { name: 'Apache-2.0' },
      },
      servers: [{ url: '/' }],
      tags: Object.entries(TAGS).map(([name, description]) => ({ name, description })),
      components: {
        schemas: { Problem: PROBLEM_SCHEMA },
        securitySchemes: {
          certificate: MUTUAL_TLS,
          token: { type: 'http', scheme: 'bearer', bearerFormat: 'JWT' },
        },
      },
      security: [{ certificate: [] }, { token: [] }],
    },
    // Not in the schemas of the routes: fastify would compile each of them to write a problem by.
    transformObject: (document) => {
      if (!('openapiObject' in document)) return document.swaggerObject;
      const { paths } = document.openapiObject;
      for (const operations of Object.values(paths ?? {})) addProblems(operations as Operations);
      return document.openapiObject;
    },
  };
}

/** Why a route answers a problem. */
const PROBLEMS: Readonly<Record<number, string>> = {
  400: 'The request is not well-formed, or a field is not as it must be',
  401: 'Nothing proves who asks, or the token is not taken',
  403: 'The policy does not allow it, or the certificate is refused',
  404: 'There is no such thing',
  408: 'The request did not arrive in time',
  409: 'It contradicts what is there or how the broker is set up, or a request with the same Idempotency-Key is under way',
  413: 'The body is too large',
  414: 'The path is too long',
  415: 'The body is not JSON',
  422: 'The Idempotency-Key belongs to another request',
  429: 'Too much at once, or too many failed attempts: try later',
  431: 'The headers are too large',
  500: 'Something failed inside the broker; its log says what',
  503: 'The broker cannot do it now: its audit log or its storage is offline, or it is busy',
};
const WITH_BODY: ReadonlySet<number> = new Set([413, 415, 422]);

/** Of every change, beside what is its own. */
export const IDEMPOTENCY_HEADER = {
  type: 'object',
  properties: {
    'idempotency-key': {
      type: 'string',
      pattern: '^[\\x21-\\x7e]{1,128}$',
      description: '1 to 128 printable characters without a space, chosen by the caller',
    },
  },
} as const;

/** May be sent again under the same key. */
export const takesIdempotencyKey = ({ method, change }: AdminRoute): boolean =>
  method === 'POST' && change !== null;

/** What fastify checks a request against, writes an answer by, and tells of the route. */
export function routeSchema(route: AdminRoute): JsonSchema {
  const { schemas, id, tag, summary, description, stance, change } = route;
  const hasFields = ({ properties }: JsonSchema): boolean =>
    Object.keys(properties as object).length > 0;
  return {
    operationId: id,
    tags: [tag],
    summary,
    description: [description, ...stanceWords(stance)].filter(Boolean).join('\n\n'),
    'x-authorization': stance,
    ...(change !== null && { 'x-audit-code': change }),
    ...(hasFields(schemas.params) && { params: schemas.params }),
    querystring: schemas.querystring,
    ...(schemas.body !== null && { body: schemas.body }),
    ...(takesIdempotencyKey(route) && { headers: IDEMPOTENCY_HEADER }),
    response: responsesOf(route),
  };
}

function stanceWords(stance: AdminRoute['stance']): string[] {
  if ('none' in stance) {
    return [
      `Open to ${stance.who === 'anyone' ? 'whoever is let in' : 'operators'}: ${stance.none}.`,
    ];
  }
  const { operation, resourceType, of } = stance;
  return [`Asks the policy for ${operation} on ${resourceType} of the ${of}.`];
}

function responsesOf({ answers }: AdminRoute): JsonSchema {
  const responses: Record<string, unknown> = {};
  for (const [status, shape] of Object.entries(answers)) {
    const { schema } = shape;
    const words = String(schema.description ?? 'done');
    responses[status] =
      status === '204'
        ? { description: words, type: 'null' }
        : {
            description: words,
            content: { [shape.contentType ?? 'application/json']: { schema } },
          };
  }
  return responses;
}

type Operations = Record<
  string,
  { responses?: Record<string, { description: string; content?: object }> }
>;

function addProblems(operations: Operations): void {
  for (const [method, { responses = {} }] of Object.entries(operations)) {
    for (const [status, description] of Object.entries(PROBLEMS)) {
      if (method === 'get' && WITH_BODY.has(Number(status))) continue;
      const schema = { $ref: '#/components/schemas/Problem' };
      const content = { ...responses[status]?.content, [PROBLEM_CONTENT_TYPE]: { schema } };
      responses[status] = { description, content };
    }
  }
}
