/**
 * Owns a connection of a SASL listener from the end of its TLS handshake until it has an identity
 * (KIP-12, KIP-43, KIP-152):
 *
 *   [ApiVersions] -> SaslHandshake -> v0: bare tokens | v1: SaslAuthenticate requests -> identified
 *
 * Invariants: before the identity nothing else is understood; frames are small, one at a time, and
 * no memory is taken for bytes that have not come; the last answer leaves only when the caller says
 * so, after it recorded what happened; every refusal looks the same to the peer.
 */
import type { Duplex } from 'node:stream';
import type { Clock, Timer } from '../base/clock.ts';
import { ProtocolError } from '../base/errors.ts';
import { ConnectionMeter } from '../fleet/connection-meter.ts';
import { ApiKey, apiName } from '../protocol/api-keys.ts';
import { ErrorCode } from '../protocol/error-codes.ts';
import {
  decodeRequest,
  decodeRequestHeader,
  encodeResponse,
  type RequestHeader,
} from '../protocol/headers.ts';
import type { RequestOf } from '../protocol/schemas/index.ts';
import type {
  SaslExchange,
  SaslIdentity,
  SaslMechanism,
  SaslPeer,
} from '../security/sasl/sasl-mechanism.ts';
import { apiVersionsAnswer } from './apis/18-api-versions.ts';
import type { ServerServices } from './request-context.ts';

export interface SaslLoginOptions {
  readonly mechanisms: readonly SaslMechanism[];
  readonly peer: SaslPeer;
  readonly advertisedApis: ServerServices['advertisedApis'];
  /** sasl.server.max.receive.size: the largest frame before there is an identity, in bytes. */
  readonly frameBytesMax: number;
  readonly timeoutMs: number;
  readonly clock: Clock;
}

export type SaslLoginResult =
  | { readonly kind: 'gone' }
  | {
      readonly kind: 'refused';
      readonly reason: string;
      readonly detail: string;
      readonly claimed: { readonly tenant: string | null; readonly name: string | null };
    }
  | {
      readonly kind: 'identified';
      readonly identity: SaslIdentity;
      readonly mechanism: SaslMechanism;
      /** As in SaslStep. */
      readonly refusableAtMs: number | undefined;
    };

/** One sentence for every refusal: it must not tell who exists. */
export const REFUSAL_MESSAGE = 'Authentication failed.';

const HANDSHAKE_MAX_VERSION = 1;
const AUTHENTICATE_MAX_VERSION = 2;
const SIZE_BYTES = 4;
const CHUNKS_MAX = 64;
const NOBODY = { tenant: null, name: null };

/** Thrown inside for what ends the login; never leaves this file. */
class Refused extends Error {
  readonly reason: string;

  constructor(reason: string, detail: string) {
    super(detail);
    this.reason = reason;
  }
}

export class SaslLogin {
  /** What the client told of itself before there was a session. */
  readonly meter = new ConnectionMeter();
  readonly #socket: Duplex;
  readonly #options: SaslLoginOptions;
  readonly #chunks: Buffer[] = [];
  #bytes = 0;
  #wake: (() => void) | undefined;
  #isGone = false;
  #timer: Timer | undefined;
  readonly #onData = (chunk: Buffer): void => {
    this.#chunks.push(chunk);
    this.#bytes += chunk.length;
    // A frame that comes byte by byte must not cost a buffer for each.
    if (this.#chunks.length > CHUNKS_MAX) this.#chunks.push(Buffer.concat(this.#chunks.splice(0)));
    this.#socket.pause();
    this.#wake?.();
  };
  readonly #onGone = (): void => {
    this.#isGone = true;
    this.#wake?.();
  };
  #mechanismName: string | null = null;
  /** How the request that ended the exchange is answered; undefined in the form of version 0. */
  #last: RequestHeader | undefined;
  #finalToken: Buffer = Buffer.alloc(0);

  constructor(socket: Duplex, options: SaslLoginOptions) {
    this.#socket = socket;
    this.#options = options;
  }

  /** What the client chose; null before it has. */
  get mechanismName(): string | null {
    return this.#mechanismName;
  }

  /** Leads the exchange to its end. Then either `welcome` or `refuse` is to be called. */
  async run(): Promise<SaslLoginResult> {
    const { clock, timeoutMs } = this.#options;
    this.#socket.on('data', this.#onData);
    this.#socket.on('close', this.#onGone);
    this.#socket.on('end', this.#onGone);
    let isLate = false;
    this.#timer = clock.setTimer(timeoutMs, () => {
      isLate = true;
      this.#onGone();
    });
    try {
      const mechanism = await this.#handshake();
      return mechanism === undefined ? { kind: 'gone' } : await this.#exchange(mechanism);
    } catch (error) {
      if (isLate) return refused('sasl_timeout', 'no identity in time');
      if (error instanceof Refused) return refused(error.reason, error.message);
      if (error instanceof ProtocolError) return refused('sasl_malformed', error.message);
      if (this.#isGone) return { kind: 'gone' };
      throw error;
    } finally {
      this.#timer.cancel();
      this.#socket.off('data', this.#onData);
      this.#socket.off('close', this.#onGone);
      this.#socket.off('end', this.#onGone);
    }
  }

  /** Sends the final answer and gives back to the socket what came after it. */
  welcome(sessionLifetimeMs: number): void {
    this.#answerLast({
      errorCode: ErrorCode.NONE,
      errorMessage: null,
      authBytes: this.#finalToken,
      sessionLifetimeMs,
    });
    if (this.#bytes > 0) this.#socket.unshift(Buffer.concat(this.#chunks.splice(0)));
    this.#socket.resume();
  }

  /** Tells the client that it is refused; the caller closes. */
  refuse(): void {
    if (this.#last === undefined) return;
    this.#answerLast({
      errorCode: ErrorCode.SASL_AUTHENTICATION_FAILED,
      errorMessage: REFUSAL_MESSAGE,
      authBytes: Buffer.alloc(0),
      sessionLifetimeMs: 0,
    });
  }

  #answerLast(body: {
    errorCode: number;
    errorMessage: string | null;
    authBytes: Buffer;
    sessionLifetimeMs: number;
  }): void {
    const last = this.#last;
    if (last === undefined) {
      if (body.authBytes.length > 0) this.#sendBare(body.authBytes);
      return;
    }
    this.#answer(ApiKey.SaslAuthenticate, last, body);
  }

  /** Until a mechanism is chosen; undefined when the peer has gone. */
  async #handshake(): Promise<{ mechanism: SaslMechanism; isBare: boolean } | undefined> {
    let hasVersions = false;
    for (;;) {
      const frame = await this.#nextFrame();
      const header = decodeRequestHeader(frame, 0, frame.length);
      if (header.apiKey === ApiKey.ApiVersions && !hasVersions) {
        hasVersions = this.#answerVersions(header, frame);
        continue;
      }
      if (header.apiKey !== ApiKey.SaslHandshake) {
        throw new Refused('sasl_state', `${apiName(header.apiKey)} before the authentication`);
      }
      if (header.apiVersion > HANDSHAKE_MAX_VERSION) {
        throw new Refused('sasl_state', `SaslHandshake version ${header.apiVersion}`);
      }
      const request = decode(ApiKey.SaslHandshake, header, frame);
      const { mechanisms } = this.#options;
      const mechanism = mechanisms.find(({ name }) => name === request.mechanism);
      const errorCode =
        mechanism === undefined ? ErrorCode.UNSUPPORTED_SASL_MECHANISM : ErrorCode.NONE;
      this.#answer(ApiKey.SaslHandshake, header, {
        errorCode,
        mechanisms: mechanisms.map(({ name }) => name),
      });
      if (mechanism === undefined) {
        throw new Refused('sasl_mechanism', 'the client asked for a mechanism that is not enabled');
      }
      return { mechanism, isBare: header.apiVersion === 0 };
    }
  }

  async #exchange(chosen: { mechanism: SaslMechanism; isBare: boolean }): Promise<SaslLoginResult> {
    const { mechanism, isBare } = chosen;
    this.#mechanismName = mechanism.name;
    const exchange: SaslExchange = mechanism.begin(this.#options.peer);
    for (;;) {
      const frame = await this.#nextFrame();
      const { token, header } = isBare ? { token: frame, header: undefined } : authenticate(frame);
      this.#last = header;
      const step = await exchange.evaluate(token);
      // Before anything else: who does not wait for the answer has guessed as well.
      if (step.kind === 'failure') return { ...step, kind: 'refused' };
      if (this.#isGone) return { kind: 'gone' };
      if (step.kind === 'success') {
        const { token: finalToken, identity, refusableAtMs } = step;
        this.#finalToken = finalToken;
        return { kind: 'identified', identity, mechanism, refusableAtMs };
      }
      if (header === undefined) this.#sendBare(step.token);
      else {
        this.#answer(ApiKey.SaslAuthenticate, header, {
          errorCode: ErrorCode.NONE,
          errorMessage: null,
          authBytes: step.token,
          sessionLifetimeMs: 0,
        });
      }
    }
  }

  /** True once the client has its answer, so that a second question is out of place. */
  #answerVersions(header: RequestHeader, frame: Buffer): boolean {
    const { body, apiVersion, isAnswered, software } = apiVersionsAnswer(
      header,
      frame,
      this.#options.advertisedApis,
    );
    if (software !== null) {
      this.meter.software(software.clientSoftwareName, software.clientSoftwareVersion);
    }
    this.#answer(ApiKey.ApiVersions, { ...header, apiVersion }, body);
    return isAnswered;
  }

  #answer<K extends ApiKey>(
    apiKey: K,
    { apiVersion, correlationId }: Pick<RequestHeader, 'apiVersion' | 'correlationId'>,
    body: Parameters<typeof encodeResponse<K>>[0]['body'],
  ): void {
    for (const chunk of encodeResponse({ apiKey, apiVersion, correlationId, body })) {
      this.#socket.write(chunk);
    }
  }

  #sendBare(token: Buffer): void {
    const size = Buffer.alloc(SIZE_BYTES);
    size.writeInt32BE(token.length);
    this.#socket.write(Buffer.concat([size, token]));
  }

  async #nextFrame(): Promise<Buffer> {
    const size = (await this.#take(SIZE_BYTES)).readInt32BE(0);
    if (size < 0 || size > this.#options.frameBytesMax) {
      throw new Refused('sasl_malformed', `a frame of ${size} bytes before the authentication`);
    }
    return this.#take(size);
  }

  async #take(count: number): Promise<Buffer> {
    while (this.#bytes < count) {
      if (this.#isGone) throw new Refused('sasl_gone', 'the peer went away');
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
        this.#socket.resume();
      });
    }
    const all = this.#chunks.length === 1 ? this.#chunks[0]! : Buffer.concat(this.#chunks);
    this.#chunks.length = 0;
    this.#bytes -= count;
    if (all.length > count) this.#chunks.push(all.subarray(count));
    return all.subarray(0, count);
  }
}

function refused(reason: string, detail: string): SaslLoginResult {
  if (reason === 'sasl_gone') return { kind: 'gone' };
  return { kind: 'refused', reason, detail, claimed: NOBODY };
}

function authenticate(frame: Buffer): { token: Buffer; header: RequestHeader } {
  const header = decodeRequestHeader(frame, 0, frame.length);
  if (header.apiKey !== ApiKey.SaslAuthenticate || header.apiVersion > AUTHENTICATE_MAX_VERSION) {
    throw new Refused('sasl_state', `${apiName(header.apiKey)} within the authentication`);
  }
  return { token: decode(ApiKey.SaslAuthenticate, header, frame).authBytes, header };
}

function decode<K extends ApiKey>(key: K, header: RequestHeader, frame: Buffer): RequestOf<K> {
  return decodeRequest(key, header.apiVersion, frame, header.bodyOffset, frame.length);
}
