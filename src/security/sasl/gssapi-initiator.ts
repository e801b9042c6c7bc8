/**
 * Makes the first token of a GSS-API context as a KDC and a client together would: whoever holds the
 * service's key can. The broker tries its own Kerberos set-up with it before it listens; tests use
 * it for tickets that no KDC would give out. Invariant: nothing made here is ever sent to anybody.
 */
import type { Random } from '../../base/random.ts';
import {
  AP_REQ,
  AUTHENTICATOR,
  ENC_TICKET_PART,
  GSS_CHECKSUM_BYTES_MIN,
  GSS_CHECKSUM_TYPE,
  GSS_TOKEN_TAG,
  KERBEROS_OID,
  TICKET,
  TOKEN_ID_AP_REQ,
  USAGE_AUTHENTICATOR,
  USAGE_TICKET,
} from './gssapi-ap-req.ts';
import { encrypt, type KerberosKey } from './gssapi-crypto.ts';
import {
  applicationTag,
  element,
  flags32,
  integer,
  octets,
  principalName,
  sequenceOf,
  string,
  time,
} from './gssapi-der.ts';
import type { KeytabEntry } from './gssapi-keytab.ts';

const CONFOUNDER_BYTES = 16;
const FLAG_INITIAL = 0x0040_0000;

export interface InitiatorParts {
  /** The key that the ticket is under, and whom the ticket says it is for. */
  readonly service: KeytabEntry;
  readonly clientNames: readonly string[];
  readonly clientRealm: string;
  /** The client's clock, and the ticket's beginning. */
  readonly nowMs: number;
  readonly startsAtMs: number;
  readonly endsAtMs: number;
  readonly sessionKey: KerberosKey;
  readonly subkey?: KerberosKey;
  readonly sequence: number;
  /** Of GSS-API, in the checksum; null leaves the checksum out. */
  readonly contextFlags: number | null;
  /** Of the checksum that carries the flags; GSS-API's own unless told. */
  readonly checksumType?: number;
  readonly apOptions?: number;
  /** The realms between the client's and the service's, as RFC 4120 section 3.3.3.2 writes them. */
  readonly transited?: string;
  readonly random: Random;
}

export function makeInitialToken(parts: InitiatorParts): Buffer {
  const { service, random, sessionKey } = parts;
  const sealed = (key: KerberosKey, usage: number, plain: Buffer, version?: number): Buffer =>
    sequenceOf([
      [0, integer(key.type)],
      ...(version === undefined ? [] : ([[1, integer(version)]] as const)),
      [2, octets(encrypt(key, usage, plain, random.bytes(CONFOUNDER_BYTES)))],
    ]);
  const ticket = sequenceOf([
    [0, integer(5)],
    [1, string(service.realm)],
    [2, principalName(service.names)],
    [3, sealed(service.key, USAGE_TICKET, encTicketPart(parts), service.version)],
  ]);
  const request = sequenceOf([
    [0, integer(5)],
    [1, integer(AP_REQ)],
    [2, flags32(parts.apOptions ?? 0)],
    [3, element(applicationTag(TICKET), ticket)],
    [4, sealed(sessionKey, USAGE_AUTHENTICATOR, authenticator(parts))],
  ]);
  const message = element(applicationTag(AP_REQ), request);
  return element(GSS_TOKEN_TAG, KERBEROS_OID, TOKEN_ID_AP_REQ, message);
}

function encTicketPart(parts: InitiatorParts): Buffer {
  const { clientNames, clientRealm, startsAtMs, endsAtMs, sessionKey } = parts;
  const transited = sequenceOf([
    [0, integer(1)],
    [1, octets(Buffer.from(parts.transited ?? '', 'latin1'))],
  ]);
  const part = sequenceOf([
    [0, flags32(FLAG_INITIAL)],
    [1, keyOf(sessionKey)],
    [2, string(clientRealm)],
    [3, principalName(clientNames)],
    [4, transited],
    [5, time(startsAtMs)],
    [6, time(startsAtMs)],
    [7, time(endsAtMs)],
  ]);
  return element(applicationTag(ENC_TICKET_PART), part);
}

function authenticator(parts: InitiatorParts): Buffer {
  const { clientNames, clientRealm, nowMs, subkey, sequence, contextFlags, checksumType, random } =
    parts;
  const part = sequenceOf([
    [0, integer(5)],
    [1, string(clientRealm)],
    [2, principalName(clientNames)],
    ...(contextFlags === null ? [] : ([[3, contextChecksum(contextFlags, checksumType)]] as const)),
    [4, integer(random.bytes(4).readUInt32BE() % 1_000_000)],
    [5, time(nowMs)],
    ...(subkey === undefined ? [] : ([[6, keyOf(subkey)]] as const)),
    [7, integer(sequence)],
  ]);
  return element(applicationTag(AUTHENTICATOR), part);
}

/** RFC 4121 section 4.1.1: no channel bindings, then the flags. */
function contextChecksum(flags: number, type = GSS_CHECKSUM_TYPE): Buffer {
  const bytes = Buffer.alloc(GSS_CHECKSUM_BYTES_MIN);
  bytes.writeUInt32LE(16);
  bytes.writeUInt32LE(flags, bytes.length - 4);
  return sequenceOf([
    [0, integer(type)],
    [1, octets(bytes)],
  ]);
}

const keyOf = ({ type, bytes }: KerberosKey): Buffer =>
  sequenceOf([
    [0, integer(type)],
    [1, octets(bytes)],
  ]);
