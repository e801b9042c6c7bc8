/**
 * The admin listener: HTTPS for operators, JSON in and out, every route of routes/index.ts behind
 * the gate (operator-gate.ts) and the pipeline (route-pipeline.ts).
 *
 * Invariants: bodies, headers, connections and times are bounded; an error leaves as
 * application/problem+json with nothing internal; every method that a path does not have is 405.
 */
import { createServer, type Server } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import { type SecureContextOptions, TLSSocket } from 'node:tls';
import swagger from '@fastify/swagger';
import { type FastifyInstance, type FastifyReply, type FastifyRequest, fastify } from 'fastify';
import { type AdminRoute, PlainText } from './admin-route.ts';
import type { AdminDeps } from './admin-services.ts';
import { IdempotencyKeys } from './idempotency.ts';
import type { JsonSchema } from './json-shape.ts';
import {
  documentOptions,
  IDEMPOTENCY_HEADER,
  routeSchema,
  takesIdempotencyKey,
} from './openapi.ts';
import { type OperatorConnection, OperatorGate } from './operator-gate.ts';
import { AdminError, PROBLEM_CONTENT_TYPE, problemOf, toProblem } from './problem.ts';
import { invalidRequest, type Mismatch, queryAsTyped, type RequestPart } from './request-fields.ts';
import { runRoute } from './route-pipeline.ts';
import { ADMIN_ROUTES } from './routes/index.ts';

export interface AdminServer {
  readonly port: number;
  readonly connectionCount: number;
  /** New certificates for new connections. */
  setSecureContext(options: SecureContextOptions): void;
  /** Finishes the requests under way, at most for `graceMs`. */
  close(graceMs: number): Promise<void>;
}

const HEADER_BYTES_MAX = 16 * 1024;
const HEADERS_MAX = 64;
const KEEP_ALIVE_MS = 5_000;
/** The longest path parameter: a topic's name, percent-encoded or not. */
const PARAMETER_LENGTH_MAX = 256;
const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'TRACE'] as const;

/** Resolves once it listens. Throws when the address is taken. */
export async function startAdminServer(
  deps: AdminDeps,
  routes: readonly AdminRoute[] = ADMIN_ROUTES,
): Promise<AdminServer> {
  const gate = new OperatorGate(deps);
  const app = await createApp(deps, gate, routes);
  await app.listen({ host: deps.host, port: deps.port });
  const server = app.server as Server;
  const { port } = server.address() as AddressInfo;
  return {
    port,
    get connectionCount() {
      return gate.connectionCount;
    },
    setSecureContext: (options) => server.setSecureContext(options),
    close: async (graceMs) => {
      const timer = deps.clock.setTimer(graceMs, () => gate.destroyAll());
      const closed = app.close();
      gate.drain();
      await closed;
      timer.cancel();
    },
  };
}

async function createApp(
  deps: AdminDeps,
  gate: OperatorGate,
  routes: readonly AdminRoute[],
): Promise<FastifyInstance> {
  const app = fastify({
    serverFactory: (handler) => createHttpsServer(deps, gate, handler),
    bodyLimit: deps.limits.bodyMaxBytes,
    exposeHeadRoutes: false,
    onProtoPoisoning: 'error',
    onConstructorPoisoning: 'error',
    // What is not as it must be is refused: nothing is converted, filled in or left out.
    ajv: { customOptions: { coerceTypes: false, removeAdditional: false, useDefaults: false } },
    routerOptions: { maxParamLength: PARAMETER_LENGTH_MAX },
    frameworkErrors: (error, _request, reply) => sendProblem(deps, reply, error),
  });
  app.removeContentTypeParser('text/plain');
  const operators: Operators = new WeakMap();
  app.addHook('onRequest', async (request, reply) => {
    reply.headers({ 'cache-control': 'no-store', 'x-content-type-options': 'nosniff' });
    gate.requestBegun(request.raw.socket);
    const { socket, rawHeaders } = request.raw;
    operators.set(request, admitted(await gate.identify(asTls(socket), rawHeaders)));
  });
  app.addHook('onResponse', async (request) => gate.requestAnswered(request.raw.socket));
  app.setErrorHandler((error, _request, reply) => sendProblem(deps, reply, error));
  app.setNotFoundHandler((_request, reply) => sendProblem(deps, reply, { statusCode: 404 }));
  await app.register(swagger, documentOptions(deps.status().version));
  const keys = new IdempotencyKeys(deps.clock);
  for (const route of routes) register(app, route, deps, { gate, operators, keys });
  refuseOtherMethods(app, routes);
  return app;
}

type Handler = Parameters<typeof createServer>[1];

function createHttpsServer(deps: AdminDeps, gate: OperatorGate, handler: Handler): Server {
  const { requestTimeoutMs, handshakeTimeoutMs } = deps.limits;
  const server = createServer(
    {
      ...deps.tls,
      handshakeTimeout: handshakeTimeoutMs,
      maxHeaderSize: HEADER_BYTES_MAX,
      headersTimeout: requestTimeoutMs,
      requestTimeout: requestTimeoutMs,
      keepAliveTimeout: KEEP_ALIVE_MS,
      connectionsCheckingInterval: Math.max(100, Math.min(1_000, requestTimeoutMs)),
    },
    handler,
  );
  server.maxHeadersCount = HEADERS_MAX;
  server.on('clientError', (error: Error, socket: Socket) => answerBadHttp(error, socket));
  gate.guard(server);
  return server;
}

/** What the HTTP parser refused: one answer, then the end. Failed handshakes come by here too. */
function answerBadHttp(error: Error, socket: Socket): void {
  const code = 'code' in error ? String(error.code) : '';
  const isTimeout = code === 'ERR_HTTP_REQUEST_TIMEOUT';
  if (!socket.writable || !(isTimeout || code.startsWith('HPE_'))) {
    socket.destroy();
    return;
  }
  const status = isTimeout ? 408 : code === 'HPE_HEADER_OVERFLOW' ? 431 : 400;
  const { problem } = toProblem({ statusCode: status });
  const body = JSON.stringify(problem);
  socket.end(
    `HTTP/1.1 ${status} ${problem.title}\r\ncontent-type: ${PROBLEM_CONTENT_TYPE}\r\n` +
      `content-length: ${Buffer.byteLength(body)}\r\nconnection: close\r\n\r\n${body}`,
  );
}

/** Who makes each request that is under way. */
type Operators = WeakMap<FastifyRequest, OperatorConnection>;

function asTls(socket: Socket): TLSSocket {
  if (socket instanceof TLSSocket) return socket;
  throw new AdminError(403, 'not-admitted', 'Only TLS is served here.');
}

function admitted(operator: OperatorConnection | null | undefined): OperatorConnection {
  if (operator != null) return operator;
  throw new AdminError(403, 'not-admitted', 'This certificate is refused.');
}

interface Parts {
  readonly gate: OperatorGate;
  readonly operators: Operators;
  readonly keys: IdempotencyKeys;
}

function register(app: FastifyInstance, route: AdminRoute, deps: AdminDeps, parts: Parts): void {
  const { gate, operators, keys } = parts;
  const { schemas } = route;
  app.route({
    method: route.method,
    url: route.path,
    schema: routeSchema(route),
    schemaErrorFormatter: (errors, part) =>
      invalidRequest(
        part === 'headers' ? IDEMPOTENCY_HEADER : (schemas[part as RequestPart] ?? NO_FIELDS),
        errors as readonly Mismatch[],
      ),
    preValidation: async (request) => {
      request.query = queryAsTyped(schemas.querystring, request.query as Record<string, unknown>);
      if (schemas.body === null) refuseBody(request.body);
      else request.body ??= {};
    },
    handler: async (request, reply) => {
      const operator = admitted(operators.get(request));
      const stillOne = admitted(await gate.stillIs(operator, asTls(request.raw.socket)));
      const { answer, isReplay } = await runRoute(
        route,
        {
          parts: [request.params, request.query, request.body],
          idempotencyKey: idempotencyKeyIn(route, request),
        },
        stillOne,
        { deps, document: () => app.swagger(), keys },
      );
      if (isReplay) reply.header('idempotency-replayed', 'true');
      reply.code(answer.status);
      if (answer.body instanceof PlainText) {
        const { contentType, text } = answer.body;
        return reply.header('content-type', contentType).serializer(String).send(text);
      }
      return answer.body === null ? reply.send() : reply.send(answer.body);
    },
  });
}

/** Checked as all headers are; of a route that takes none, or a method that needs none, it is null. */
function idempotencyKeyIn(route: AdminRoute, { headers }: FastifyRequest): string | null {
  const key = headers['idempotency-key'];
  return takesIdempotencyKey(route) && typeof key === 'string' ? key : null;
}

const NO_FIELDS: JsonSchema = { properties: {} };

/** Of a route that takes none: an empty object says as little. */
function refuseBody(body: unknown): void {
  if (body === undefined || body === null) return;
  const isObject = typeof body === 'object' && !Array.isArray(body);
  const keyword = isObject ? 'additionalProperties' : 'type';
  if (isObject && Object.keys(body).length === 0) return;
  throw invalidRequest(NO_FIELDS, [{ keyword, instancePath: '', params: {} }]);
}

function refuseOtherMethods(app: FastifyInstance, routes: readonly AdminRoute[]): void {
  for (const path of new Set(routes.map((route) => route.path))) {
    const allowed: string[] = routes
      .filter((route) => route.path === path)
      .map((route) => route.method);
    app.route({
      method: METHODS.filter((method) => !allowed.includes(method)),
      url: path,
      schema: { hide: true },
      // Before the body is read: it does not matter what it is.
      onRequest: async (_request, reply) => {
        const allow = allowed.join(', ');
        const problem = problemOf(405, 'method-not-allowed', `Here one may ${allow}.`);
        return reply
          .code(405)
          .headers({ allow, 'content-type': PROBLEM_CONTENT_TYPE })
          .send(problem);
      },
      handler: () => {},
    });
  }
}

function sendProblem(deps: AdminDeps, reply: FastifyReply, error: unknown): FastifyReply {
  const { problem, isInternal } = toProblem(error);
  if (isInternal) deps.logger.error({ err: error, code: problem.code }, 'admin request failed');
  // What is left of a body that was refused is not worth reading.
  if (problem.status === 413 || problem.status === 401) reply.header('connection', 'close');
  if (problem.status === 401) reply.header('www-authenticate', 'Bearer');
  return reply.code(problem.status).header('content-type', PROBLEM_CONTENT_TYPE).send(problem);
}
