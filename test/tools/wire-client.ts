/**
 * A Kafka client as bare as it gets: our codec over one TLS connection, one call at a time or raw
 * bytes. For tests that must say exactly what goes over the wire.
 */
import { type ConnectionOptions, connect, type TLSSocket } from 'node:tls';
import type { ApiKey } from '../../src/protocol/api-keys.ts';
import {
  decodeResponse,
  encodeRequest,
  responseCorrelationId,
} from '../../src/protocol/headers.ts';
import type { RequestInit, ResponseOf } from '../../src/protocol/schemas/index.ts';
import { type ClientIdentity, nodeTlsOptions } from './client-identity.ts';

/** Far above what an answer takes: a busy machine has others to serve. */
const TIMEOUT_MS = 25_000;

export class WireClient {
  readonly socket: TLSSocket;
  readonly clientId: string;
  #received: Buffer = Buffer.alloc(0);
  readonly #waiting = new Map<number, (frame: Buffer) => void>();
  #nextId = 1;
  /** Resolves when the broker has closed the connection. */
  readonly closed: Promise<void>;

  private constructor(socket: TLSSocket, clientId: string) {
    this.socket = socket;
    this.clientId = clientId;
    this.closed = new Promise((resolve) => socket.once('close', () => resolve()));
    socket.on('error', () => {});
    socket.on('data', (chunk: Buffer) => this.#take(chunk));
  }

  static connect(
    port: number,
    identity: ClientIdentity,
    options: ConnectionOptions & { clientId?: string } = {},
  ): Promise<WireClient> {
    const { clientId = 'wire-client', ...tls } = options;
    return new Promise((resolve, reject) => {
      const socket = connect({
        host: '127.0.0.1',
        port,
        servername: 'localhost',
        ...nodeTlsOptions(identity),
        ...tls,
      });
      const client = new WireClient(socket, clientId);
      socket.once('secureConnect', () => resolve(client));
      socket.once('error', reject);
    });
  }

  /** Sends a request and resolves with its answer's body; rejects when the connection closes. */
  call<K extends ApiKey>(
    apiKey: K,
    apiVersion: number,
    body: RequestInit<K>,
  ): Promise<ResponseOf<K>> {
    const { clientId } = this;
    const correlationId = this.#nextId++;
    const answer = this.#answerTo(correlationId);
    for (const chunk of encodeRequest({ apiKey, apiVersion, correlationId, clientId, body })) {
      this.socket.write(chunk);
    }
    return answer.then((frame) => decodeResponse({ apiKey, apiVersion, frame }).body);
  }

  /** Sends a request that has no answer (acks=0). */
  tell<K extends ApiKey>(apiKey: K, apiVersion: number, body: RequestInit<K>): void {
    const { clientId } = this;
    const correlationId = this.#nextId++;
    for (const chunk of encodeRequest({ apiKey, apiVersion, correlationId, clientId, body })) {
      this.socket.write(chunk);
    }
  }

  /** Sends a frame as it is, and resolves with the answer that bears its correlation id. */
  answerTo(correlationId: number, frame: Buffer): Promise<Buffer> {
    const answer = this.#answerTo(correlationId);
    this.socket.write(frame);
    return answer;
  }

  /** Sends bytes as they are, and resolves with whether the broker hung up on them. */
  async closedBy(bytes: Buffer): Promise<boolean> {
    this.socket.write(bytes);
    return this.isClosed();
  }

  async isClosed(withinMs = 5000): Promise<boolean> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<false>((resolve) => {
      timer = setTimeout(() => resolve(false), withinMs);
    });
    const closed = await Promise.race([this.closed.then(() => true as const), late]);
    clearTimeout(timer);
    return closed;
  }

  close(): void {
    this.socket.destroy();
  }

  #answerTo(correlationId: number): Promise<Buffer> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error('no answer in time')), TIMEOUT_MS);
      this.#waiting.set(correlationId, (frame) => {
        clearTimeout(timer);
        resolve(frame);
      });
      void this.closed.then(() => {
        clearTimeout(timer);
        reject(new Error('the broker closed the connection'));
      });
    });
  }

  #take(chunk: Buffer): void {
    this.#received = Buffer.concat([this.#received, chunk]);
    while (this.#received.length >= 4) {
      const end = 4 + this.#received.readInt32BE(0);
      if (this.#received.length < end) return;
      const frame = this.#received.subarray(4, end);
      this.#received = this.#received.subarray(end);
      const id = responseCorrelationId(frame, 0, frame.length);
      this.#waiting.get(id)?.(frame);
      this.#waiting.delete(id);
    }
  }
}
