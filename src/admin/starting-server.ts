/**
 * What the admin port answers while the broker starts (a large data folder is recovered for
 * minutes): /healthz says that the process is there, everything else that it is not ready.
 *
 * Invariant: as later, no byte of HTTP is parsed for who is no operator (the same gate), and nothing
 * of the broker is told but that it starts.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer } from 'node:https';
import { TLSSocket, type TlsOptions } from 'node:tls';
import type { AdminDeps } from './admin-services.ts';
import { OperatorGate } from './operator-gate.ts';
import { PROBLEM_CONTENT_TYPE, problemOf, toProblem } from './problem.ts';

export type StartingDeps = ConstructorParameters<typeof OperatorGate>[0] &
  Pick<AdminDeps, 'host' | 'port'> & { readonly tls: TlsOptions };

export interface StartingServer {
  /** The port is free for the admin API once it has resolved. */
  close(): Promise<void>;
}

const CHECK = {
  name: 'lifecycle',
  state: 'failed',
  reason: 'The broker starts: its data is being recovered.',
} as const;
const JSON_CONTENT_TYPE = 'application/json; charset=utf-8';
const HEADER_BYTES_MAX = 16 * 1024;
const RETRY_AFTER_S = 1;

/** Resolves once it listens. Rejects when the address is taken. */
export function startStartingServer(deps: StartingDeps): Promise<StartingServer> {
  const gate = new OperatorGate(deps);
  const { requestTimeoutMs, handshakeTimeoutMs } = deps.limits;
  const server = createServer(
    {
      ...deps.tls,
      handshakeTimeout: handshakeTimeoutMs,
      maxHeaderSize: HEADER_BYTES_MAX,
      headersTimeout: requestTimeoutMs,
      requestTimeout: requestTimeoutMs,
    },
    (request, response) => void answer(gate, request, response),
  );
  server.on('clientError', (_error, socket) => socket.destroy());
  gate.guard(server);
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen({ host: deps.host, port: deps.port }, () => {
      server.off('error', reject);
      server.on('error', () => {});
      resolve({
        close: () =>
          new Promise((closed) => {
            server.close(() => closed());
            gate.destroyAll();
          }),
      });
    });
  });
}

async function answer(
  gate: OperatorGate,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const { socket, rawHeaders, method, url } = request;
  response.setHeader('cache-control', 'no-store');
  response.setHeader('connection', 'close');
  try {
    const operator = socket instanceof TLSSocket ? await gate.identify(socket, rawHeaders) : null;
    if (operator === null) {
      socket.destroy();
      return;
    }
  } catch (error) {
    const { problem } = toProblem(error);
    send(response, problem.status, PROBLEM_CONTENT_TYPE, problem);
    return;
  }
  if (method === 'GET' && url === '/healthz') {
    send(response, 200, JSON_CONTENT_TYPE, { status: 'ok' });
  } else if (method === 'GET' && url === '/readyz') {
    send(response, 503, JSON_CONTENT_TYPE, { status: 'failed', checks: [CHECK] });
  } else {
    response.setHeader('retry-after', String(RETRY_AFTER_S));
    const problem = problemOf(503, 'starting', 'The broker starts. Try again in a moment.');
    send(response, 503, PROBLEM_CONTENT_TYPE, problem);
  }
}

function send(response: ServerResponse, status: number, contentType: string, body: object): void {
  response.writeHead(status, { 'content-type': contentType }).end(JSON.stringify(body));
}
