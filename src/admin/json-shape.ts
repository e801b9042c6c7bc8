/**
 * Owns the shapes of what the admin API takes and gives: each is a JSON schema together with the
 * TypeScript type of what matches it, so that the check of a request, the way an answer is written,
 * the OpenAPI document and the compiler all speak of one thing.
 *
 * Invariant: a text, a list and a map that comes in is bounded; `description` completes "must be".
 */
export type JsonSchema = Readonly<Record<string, unknown>>;

export interface Shape<out T> {
  readonly schema: JsonSchema;
  /** Of an answer that is no JSON. */
  readonly contentType?: string;
  /** The type alone; there is never such a value. */
  readonly holds?: T;
}

export interface Grammar {
  readonly pattern: RegExp;
  /** Completes "must be ...". */
  readonly allowed: string;
}

type Fields = Readonly<Record<string, Shape<unknown>>>;
type Typed<F extends Fields> = {
  readonly [Name in keyof F]: F[Name] extends Shape<infer T> ? T : never;
};

/** A text by its grammar, which bounds its length. */
export const text = ({ pattern, allowed }: Grammar): Shape<string> => ({
  schema: { type: 'string', pattern: pattern.source, description: allowed },
});

/** Any text: for answers only. */
export const anyText: Shape<string> = { schema: { type: 'string' } };

export const integer = (min: number, max: number): Shape<number> => ({
  schema: {
    type: 'integer',
    minimum: min,
    maximum: max,
    description: `an integer from ${min} to ${max}`,
  },
});

/** A count, a size: for answers only. */
export const anyInteger: Shape<number> = { schema: { type: 'integer' } };

/** A rate, a share: for answers only. */
export const anyNumber: Shape<number> = { schema: { type: 'number' } };

/** Milliseconds since the epoch. */
export const timeMs: Shape<number> = {
  schema: { type: 'number', description: 'milliseconds since the epoch' },
};

export const flag: Shape<boolean> = { schema: { type: 'boolean', description: 'true or false' } };

export const oneOf = <const T extends string>(...values: readonly T[]): Shape<T> => ({
  schema: { type: 'string', enum: values, description: `one of ${values.join(', ')}` },
});

/** A list that comes in: at most `most`. */
export const listOf = <T>(item: Shape<T>, most: number): Shape<readonly T[]> => ({
  schema: {
    type: 'array',
    items: item.schema,
    maxItems: most,
    description: `a list of at most ${most}, each ${String(item.schema.description)}`,
  },
});

/** A list of an answer. */
export const list = <T>(item: Shape<T>): Shape<readonly T[]> => ({
  schema: { type: 'array', items: item.schema },
});

/** An object of an answer: all of its fields are always there. */
export const object = <const F extends Fields>(fields: F): Shape<Typed<F>> => ({
  schema: {
    type: 'object',
    properties: Object.fromEntries(
      Object.entries(fields).map(([name, { schema }]) => [name, schema]),
    ),
    required: Object.keys(fields),
  },
});

/** An object of an answer: of its fields, those are there that have something to tell. */
export const partial = <const F extends Fields>(fields: F): Shape<Partial<Typed<F>>> => ({
  schema: { ...object(fields).schema, required: [] },
});

/** An object of an answer with fields whose names are not fixed. */
export const record = <T>(value: Shape<T>): Shape<Readonly<Record<string, T>>> => ({
  schema: { type: 'object', additionalProperties: value.schema },
});

/** A text, a number or null: for figures that differ from one to the next. */
export const figure: Shape<string | number | null> = {
  schema: { type: ['string', 'number', 'null'] },
};

export const nullable = <T>({ schema }: Shape<T>): Shape<T | null> => {
  const { type, description } = schema;
  if (typeof type === 'string' && !('enum' in schema) && type !== 'object') {
    return { schema: { ...schema, type: [type, 'null'] } };
  }
  const words = description === undefined ? {} : { description };
  return { schema: { anyOf: [schema, { type: 'null' }], ...words } };
};

/** Some of the names, at least one, each with a number, or with null for what is taken away. */
export const numbersOf = <const K extends string>(
  names: readonly K[],
): Shape<Readonly<Partial<Record<K, number | null>>>> => ({
  schema: {
    type: 'object',
    properties: Object.fromEntries(names.map((name) => [name, { type: ['number', 'null'] }])),
    additionalProperties: false,
    minProperties: 1,
    maxProperties: names.length,
    description: `an object with numbers or nulls under some of ${names.join(', ')}`,
  },
});

/** Names to texts, at most `most`; keys and values by their grammars. */
export const mapOf = (
  key: Grammar,
  value: Grammar,
  most: number,
): Shape<Readonly<Record<string, string>>> => ({
  schema: {
    type: 'object',
    propertyNames: { pattern: key.pattern.source },
    additionalProperties: { type: 'string', pattern: value.pattern.source },
    maxProperties: most,
    description: `an object of at most ${most} names with texts`,
  },
});
