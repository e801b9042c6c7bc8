/**
 * Owns what a SASL mechanism is to the rest: a factory of exchanges, each of which takes the
 * client's tokens one after the other and ends in an identity or a refusal.
 *
 * Invariant: an identity comes from a verified credential only, and its tenant from a binding that
 * the operator made (server name, login name, issuer, realm), never from a claim alone. What a
 * refusal says in `detail` is for our own log; peers get one sentence for all of them.
 */
import type { Clock } from '../../base/clock.ts';

/** What is known of the peer before the first token. */
export interface SaslPeer {
  readonly remoteAddress: string;
  /** The tenant that the TLS server name names; null when it names none. */
  readonly serverTenant: string | null;
}

export interface SaslIdentity {
  readonly tenant: string;
  readonly name: string;
  /** When the credential ends, in milliseconds since the epoch; null when it does not. */
  readonly expiresAtMs: number | null;
  /** What the credential itself brings: `Role:<name>`, sorted; from a token whose scopes are mapped. */
  readonly roles?: readonly string[];
  /** What a token's listed claims say, as `token.<claim>`. */
  readonly attributes?: Readonly<Record<string, string>>;
  /** Further facts for the access log, such as the issuer of a token. */
  readonly facts?: Readonly<Record<string, string>>;
  /** Asked again once the login is recorded, and whenever credentials change: it may have gone. */
  readonly isStillGood?: () => boolean;
  /** The delegation token that was the proof; absent where it was another. */
  readonly tokenId?: string;
  /** The fleet of the device for which a token stands. */
  readonly fleet?: string | null;
}

/** Stable codes: they stand in the audit log, and operators write alarms on them. */
export type SaslRefusal =
  | 'sasl_malformed'
  | 'sasl_no_tenant'
  | 'sasl_bad_credentials'
  | 'sasl_bad_token'
  | 'sasl_token_expired'
  | 'sasl_busy'
  | 'sasl_unusable';

export type SaslStep =
  | { readonly kind: 'challenge'; readonly token: Buffer }
  | {
      readonly kind: 'success';
      readonly token: Buffer;
      readonly identity: SaslIdentity;
      /**
       * By `Clock.monotonicMs`: a refusal all the same is not told before, since one of a wrong
       * proof is not. Absent: a wrong proof is refused as soon as a right one is accepted.
       */
      readonly refusableAtMs?: number;
    }
  | {
      readonly kind: 'failure';
      readonly reason: SaslRefusal;
      readonly detail: string;
      /** Whom the client claimed to be, as far as it got; for the audit. */
      readonly claimed: { readonly tenant: string | null; readonly name: string | null };
    };

export interface SaslExchange {
  /** Takes the client's next token. Never throws for what a peer sent. */
  evaluate(token: Buffer): SaslStep | Promise<SaslStep>;
}

export interface SaslMechanism {
  /** As in SaslHandshake: `SCRAM-SHA-256`, `OAUTHBEARER`, ... */
  readonly name: string;
  begin(peer: SaslPeer): SaslExchange;
}

export const NO_TOKEN: Buffer = Buffer.alloc(0);

const NOBODY = { tenant: null, name: null };

export function saslFailure(
  reason: SaslRefusal,
  detail: string,
  claimed: { readonly tenant: string | null; readonly name: string | null } = NOBODY,
): SaslStep {
  return { kind: 'failure', reason, detail, claimed };
}

/** Resolves at that time by `Clock.monotonicMs`; at once when it is over, or none. */
export async function until(atMs: number | undefined, clock: Clock): Promise<void> {
  const leftMs = atMs === undefined ? 0 : atMs - clock.monotonicMs();
  if (leftMs <= 0) return;
  await new Promise<void>((resolve) => {
    clock.setTimer(leftMs, resolve);
  });
}
