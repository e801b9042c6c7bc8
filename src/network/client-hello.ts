/**
 * Reads the server name out of a TLS ClientHello that has not been answered yet (RFC 8446, 4.1.2;
 * RFC 6066, 3), to say in which queue a connection waits. The name is unproven: it decides about
 * nothing else.
 *
 * Invariants: pure; it never reads beyond what is there, never asks for more than
 * CLIENT_HELLO_BYTES_MAX, and what it cannot make sense of simply has no name: to refuse it, with
 * the alert that belongs there, is the TLS stack's.
 */

/** One TLS record and its header. Session tickets make a hello some kilobytes large, no more. */
export const CLIENT_HELLO_BYTES_MAX = 16_384 + 5;
/** A hello may be cut into records; nobody cuts it into very many. */
const RECORDS_MAX = 16;
const RECORD_HEADER_BYTES = 5;
const RECORD_BYTES_MAX = 16_384;
const RECORD_HANDSHAKE = 22;
const MESSAGE_CLIENT_HELLO = 1;
const EXTENSION_SERVER_NAME = 0;
const NAME_HOST = 0;
const HOST_NAME = /^[a-z0-9._-]{1,255}$/;

export type HelloLook =
  /** Look again once there are so many bytes. */
  | { readonly isComplete: false; readonly bytesNeeded: number }
  | { readonly isComplete: true; readonly serverName: string | null };

const NO_NAME: HelloLook = { isComplete: true, serverName: null };

/** Looks at the first bytes of a connection. */
export function lookForServerName(bytes: Buffer): HelloLook {
  const fragments: Buffer[] = [];
  let fragmentBytes = 0;
  let at = 0;
  for (let records = 0; records < RECORDS_MAX; records++) {
    if (bytes.length > at && bytes[at] !== RECORD_HANDSHAKE) return NO_NAME;
    if (bytes.length < at + RECORD_HEADER_BYTES) return until(at + RECORD_HEADER_BYTES);
    const length = bytes.readUInt16BE(at + 3);
    if (bytes[at + 1] !== 3 || length === 0 || length > RECORD_BYTES_MAX) return NO_NAME;
    const end = at + RECORD_HEADER_BYTES + length;
    if (bytes.length < end) return until(end);
    fragments.push(bytes.subarray(at + RECORD_HEADER_BYTES, end));
    fragmentBytes += length;
    at = end;
    if (fragmentBytes < 4) continue;
    const message = fragments.length === 1 ? fragments[0]! : Buffer.concat(fragments);
    if (message[0] !== MESSAGE_CLIENT_HELLO) return NO_NAME;
    const bodyEnd = 4 + message.readUIntBE(1, 3);
    if (bodyEnd > CLIENT_HELLO_BYTES_MAX) return NO_NAME;
    if (message.length >= bodyEnd) {
      return { isComplete: true, serverName: serverNameIn(message.subarray(4, bodyEnd)) };
    }
  }
  return NO_NAME;
}

function until(bytesNeeded: number): HelloLook {
  return bytesNeeded > CLIENT_HELLO_BYTES_MAX ? NO_NAME : { isComplete: false, bytesNeeded };
}

function serverNameIn(hello: Buffer): string | null {
  const afterRandom = 2 + 32;
  const afterSession = skipVector(hello, afterRandom, 1);
  const afterSuites = skipVector(hello, afterSession, 2);
  const extensions = skipVector(hello, afterSuites, 1);
  const end = skipVector(hello, extensions, 2);
  if (end < 0) return null;
  for (let at = extensions + 2; at + 4 <= end; ) {
    const type = hello.readUInt16BE(at);
    const next = skipVector(hello, at + 2, 2);
    if (next < 0 || next > end) return null;
    if (type === EXTENSION_SERVER_NAME) return hostNameIn(hello.subarray(at + 4, next));
    at = next;
  }
  return null;
}

/** The first host name of a ServerNameList. */
function hostNameIn(list: Buffer): string | null {
  const end = skipVector(list, 0, 2);
  for (let at = 2; at + 3 <= end; ) {
    const next = skipVector(list, at + 1, 2);
    if (next < 0 || next > end) return null;
    if (list[at] === NAME_HOST) {
      const name = list.toString('latin1', at + 3, next).toLowerCase();
      return HOST_NAME.test(name) ? name : null;
    }
    at = next;
  }
  return null;
}

/** Where a vector with a length of `lengthBytes` ends; -1 (which passes through) beyond the end. */
function skipVector(bytes: Buffer, at: number, lengthBytes: 1 | 2): number {
  if (at < 0 || at + lengthBytes > bytes.length) return -1;
  const length = bytes.readUIntBE(at, lengthBytes);
  const end = at + lengthBytes + length;
  return end > bytes.length ? -1 : end;
}
