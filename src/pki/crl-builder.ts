/**
 * Owns the encoding of a complete CRL, version 2 (RFC 5280, 5), and its signature by the CA whose
 * certificates it speaks of. Invariant: its number and dates are the caller's; nothing is left out.
 */
import type { CertificateAuthority } from './certificate-authority.ts';
import { extension, keyIdentifierOf, subjectOf } from './certificate-builder.ts';
import { ExtensionOid } from './certificate-extensions.ts';
import {
  type Asn1,
  bitString,
  context,
  contextBytes,
  enumerated,
  fromDer,
  integer,
  sequence,
  time,
  toDer,
} from './der.ts';
import { REVOCATION_REASONS, type RevocationReason } from './revocation-reason.ts';

export interface CrlEntry {
  /** Upper-case hexadecimal, whole octets. */
  readonly serial: string;
  readonly revokedAtMs: number;
  readonly reason: RevocationReason;
}

export interface CrlContent {
  readonly entries: readonly CrlEntry[];
  /** Larger than that of every CRL before. */
  readonly number: bigint;
  readonly thisUpdateMs: number;
  readonly nextUpdateMs: number;
}

const VERSION_2 = 1;

/** DER. */
export function buildCrl(issuer: CertificateAuthority, content: CrlContent): Buffer {
  const { entries, number, thisUpdateMs, nextUpdateMs } = content;
  const { signer } = issuer;
  const authorityKey = sequence(contextBytes(0, keyIdentifierOf(issuer.certificate)));
  const tbs = sequence(
    integer(VERSION_2),
    signer.algorithm,
    subjectOf(issuer.certificate),
    time(thisUpdateMs),
    time(nextUpdateMs),
    // An empty list has to be absent (5.1.2.6).
    ...(entries.length === 0 ? [] : [sequence(...entries.map(entryOf))]),
    context(
      0,
      sequence(
        extension(ExtensionOid.authorityKeyIdentifier, false, authorityKey),
        extension(ExtensionOid.crlNumber, false, integer(magnitudeOf(number))),
      ),
    ),
  );
  const bytes = toDer(tbs);
  const signature = signer.sign(bytes);
  return toDer(sequence(fromDer(bytes), signer.algorithm, bitString(signature)));
}

function magnitudeOf(number: bigint): Buffer {
  const digits = number.toString(16);
  return Buffer.from(digits.length % 2 === 0 ? digits : `0${digits}`, 'hex');
}

/** The reason `unspecified` has to be absent (5.3.1). */
function entryOf({ serial, revokedAtMs, reason }: CrlEntry): Asn1 {
  const code = REVOCATION_REASONS[reason];
  return sequence(
    integer(Buffer.from(serial, 'hex')),
    time(revokedAtMs),
    ...(code === 0 ? [] : [sequence(extension(ExtensionOid.reasonCode, false, enumerated(code)))]),
  );
}
