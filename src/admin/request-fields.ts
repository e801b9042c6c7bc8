/**
 * Owns what a route reads from a request: the fields of its path, query and JSON body, each with its
 * shape. fastify checks a request against the schemas made here before anything else sees it.
 *
 * Invariant: a value leaves here only after it matched its shape, so that no name with a separator,
 * path trick or control character reaches anything behind; a field that nobody asked for is refused
 * rather than ignored; a name stands in one place of a request only.
 */
import type { Grammar, JsonSchema, Shape } from './json-shape.ts';
import { AdminError } from './problem.ts';

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
  backup: {
    pattern: /^(?!.*\.partial$)[A-Za-z0-9][A-Za-z0-9._-]{0,99}$/,
    allowed:
      'a letter or digit, then up to 99 letters, digits, ".", "_" and "-", not ending in .partial',
  },
  serial: { pattern: /^[0-9A-Fa-f]{1,40}$/, allowed: '1 to 40 hexadecimal digits' },
  fingerprint: {
    pattern: /^[0-9A-F]{2}(:[0-9A-F]{2}){31}$/,
    allowed: 'a SHA-256 fingerprint as openssl prints it',
  },
  mappingRules: {
    // No control characters (Cc) and no line or paragraph separators, in a form that others read too.
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what it keeps out
    pattern: /^[^\u0000-\u001f\u007f-\u009f\u2028\u2029]{1,2048}$/u,
    allowed: '1 to 2048 characters in the syntax of ssl.principal.mapping.rules',
  },
  pem: {
    pattern: /^[\x20-\x7e\r\n]{1,16384}$/,
    allowed: 'one PEM certificate of at most 16 KiB',
  },
  cursor: {
    pattern: /^[A-Za-z0-9_-]{1,8192}$/,
    allowed: 'what an answer gave as "next"',
  },
} as const satisfies Record<string, Grammar>;

/** A field that may be left out, and what it is then. */
export interface Optional<out T> {
  readonly shape: Shape<unknown>;
  readonly absent: T;
}

type InputFields = Readonly<Record<string, Shape<unknown> | Optional<unknown>>>;
type Value<F> = F extends Optional<infer T> ? T : F extends Shape<infer T> ? T : never;
type Values<F> = { readonly [Name in keyof F]: Value<F[Name]> };
/** Path, query and body in one. */
type AllValues<P, Q, B> = Values<P> & Values<Q> & Values<B>;

/** Null when it is left out. */
export const optional = <T>(shape: Shape<T>): Optional<T | null> => ({ shape, absent: null });

export const withDefault = <T>({ schema }: Shape<T>, absent: T): Optional<T> => ({
  shape: { schema: { ...schema, default: absent } },
  absent,
});

/** Where a field stands in a request: as fastify names the parts. */
export type RequestPart = 'params' | 'querystring' | 'body';

/** What a route reads, as schemas and as a function of what matched them. */
export interface RouteInput<out In> {
  /** Of a part without fields: null for the body, an object without properties for the others. */
  readonly schemas: {
    readonly params: JsonSchema;
    readonly querystring: JsonSchema;
    readonly body: JsonSchema | null;
  };
  /** `parts` were checked against `schemas`. Throws AdminError for fields that contradict. */
  read(parts: readonly unknown[]): In;
}

const NOTHING = {} as const;

/** The fields of a request by their place; `refine` judges what one field alone does not show. */
export function from<
  const P extends InputFields = Record<never, never>,
  const Q extends InputFields = Record<never, never>,
  const B extends InputFields = Record<never, never>,
>(fields: {
  readonly path?: P;
  readonly query?: Q;
  readonly body?: B;
}): RouteInput<AllValues<P, Q, B>>;
export function from<
  In,
  const P extends InputFields = Record<never, never>,
  const Q extends InputFields = Record<never, never>,
  const B extends InputFields = Record<never, never>,
>(
  fields: { readonly path?: P; readonly query?: Q; readonly body?: B },
  refine: (values: AllValues<P, Q, B>) => In,
): RouteInput<In>;
export function from(
  {
    path = NOTHING,
    query = NOTHING,
    body,
  }: { readonly path?: InputFields; readonly query?: InputFields; readonly body?: InputFields },
  refine: (values: Readonly<Record<string, unknown>>) => unknown = (values) => values,
): RouteInput<unknown> {
  const all = { ...path, ...query, ...body };
  const parts: readonly object[] = [path, query, body ?? NOTHING];
  const count = parts.reduce<number>((sum, part) => sum + Object.keys(part).length, 0);
  if (count !== Object.keys(all).length) throw new RangeError('a field stands in two places');
  return {
    schemas: {
      params: schemaOf(path),
      querystring: schemaOf(query),
      body: body === undefined ? null : schemaOf(body),
    },
    read: (sources) => {
      const given: Readonly<Record<string, unknown>> = Object.assign({}, ...sources);
      const values: Record<string, unknown> = {};
      for (const [name, field] of Object.entries(all)) {
        const absent = 'absent' in field ? field.absent : undefined;
        values[name] = Object.hasOwn(given, name) ? given[name] : absent;
      }
      return refine(values);
    },
  };
}

function schemaOf(fields: InputFields): JsonSchema {
  const entries = Object.entries(fields);
  return {
    type: 'object',
    properties: Object.fromEntries(
      entries.map(([name, field]) => [name, 'shape' in field ? field.shape.schema : field.schema]),
    ),
    required: entries.filter(([, field]) => !('shape' in field)).map(([name]) => name),
    additionalProperties: false,
  };
}

/** What the check against a schema found, as fastify hands it on. */
export interface Mismatch {
  readonly keyword: string;
  readonly instancePath: string;
  readonly params: Readonly<Record<string, unknown>>;
}

/** The first thing that is wrong, told in our words. */
export function invalidRequest(schema: JsonSchema, [first]: readonly Mismatch[]): AdminError {
  if (first === undefined) return malformed();
  const { keyword, instancePath, params } = first;
  const [, pointer = ''] = instancePath.split('/');
  if (pointer === '' && keyword === 'additionalProperties') {
    const detail = 'The request has a field that is not known here.';
    return new AdminError(400, 'unknown-field', detail);
  }
  const missing = keyword === 'required' && pointer === '' ? params.missingProperty : undefined;
  const name = missing === undefined ? pointer : String(missing);
  if (name === '') return malformed();
  const allowed = descriptionOf(schema, name);
  return invalidField(name, missing === undefined ? allowed : `given: ${allowed}`);
}

function descriptionOf({ properties }: JsonSchema, name: string): string {
  const known = properties as Readonly<Record<string, JsonSchema>>;
  return String((Object.hasOwn(known, name) ? known[name] : undefined)?.description ?? 'in order');
}

const malformed = (): AdminError =>
  new AdminError(400, 'malformed-request', 'The body must be a JSON object.');

export function invalidField(name: string, allowed: string): AdminError {
  return new AdminError(400, 'invalid-field', `${quoted(name)} must be ${allowed}.`);
}

/** Field names of a query are the caller's text. */
const quoted = (name: string): string => JSON.stringify(name.slice(0, 64));

/** A query knows texts only: what is to be a number, a flag or a list is made one. */
export function queryAsTyped(
  { properties }: JsonSchema,
  query: Readonly<Record<string, unknown>>,
): Record<string, unknown> {
  const known = properties as Readonly<Record<string, JsonSchema>>;
  return Object.fromEntries(
    Object.entries(query).map(([name, value]) => {
      const type = Object.hasOwn(known, name) ? known[name]?.type : undefined;
      return [name, typeof value === 'string' ? typed(String(type), value) : value];
    }),
  );
}

function typed(type: string, value: string): unknown {
  if (type === 'integer') return /^(?:0|-?[1-9]\d{0,14})$/.test(value) ? Number(value) : value;
  if (type === 'boolean') return value === 'true' || (value === 'false' ? false : value);
  return type === 'array' ? [value] : value;
}
