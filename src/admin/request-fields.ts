/**
 * Reads the fields of one request (path parameters, query, JSON body) against their grammar.
 *
 * Invariant: a value leaves here only after it matched what is allowed, so that no name with a
 * separator, path trick or control character reaches anything behind; a field that nobody asked for
 * is refused rather than ignored.
 */
import { AdminError } from './problem.ts';

export interface Grammar {
  readonly pattern: RegExp;
  /** Completes "must be ...". */
  readonly allowed: string;
}

/** Names of tenants, topics and the rest, as DESIGN fixes them. */
export const Grammars = {
  tenant: { pattern: /^[a-z0-9-]{1,63}$/, allowed: '1 to 63 lower-case letters, digits and "-"' },
  topic: {
    pattern: /^(?!\.{1,2}$)[A-Za-z0-9._-]{1,184}$/,
    allowed: '1 to 184 letters, digits, ".", "_" and "-", but not "." or ".."',
  },
  subject: {
    pattern: /^[A-Za-z0-9][A-Za-z0-9_-]{0,62}$/,
    allowed: 'a letter or digit, then up to 62 letters, digits, "_" and "-"',
  },
  principal: {
    pattern: /^(User|Fleet|Role):\P{C}{1,255}$/u,
    allowed: 'User:<name>, User:*, Fleet:<name> or Role:<name>',
  },
  resourceName: { pattern: /^\P{C}{1,255}$/u, allowed: '1 to 255 printable characters' },
  host: { pattern: /^[0-9A-Fa-f:.*/]{1,64}$/, allowed: 'an address, a network or "*"' },
  serial: { pattern: /^[0-9A-Fa-f]{1,40}$/, allowed: '1 to 40 hexadecimal digits' },
  fingerprint: {
    pattern: /^[0-9A-F]{2}(:[0-9A-F]{2}){31}$/,
    allowed: 'a SHA-256 fingerprint as openssl prints it',
  },
  mappingRules: {
    pattern: /^[^\p{Cc}\p{Zl}\p{Zp}]{1,2048}$/u,
    allowed: '1 to 2048 characters in the syntax of ssl.principal.mapping.rules',
  },
  pem: {
    pattern: /^[\x20-\x7e\r\n]{1,16384}$/,
    allowed: 'one PEM certificate of at most 16 KiB',
  },
} as const satisfies Record<string, Grammar>;

const CONFIG_NAME = /^[a-z0-9.]{1,100}$/;
const CONFIG_VALUE = /^\P{C}{0,1000}$/u;
const CONFIGS_MAX = 100;

export class RequestFields {
  readonly #values: ReadonlyMap<string, unknown>;
  readonly #known = new Set<string>();

  /** Later sources never replace a field of earlier ones: a path parameter cannot be overridden. */
  constructor(sources: readonly unknown[]) {
    const values = new Map<string, unknown>();
    for (const source of sources) {
      if (source === undefined || source === null) continue;
      if (typeof source !== 'object' || Array.isArray(source)) {
        throw new AdminError(400, 'malformed-request', 'The body must be a JSON object.');
      }
      for (const [name, value] of Object.entries(source)) {
        if (values.has(name)) throw invalid(name, 'given once');
        values.set(name, value);
      }
    }
    this.#values = values;
  }

  text(name: string, grammar: Grammar): string {
    const value = this.optionalText(name, grammar);
    if (value === null) throw invalid(name, `given: ${grammar.allowed}`);
    return value;
  }

  optionalText(name: string, grammar: Grammar): string | null {
    const value = this.#take(name);
    if (value === null) return null;
    if (typeof value !== 'string' || !grammar.pattern.test(value)) {
      throw invalid(name, grammar.allowed);
    }
    return value;
  }

  /** At most `most` texts; none when the field is missing. */
  optionalTexts(name: string, grammar: Grammar, most: number): readonly string[] {
    const value = this.#take(name) ?? [];
    const isText = (item: unknown): item is string =>
      typeof item === 'string' && grammar.pattern.test(item);
    if (Array.isArray(value) && value.length <= most && value.every(isText)) return value;
    throw invalid(name, `a list of at most ${most}, each ${grammar.allowed}`);
  }

  oneOf<const T extends string>(name: string, values: readonly T[]): T {
    const value = this.optionalOneOf(name, values);
    if (value === null) throw invalid(name, `one of ${values.join(', ')}`);
    return value;
  }

  optionalOneOf<const T extends string>(name: string, values: readonly T[]): T | null {
    const value = this.#take(name);
    if (value === null) return null;
    const found = values.find((candidate) => candidate === value);
    if (found === undefined) throw invalid(name, `one of ${values.join(', ')}`);
    return found;
  }

  optionalInteger(name: string, min: number, max: number): number | null {
    const value = this.#take(name);
    if (value === null) return null;
    if (typeof value !== 'number' || !Number.isInteger(value) || value < min || value > max) {
      throw invalid(name, `an integer from ${min} to ${max}`);
    }
    return value;
  }

  optionalFlag(name: string): boolean | null {
    const value = this.#take(name);
    if (value === null || typeof value === 'boolean') return value;
    throw invalid(name, 'true or false');
  }

  /** Topic configuration: names to texts. */
  configs(name: string): ReadonlyMap<string, string> {
    const value = this.#take(name);
    const configs = new Map<string, string>();
    if (value === null) return configs;
    const allowed = `an object of at most ${CONFIGS_MAX} names with texts`;
    if (typeof value !== 'object' || Array.isArray(value)) throw invalid(name, allowed);
    for (const [key, text] of Object.entries(value)) {
      const isGood = CONFIG_NAME.test(key) && typeof text === 'string' && CONFIG_VALUE.test(text);
      if (!isGood || configs.size >= CONFIGS_MAX) throw invalid(name, allowed);
      configs.set(key, text);
    }
    return configs;
  }

  /** Names to numbers, or to null for what is to be taken away; at least one. */
  numbers<const T extends string>(
    name: string,
    names: readonly T[],
  ): Readonly<Partial<Record<T, number | null>>> {
    const value = this.#take(name);
    const allowed = `an object with numbers or nulls under some of ${names.join(', ')}`;
    if (typeof value !== 'object' || value === null || Array.isArray(value)) {
      throw invalid(name, allowed);
    }
    const numbers: Partial<Record<T, number | null>> = {};
    const given = Object.entries(value);
    for (const [key, number] of given) {
      const known = names.find((candidate) => candidate === key);
      const isNumber = number === null || (typeof number === 'number' && Number.isFinite(number));
      if (known === undefined || !isNumber) throw invalid(name, allowed);
      numbers[known] = number;
    }
    if (given.length === 0) throw invalid(name, allowed);
    return numbers;
  }

  /** Throws when the request has a field that nobody asked for. */
  finish(): void {
    for (const name of this.#values.keys()) {
      if (this.#known.has(name)) continue;
      throw new AdminError(400, 'unknown-field', 'The request has a field that is not known here.');
    }
  }

  #take(name: string): unknown {
    this.#known.add(name);
    return this.#values.get(name) ?? null;
  }
}

function invalid(name: string, allowed: string): AdminError {
  return new AdminError(400, 'invalid-field', `${quoted(name)} must be ${allowed}.`);
}

/** Field names of a query are the caller's text. */
const quoted = (name: string): string => JSON.stringify(name.slice(0, 64));
