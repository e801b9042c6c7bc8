/**
 * Owns encoding and decoding of message bodies: for each message and version a function is compiled
 * from its table on first use. This is the one file that calls `new Function`; its input is made of
 * constant tables only, never of anything that came over a connection.
 */
import { KafkaError, ProtocolError } from '../base/errors.ts';
import { decoderSource } from './decoder-source.ts';
import { encoderSource } from './encoder-source.ts';
import { ErrorCode } from './error-codes.ts';
import { bool, float64, int8, int16, int32, int64, Reader, uint16 } from './reader.ts';
import { EMPTY_BYTES, type Fields, type Infer, type Init, type Message } from './schema.ts';
import { readUuid, writeUuid } from './uuid-text.ts';
import { inVersions } from './versions.ts';
import { layoutOf } from './wire-layout.ts';
import {
  putBool,
  putFloat64,
  putInt8,
  putInt16,
  putInt32,
  putInt64,
  putUint16,
  type Writer,
} from './writer.ts';

type Decode = (reader: Reader) => unknown;
type Encode = (writer: Writer, value: object) => void;

const decoders = new WeakMap<object, Decode[]>();
const encoders = new WeakMap<object, Encode[]>();

const decodingScope = {
  EMPTY_BYTES,
  bool,
  float64,
  int8,
  int16,
  uint16,
  int32,
  int64,
  readUuid,
};

const encodingScope = {
  EMPTY_BYTES,
  NO_ELEMENTS: Object.freeze([]),
  BLANK: Object.freeze({}),
  putBool,
  putFloat64,
  putInt8,
  putInt16,
  putUint16,
  putInt32,
  putInt64,
  writeUuid,
};

/** Runs generated source, in which the names of `scope` are known, and gives what it returns. */
export function compileSource(
  source: string,
  scope: Readonly<Record<string, unknown>>,
  name: string,
): unknown {
  const text = `${source}\n//# sourceURL=breakwater-codec/${name}.js`;
  return new Function(...Object.keys(scope), text)(...Object.values(scope));
}

function decoderFor(message: Message, version: number): Decode {
  const known = decoders.get(message)?.[version];
  if (known !== undefined) return known;
  if (!inVersions(message.versions, version)) {
    throw new ProtocolError(`${message.name} has no version ${version}`);
  }
  const source = decoderSource(layoutOf(message, version));
  const decode = compileSource(source, decodingScope, `${message.name}.v${version}.decode`);
  return remember(decoders, message, version, decode as Decode);
}

function encoderFor(message: Message, version: number): Encode {
  const known = encoders.get(message)?.[version];
  if (known !== undefined) return known;
  if (!inVersions(message.versions, version)) {
    throw new RangeError(`${message.name} has no version ${version}`);
  }
  const what = `${message.name} v${version}`;
  const scope = {
    ...encodingScope,
    lacksField: (name: string) => {
      throw new KafkaError(ErrorCode.UNSUPPORTED_VERSION, `${what} has no field ${name}`);
    },
    isNull: (name: string) => {
      throw new TypeError(`${what}: ${name} is never null`);
    },
  };
  const source = encoderSource(layoutOf(message, version));
  const encode = compileSource(source, scope, `${message.name}.v${version}.encode`);
  return remember(encoders, message, version, encode as Encode);
}

function remember<T>(table: WeakMap<object, T[]>, message: object, version: number, value: T): T {
  const byVersion = table.get(message) ?? [];
  byVersion[version] = value;
  table.set(message, byVersion);
  return value;
}

/**
 * Decodes a message that fills `buffer` from `offset` to `end` exactly. Byte fields of the result
 * are slices of `buffer`. Throws ProtocolError for anything malformed, trailing bytes included.
 */
export function decodeBody<F extends Fields>(
  message: Message<F>,
  version: number,
  buffer: Buffer,
  offset: number,
  end: number,
): Infer<Message<F>> {
  const decode = decoderFor(message, version);
  const reader = new Reader(buffer, offset, end, message.name);
  const value = decode(reader) as Infer<Message<F>>;
  if (reader.offset !== end) reader.fail(`${end - reader.offset} bytes too many`);
  return value;
}

/** Decodes a message from the reader's place on, and leaves the reader behind its last byte. */
export function decodePrefix<F extends Fields>(
  message: Message<F>,
  version: number,
  reader: Reader,
): Infer<Message<F>> {
  return decoderFor(message, version)(reader) as Infer<Message<F>>;
}

/**
 * Encodes `value`; fields left out have their default. Throws KafkaError(UNSUPPORTED_VERSION) for a
 * value that this version has no field for, RangeError or TypeError for one that its type cannot
 * hold; the writer is then of no further use.
 */
export function encodeBody<F extends Fields>(
  message: Message<F>,
  version: number,
  value: Init<Message<F>>,
  writer: Writer,
): void {
  encoderFor(message, version)(writer, value);
}
