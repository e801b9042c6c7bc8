/**
 * Owns the int16 that stands before a message outside of a frame: the type before a record's key,
 * the version before a record's value and before consumers' metadata.
 */
import { ProtocolError } from '../../base/errors.ts';
import { decodeBody, encodeBody } from '../codec.ts';
import { int16 } from '../reader.ts';
import type { Fields, Infer, Init, Message } from '../schema.ts';
import { putInt16, Writer } from '../writer.ts';

const PREFIX_BYTES = 2;

/** The int16 at the beginning; throws ProtocolError when there is none. */
export function prefixOf(bytes: Buffer): number {
  if (bytes.length < PREFIX_BYTES) throw new ProtocolError('a record without type or version');
  return int16(bytes, 0);
}

/** `prefix`, then the message in `version`; in a buffer of its own. */
export function encodePrefixed<F extends Fields>(
  prefix: number,
  message: Message<F>,
  version: number,
  value: Init<Message<F>>,
): Buffer {
  const writer = new Writer();
  const at = writer.reserve(PREFIX_BYTES);
  putInt16(writer.view, at, prefix);
  encodeBody(message, version, value, writer);
  return Buffer.concat(writer.finish());
}

/** The message behind the prefix, all of it. Byte fields share memory with `bytes`. */
export function decodePrefixed<F extends Fields>(
  message: Message<F>,
  version: number,
  bytes: Buffer,
): Infer<Message<F>> {
  return decodeBody(message, version, bytes, PREFIX_BYTES, bytes.length);
}

/** As encodePrefixed, with the version for a prefix. */
export function encodeVersioned<F extends Fields>(
  message: Message<F>,
  version: number,
  value: Init<Message<F>>,
): Buffer {
  return encodePrefixed(version, message, version, value);
}
