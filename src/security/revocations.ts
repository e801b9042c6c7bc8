/**
 * Owns whom of one tenant an operator has shut out: certificates by serial, all certificates of a
 * name, and the names, fleets and single certificates (a quarantine) that are suspended.
 *
 * Invariants: an object of this class never changes; a change makes another one. A serial counts
 * under the key of the CA that signed, so no CA's serials touch another's. Revoking a name revokes
 * every certificate whose validity began by then, whoever of the tenant's CAs signed it; one that
 * begins later is a new start. A suspension is of the name, whatever it proves itself with.
 */
import type { RevocationReason } from '../pki/revocation-reason.ts';

export {
  isRevocationReason,
  REVOCATION_REASON_NAMES,
  type RevocationReason,
} from '../pki/revocation-reason.ts';

export interface RevokedCertificate {
  /** SHA-256 over the signing CA's public key, hexadecimal. */
  readonly issuerKeyId: string;
  /** As `canonicalSerial` writes it. */
  readonly serial: string;
  readonly revokedAtMs: number;
  readonly reason: RevocationReason;
}

export interface RevokedName {
  readonly name: string;
  /** Certificates that are valid from then or earlier are revoked. */
  readonly revokedAtMs: number;
  readonly reason: RevocationReason;
}

/** The name of a certificate is its serial, as `canonicalSerial` writes it. */
export type SuspendedKind = 'device' | 'fleet' | 'certificate';

export interface SuspendedId {
  readonly kind: SuspendedKind;
  readonly name: string;
}

export interface Suspension extends SuspendedId {
  readonly sinceMs: number;
}

/** What is known of a certificate that was verified. */
export interface CertificateFacts {
  readonly issuerKeyId: string;
  /** As node:crypto prints it. */
  readonly serial: string;
  readonly name: string;
  readonly fleet: string | null;
  readonly validFromMs: number;
}

export interface Exclusion {
  readonly reason: 'revoked' | 'suspended';
  /** For our own log and audit, never for the peer. */
  readonly detail: string;
}

export interface RevocationData {
  readonly certificates: ReadonlyMap<string, RevokedCertificate>;
  readonly names: ReadonlyMap<string, RevokedName>;
  readonly suspensions: ReadonlyMap<string, Suspension>;
}

export const certificateKey = ({
  issuerKeyId,
  serial,
}: Pick<RevokedCertificate, 'issuerKeyId' | 'serial'>): string => `${issuerKeyId} ${serial}`;

export const suspensionKey = ({ kind, name }: SuspendedId): string => `${kind} ${name}`;

export class Revocations {
  static readonly NONE: Revocations = new Revocations({
    certificates: new Map(),
    names: new Map(),
    suspensions: new Map(),
  });

  readonly #certificates: ReadonlyMap<string, RevokedCertificate>;
  readonly #names: ReadonlyMap<string, RevokedName>;
  readonly #suspensions: ReadonlyMap<string, Suspension>;

  /** Takes the maps as they are now. */
  constructor(data: RevocationData) {
    this.#certificates = new Map(data.certificates);
    this.#names = new Map(data.names);
    this.#suspensions = new Map(data.suspensions);
  }

  get certificateCount(): number {
    return this.#certificates.size;
  }

  get nameCount(): number {
    return this.#names.size;
  }

  get suspensionCount(): number {
    return this.#suspensions.size;
  }

  certificates(): Iterable<RevokedCertificate> {
    return this.#certificates.values();
  }

  names(): Iterable<RevokedName> {
    return this.#names.values();
  }

  suspensions(): Iterable<Suspension> {
    return this.#suspensions.values();
  }

  revokedCertificate(id: { issuerKeyId: string; serial: string }): RevokedCertificate | undefined {
    return this.#certificates.get(certificateKey(id));
  }

  revokedName(name: string): RevokedName | undefined {
    return this.#names.get(name);
  }

  suspension(id: SuspendedId): Suspension | undefined {
    return this.#suspensions.get(suspensionKey(id));
  }

  /** Why the holder of the certificate is shut out; null when it is not. */
  exclusionOf(certificate: CertificateFacts): Exclusion | null {
    const { issuerKeyId, name, fleet, validFromMs } = certificate;
    const serial = canonicalSerial(certificate.serial);
    const bySerial = serial === null ? undefined : this.revokedCertificate({ issuerKeyId, serial });
    if (bySerial !== undefined) {
      return { reason: 'revoked', detail: `serial ${serial}: ${bySerial.reason}` };
    }
    if (serial !== null && this.#isSuspended('certificate', serial)) {
      return { reason: 'suspended', detail: `serial ${serial} is in quarantine` };
    }
    const byName = this.#names.get(name);
    // Written so that an unreadable date (NaN) is refused.
    if (byName !== undefined && !(validFromMs > byName.revokedAtMs)) {
      return { reason: 'revoked', detail: `all certificates of ${name}: ${byName.reason}` };
    }
    return this.exclusionOfName(name, fleet);
  }

  /** The same for a login, which has a name and no certificate. */
  exclusionOfName(name: string, fleet: string | null = null): Exclusion | null {
    if (this.#isSuspended('device', name)) {
      return { reason: 'suspended', detail: `${name} is suspended` };
    }
    if (fleet !== null && this.#isSuspended('fleet', fleet)) {
      return { reason: 'suspended', detail: `fleet ${fleet} is suspended` };
    }
    return null;
  }

  #isSuspended(kind: SuspendedKind, name: string): boolean {
    return this.#suspensions.has(suspensionKey({ kind, name }));
  }
}

/** 20 octets (RFC 5280, 4.1.2.2) and what some authorities make of them. */
const SERIAL = /^[0-9A-Fa-f]{1,64}$/;

/** Upper case, whole octets, no leading zeros; null when the text is no positive serial. */
export function canonicalSerial(text: string): string | null {
  if (!SERIAL.test(text)) return null;
  const digits = text.toUpperCase().replace(/^0+(?=.)/, '');
  return digits.length % 2 === 0 ? digits : `0${digits}`;
}
