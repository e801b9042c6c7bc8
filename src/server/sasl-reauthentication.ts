/**
 * Owns the SASL side of a connection that has its identity: how long it lasts, and how it is renewed
 * in place (KIP-368). Invariant: a renewal never changes who the connection is; while one is under
 * way nothing else is served, and a failed one ends the connection; whether a proof was wrong or
 * another's, neither the answer nor its time tells.
 */
import type { Clock } from '../base/clock.ts';
import { ErrorCode } from '../protocol/error-codes.ts';
import type { Claim } from '../security/abuse/authentication-guard.ts';
import {
  type SaslExchange,
  type SaslIdentity,
  type SaslMechanism,
  type SaslPeer,
  until,
} from '../security/sasl/sasl-mechanism.ts';

/** Between the beginnings of two renewals; as in Kafka, the first may come at any time. */
const RENEWAL_INTERVAL_MS = 1000;

export interface ReauthenticationParts {
  readonly mechanism: SaslMechanism;
  /** Of all mechanisms, for the answer to SaslHandshake. */
  readonly mechanismNames: readonly string[];
  readonly peer: SaslPeer;
  readonly identity: SaslIdentity;
  /** Milliseconds that the identity still lasts; 0: without end, and so without renewal. */
  readonly lifetimeMs: (identity: SaslIdentity) => number;
  readonly clock: Clock;
  /** Records the renewal durably and extends the connection; rejects when it cannot. */
  readonly onRenewed: (identity: SaslIdentity, lifetimeMs: number) => Promise<void>;
  /** Records the refusal durably and closes the connection after its answer. */
  readonly onRefused: (refusal: RenewalRefusal) => Promise<void>;
}

export interface RenewalRefusal {
  readonly reason: string;
  readonly detail: string;
  /** Whom the client claimed to be: a guess is one at the password of that name. */
  readonly claimed: Claim;
}

export interface AuthenticateAnswer {
  readonly errorCode: number;
  readonly errorMessage: string | null;
  readonly authBytes: Buffer;
  readonly sessionLifetimeMs: number;
}

const NOTHING = Buffer.alloc(0);

export class SaslReauthentication {
  readonly #parts: ReauthenticationParts;
  #exchange: SaslExchange | undefined;
  #begunMs = Number.NEGATIVE_INFINITY;
  #canRenew: boolean;

  constructor(parts: ReauthenticationParts) {
    this.#parts = parts;
    this.#canRenew = parts.lifetimeMs(parts.identity) > 0;
  }

  /** Between SaslHandshake and the last SaslAuthenticate. */
  get isUnderWay(): boolean {
    return this.#exchange !== undefined;
  }

  handshake(mechanism: string, apiVersion: number): { errorCode: number; mechanisms: string[] } {
    const { mechanismNames, clock } = this.#parts;
    const mechanisms = [...mechanismNames];
    const nowMs = clock.monotonicMs();
    const isSoon = nowMs - this.#begunMs < RENEWAL_INTERVAL_MS;
    const isOther = mechanism !== this.#parts.mechanism.name;
    if (!this.#canRenew || isSoon || isOther || this.isUnderWay || apiVersion < 1) {
      return { errorCode: ErrorCode.ILLEGAL_SASL_STATE, mechanisms };
    }
    this.#begunMs = nowMs;
    this.#exchange = this.#parts.mechanism.begin(this.#parts.peer);
    return { errorCode: ErrorCode.NONE, mechanisms };
  }

  async authenticate(token: Buffer): Promise<AuthenticateAnswer> {
    const exchange = this.#exchange;
    if (exchange === undefined) return illegalState();
    const step = await exchange.evaluate(token);
    if (step.kind === 'challenge') return answer(step.token, 0);
    this.#exchange = undefined;
    const { identity, clock } = this.#parts;
    if (step.kind === 'failure') return this.#refuse(step);
    if (!isSame(step.identity, identity)) {
      await until(step.refusableAtMs, clock);
      const detail = 'a renewal as somebody else';
      return this.#refuse({ reason: 'sasl_other_principal', detail, claimed: step.identity });
    }
    const lifetimeMs = this.#parts.lifetimeMs(step.identity);
    await this.#parts.onRenewed(step.identity, lifetimeMs);
    this.#canRenew = lifetimeMs > 0;
    return answer(step.token, lifetimeMs);
  }

  async #refuse(refusal: RenewalRefusal): Promise<AuthenticateAnswer> {
    await this.#parts.onRefused(refusal);
    return {
      errorCode: ErrorCode.SASL_AUTHENTICATION_FAILED,
      errorMessage: 'Authentication failed.',
      authBytes: NOTHING,
      sessionLifetimeMs: 0,
    };
  }
}

/** Another token of the same owner will do; a token for a password, or the reverse, will not. */
function isSame(one: SaslIdentity, other: SaslIdentity): boolean {
  return (
    one.tenant === other.tenant &&
    one.name === other.name &&
    (one.fleet ?? null) === (other.fleet ?? null) &&
    (one.tokenId === undefined) === (other.tokenId === undefined)
  );
}

function answer(authBytes: Buffer, sessionLifetimeMs: number): AuthenticateAnswer {
  return { errorCode: ErrorCode.NONE, errorMessage: null, authBytes, sessionLifetimeMs };
}

export function illegalState(): AuthenticateAnswer {
  return {
    errorCode: ErrorCode.ILLEGAL_SASL_STATE,
    errorMessage: 'SaslAuthenticate is out of place here.',
    authBytes: NOTHING,
    sessionLifetimeMs: 0,
  };
}
