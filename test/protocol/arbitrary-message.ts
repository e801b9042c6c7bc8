/** Arbitrary values for a message table in one version: what a well-behaved peer could send. */
import fc from 'fast-check';
import {
  type Field,
  type Fields,
  INT64_MAX,
  INT64_MIN,
  type Message,
} from '../../src/protocol/schema.ts';
import { inVersions } from '../../src/protocol/versions.ts';
import { defaultValue } from './closure-codec.ts';

const scalars: Partial<Record<Field['kind'], fc.Arbitrary<unknown>>> = {
  bool: fc.boolean(),
  int8: fc.integer({ min: -128, max: 127 }),
  int16: fc.integer({ min: -32768, max: 32767 }),
  uint16: fc.integer({ min: 0, max: 65535 }),
  int32: fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }),
  int64: fc.oneof(fc.maxSafeInteger(), fc.constantFrom(0, -1, INT64_MAX, INT64_MIN)),
  float64: fc.double(),
  uuid: fc
    .uint8Array({ minLength: 16, maxLength: 16 })
    .map((bytes) => Buffer.from(bytes).toString('base64url')),
  string: fc.oneof(
    fc.string({ maxLength: 12 }),
    fc.string({ unit: 'binary', maxLength: 24 }),
    fc.integer({ min: 30, max: 400 }).map((n) => 'é'.repeat(n)),
  ),
};

const bytes = fc.uint8Array({ maxLength: 200 }).map((array) => Buffer.from(array));

function fieldValue(field: Field, version: number): fc.Arbitrary<unknown> {
  const value = innerValue(field, version);
  return inVersions(field.nullable, version) ? fc.oneof(fc.constant(null), value, value) : value;
}

function innerValue(field: Field, version: number): fc.Arbitrary<unknown> {
  if (field.kind === 'struct') return structValue(field.fields!, version);
  if (field.kind === 'bytes' || field.kind === 'records') return bytes;
  if (field.kind === 'array')
    return fc.array(innerValue(field.element!, version), { maxLength: 3 });
  return scalars[field.kind]!;
}

/** Fields that the version lacks, and now and then others too, have their default. */
function structValue(fields: Fields, version: number): fc.Arbitrary<object> {
  return fc.record(
    Object.fromEntries(
      Object.entries(fields).map(([name, field]) => [
        name,
        inVersions(field.versions, version)
          ? fieldValue(field, version)
          : fc.constant(defaultValue(field)),
      ]),
    ),
    { noNullPrototype: true },
  );
}

export function arbitraryMessage(message: Message, version: number): fc.Arbitrary<object> {
  return structValue(message.fields, version);
}
