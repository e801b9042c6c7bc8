/**
 * The DER that Kerberos messages use (X.690, RFC 4120 section 5): low tag numbers, definite lengths,
 * explicit context tags in a sequence. Invariant: nothing is read beyond the bytes given, and every
 * content is a view of them, so that a hostile length allocates nothing. Throws MalformedKerberos.
 */

/** A message of Kerberos that is not what the RFCs say; `message` is for our own log. */
export class MalformedKerberos extends Error {}

export const DerTag = {
  INTEGER: 0x02,
  BIT_STRING: 0x03,
  OCTET_STRING: 0x04,
  GENERAL_STRING: 0x1b,
  GENERALIZED_TIME: 0x18,
  SEQUENCE: 0x30,
} as const;

export const applicationTag = (number: number): number => 0x60 | number;
const CONTEXT = 0xa0;
const LOW_TAG_MASK = 0x1f;
const LENGTH_BYTES_MAX = 3;
/** More components than any principal has. */
const NAMES_MAX = 8;
const TIME = /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z$/;

export interface DerElement {
  /** The identifier octet. */
  readonly tag: number;
  readonly content: Buffer;
  /** Where it ends within the bytes that it was read from. */
  readonly end: number;
}

export function readElement(bytes: Buffer, at = 0): DerElement {
  const tag = bytes[at];
  const first = bytes[at + 1];
  if (tag === undefined || first === undefined || (tag & LOW_TAG_MASK) === LOW_TAG_MASK) {
    throw new MalformedKerberos('no DER element');
  }
  const lengthBytes = first < 0x80 ? 0 : first & 0x7f;
  const begin = at + 2 + lengthBytes;
  const isLong = first >= 0x80;
  if ((isLong && lengthBytes === 0) || lengthBytes > LENGTH_BYTES_MAX || begin > bytes.length) {
    throw new MalformedKerberos('a DER length that is not served');
  }
  const length = isLong ? bytes.readUIntBE(at + 2, lengthBytes) : first;
  const end = begin + length;
  if (end > bytes.length) throw new MalformedKerberos('a DER element that ends beyond the message');
  return { tag, content: bytes.subarray(begin, end), end };
}

/** The one element that `bytes` consist of; its tag must be `tag`. */
export function readOnly(bytes: Buffer, tag: number): Buffer {
  const element = readElement(bytes);
  if (element.tag !== tag || element.end !== bytes.length) {
    throw new MalformedKerberos(`not one element with the tag ${tag.toString(16)}`);
  }
  return element.content;
}

/** What stands under the explicit context tags of a SEQUENCE. */
export type DerFields = ReadonlyMap<number, Buffer>;

export function readFields(bytes: Buffer): DerFields {
  const content = readOnly(bytes, DerTag.SEQUENCE);
  const fields = new Map<number, Buffer>();
  let last = -1;
  for (let at = 0; at < content.length; ) {
    const element = readElement(content, at);
    const number = element.tag & LOW_TAG_MASK;
    if ((element.tag & 0xe0) !== CONTEXT || number <= last) {
      throw new MalformedKerberos('fields that are not in order');
    }
    fields.set(number, element.content);
    last = number;
    at = element.end;
  }
  return fields;
}

export function required(fields: DerFields, number: number): Buffer {
  const field = fields.get(number);
  if (field === undefined) throw new MalformedKerberos(`field ${number} is missing`);
  return field;
}

/** Int32 or UInt32; MIT writes sequence numbers as either. */
export function readInteger(bytes: Buffer): number {
  const content = readOnly(bytes, DerTag.INTEGER);
  if (content.length === 0 || content.length > 5) throw new MalformedKerberos('not an integer');
  return content.readIntBE(0, content.length);
}

export const readOctets = (bytes: Buffer): Buffer => readOnly(bytes, DerTag.OCTET_STRING);

/** KerberosFlags, as the 32 bits of which bit 0 is the highest. */
export function readFlags(bytes: Buffer): number {
  const content = readOnly(bytes, DerTag.BIT_STRING);
  if (content.length !== 5 || content[0] !== 0) throw new MalformedKerberos('not 32 flags');
  return content.readUInt32BE(1);
}

/** KerberosString: bytes kept as they are, one character each. */
export const readString = (bytes: Buffer): string =>
  readOnly(bytes, DerTag.GENERAL_STRING).toString('latin1');

/** KerberosTime, in milliseconds since the epoch. */
export function readTime(bytes: Buffer): number {
  const text = readOnly(bytes, DerTag.GENERALIZED_TIME).toString('latin1');
  const [, year, month, day, hour, minute, second] = TIME.exec(text) ?? [];
  if (year === undefined) throw new MalformedKerberos('not a KerberosTime');
  return Date.parse(`${year}-${month}-${day}T${hour}:${minute}:${second}Z`);
}

/** The components of a PrincipalName. */
export function readNames(bytes: Buffer): string[] {
  const list = readOnly(required(readFields(bytes), 1), DerTag.SEQUENCE);
  const names: string[] = [];
  for (let at = 0; at < list.length; ) {
    const { end } = readElement(list, at);
    if (names.length === NAMES_MAX) throw new MalformedKerberos('a name of very many components');
    names.push(readString(list.subarray(at, end)));
    at = end;
  }
  return names;
}

/** An element of the tag, around the parts. */
export function element(tag: number, ...parts: readonly Buffer[]): Buffer {
  const content = Buffer.concat(parts);
  const { length } = content;
  const head = length < 0x80 ? [tag, length] : [tag, 0x82, length >> 8, length & 0xff];
  if (length > 0xffff) throw new RangeError('a DER element of more than 64 KiB');
  // The shortest form of the length is the only one in DER.
  if (length >= 0x80 && length < 0x100) head.splice(1, 2, 0x81);
  return Buffer.concat([Buffer.from(head), content]);
}

/** A SEQUENCE of explicitly tagged fields, in the order of their numbers. */
export const sequenceOf = (fields: readonly (readonly [number, Buffer])[]): Buffer =>
  element(
    DerTag.SEQUENCE,
    ...fields.map(([number, content]) => element(CONTEXT | number, content)),
  );

export function integer(value: number): Buffer {
  const bytes = Buffer.alloc(6);
  bytes.writeIntBE(value, 0, 6);
  let at = 0;
  const isSign = (): boolean => bytes[at] === 0 && bytes[at + 1]! < 0x80;
  const isNegativeSign = (): boolean => bytes[at] === 0xff && bytes[at + 1]! >= 0x80;
  while (at < 5 && (isSign() || isNegativeSign())) at += 1;
  return element(DerTag.INTEGER, bytes.subarray(at));
}

export const octets = (bytes: Buffer): Buffer => element(DerTag.OCTET_STRING, bytes);

export function flags32(value: number): Buffer {
  const bytes = Buffer.alloc(5);
  bytes.writeUInt32BE(value >>> 0, 1);
  return element(DerTag.BIT_STRING, bytes);
}

export const string = (text: string): Buffer =>
  element(DerTag.GENERAL_STRING, Buffer.from(text, 'latin1'));

export function time(ms: number): Buffer {
  const text = new Date(ms)
    .toISOString()
    .replace(/\.\d+Z$/, 'Z')
    .replaceAll(/[-:T]/g, '');
  return element(DerTag.GENERALIZED_TIME, Buffer.from(text, 'latin1'));
}

/** A PrincipalName of type NT-PRINCIPAL. */
export const principalName = (names: readonly string[]): Buffer =>
  sequenceOf([
    [0, integer(1)],
    [1, element(DerTag.SEQUENCE, ...names.map(string))],
  ]);
