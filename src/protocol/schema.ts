/**
 * Owns the vocabulary of the message tables in schemas/: builders that state a field's type, its
 * versions and its marks once, from which the codec, the TypeScript types, the tenancy renamers and
 * the redaction all follow. Invariant: a table is a constant; nothing here depends on a frame.
 *
 * Decoded form: every field is always there (the default where the version lacks it), so a message
 * has one hidden class over all its versions. int64 is a number, a uuid its 22-character text, bytes
 * and records are slices of the frame they came in (copy them before keeping them for long).
 */
import { NO_VERSIONS, parseVersions, type VersionRange, type Versions } from './versions.ts';

/** The uuid of sixteen zero bytes, which Kafka reads as "none". */
export const ZERO_UUID = 'AAAAAAAAAAAAAAAAAAAAAA';

/** Zero-length bytes are all this one buffer, so that a frame of empty fields costs no memory. */
export const EMPTY_BYTES: Buffer = Buffer.alloc(0);

/** Java's Long.MAX_VALUE: a double cannot hold 2^63-1, so 2^63 stands for it, both ways. */
export const INT64_MAX = 2 ** 63;

/** Java's Long.MIN_VALUE. */
export const INT64_MIN = -(2 ** 63);

export type EntityType = 'topicName' | 'groupId' | 'transactionalId' | 'brokerId' | 'producerId';

export type FieldKind =
  | 'bool'
  | 'int8'
  | 'int16'
  | 'uint16'
  | 'int32'
  | 'int64'
  | 'float64'
  | 'uuid'
  | 'string'
  | 'bytes'
  | 'records'
  | 'array'
  | 'struct';

declare const decodedForm: unique symbol;
declare const initForm: unique symbol;

/** One field of a message. `T` is its decoded type, `I` what encoding accepts; both exist only in types. */
export interface Field<T = unknown, I = unknown> {
  readonly [decodedForm]: T;
  readonly [initForm]: I;
  readonly kind: FieldKind;
  readonly versions: VersionRange;
  /** The versions in which null may stand in its place. */
  readonly nullable: VersionRange;
  /** undefined: the default of the kind (0, false, '', empty, a struct of defaults). */
  readonly default: string | number | boolean | null | undefined;
  /** Encoding drops the value, instead of failing, in a version that lacks the field. */
  readonly ignorable: boolean;
  /** The tag under which the field travels in the tagged section; -1 if it is not tagged. */
  readonly tag: number;
  readonly entityType: EntityType | undefined;
  /** Holds a secret: never logged, never audited. */
  readonly sensitive: boolean;
  /** The element of an array; its own versions and marks play no part, except `entityType`. */
  readonly element: Field | undefined;
  /** The fields of a struct. */
  readonly fields: Fields | undefined;
}

export type Fields = Readonly<Record<string, Field>>;

export interface Struct<F extends Fields = Fields> {
  readonly fields: F;
}

/** A request, a response or any other versioned message: its name, its versions, its fields. */
export interface Message<F extends Fields = Fields> extends Struct<F> {
  readonly name: string;
  readonly versions: VersionRange;
  readonly flexible: VersionRange;
}

type Decoded<F extends Fields> = { -readonly [K in keyof F]: F[K][typeof decodedForm] };
type Encodable<F extends Fields> = { readonly [K in keyof F]?: F[K][typeof initForm] | undefined };

/** The decoded type of a message or struct table. */
export type Infer<S extends Struct> = Decoded<S['fields']>;

/** What encoding accepts for a table: any field may be left out and then has its default. */
export type Init<S extends Struct> = Encodable<S['fields']>;

interface Marks {
  readonly ignorable?: true;
  readonly tag?: number;
  readonly sensitive?: true;
}

export interface Options<T> extends Marks {
  readonly default?: T;
  readonly nullable?: never;
}

export interface NullableOptions<T> extends Marks {
  readonly nullable: Versions;
  readonly default?: T | null;
}

/** Builds a field that is never null. Without versions it is an element of an array. */
type Plain<T> = (versions?: Versions, options?: Options<T>) => Field<T, T>;

interface Nullable<T> {
  (versions: Versions, options: NullableOptions<T>): Field<T | null, T | null>;
  (versions?: Versions, options?: Options<T>): Field<T, T>;
}

type AnyOptions = Marks & {
  readonly nullable?: Versions;
  readonly default?: string | number | boolean | Buffer | null;
};
type Parts = Partial<Pick<Field, 'entityType' | 'element' | 'fields'>>;

function field<T, I>(
  kind: FieldKind,
  versions: Versions,
  options: AnyOptions,
  parts: Parts = {},
): Field<T, I> {
  const table: Omit<Field<T, I>, typeof decodedForm | typeof initForm> = {
    kind,
    versions: parseVersions(versions),
    nullable: options.nullable === undefined ? NO_VERSIONS : parseVersions(options.nullable),
    default: Buffer.isBuffer(options.default) ? undefined : options.default,
    ignorable: options.ignorable ?? false,
    tag: options.tag ?? -1,
    entityType: parts.entityType,
    sensitive: options.sensitive ?? false,
    element: parts.element,
    fields: parts.fields,
  };
  return table as Field<T, I>;
}

function plain<T>(kind: FieldKind, entityType?: EntityType): Plain<T> {
  return (versions = '0+', options = {}) =>
    field<T, T>(kind, versions, options as AnyOptions, { entityType });
}

function nullable<T>(kind: FieldKind, entityType?: EntityType): Nullable<T> {
  return (versions: Versions = '0+', options: NullableOptions<T> | Options<T> = {}) =>
    field<T, T>(kind, versions, options as AnyOptions, { entityType });
}

export const bool = plain<boolean>('bool');
export const int8 = plain<number>('int8');
export const int16 = plain<number>('int16');
export const uint16 = plain<number>('uint16');
export const int32 = plain<number>('int32');
export const int64 = plain<number>('int64');
export const float64 = plain<number>('float64');
export const uuid = plain<string>('uuid');
export const string = nullable<string>('string');
export const bytes = nullable<Buffer>('bytes');

export const topicName = nullable<string>('string', 'topicName');
export const groupId = nullable<string>('string', 'groupId');
export const transactionalId = nullable<string>('string', 'transactionalId');
export const brokerId = plain<number>('int32', 'brokerId');
export const producerId = plain<number>('int64', 'producerId');

/** Record batches, opaque here. Absent or left out, they are null. */
export function records(
  versions: Versions,
  options: Marks & { readonly nullable: Versions },
): Field<Buffer | null, Buffer | null> {
  return field('records', versions, { ...options, default: null });
}

/** The element of an array: a struct, or a field built without versions. */
type Element = Field | Struct;
type ElementDecoded<E extends Element> =
  E extends Field<infer T> ? T : E extends Struct<infer F> ? Decoded<F> : never;
type ElementInit<E extends Element> =
  E extends Field<unknown, infer I> ? I : E extends Struct<infer F> ? Encodable<F> : never;

export function array<E extends Element>(
  versions: Versions,
  element: E,
  options: NullableOptions<never>,
): Field<ElementDecoded<E>[] | null, readonly ElementInit<E>[] | null>;
export function array<E extends Element>(
  versions: Versions,
  element: E,
  options?: Options<never>,
): Field<ElementDecoded<E>[], readonly ElementInit<E>[]>;
export function array(
  versions: Versions,
  element: Element,
  options: NullableOptions<never> | Options<never> = {},
): Field {
  const inner = 'kind' in element ? element : structField('0+', element, {});
  return field('array', versions, options, { element: inner });
}

/** A group of fields, for `array` and `embed`. In flexible versions it ends with a tagged section. */
export function struct<const F extends Fields>(fields: F): Struct<F> {
  return { fields };
}

/** A struct standing in a message by itself, not in an array. */
export function embed<F extends Fields>(
  versions: Versions,
  inner: Struct<F>,
  options: NullableOptions<never>,
): Field<Decoded<F> | null, Encodable<F> | null>;
export function embed<F extends Fields>(
  versions: Versions,
  inner: Struct<F>,
  options?: Options<never>,
): Field<Decoded<F>, Encodable<F>>;
export function embed(
  versions: Versions,
  inner: Struct,
  options: NullableOptions<never> | Options<never> = {},
): Field {
  return structField(versions, inner, options);
}

function structField(versions: Versions, inner: Struct, options: AnyOptions): Field {
  return field('struct', versions, options, { fields: inner.fields });
}

export function message<const F extends Fields>(
  name: string,
  range: { readonly versions: Versions; readonly flexible: Versions | 'none' },
  fields: F,
): Message<F> {
  return {
    name,
    versions: parseVersions(range.versions),
    flexible: range.flexible === 'none' ? NO_VERSIONS : parseVersions(range.flexible),
    fields,
  };
}
