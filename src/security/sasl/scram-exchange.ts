/**
 * SCRAM-SHA-256 and SCRAM-SHA-512 on the server's side (RFC 5802, RFC 7677). With the extension
 * `tokenauth=true` (KIP-48) the user is a delegation token, and who gets in is its owner.
 *
 *   client-first -> server-first (nonce, salt, iterations) -> client-final (proof) -> server-final
 *
 * Invariants: an unknown user gets a salt that is always the same for it, and fails where a wrong
 * password fails, after the same work; the nonce must be ours to the last byte, in one of two
 * exact forms (CVE-2024-56128);
 * proofs are compared in constant time; nothing of a password or key is kept or logged. A token
 * that is not there fails like a user; whether an id is one, its first answer may tell by its time:
 * ids are 128 random bits and prove nothing.
 */
import { createHash, createHmac, timingSafeEqual } from 'node:crypto';
import type { Random } from '../../base/random.ts';
import type { ScramCredential } from '../scram/scram-credentials.ts';
import { SCRAM_ITERATIONS_MIN, type ScramMechanism, saltText } from '../scram/scram-mechanism.ts';
import type { DelegationToken } from '../tokens/delegation-token.ts';
import type { TokenKeys } from '../tokens/token-keys.ts';
import { type LoginName, parseLoginName } from './login-name.ts';
import { PasswordWorkRefused } from './password-work.ts';
import {
  NO_TOKEN,
  type SaslExchange,
  type SaslIdentity,
  type SaslMechanism,
  type SaslPeer,
  type SaslStep,
  saslFailure,
} from './sasl-mechanism.ts';

const NONCE_BYTES = 24;
/** Far more than a client needs: a name, a nonce, an extension or two. */
const MESSAGE_LENGTH_MAX = 4096;
const CLIENT_FIRST = /^([ny]),(a=[^,]*)?,(n=([^,]+),r=([\x21-\x2b\x2d-\x7e]+)(?:,(.*))?)$/s;
const CLIENT_FINAL =
  /^(c=([A-Za-z0-9+/=]+),r=([\x21-\x2b\x2d-\x7e]+)(?:,[^,]+)*?),p=([A-Za-z0-9+/=]+)$/;

/** The credential of a user of an active tenant; undefined when there is none. */
export type ScramLookup = (
  login: LoginName,
  mechanism: ScramMechanism['name'],
) => Pick<ScramCredential, 'salt' | 'iterations' | 'storedKey' | 'serverKey'> | undefined;

/** How delegation tokens log in. */
export interface TokenLogins {
  /** The token, while it is good and its tenant active. */
  find(login: LoginName): DelegationToken | undefined;
  readonly keys: TokenKeys;
}

export interface ScramOptions {
  readonly lookup: ScramLookup;
  /** Null where delegation tokens are not served. */
  readonly tokens: TokenLogins | null;
  readonly random: Random;
  /** Keys the salts of users that do not exist; the same for as long as the broker's data lives. */
  readonly decoySecret: Buffer;
}

export function scramSaslMechanism(
  mechanism: ScramMechanism,
  options: ScramOptions,
): SaslMechanism {
  return { name: mechanism.name, begin: (peer) => new ScramExchange(mechanism, options, peer) };
}

interface Keys {
  readonly salt: Buffer;
  readonly iterations: number;
  readonly storedKey: Buffer;
  readonly serverKey: Buffer;
  readonly isReal: boolean;
}

interface Begun {
  readonly login: LoginName;
  readonly isToken: boolean;
  readonly keys: Keys;
  readonly clientNonce: string;
  /** The client's part and ours. */
  readonly nonce: string;
  readonly bindingBase64: string;
  readonly clientFirstBare: string;
  readonly serverFirst: string;
}

class ScramExchange implements SaslExchange {
  readonly #mechanism: ScramMechanism;
  readonly #options: ScramOptions;
  readonly #peer: SaslPeer;
  #begun: Begun | undefined;
  #isOver = false;

  constructor(mechanism: ScramMechanism, options: ScramOptions, peer: SaslPeer) {
    this.#mechanism = mechanism;
    this.#options = options;
    this.#peer = peer;
  }

  evaluate(token: Buffer): SaslStep | Promise<SaslStep> {
    if (this.#isOver) return saslFailure('sasl_malformed', 'a token after the end');
    const text = utf8(token);
    const begun = this.#begun;
    const step =
      text === undefined
        ? saslFailure('sasl_malformed', 'the token is no text, or too long')
        : begun === undefined
          ? this.#first(text)
          : this.#final(text, begun);
    // Until the answer to this one is there, another one is out of place.
    this.#isOver = true;
    return step instanceof Promise ? step.then((one) => this.#after(one)) : this.#after(step);
  }

  #after(step: SaslStep): SaslStep {
    this.#isOver = step.kind !== 'challenge';
    return step;
  }

  #first(text: string): SaslStep | Promise<SaslStep> {
    const match = CLIENT_FIRST.exec(text);
    if (match === null) return saslFailure('sasl_malformed', 'not a client-first-message');
    const [, flag, authorizationId, bare, escaped, clientNonce, extensions] = match;
    const name = unescapeName(escaped!);
    if (name === undefined) return saslFailure('sasl_malformed', 'the user name is badly escaped');
    if (extensions !== undefined && /(?:^|,)m=/.test(extensions)) {
      return saslFailure('sasl_malformed', 'a mandatory extension that is not known');
    }
    const isToken = extensions !== undefined && /(?:^|,)tokenauth=true(?:,|$)/i.test(extensions);
    if (isToken && this.#options.tokens === null) {
      return saslFailure('sasl_bad_credentials', 'delegation tokens are not served');
    }
    if (authorizationId !== undefined && authorizationId.slice(2) !== escaped) {
      return saslFailure('sasl_malformed', 'to act for another user is not served');
    }
    const login = parseLoginName(name, this.#peer.serverTenant);
    if ('problem' in login) {
      const reason = login.problem === 'malformed' ? 'sasl_bad_credentials' : 'sasl_no_tenant';
      return saslFailure(reason, `the login name: ${login.problem}`);
    }
    const bindingBase64 = Buffer.from(`${flag},${authorizationId ?? ''},`).toString('base64');
    const asked = { login, isToken, clientNonce: clientNonce!, bindingBase64 };
    const challenge = (keys: Keys): SaslStep =>
      this.#challenge({ ...asked, clientFirstBare: bare!, keys });
    return isToken
      ? this.#tokenKeysOf(login).then(challenge, busy)
      : challenge(this.#keysOf(login));
  }

  #challenge(asked: Omit<Begun, 'nonce' | 'serverFirst'>): SaslStep {
    const { keys, clientNonce } = asked;
    const nonce = clientNonce + this.#options.random.bytes(NONCE_BYTES).toString('base64');
    const serverFirst = `r=${nonce},s=${keys.salt.toString('base64')},i=${keys.iterations}`;
    this.#begun = { ...asked, nonce, serverFirst };
    return { kind: 'challenge', token: Buffer.from(serverFirst) };
  }

  #final(text: string, begun: Begun): SaslStep {
    const { login, keys } = begun;
    const claimed = { tenant: login.tenant, name: login.user };
    const match = CLIENT_FINAL.exec(text);
    if (match === null) return saslFailure('sasl_malformed', 'not a client-final-message', claimed);
    const [, withoutProof, binding, nonce, proofBase64] = match;
    if (binding !== begun.bindingBase64) {
      return saslFailure('sasl_malformed', 'the channel binding differs from the first', claimed);
    }
    // librdkafka before 2.6.1 puts its own part in front once more; ours is there whole and last.
    if (nonce !== begun.nonce && nonce !== begun.clientNonce + begun.nonce) {
      return saslFailure('sasl_malformed', 'the nonce is not the one that was given', claimed);
    }
    const message = `${begun.clientFirstBare},${begun.serverFirst},${withoutProof}`;
    const isProven = this.#isProof(Buffer.from(proofBase64!, 'base64'), message, keys);
    const signature = this.#hmac(keys.serverKey, message);
    const identity = begun.isToken ? this.#ownerBy(login) : this.#userBy(login, keys);
    if (!isProven || !keys.isReal || identity === undefined) {
      const nobody = begun.isToken ? 'no such token' : 'no such user for this mechanism';
      const detail = keys.isReal && identity !== undefined ? 'wrong password' : nobody;
      return saslFailure('sasl_bad_credentials', detail, claimed);
    }
    return {
      kind: 'success',
      token: Buffer.from(`v=${signature.toString('base64')}`),
      identity,
    };
  }

  #userBy(login: LoginName, { storedKey }: Keys): SaslIdentity {
    return {
      tenant: login.tenant,
      name: login.user,
      expiresAtMs: null,
      isStillGood: () => {
        const now = this.#options.lookup(login, this.#mechanism.name);
        return now !== undefined && storedKey.equals(Buffer.from(now.storedKey, 'base64'));
      },
    };
  }

  /** The owner of the token; undefined when the token ended meanwhile. */
  #ownerBy(login: LoginName): SaslIdentity | undefined {
    const tokens = this.#options.tokens;
    const token = tokens?.find(login);
    if (token === undefined) return undefined;
    return {
      tenant: login.tenant,
      name: token.owner,
      fleet: token.fleet,
      tokenId: token.id,
      expiresAtMs: token.expiresAtMs,
      isStillGood: () => tokens?.find(login) !== undefined,
    };
  }

  /** ClientKey = proof XOR HMAC(StoredKey, message); its digest must be StoredKey. */
  #isProof(proof: Buffer, message: string, { storedKey }: Keys): boolean {
    const { digest, digestBytes } = this.#mechanism;
    const signature = this.#hmac(storedKey, message);
    const clientKey = Buffer.alloc(digestBytes);
    for (let at = 0; at < digestBytes; at += 1) {
      clientKey[at] = signature[at]! ^ (proof[at] ?? 0);
    }
    const digestOfKey = createHash(digest).update(clientKey).digest();
    clientKey.fill(0);
    return timingSafeEqual(digestOfKey, storedKey) && proof.length === digestBytes;
  }

  async #tokenKeysOf(login: LoginName): Promise<Keys> {
    const tokens = this.#options.tokens;
    const token = tokens?.find(login);
    if (token === undefined) return this.#decoyKeys(login, 'tokenauth');
    const asked = { tenant: login.tenant, id: token.id, address: this.#peer.remoteAddress };
    const keys = await tokens!.keys.scramKeysOf(this.#mechanism, asked);
    return { ...keys, isReal: true };
  }

  #keysOf(login: LoginName): Keys {
    // Made for everybody, so that both ways take the same time.
    const decoy = this.#decoyKeys(login, '');
    const found = this.#options.lookup(login, this.#mechanism.name);
    if (found !== undefined) {
      return {
        salt: Buffer.from(found.salt, 'base64'),
        iterations: found.iterations,
        storedKey: Buffer.from(found.storedKey, 'base64'),
        serverKey: Buffer.from(found.serverKey, 'base64'),
        isReal: true,
      };
    }
    return decoy;
  }

  #decoyKeys(login: LoginName, kind: string): Keys {
    const decoy = createHmac('sha512', this.#options.decoySecret)
      .update(`${this.#mechanism.name}${kind}\0${login.tenant}\0${login.user}`)
      .digest();
    const key = createHash(this.#mechanism.digest).update(decoy).digest();
    return {
      salt: saltText(decoy),
      iterations: SCRAM_ITERATIONS_MIN,
      storedKey: key,
      serverKey: key,
      isReal: false,
    };
  }

  #hmac(key: Buffer, message: string): Buffer {
    return createHmac(this.#mechanism.digest, key).update(message).digest();
  }
}

function utf8(token: Buffer): string | undefined {
  if (token.length === NO_TOKEN.length || token.length > MESSAGE_LENGTH_MAX) return undefined;
  const text = token.toString('utf8');
  return Buffer.byteLength(text) === token.length && !text.includes('\uFFFD') ? text : undefined;
}

/** RFC 5802: `,` is `=2C` and `=` is `=3D`; any other `=` is an error. */
function unescapeName(escaped: string): string | undefined {
  if (/=(?!2C|3D)/.test(escaped)) return undefined;
  return escaped.replaceAll('=2C', ',').replaceAll('=3D', '=');
}

function busy(error: unknown): SaslStep {
  if (!(error instanceof PasswordWorkRefused)) throw error;
  return saslFailure('sasl_busy', error.message);
}
