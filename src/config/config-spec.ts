/**
 * The vocabulary that the configuration table is written in: what a key's value may be, how its
 * text is read, how it is shown. Pure; knows no key.
 *
 * Values come as text (environment, --set) or as YAML scalars; a spec accepts both and answers with
 * the typed value, or with undefined when the value is not allowed.
 */

import { parseNetworks } from '../base/ip-address.ts';

export type RawValue = string | number | boolean | null;

export interface ConfigSpec<T> {
  readonly default: T;
  /** One plain sentence or two, shown by `config show` and in the file that `init` writes. */
  readonly doc: string;
  /** What is allowed, in words, for error messages: `an integer from 1 to 100`. */
  readonly allowed: string;
  /** Masked wherever configuration is shown. */
  readonly sensitive: boolean;
  /** A path: relative ones are resolved against the folder of their source. */
  readonly isPath: boolean;
  readonly parse: (raw: RawValue) => T | undefined;
}

interface Common {
  readonly doc: string;
  readonly sensitive?: boolean;
}

function spec<T>(common: Common, rest: Pick<ConfigSpec<T>, 'default' | 'allowed' | 'parse'>) {
  const { doc, sensitive = false } = common;
  return { ...rest, doc, sensitive, isPath: false } satisfies ConfigSpec<T>;
}

/** An integer within [min, max]. */
export function integer(
  options: Common & { default: number; min: number; max?: number },
): ConfigSpec<number> {
  const { min, max = Number.MAX_SAFE_INTEGER } = options;
  const upTo = max === Number.MAX_SAFE_INTEGER ? `of at least ${min}` : `from ${min} to ${max}`;
  return spec<number>(options, {
    default: options.default,
    allowed: `an integer ${upTo}`,
    parse: (raw) => {
      const text = String(raw).trim();
      if (typeof raw === 'boolean' || !/^-?\d{1,16}$/.test(text)) return undefined;
      const value = Number(text);
      return Number.isSafeInteger(value) && value >= min && value <= max ? value : undefined;
    },
  });
}

/** A TCP port; 0 lets the system choose a free one. */
export function port(options: Common & { default: number }): ConfigSpec<number> {
  return integer({ ...options, min: 0, max: 65535 });
}

export function flag(options: Common & { default: boolean }): ConfigSpec<boolean> {
  return spec<boolean>(options, {
    default: options.default,
    allowed: 'true or false',
    parse: (raw) => {
      if (typeof raw === 'boolean') return raw;
      const text = String(raw).trim().toLowerCase();
      return text === 'true' ? true : text === 'false' ? false : undefined;
    },
  });
}

export function oneOf<const T extends string>(
  options: Common & { values: readonly T[]; default: NoInfer<T> },
): ConfigSpec<T> {
  return spec<T>(options, {
    default: options.default,
    allowed: `one of ${options.values.join(', ')}`,
    parse: (raw) => options.values.find((value) => value === String(raw).trim()),
  });
}

interface TextOptions extends Common {
  /** What the text has to match, and how to say so. */
  readonly pattern: RegExp;
  readonly allowed: string;
}

function matching(pattern: RegExp, raw: RawValue): string | undefined {
  if (raw === null) return undefined;
  const text = String(raw);
  return pattern.test(text) ? text : undefined;
}

export function text(options: TextOptions & { default: string }): ConfigSpec<string> {
  return spec<string>(options, {
    default: options.default,
    allowed: options.allowed,
    parse: (raw) => matching(options.pattern, raw),
  });
}

/** As text, but may be unset: an empty value and YAML's null both mean so. */
export function optionalText(options: TextOptions): ConfigSpec<string | null> {
  return spec<string | null>(options, {
    default: null,
    allowed: `${options.allowed}, or empty for none`,
    parse: (raw) => (isUnset(raw) ? null : matching(options.pattern, raw)),
  });
}

/** IP addresses and networks (CIDR) with commas between; unset for none. */
export function optionalNetworks(options: Common): ConfigSpec<string | null> {
  const parse = (text: string): string | undefined =>
    parseNetworks(text) === null ? undefined : text;
  return spec<string | null>(options, {
    default: null,
    allowed: 'IP addresses or networks such as 10.0.0.0/8 with commas between, or empty for none',
    parse: (raw) => (isUnset(raw) ? null : parse(String(raw))),
  });
}

const isUnset = (raw: RawValue): boolean => raw === null || raw === '';

/** A file or folder name without control characters. */
const PATH = /^\P{Cc}+$/u;
const PATH_ALLOWED = 'a path';

export function path(options: Common & { default: string }): ConfigSpec<string> {
  return { ...text({ ...options, pattern: PATH, allowed: PATH_ALLOWED }), isPath: true };
}

export function optionalPath(options: Common): ConfigSpec<string | null> {
  return { ...optionalText({ ...options, pattern: PATH, allowed: PATH_ALLOWED }), isPath: true };
}
