/**
 * A policy decision point of our own that answers what a test tells it to, for the answers that no
 * real one gives: late, wrong, endless or none. It speaks AuthZEN and OPA's data API.
 *
 * `decide` answers each question; `answer`, when set, has the whole response instead.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createTlsServer, type ServerOptions } from 'node:https';
import type { AddressInfo } from 'node:net';

/** What was asked, whichever protocol asked it. */
export interface Asked {
  readonly tenant: string;
  readonly principal: string;
  readonly subjectId: string;
  readonly operation: string;
  readonly resourceType: string;
  readonly resourceName: string;
  readonly resourceId: string;
  readonly patternType: string;
}

type Decision = boolean | { readonly decision: boolean; readonly context: object };

export interface StubPdp {
  readonly url: string;
  readonly port: number;
  /** Every question since the last `forget`, and how many messages they came in. */
  readonly asked: Asked[];
  messages: number;
  forget(): void;
  decide: (asked: Asked) => Decision | Promise<Decision>;
  answer: ((request: IncomingMessage, response: ServerResponse, body: string) => void) | null;
  close(): Promise<void>;
}

interface Evaluation {
  readonly subject: { readonly id: string; readonly properties: Record<string, string> };
  readonly action: { readonly name: string };
  readonly resource: {
    readonly type: string;
    readonly id: string;
    readonly properties: Record<string, string>;
  };
}

const askedOf = ({ subject, action, resource }: Evaluation): Asked => ({
  tenant: subject.properties.tenant!,
  principal: subject.properties.name!,
  subjectId: subject.id,
  operation: action.name,
  resourceType: resource.type.toUpperCase(),
  resourceName: resource.properties.name!,
  resourceId: resource.id,
  patternType: resource.properties.patternType!,
});

interface OpaInput {
  readonly tenant: string;
  readonly action: {
    readonly operation: string;
    readonly resourcePattern: Record<
      'name' | 'qualifiedName' | 'patternType' | 'resourceType',
      string
    >;
  };
  readonly requestContext: { readonly principal: { name: string; qualifiedName: string } };
}

const askedOfOpa = ({ tenant, action, requestContext: { principal } }: OpaInput): Asked => ({
  tenant,
  principal: principal.name,
  subjectId: principal.qualifiedName,
  operation: action.operation,
  resourceType: action.resourcePattern.resourceType,
  resourceName: action.resourcePattern.name,
  resourceId: action.resourcePattern.qualifiedName,
  patternType: action.resourcePattern.patternType,
});

const asEvaluation = (decision: Decision): object =>
  typeof decision === 'boolean' ? { decision } : decision;

export const sendJson = (response: ServerResponse, value: unknown): void => {
  const body = JSON.stringify(value);
  response.writeHead(200, { 'content-type': 'application/json' }).end(body);
};

async function bodyOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
  return Buffer.concat(chunks).toString('utf8');
}

/** Starts one on a free port of the loopback; with `tls` over HTTPS. */
export async function startStubPdp(tls: ServerOptions | null = null): Promise<StubPdp> {
  const listener = (request: IncomingMessage, response: ServerResponse): void => {
    void handle(request, response).catch(() => response.destroy());
  };
  const server: Server = tls === null ? createServer(listener) : createTlsServer(tls, listener);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;

  const pdp: StubPdp = {
    url: `${tls === null ? 'http' : 'https'}://localhost:${port}`.replace(
      'http://localhost',
      'http://127.0.0.1',
    ),
    port,
    asked: [],
    messages: 0,
    forget() {
      pdp.asked.length = 0;
      pdp.messages = 0;
    },
    decide: () => false,
    answer: null,
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };

  async function judge(asked: Asked): Promise<Decision> {
    pdp.asked.push(asked);
    return pdp.decide(asked);
  }

  async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = await bodyOf(request);
    pdp.messages += 1;
    if (pdp.answer !== null) {
      pdp.answer(request, response, body);
      return;
    }
    const message = JSON.parse(body) as Record<string, unknown>;
    if (request.url?.endsWith('/evaluations') === true) {
      const evaluations = message.evaluations as Evaluation[];
      const decisions = await Promise.all(evaluations.map((one) => judge(askedOf(one))));
      sendJson(response, { evaluations: decisions.map(asEvaluation) });
    } else if (request.url?.endsWith('/evaluation') === true) {
      const decision = await judge(askedOf(message as unknown as Evaluation));
      sendJson(response, asEvaluation(decision));
    } else {
      const decision = await judge(askedOfOpa(message.input as OpaInput));
      sendJson(response, { result: typeof decision === 'boolean' ? decision : decision.decision });
    }
  }

  return pdp;
}
