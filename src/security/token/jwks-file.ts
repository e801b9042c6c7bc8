/**
 * Owns an issuer's public keys in a file: looked at again, at most once a second, when a token comes.
 *
 * Invariant: only public keys of asymmetric algorithms are taken; a file that cannot be read any more
 * leaves the last good keys in place, and that is told once for each problem.
 */
import { createLocalJWKSet, type JSONWebKeySet, type JWTVerifyGetKey } from 'jose';
import type { Clock } from '../../base/clock.ts';

const RELOAD_INTERVAL_MS = 1000;
/** Their public names in RFC 7518 and RFC 8037; `oct` is a secret. */
const KEY_TYPES: ReadonlySet<unknown> = new Set(['EC', 'RSA', 'OKP']);

export interface JwksFileOptions {
  /** The file's text; throws when it cannot be read. */
  readonly read: () => string;
  readonly clock: Clock;
  /** Called when a changed file is in use, or with why it is not, once for each change. */
  readonly onChange: (problem: Error | null) => void;
}

export class JwksFile {
  readonly #options: JwksFileOptions;
  #text: string;
  #keys: JWTVerifyGetKey;
  #lookedAtMs: number;
  #problem: string | undefined;

  /** Throws what reading or parsing throws. */
  constructor(options: JwksFileOptions) {
    this.#options = options;
    this.#text = options.read();
    this.#keys = createLocalJWKSet(parseJwks(this.#text));
    this.#lookedAtMs = options.clock.monotonicMs();
  }

  /** As jose asks for the key of a token. */
  readonly getKey: JWTVerifyGetKey = (header, token) => {
    this.#refresh();
    return this.#keys(header, token);
  };

  #refresh(): void {
    const { clock, read, onChange } = this.#options;
    const nowMs = clock.monotonicMs();
    if (nowMs - this.#lookedAtMs < RELOAD_INTERVAL_MS) return;
    this.#lookedAtMs = nowMs;
    try {
      const text = read();
      if (text !== this.#text) {
        this.#keys = createLocalJWKSet(parseJwks(text));
        this.#text = text;
        onChange(null);
      }
      this.#problem = undefined;
    } catch (cause) {
      const problem = cause instanceof Error ? cause : new Error(String(cause));
      if (problem.message === this.#problem) return;
      this.#problem = problem.message;
      onChange(problem);
    }
  }
}

/** Throws Error when the text is no JSON Web Key Set of public keys. */
function parseJwks(text: string): JSONWebKeySet {
  const document: unknown = JSON.parse(text);
  const keys = document instanceof Object && 'keys' in document ? document.keys : undefined;
  if (!Array.isArray(keys) || keys.length === 0) throw new Error('it holds no list of keys');
  const isPublic = (key: unknown): boolean =>
    key instanceof Object && 'kty' in key && KEY_TYPES.has(key.kty) && !('d' in key);
  if (!keys.every(isPublic)) throw new Error('it must hold public keys only');
  return { keys };
}
