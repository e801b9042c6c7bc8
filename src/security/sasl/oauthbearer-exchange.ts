/**
 * OAUTHBEARER on the server's side (RFC 7628, KIP-255): one token that is verified, or a JSON
 * challenge that the client answers with a single 0x01 before it is refused.
 */
import type { OauthIssuers, TokenVerdict } from './oauth-issuer.ts';
import {
  NO_TOKEN,
  type SaslExchange,
  type SaslMechanism,
  type SaslPeer,
  type SaslStep,
  saslFailure,
} from './sasl-mechanism.ts';

const MESSAGE_LENGTH_MAX = 20_000;
/** Stands between the fields, and ends them twice. */
const SEPARATOR = '\u0001';
const HEADER = /^n,(a=[^,]*)?,$/;
const FIELD = /^[A-Za-z]+=/;
const BEARER = /^bearer ([^ ]+)$/i;
/** RFC 7628 section 3.2.2. */
const CHALLENGE = Buffer.from('{"status":"invalid_token"}');

export function oauthBearerMechanism(issuers: OauthIssuers): SaslMechanism {
  return { name: 'OAUTHBEARER', begin: (peer) => new OauthBearerExchange(issuers, peer) };
}

class OauthBearerExchange implements SaslExchange {
  readonly #issuers: OauthIssuers;
  readonly #peer: SaslPeer;
  #refusal: SaslStep | undefined;
  #hasBegun = false;

  constructor(issuers: OauthIssuers, peer: SaslPeer) {
    this.#issuers = issuers;
    this.#peer = peer;
  }

  evaluate(token: Buffer): SaslStep | Promise<SaslStep> {
    // Whatever the client says to the challenge, it stays refused.
    if (this.#refusal !== undefined) return this.#refusal;
    if (this.#hasBegun) return saslFailure('sasl_malformed', 'a token after the first');
    this.#hasBegun = true;
    const text = token.length > MESSAGE_LENGTH_MAX ? '' : token.toString('latin1');
    const [header = '', ...fields] = text.split(SEPARATOR);
    const match = HEADER.exec(header);
    const isEnded = fields.pop() === '' && fields.pop() === '';
    if (match === null || !isEnded || !fields.every((field) => FIELD.test(field))) {
      return saslFailure('sasl_malformed', 'not a client-first-message');
    }
    const credentials = fields.filter((field) => field.startsWith('auth='));
    const bearer = BEARER.exec(credentials[0]?.slice(5) ?? '');
    if (credentials.length !== 1 || bearer === null) {
      return saslFailure('sasl_malformed', 'not exactly one bearer token');
    }
    const authorizationId = match[1]?.slice(2) ?? '';
    return this.#issuers
      .verify(bearer[1]!, this.#peer.serverTenant)
      .then((verdict) => this.#stepFor(verdict, authorizationId));
  }

  #stepFor(verdict: TokenVerdict, authorizationId: string): SaslStep {
    if ('reason' in verdict) {
      this.#refusal = saslFailure(verdict.reason, verdict.detail, verdict.claimed);
      return { kind: 'challenge', token: CHALLENGE };
    }
    const { identity } = verdict;
    if (authorizationId !== '' && authorizationId !== identity.name) {
      return saslFailure('sasl_bad_credentials', 'to act for another user is not served', identity);
    }
    return { kind: 'success', token: NO_TOKEN, identity };
  }
}
