/**
 * Every message in every version: encoding agrees byte for byte with the closure oracle, decoding
 * gives back what was encoded, and leaving out defaults changes nothing.
 */
import { deepStrictEqual as deepEqual } from 'node:assert';
import fc from 'fast-check';
import { test } from 'vitest';
import { decodeBody, encodeBody } from '../../src/protocol/codec.ts';
import type { Fields, Message } from '../../src/protocol/schema.ts';
import { apiSchemas } from '../../src/protocol/schemas/index.ts';
import { Writer } from '../../src/protocol/writer.ts';
import { arbitraryMessage } from './arbitrary-message.ts';
import { closureCodec, isDefault } from './closure-codec.ts';

const RUNS = 12;

function encode(message: Message, version: number, value: object): Buffer {
  const writer = new Writer();
  encodeBody(message, version, value, writer);
  const { length } = writer;
  const bytes = Buffer.concat(writer.finish());
  deepEqual(bytes.length, length);
  return bytes;
}

/** The same value without the fields that hold their default. */
function sparse(fields: Fields, value: object): object {
  const kept = Object.entries(value).flatMap(([name, item]) => {
    const field = fields[name]!;
    if (isDefault(field, item)) return [];
    const inner = field.fields ?? field.element?.fields;
    if (inner === undefined || item === null) return [[name, item]];
    if (field.kind === 'struct') return [[name, sparse(inner, item)]];
    return [[name, (item as object[]).map((element) => sparse(inner, element))]];
  });
  return Object.fromEntries(kept);
}

function checkVersion(message: Message, version: number): void {
  const oracle = closureCodec(message, version);
  fc.assert(
    fc.property(arbitraryMessage(message, version), fc.nat(20), (value, lead) => {
      const bytes = encode(message, version, value);
      deepEqual(bytes, oracle.encode(value));
      deepEqual(encode(message, version, sparse(message.fields, value)), bytes);
      const frame = Buffer.concat([Buffer.alloc(lead, 0xff), bytes, Buffer.alloc(3, 0xff)]);
      const decoded = decodeBody(message, version, frame, lead, lead + bytes.length);
      deepEqual(decoded, value);
      deepEqual(decoded, oracle.decode(frame, lead).value);
      deepEqual(Object.keys(decoded), Object.keys(message.fields));
    }),
    { numRuns: RUNS },
  );
}

for (const message of Object.values(apiSchemas).flatMap((api): Message[] => [
  api.request,
  api.response,
])) {
  test(`${message.name} in every version`, () => {
    for (let v = message.versions.min; v <= message.versions.max; v++) checkVersion(message, v);
  });
}
