/**
 * A second codec, made of closures over the same tables, written apart from the one in src/ and
 * only for plainness: the oracle of the round-trip tests and the yardstick of bench/codec.mjs. It
 * shares no reading or writing code with src/, keeps no bounds of its own but those of Buffer, and
 * takes complete values only.
 */
import type { Field, Fields, Message } from '../../src/protocol/schema.ts';

type Value = Record<string, unknown>;
type Read = (source: Source) => unknown;
type Write = (sink: Sink, value: unknown) => void;

class Source {
  readonly bytes: Buffer;
  at: number;
  constructor(bytes: Buffer, at: number) {
    this.bytes = bytes;
    this.at = at;
  }
  step(count: number): number {
    const { at } = this;
    if (count < 0 || at + count > this.bytes.length) throw new Error('past the end');
    this.at = at + count;
    return at;
  }
  uvarint(): number {
    let value = 0;
    for (let power = 1; ; power *= 128) {
      const byte = this.bytes.readUInt8(this.step(1));
      value += (byte % 128) * power;
      if (byte < 128) return value;
    }
  }
}

class Sink {
  bytes = Buffer.alloc(1024);
  at = 0;
  step(count: number): number {
    const { at } = this;
    if (at + count > this.bytes.length) {
      this.bytes = Buffer.concat([this.bytes], 2 * (at + count));
    }
    this.at = at + count;
    return at;
  }
  uint8(value: number): void {
    const at = this.step(1);
    this.bytes.writeUInt8(value, at);
  }
  uvarint(value: number): void {
    if (value < 128) {
      this.uint8(value);
      return;
    }
    this.uint8(128 + (value % 128));
    this.uvarint(Math.floor(value / 128));
  }
  raw(bytes: Buffer): void {
    const at = this.step(bytes.length);
    bytes.copy(this.bytes, at);
  }
}

interface Codec {
  readonly read: Read;
  readonly write: Write;
}

const has = (range: { min: number; max: number }, version: number): boolean =>
  range.min <= version && version <= range.max;

const INT64_ENDS = new Map([
  [2 ** 63, 2n ** 63n - 1n],
  [-(2 ** 63), -(2n ** 63n)],
]);

const number = (
  size: number,
  read: (bytes: Buffer, at: number) => unknown,
  write: (bytes: Buffer, value: never, at: number) => void,
): Codec => ({
  read: (source) => read(source.bytes, source.step(size)),
  write: (sink, value) => {
    const at = sink.step(size);
    write(sink.bytes, value as never, at);
  },
});

const fixed: Partial<Record<Field['kind'], Codec>> = {
  bool: number(
    1,
    (b, at) => b.readInt8(at) !== 0,
    (b, v: boolean, at) => b.writeInt8(v ? 1 : 0, at),
  ),
  int8: number(
    1,
    (b, at) => b.readInt8(at),
    (b, v: number, at) => b.writeInt8(v, at),
  ),
  int16: number(
    2,
    (b, at) => b.readInt16BE(at),
    (b, v: number, at) => b.writeInt16BE(v, at),
  ),
  uint16: number(
    2,
    (b, at) => b.readUInt16BE(at),
    (b, v: number, at) => b.writeUInt16BE(v, at),
  ),
  int32: number(
    4,
    (b, at) => b.readInt32BE(at),
    (b, v: number, at) => b.writeInt32BE(v, at),
  ),
  int64: number(
    8,
    (b, at) => Number(b.readBigInt64BE(at)),
    (b, v: number, at) => b.writeBigInt64BE(INT64_ENDS.get(v) ?? BigInt(v), at),
  ),
  float64: number(
    8,
    (b, at) => b.readDoubleBE(at),
    (b, v: number, at) => b.writeDoubleBE(v, at),
  ),
  uuid: number(
    16,
    (b, at) => b.toString('base64url', at, at + 16),
    (b, v: string, at) => b.write(v, at, 'base64url'),
  ),
};

/** The length before a string, bytes or array; null is -1. */
function lengths(
  flexible: boolean,
  bytes: 2 | 4,
): { read(s: Source): number; write(s: Sink, n: number): void } {
  if (flexible) return { read: (s) => s.uvarint() - 1, write: (s, n) => s.uvarint(n + 1) };
  return {
    read: (s) => s.bytes.readIntBE(s.step(bytes), bytes),
    write: (s, n) => {
      const at = s.step(bytes);
      s.bytes.writeIntBE(n, at, bytes);
    },
  };
}

function sized(
  nullable: boolean,
  flexible: boolean,
  lengthBytes: 2 | 4,
  read: (source: Source, length: number) => unknown,
  measure: (value: never) => number,
  write: (sink: Sink, value: never) => void,
): Codec {
  const length = lengths(flexible, lengthBytes);
  return {
    read: (source) => {
      const count = length.read(source);
      if (count >= 0) return read(source, count);
      if (!nullable || count < -1) throw new Error('null for a non-nullable field');
      return null;
    },
    write: (sink, value) => {
      if (value === null && !nullable) throw new Error('null for a non-nullable field');
      length.write(sink, value === null ? -1 : measure(value as never));
      if (value !== null) write(sink, value as never);
    },
  };
}

function fieldCodec(field: Field, version: number, flexible: boolean, tagged: boolean): Codec {
  const nullable = has(field.nullable, version);
  if (field.kind === 'struct') {
    const inner = structCodec(field.fields!, version, flexible);
    if (!nullable) return inner;
    const none = tagged ? 0 : 255;
    return {
      read: (s) => (s.bytes.readUInt8(s.step(1)) === 1 ? inner.read(s) : null),
      write: (s, v) => {
        s.uint8(v === null ? none : 1);
        if (v !== null) inner.write(s, v);
      },
    };
  }
  if (field.kind === 'string') {
    return sized(
      nullable,
      flexible,
      2,
      (s, n) => s.bytes.toString('utf8', s.step(n), s.at),
      (v: string) => Buffer.byteLength(v),
      (s, v: string) => s.raw(Buffer.from(v)),
    );
  }
  if (field.kind === 'bytes' || field.kind === 'records') {
    return sized(
      nullable,
      flexible,
      4,
      (s, n) => s.bytes.subarray(s.step(n), s.at),
      (v: Buffer) => v.length,
      (s, v: Buffer) => s.raw(v),
    );
  }
  if (field.kind !== 'array') return fixed[field.kind]!;
  const element = fieldCodec(
    { ...field.element!, nullable: { min: 1, max: 0 } } as Field,
    version,
    flexible,
    false,
  );
  return sized(
    nullable,
    flexible,
    4,
    (s, n) => Array.from({ length: n }, () => element.read(s)),
    (v: unknown[]) => v.length,
    (s, v: unknown[]) => {
      for (const item of v) element.write(s, item);
    },
  );
}

/** The value of a field that is absent. */
export function defaultValue(field: Field): unknown {
  if (field.default !== undefined) return field.default;
  if (field.kind === 'array') return [];
  if (field.kind === 'string') return '';
  if (field.kind === 'bool') return false;
  if (field.kind === 'uuid') return 'A'.repeat(22);
  if (field.kind === 'bytes') return Buffer.alloc(0);
  if (field.kind !== 'struct') return 0;
  return Object.fromEntries(Object.entries(field.fields!).map(([k, f]) => [k, defaultValue(f)]));
}

export function isDefault(field: Field, value: unknown): boolean {
  const blank = defaultValue(field);
  if (value === null || blank === null) return value === blank;
  if (field.kind === 'struct') {
    return Object.entries(field.fields!).every(([k, f]) => isDefault(f, (value as Value)[k]));
  }
  if (field.kind === 'array' || field.kind === 'bytes')
    return (value as { length: number }).length === 0;
  return Object.is(value, blank);
}

function structCodec(fields: Fields, version: number, flexible: boolean): Codec {
  const all = Object.entries(fields);
  const present = all.filter(([, f]) => has(f.versions, version));
  const compile = ([name, field]: [string, Field]) => ({
    name,
    field,
    ...fieldCodec(field, version, flexible, field.tag >= 0),
  });
  const body = present.filter(([, f]) => f.tag < 0).map(compile);
  const tagged = present.filter(([, f]) => f.tag >= 0).map(compile);
  tagged.sort((a, b) => a.field.tag - b.field.tag);
  return {
    read: (source) => {
      const value: Value = {};
      for (const [name, field] of all) value[name] = defaultValue(field);
      for (const { name, read } of body) value[name] = read(source);
      if (!flexible) return value;
      for (let count = source.uvarint(); count > 0; count--) {
        const tag = source.uvarint();
        const end = source.uvarint() + source.at;
        const known = tagged.find(({ field }) => field.tag === tag);
        if (known !== undefined) value[known.name] = known.read(source);
        source.at = end;
      }
      return value;
    },
    write: (sink, value) => {
      for (const { name, write } of body) write(sink, (value as Value)[name]);
      if (!flexible) return;
      const sent = tagged.filter(({ name, field }) => !isDefault(field, (value as Value)[name]));
      sink.uvarint(sent.length);
      for (const { name, field, write } of sent) {
        const inner = new Sink();
        write(inner, (value as Value)[name]);
        sink.uvarint(field.tag);
        sink.uvarint(inner.at);
        sink.raw(inner.bytes.subarray(0, inner.at));
      }
    },
  };
}

/** Compiles a message in one version. `decode` returns the value and where it ended. */
export function closureCodec(message: Message, version: number) {
  const codec = structCodec(message.fields, version, has(message.flexible, version));
  return {
    decode(bytes: Buffer, at = 0): { value: Value; end: number } {
      const source = new Source(bytes, at);
      return { value: codec.read(source) as Value, end: source.at };
    },
    encode(value: object): Buffer {
      const sink = new Sink();
      codec.write(sink, value);
      return sink.bytes.subarray(0, sink.at);
    },
  };
}
