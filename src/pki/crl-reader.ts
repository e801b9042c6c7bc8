/**
 * Owns the reading of CRLs (RFC 5280, 5) that an operator hands over: complete CRLs of the CA that
 * signed the certificates, and no other kind.
 *
 * Invariants: every length is checked before it is used; what is not understood (deltas, indirect
 * CRLs, critical extensions) is refused, never taken for an empty list; nothing counts before its
 * signature was verified. Buffers are walked in place: a hundred thousand entries cost no object each.
 */
import { verify, type X509Certificate } from 'node:crypto';
import { PkiError } from '../base/errors.ts';
import { subjectOf } from './certificate-builder.ts';
import { ExtensionOid, extensionValue } from './certificate-extensions.ts';
import type { CrlEntry } from './crl-builder.ts';
import { bytesOf, objectId, Tag, toDer } from './der.ts';
import { type DerNode, DerWalk, rawOf, SEQUENCE, wholeOf } from './der-walk.ts';
import { type RevocationReason, reasonOfCode } from './revocation-reason.ts';

export interface Crl {
  readonly der: Buffer;
  /** The issuer's name, DER. */
  readonly issuer: Buffer;
  readonly number: bigint;
  readonly thisUpdateMs: number;
  readonly nextUpdateMs: number;
  /** Upper-case hexadecimal, whole octets. */
  readonly serials: ReadonlySet<string>;
  /** With their times and reasons; read again at each call. */
  readonly entries: readonly CrlEntry[];
  /** Whether the CA made it: its name, its right to sign CRLs, its signature. */
  isSignedBy(ca: X509Certificate): boolean;
}

const CONTEXT_0 = 0xa0;
const VERSION_2 = '01';
const ENTRIES_A_TURN = 256;
/** The digest of each signature algorithm, by its OID in DER; SHA-1 is not among them. */
const DIGESTS: ReadonlyMap<string, string | null> = new Map(
  (
    [
      ['1.2.840.10045.4.3.2', 'sha256'],
      ['1.2.840.10045.4.3.3', 'sha384'],
      ['1.2.840.10045.4.3.4', 'sha512'],
      ['1.2.840.113549.1.1.11', 'sha256'],
      ['1.2.840.113549.1.1.12', 'sha384'],
      ['1.2.840.113549.1.1.13', 'sha512'],
      ['1.3.101.112', null],
    ] as const
  ).map(([oid, digest]) => [toDer(objectId(oid)).toString('hex'), digest]),
);
/** In the first octet of KeyUsage. */
const CRL_SIGN = 0x02;
const AUTHORITY_KEY_ID = toDer(objectId(ExtensionOid.authorityKeyIdentifier)).toString('hex');
const CRL_NUMBER = toDer(objectId(ExtensionOid.crlNumber)).toString('hex');
const REASON_CODE = toDer(objectId(ExtensionOid.reasonCode)).toString('hex');
const KNOWN_IN_LIST: ReadonlySet<string> = new Set([AUTHORITY_KEY_ID, CRL_NUMBER]);
const KNOWN_IN_ENTRY: ReadonlySet<string> = new Set([REASON_CODE]);

/** Throws PkiError for what is no CRL of the one kind that is understood. */
export function readCrl(der: Buffer): Crl {
  const reading = readingCrl(der);
  for (;;) {
    const step = reading.next();
    if (step.done === true) return step.value;
  }
}

/** The same, with a pause after some hundreds of entries: large CRLs are read in turns. */
export function* readingCrl(der: Buffer): Generator<void, Crl> {
  const whole = walk(der, wholeOf(der));
  const list = whole.take(SEQUENCE);
  whole.finish();
  const outer = walk(der, list);
  const tbs = outer.take(SEQUENCE);
  const algorithm = outer.take(SEQUENCE);
  const signature = outer.take(Tag.BIT_STRING);
  outer.finish();
  const fields = walk(der, tbs);
  if (fields.hex(fields.take(Tag.INTEGER)) !== VERSION_2) throw broken('it is no version 2 CRL');
  const inner = fields.take(SEQUENCE);
  if (!rawOf(der, inner).equals(rawOf(der, algorithm))) throw broken('two algorithms are named');
  const issuer = rawOf(der, fields.take(SEQUENCE));
  const thisUpdateMs = fields.time();
  if (!fields.nextIs(Tag.UTC_TIME, Tag.GENERALIZED_TIME)) throw broken('it has no next update');
  const nextUpdateMs = fields.time();
  const revoked = fields.nextIs(SEQUENCE) ? fields.take(SEQUENCE) : null;
  const serials = new Set<string>();
  let count = 0;
  for (const { serial } of entriesIn(der, revoked)) {
    serials.add(serial);
    count += 1;
    if (count % ENTRIES_A_TURN === 0) yield;
  }
  const number = numberIn(der, fields.take(CONTEXT_0));
  fields.finish();
  const digest = digestOf(der, algorithm);
  if (der[signature.content] !== 0) throw broken('its signature is damaged');
  const isSignedBy = (ca: X509Certificate): boolean =>
    isIssuerName({ issuer }, ca) &&
    maySignCrls(ca) &&
    isGood(digest, rawOf(der, tbs), ca, der.subarray(signature.content + 1, signature.end));
  return {
    ...{ der, issuer, number, thisUpdateMs, nextUpdateMs, serials, isSignedBy },
    get entries() {
      return [...entriesIn(der, revoked)];
    },
  };
}

export function isIssuerName({ issuer }: Pick<Crl, 'issuer'>, ca: X509Certificate): boolean {
  return toDer(subjectOf(ca)).equals(issuer);
}

function isGood(
  digest: string | null,
  signed: Buffer,
  ca: X509Certificate,
  signature: Buffer,
): boolean {
  try {
    return verify(digest, signed, ca.publicKey, signature);
  } catch {
    return false; // An algorithm that is not the key's.
  }
}

function maySignCrls(ca: X509Certificate): boolean {
  if (!ca.ca) return false;
  const usage = extensionValue(ca, ExtensionOid.keyUsage);
  return usage === null || ((bytesOf(usage)[1] ?? 0) & CRL_SIGN) !== 0;
}

function digestOf(der: Buffer, algorithm: DerNode): string | null {
  const oid = rawOf(der, walk(der, algorithm).take(Tag.OID)).toString('hex');
  const digest = DIGESTS.get(oid);
  if (digest === undefined) throw broken('its signature algorithm is not accepted');
  return digest;
}

function* entriesIn(der: Buffer, revoked: DerNode | null): Generator<CrlEntry> {
  if (revoked === null) return;
  const entries = walk(der, revoked);
  while (!entries.done) {
    const entry = walk(der, entries.take(SEQUENCE));
    const serial = entry.serial();
    const revokedAtMs = entry.time();
    const extensions = entry.done ? null : entry.take(SEQUENCE);
    entry.finish();
    const reason = extensions === null ? 'unspecified' : reasonIn(der, extensions);
    yield { serial, revokedAtMs, reason };
  }
}

function reasonIn(der: Buffer, extensions: DerNode): RevocationReason {
  refuseCritical(der, extensions, KNOWN_IN_ENTRY);
  for (const { oid, value } of extensionsIn(der, extensions)) {
    if (oid !== REASON_CODE) continue;
    const code = walk(der, value).take(Tag.ENUMERATED);
    return reasonOfCode(der[code.content] ?? 0);
  }
  return 'unspecified';
}

function numberIn(der: Buffer, wrapped: DerNode): bigint {
  const outer = walk(der, wrapped);
  const extensions = outer.take(SEQUENCE);
  outer.finish();
  refuseCritical(der, extensions, KNOWN_IN_LIST);
  for (const { oid, value } of extensionsIn(der, extensions)) {
    if (oid !== CRL_NUMBER) continue;
    const digits = walk(der, value).serial();
    return BigInt(`0x${digits}`);
  }
  throw broken('it has no number');
}

/** A delta or an indirect CRL says so in a critical extension. */
function refuseCritical(der: Buffer, extensions: DerNode, known: ReadonlySet<string>): void {
  for (const { oid, isCritical } of extensionsIn(der, extensions)) {
    if (isCritical && !known.has(oid)) {
      throw broken('it holds a critical extension that is not understood (deltas are not)');
    }
  }
}

function* extensionsIn(
  der: Buffer,
  extensions: DerNode,
): Generator<{ oid: string; isCritical: boolean; value: DerNode }> {
  const all = walk(der, extensions);
  while (!all.done) {
    const one = walk(der, all.take(SEQUENCE));
    const oid = rawOf(der, one.take(Tag.OID)).toString('hex');
    const isCritical = one.nextIs(Tag.BOOLEAN) && one.hex(one.take(Tag.BOOLEAN)) !== '00';
    const value = one.take(Tag.OCTET_STRING);
    one.finish();
    yield { oid, isCritical, value };
  }
}

const walk = (der: Buffer, node: DerNode): DerWalk => new DerWalk(der, node, 'the CRL');

const broken = (why: string): PkiError => new PkiError(`the CRL cannot be used: ${why}`);
