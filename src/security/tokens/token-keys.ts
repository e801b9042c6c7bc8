/**
 * Owns what proves a delegation token: its HMAC, which clients use in base64 as the password, and
 * the SCRAM keys of that password; all of it made from the broker's secret and kept nowhere.
 *
 * What clients know as the HMAC is the id and then a MAC over tenant and id, 64 bytes together. So
 * whose it is shows without a search, and a token of one tenant proves nothing in another, even if
 * an id were there twice.
 *
 * Invariant: keys are made only for tokens that there are, by the bounded work of
 * password-work.ts, and the few made last are remembered.
 */
import { createHmac, timingSafeEqual } from 'node:crypto';
import type { PasswordWork } from '../sasl/password-work.ts';
import {
  SCRAM_ITERATIONS_MIN,
  type ScramKeys,
  type ScramMechanism,
  saltText,
  scramKeys,
} from '../scram/scram-mechanism.ts';
import { TOKEN_ID_BYTES } from './delegation-token.ts';

/** With the id before it as long as Kafka's HmacSHA512. */
const MAC_BYTES = 48;
const TOKEN_HMAC_BYTES = TOKEN_ID_BYTES + MAC_BYTES;
const REMEMBERED_MAX = 2048;

export interface TokenScramKeys extends ScramKeys {
  readonly salt: Buffer;
  readonly iterations: number;
}

export class TokenKeys {
  readonly #secret: Buffer;
  readonly #work: PasswordWork;
  /** In the order of their last use. */
  readonly #remembered = new Map<string, TokenScramKeys>();
  /** A job of many tasks logs in all at once: the keys are made once. */
  readonly #inTheMaking = new Map<string, Promise<TokenScramKeys>>();

  constructor(secret: Buffer, work: PasswordWork) {
    this.#secret = secret;
    this.#work = work;
  }

  hmacOf(tenant: string, id: string): Buffer {
    const mac = this.#derive('sha384', `delegation token\0${tenant}\0${id}`);
    return Buffer.concat([Buffer.from(id, 'base64url'), mac]);
  }

  /** The id that this HMAC proves in the tenant; null when it proves none. */
  idOf(tenant: string, hmac: Buffer): string | null {
    if (hmac.length !== TOKEN_HMAC_BYTES) return null;
    const id = hmac.toString('base64url', 0, TOKEN_ID_BYTES);
    return timingSafeEqual(this.hmacOf(tenant, id), hmac) ? id : null;
  }

  /** The keys of the token's password. Rejects with PasswordWorkRefused when there is no room. */
  scramKeysOf(
    mechanism: ScramMechanism,
    token: { readonly tenant: string; readonly id: string; readonly address: string },
  ): Promise<TokenScramKeys> {
    const name = `${mechanism.name} ${token.tenant}/${token.id}`;
    const known = this.#remembered.get(name);
    if (known !== undefined) {
      this.#remembered.delete(name);
      this.#remembered.set(name, known);
      return Promise.resolve(known);
    }
    let making = this.#inTheMaking.get(name);
    if (making === undefined) {
      making = this.#make(name, mechanism, token).finally(() => this.#inTheMaking.delete(name));
      this.#inTheMaking.set(name, making);
    }
    return making;
  }

  async #make(
    name: string,
    mechanism: ScramMechanism,
    { tenant, id, address }: { tenant: string; id: string; address: string },
  ): Promise<TokenScramKeys> {
    const salt = saltText(this.#derive('sha512', `salt\0${name}`));
    const password = Buffer.from(this.hmacOf(tenant, id).toString('base64'));
    const iterations = SCRAM_ITERATIONS_MIN;
    const salted = await this.#work.salted(address, mechanism, { password, salt, iterations });
    const keys = { ...scramKeys(mechanism, salted), salt, iterations };
    salted.fill(0);
    this.#remember(name, keys);
    return keys;
  }

  #remember(name: string, keys: TokenScramKeys): void {
    this.#remembered.set(name, keys);
    if (this.#remembered.size <= REMEMBERED_MAX) return;
    for (const oldest of this.#remembered.keys()) {
      this.#remembered.delete(oldest);
      return;
    }
  }

  #derive(digest: 'sha384' | 'sha512', what: string): Buffer {
    return createHmac(digest, this.#secret).update(what).digest();
  }
}
