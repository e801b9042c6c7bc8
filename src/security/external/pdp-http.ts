/**
 * Owns the connections to one policy decision point on behalf of one tenant: a JSON message out, a
 * JSON value back, over HTTP or HTTPS with mutual TLS.
 *
 * Invariants: a call ends within its time whatever the peer does; an answer is never larger in
 * memory than its limit; only status 200 with JSON is an answer, so redirects are not followed.
 * Connections are kept and shared with no other tenant.
 */
import { Agent as HttpAgent, request as httpRequest, type IncomingMessage } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import type { Clock } from '../../base/clock.ts';
import { type Random, randomUuid } from '../../base/random.ts';
import { PdpError, type PdpFailure, type PdpRequest } from './pdp-protocol.ts';

export interface PdpTls {
  /** PEM of whom the PDP's certificate must come from; null: the system's trusted roots. */
  readonly ca: string | null;
  /** PEM of the broker's own certificate and key towards the PDP; null: none is shown. */
  readonly certificate: string | null;
  readonly key: string | null;
}

export interface PdpHttpOptions {
  readonly url: URL;
  /** Null for http. */
  readonly tls: PdpTls | null;
  readonly connectionsMax: number;
  readonly clock: Clock;
  readonly random: Random;
}

export interface CallLimits {
  readonly timeoutMs: number;
  readonly answerBytesMax: number;
}

const HEADER_BYTES_MAX = 16 * 1024;
const IDLE_MS = 30_000;
/** What a PDP answers to a question that it cannot take: it is well, the question is not. */
const NOT_UNDERSTOOD: ReadonlySet<number> = new Set([400, 413, 422]);
const REQUEST_ID = 'x-request-id';

export class PdpHttp {
  readonly #options: PdpHttpOptions;
  readonly #agent: HttpAgent | HttpsAgent;

  constructor(options: PdpHttpOptions) {
    this.#options = options;
    const { connectionsMax: maxSockets, tls } = options;
    const pool = { keepAlive: true, maxSockets, maxFreeSockets: maxSockets, timeout: IDLE_MS };
    this.#agent =
      tls === null
        ? new HttpAgent(pool)
        : new HttpsAgent({
            ...pool,
            minVersion: 'TLSv1.2',
            rejectUnauthorized: true,
            ...(tls.ca !== null && { ca: tls.ca }),
            ...(tls.certificate !== null && { cert: tls.certificate }),
            ...(tls.key !== null && { key: tls.key }),
          });
  }

  /** The JSON value of the answer; rejects with PdpError. */
  async call(message: PdpRequest, limits: CallLimits): Promise<unknown> {
    const { clock } = this.#options;
    const endMs = clock.monotonicMs() + limits.timeoutMs;
    try {
      return await this.#attempt(message, limits);
    } catch (error) {
      // A kept connection that the peer had closed meanwhile says nothing about the peer.
      const leftMs = endMs - clock.monotonicMs();
      if (!(error instanceof StaleConnection) || leftMs <= 0) throw pdpErrorOf(error);
    }
    try {
      const timeoutMs = endMs - clock.monotonicMs();
      return await this.#attempt(message, { ...limits, timeoutMs });
    } catch (error) {
      throw pdpErrorOf(error);
    }
  }

  close(): void {
    this.#agent.destroy();
  }

  #attempt(message: PdpRequest, limits: CallLimits): Promise<unknown> {
    const { url, tls, clock, random } = this.#options;
    const body = Buffer.from(message.body, 'utf8');
    const requestId = randomUuid(random);
    const send = tls === null ? httpRequest : httpsRequest;
    return new Promise((resolve, reject) => {
      const request = send({
        protocol: url.protocol,
        hostname: url.hostname.replace(/^\[|\]$/g, ''),
        port: url.port,
        path: message.path,
        method: 'POST',
        agent: this.#agent,
        maxHeaderSize: HEADER_BYTES_MAX,
        headers: {
          'content-type': 'application/json',
          accept: 'application/json',
          'content-length': body.length,
          [REQUEST_ID]: requestId,
        },
      });
      let answered = false;
      const settle = (end: () => void): void => {
        timer.cancel();
        end();
      };
      const fail = (error: Error): void => {
        settle(() => reject(error));
        request.destroy();
      };
      const timer = clock.setTimer(limits.timeoutMs, () =>
        fail(new PdpError('timeout', `no answer within ${Math.ceil(limits.timeoutMs)} ms`)),
      );
      request.on('error', (error: NodeJS.ErrnoException) => {
        const isStale = request.reusedSocket && !answered && error.code === 'ECONNRESET';
        fail(
          isStale ? new StaleConnection(error.message) : new PdpError('unreachable', said(error)),
        );
      });
      request.on('response', (response) => {
        answered = true;
        readJson(response, limits.answerBytesMax, requestId).then(
          (value) => settle(() => resolve(value)),
          fail,
        );
      });
      request.end(body);
    });
  }
}

class StaleConnection extends Error {}

function pdpErrorOf(error: unknown): PdpError {
  if (error instanceof PdpError) return error;
  return new PdpError('unreachable', error instanceof Error ? said(error) : String(error));
}

/** Node leaves the message empty where several addresses were tried. */
function said(error: NodeJS.ErrnoException): string {
  return error.message === '' ? (error.code ?? 'no connection') : error.message;
}

async function readJson(
  response: IncomingMessage,
  bytesMax: number,
  requestId: string,
): Promise<unknown> {
  const refuse = (failure: PdpFailure, message: string): never => {
    response.destroy();
    throw new PdpError(failure, message);
  };
  const { statusCode = 0, headers } = response;
  if (statusCode !== 200) {
    const failure = NOT_UNDERSTOOD.has(statusCode) ? 'refused' : 'status';
    refuse(failure, `the answer has status ${statusCode}`);
  }
  const type = (headers['content-type'] ?? '').split(';')[0]!.trim().toLowerCase();
  if (type !== 'application/json') refuse('malformed', 'the answer is not JSON');
  if ((headers['content-encoding'] ?? 'identity') !== 'identity') {
    refuse('malformed', 'the answer is encoded in a way that was not asked for');
  }
  const echoed = headers[REQUEST_ID];
  if (echoed !== undefined && echoed !== requestId) {
    refuse('malformed', 'the answer belongs to another request');
  }
  const chunks: Buffer[] = [];
  let bytes = 0;
  try {
    for await (const chunk of response as AsyncIterable<Buffer>) {
      bytes += chunk.length;
      if (bytes > bytesMax) refuse('oversize', `the answer is longer than ${bytesMax} bytes`);
      chunks.push(chunk);
    }
  } catch (error) {
    if (error instanceof PdpError) throw error;
    throw new PdpError('unreachable', 'the connection broke in the middle of the answer');
  }
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(Buffer.concat(chunks));
    return JSON.parse(text) as unknown;
  } catch {
    throw new PdpError('malformed', 'the answer is not JSON');
  }
}
