/**
 * Reads the two Kerberos messages of a GSS-API context (RFC 4120 section 5.5, RFC 4121 section 4.1):
 * the client's AP-REQ, opened with the key of our keytab, and libkrb5's own AP-REP.
 *
 * Invariant: this is no acceptor. libkrb5 judges time, authenticator and replay; here the same bytes
 * are read again for what libkrb5 does not tell (keys, sequence numbers, the end of the ticket) and
 * what it does not refuse. Every function throws MalformedKerberos for what is not exactly right.
 */
import { decrypt, type KerberosKey } from './gssapi-crypto.ts';
import {
  applicationTag,
  type DerFields,
  MalformedKerberos,
  readElement,
  readFields,
  readFlags,
  readInteger,
  readNames,
  readOctets,
  readOnly,
  readString,
  readTime,
  required,
} from './gssapi-der.ts';

/** 1.2.840.113554.1.2.2, with its tag and length: neither SPNEGO nor any other mechanism. */
export const KERBEROS_OID = Buffer.from('06092a864886f712010202', 'hex');
export const GSS_TOKEN_TAG = applicationTag(0);
export const TOKEN_ID_AP_REQ = Buffer.from([1, 0]);
export const TOKEN_ID_AP_REP = Buffer.from([2, 0]);

/** Message types of RFC 4120, which are their application tags too. */
export const AP_REQ = 14;
const AP_REP = 15;
export const TICKET = 1;
export const AUTHENTICATOR = 2;
export const ENC_TICKET_PART = 3;
const ENC_AP_REP_PART = 27;
const VERSION = 5;

/** RFC 4120 section 7.5.1. */
export const USAGE_TICKET = 2;
export const USAGE_AUTHENTICATOR = 11;
const USAGE_AP_REP = 12;

/** ap-options: the ticket is under the service's session key, which nobody gave us. */
const OPTION_USE_SESSION_KEY = 0x4000_0000;
/** The checksum that carries the context's flags (RFC 4121 section 4.1.1). */
export const GSS_CHECKSUM_TYPE = 0x8003;
export const GSS_CHECKSUM_BYTES_MIN = 24;
const CHECKSUM_FLAGS_AT = 20;
const FLAG_MUTUAL = 2;
/** Microsoft's third leg: libkrb5 would answer before the client has proved itself. */
const FLAG_DCE_STYLE = 0x1000;
const OPTIONAL_SUBKEY_OF_AP_REP = 2;

interface EncryptedData {
  readonly type: number;
  readonly version: number | undefined;
  readonly cipher: Buffer;
}

/** An AP-REQ as it came: nothing of it is proved. */
export interface SealedApReq {
  readonly serviceNames: readonly string[];
  readonly serviceRealm: string;
  /** Of the key that the ticket is under. */
  readonly keyVersion: number;
  readonly keyType: number;
  readonly ticketCipher: Buffer;
  readonly authenticatorCipher: Buffer;
}

/** What the client proved, once libkrb5 has accepted the same bytes. */
export interface OpenedApReq {
  readonly clientNames: readonly string[];
  readonly clientRealm: string;
  /** Of the ticket, in milliseconds since the epoch. */
  readonly endsAtMs: number;
  readonly sessionKey: KerberosKey;
  /** The subkey that the client chose, else the session key. */
  readonly initiatorKey: KerberosKey;
  readonly initiatorSequence: number;
  /** The client asked for an AP-REP. */
  readonly isMutual: boolean;
}

export function readInitialToken(token: Buffer): SealedApReq {
  const message = readOnly(framed(token, TOKEN_ID_AP_REQ), applicationTag(AP_REQ));
  const fields = readFields(message);
  checkKind(fields, AP_REQ);
  const options = readFlags(required(fields, 2));
  if ((options & OPTION_USE_SESSION_KEY) !== 0) throw new MalformedKerberos('user to user');
  const ticket = readFields(readOnly(required(fields, 3), applicationTag(TICKET)));
  if (readInteger(required(ticket, 0)) !== VERSION) throw new MalformedKerberos('not Kerberos 5');
  const sealed = readEncrypted(required(ticket, 3));
  if (sealed.version === undefined) throw new MalformedKerberos('a ticket without a key version');
  return {
    serviceNames: readNames(required(ticket, 2)),
    serviceRealm: readString(required(ticket, 1)),
    keyVersion: sealed.version,
    keyType: sealed.type,
    ticketCipher: sealed.cipher,
    authenticatorCipher: readEncrypted(required(fields, 4)).cipher,
  };
}

export function openApReq(sealed: SealedApReq, serviceKey: KerberosKey): OpenedApReq {
  const part = decrypt(serviceKey, USAGE_TICKET, sealed.ticketCipher);
  const ticket = readFields(readOnly(part, applicationTag(ENC_TICKET_PART)));
  const sessionKey = readKey(required(ticket, 1));
  const clientNames = readNames(required(ticket, 3));
  const clientRealm = readString(required(ticket, 2));
  if (readOctets(required(readFields(required(ticket, 4)), 1)).length > 0) {
    throw new MalformedKerberos('a ticket that realms between vouch for');
  }
  const proof = decrypt(sessionKey, USAGE_AUTHENTICATOR, sealed.authenticatorCipher);
  const authenticator = readFields(readOnly(proof, applicationTag(AUTHENTICATOR)));
  const proved = [readString(required(authenticator, 1)), ...readNames(required(authenticator, 2))];
  if (JSON.stringify(proved) !== JSON.stringify([clientRealm, ...clientNames])) {
    throw new MalformedKerberos('an authenticator of somebody else');
  }
  const subkey = authenticator.get(6);
  const sequence = authenticator.get(7);
  return {
    clientNames,
    clientRealm,
    endsAtMs: readTime(required(ticket, 7)),
    sessionKey,
    initiatorKey: subkey === undefined ? sessionKey : readKey(subkey),
    initiatorSequence: sequence === undefined ? 0 : readInteger(sequence) >>> 0,
    isMutual: isMutual(required(authenticator, 3)),
  };
}

/** The acceptor's subkey, if it chose one, and its first sequence number. */
export function openApRep(
  token: Buffer,
  sessionKey: KerberosKey,
): { readonly subkey: KerberosKey | undefined; readonly sequence: number } {
  const message = readOnly(framed(token, TOKEN_ID_AP_REP), applicationTag(AP_REP));
  const fields = readFields(message);
  checkKind(fields, AP_REP);
  const part = decrypt(sessionKey, USAGE_AP_REP, readEncrypted(required(fields, 2)).cipher);
  const body = readFields(readOnly(part, applicationTag(ENC_AP_REP_PART)));
  const subkey = body.get(OPTIONAL_SUBKEY_OF_AP_REP);
  const sequence = body.get(3);
  return {
    subkey: subkey === undefined ? undefined : readKey(subkey),
    sequence: sequence === undefined ? 0 : readInteger(sequence) >>> 0,
  };
}

/** What stands behind the mechanism and the token id (RFC 2743 section 3.1). */
function framed(token: Buffer, tokenId: Buffer): Buffer {
  const { tag, content, end } = readElement(token);
  const head = Buffer.concat([KERBEROS_OID, tokenId]);
  if (tag !== GSS_TOKEN_TAG || end !== token.length) throw new MalformedKerberos('no GSS token');
  if (!content.subarray(0, head.length).equals(head)) {
    throw new MalformedKerberos('another mechanism or kind of token');
  }
  return content.subarray(head.length);
}

function checkKind(fields: DerFields, type: number): void {
  const version = readInteger(required(fields, 0));
  if (version !== VERSION || readInteger(required(fields, 1)) !== type) {
    throw new MalformedKerberos('another kind of message');
  }
}

function readEncrypted(bytes: Buffer): EncryptedData {
  const fields = readFields(bytes);
  const version = fields.get(1);
  return {
    type: readInteger(required(fields, 0)),
    version: version === undefined ? undefined : readInteger(version) >>> 0,
    cipher: readOctets(required(fields, 2)),
  };
}

function readKey(bytes: Buffer): KerberosKey {
  const fields = readFields(bytes);
  return { type: readInteger(required(fields, 0)), bytes: readOctets(required(fields, 1)) };
}

function isMutual(checksumBytes: Buffer): boolean {
  const fields = readFields(checksumBytes);
  const checksum = readOctets(required(fields, 1));
  const type = readInteger(required(fields, 0));
  if (type !== GSS_CHECKSUM_TYPE || checksum.length < GSS_CHECKSUM_BYTES_MIN) {
    throw new MalformedKerberos('an authenticator without the checksum of GSS-API');
  }
  const flags = checksum.readUInt32LE(CHECKSUM_FLAGS_AT);
  if ((flags & FLAG_DCE_STYLE) !== 0) throw new MalformedKerberos('DCE style');
  return (flags & FLAG_MUTUAL) !== 0;
}
