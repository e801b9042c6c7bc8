/**
 * PLAIN on the server's side (RFC 4616): one message, `[authzid] NUL user NUL password`, checked
 * against the user's stored SCRAM credentials. Only where the operator names it, and inside TLS.
 *
 * Invariants: every message in order costs the same two saltings, whether the user is there, has one
 * mechanism or both; a refusal, of a right password too, is not told before REFUSAL_MS, so that its
 * time tells neither the iterations nor who exists; the password is wiped from the frame and is in no log. Saltings are the
 * bounded work of password-work.ts.
 */
import { isUtf8 } from 'node:buffer';
import { createHmac, timingSafeEqual } from 'node:crypto';
import type { Clock } from '../../base/clock.ts';
import {
  SCRAM_ITERATIONS_MIN,
  SCRAM_MECHANISMS,
  type ScramMechanism,
  saltText,
  scramKeys,
} from '../scram/scram-mechanism.ts';
import { type LoginName, parseLoginName } from './login-name.ts';
import { type PasswordWork, PasswordWorkRefused } from './password-work.ts';
import {
  NO_TOKEN,
  type SaslExchange,
  type SaslIdentity,
  type SaslMechanism,
  type SaslPeer,
  type SaslStep,
  saslFailure,
  until,
} from './sasl-mechanism.ts';
import type { ScramLookup } from './scram-exchange.ts';

export const PLAIN = 'PLAIN';
const NAME_BYTES_MAX = 255;
const PASSWORD_BYTES_MAX = 1024;
/** Longer than the dearest salting takes on a machine that is not overloaded. */
const REFUSAL_MS = 100;

export interface PlainOptions {
  readonly lookup: ScramLookup;
  readonly work: PasswordWork;
  readonly clock: Clock;
  /** Keys the salts of users that do not exist. */
  readonly decoySecret: Buffer;
}

export function plainMechanism(options: PlainOptions): SaslMechanism {
  return { name: PLAIN, begin: (peer) => new PlainExchange(options, peer) };
}

interface PlainMessage {
  readonly authorizationId: string;
  readonly user: string;
  /** A slice of the frame. */
  readonly password: Buffer;
}

class PlainExchange implements SaslExchange {
  readonly #options: PlainOptions;
  readonly #peer: SaslPeer;
  #isOver = false;

  constructor(options: PlainOptions, peer: SaslPeer) {
    this.#options = options;
    this.#peer = peer;
  }

  async evaluate(token: Buffer): Promise<SaslStep> {
    if (this.#isOver) return saslFailure('sasl_malformed', 'a token after the end');
    this.#isOver = true;
    const { clock } = this.#options;
    const beganMs = clock.monotonicMs();
    const step = await this.#verdict(token).finally(() => token.fill(0));
    const refusableAtMs = beganMs + REFUSAL_MS;
    if (step.kind === 'success') return { ...step, refusableAtMs };
    await until(refusableAtMs, clock);
    return step;
  }

  async #verdict(token: Buffer): Promise<SaslStep> {
    const message = readMessage(token);
    if (typeof message === 'string') return saslFailure('sasl_malformed', message);
    const { authorizationId, user, password } = message;
    if (authorizationId !== '' && authorizationId !== user) {
      return saslFailure('sasl_malformed', 'to act for another user is not served');
    }
    const login = parseLoginName(user, this.#peer.serverTenant);
    if ('problem' in login) {
      const reason = login.problem === 'malformed' ? 'sasl_bad_credentials' : 'sasl_no_tenant';
      return saslFailure(reason, `the login name: ${login.problem}`);
    }
    const claimed = { tenant: login.tenant, name: login.user };
    try {
      const checks = SCRAM_MECHANISMS.map((mechanism) => this.#check(mechanism, login, password));
      const good = (await Promise.all(checks)).find((identity) => identity !== null);
      if (good) return { kind: 'success', token: NO_TOKEN, identity: good };
      return saslFailure('sasl_bad_credentials', 'no such user, or a wrong password', claimed);
    } catch (error) {
      if (!(error instanceof PasswordWorkRefused)) throw error;
      return saslFailure('sasl_busy', error.message, claimed);
    }
  }

  /** Whom the password proves by the credential for this mechanism; null: nobody. */
  async #check(
    mechanism: ScramMechanism,
    login: LoginName,
    given: Buffer,
  ): Promise<SaslIdentity | null> {
    const { lookup, work, decoySecret } = this.#options;
    const decoy = createHmac('sha512', decoySecret)
      .update(`${PLAIN} ${mechanism.name}\0${login.tenant}\0${login.user}`)
      .digest();
    const found = lookup(login, mechanism.name);
    const salted = await work.salted(this.#peer.remoteAddress, mechanism, {
      password: Buffer.from(given),
      salt: found === undefined ? saltText(decoy) : Buffer.from(found.salt, 'base64'),
      iterations: found?.iterations ?? SCRAM_ITERATIONS_MIN,
    });
    const { storedKey } = scramKeys(mechanism, salted);
    salted.fill(0);
    const expected =
      found === undefined
        ? decoy.subarray(0, mechanism.digestBytes)
        : Buffer.from(found.storedKey, 'base64');
    const isRight = timingSafeEqual(storedKey, expected);
    if (!isRight || found === undefined) return null;
    return {
      tenant: login.tenant,
      name: login.user,
      expiresAtMs: null,
      isStillGood: () => lookup(login, mechanism.name)?.storedKey === found.storedKey,
    };
  }
}

/** The three parts, or what is wrong. */
function readMessage(token: Buffer): PlainMessage | string {
  const first = token.indexOf(0);
  const second = token.indexOf(0, first + 1);
  if (first < 0 || second < 0 || token.indexOf(0, second + 1) >= 0) return 'not three parts';
  if (!isUtf8(token)) return 'the message is no UTF-8';
  const password = token.subarray(second + 1);
  if (second === first + 1 || password.length === 0) return 'no user, or no password';
  if (first > NAME_BYTES_MAX || second - first - 1 > NAME_BYTES_MAX) return 'a name is too long';
  if (password.length > PASSWORD_BYTES_MAX) return 'the password is too long';
  return {
    authorizationId: token.toString('utf8', 0, first),
    user: token.toString('utf8', first + 1, second),
    password,
  };
}
