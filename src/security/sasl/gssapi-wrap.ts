/**
 * Wrap tokens without confidentiality (RFC 4121 section 4.2), and the security layers that the two
 * ends agree on with them (RFC 4752 section 3): none, since TLS is around all of it.
 *
 *   offer (ours):   01 000000                  "no security layer", no buffer
 *   choice (theirs): 01 xxxxxx [authorization id]
 */
import { timingSafeEqual } from 'node:crypto';
import { checksum, checksumBytes, type KerberosKey } from './gssapi-crypto.ts';
import { MalformedKerberos } from './gssapi-der.ts';

const HEADER_BYTES = 16;
const TOKEN_ID = 0x0504;
const FILLER = 0xff;
export const SENT_BY_ACCEPTOR = 1;
export const ACCEPTOR_SUBKEY = 4;
/** RFC 4121 section 2. */
const USAGE_ACCEPTOR = 22;
const USAGE_INITIATOR = 24;

const NO_LAYER = 0x01;
const LAYERS_BYTES = 4;
const OFFER = Buffer.from([NO_LAYER, 0, 0, 0]);

/** Keys and counters of a context that libkrb5 has accepted. */
export interface WrapContext {
  readonly key: KerberosKey;
  /** `key` is the acceptor's subkey, which both ends have to say. */
  readonly isAcceptorKey: boolean;
  readonly acceptorSequence: number;
  readonly initiatorSequence: number;
}

export function wrapOffer({ key, isAcceptorKey, acceptorSequence }: WrapContext): Buffer {
  const flags = SENT_BY_ACCEPTOR | (isAcceptorKey ? ACCEPTOR_SUBKEY : 0);
  return wrapToken(key, flags, acceptorSequence, OFFER);
}

/** A token with its checksum behind the data; for both ends, told apart by `flags`. */
export function wrapToken(key: KerberosKey, flags: number, sequence: number, data: Buffer): Buffer {
  const header = headerOf(flags, sequence);
  const usage = (flags & SENT_BY_ACCEPTOR) === 0 ? USAGE_INITIATOR : USAGE_ACCEPTOR;
  const sum = checksum(key, usage, Buffer.concat([data, header]));
  header.writeUInt16BE(sum.length, 4);
  return Buffer.concat([header, data, sum]);
}

/** The authorization id of the client's choice. Throws MalformedKerberos for any other token. */
export function readChoice(token: Buffer, context: WrapContext): Buffer {
  const data = unwrap(token, context);
  if (data.length < LAYERS_BYTES) throw new MalformedKerberos('a choice that is too short');
  if (data[0] !== NO_LAYER) throw new MalformedKerberos('a security layer that was not offered');
  return data.subarray(LAYERS_BYTES);
}

function unwrap(token: Buffer, context: WrapContext): Buffer {
  const { key, isAcceptorKey, initiatorSequence } = context;
  const macBytes = checksumBytes(key);
  if (token.length < HEADER_BYTES + macBytes) throw new MalformedKerberos('no wrap token');
  // As it was when the checksum was made: EC and RRC were zero.
  const expected = headerOf(isAcceptorKey ? ACCEPTOR_SUBKEY : 0, initiatorSequence);
  const header = Buffer.from(token.subarray(0, HEADER_BYTES));
  const extraCount = header.readUInt16BE(4);
  const rotation = header.readUInt16BE(6);
  header.fill(0, 4, 8);
  if (!header.equals(expected) || extraCount !== macBytes) {
    throw new MalformedKerberos('a wrap token out of sequence, sealed, or of the wrong end');
  }
  const body = rotatedLeft(token.subarray(HEADER_BYTES), rotation);
  const data = body.subarray(0, body.length - macBytes);
  const sum = checksum(key, USAGE_INITIATOR, Buffer.concat([data, expected]));
  if (!timingSafeEqual(sum, body.subarray(data.length))) {
    throw new MalformedKerberos('a wrap token that is not of this context');
  }
  return data;
}

function headerOf(flags: number, sequence: number): Buffer {
  const header = Buffer.alloc(HEADER_BYTES);
  header.writeUInt16BE(TOKEN_ID);
  header[2] = flags;
  header[3] = FILLER;
  header.writeBigUInt64BE(BigInt(sequence), 8);
  return header;
}

function rotatedLeft(bytes: Buffer, count: number): Buffer {
  const by = count % bytes.length;
  return by === 0 ? bytes : Buffer.concat([bytes.subarray(by), bytes.subarray(0, by)]);
}
