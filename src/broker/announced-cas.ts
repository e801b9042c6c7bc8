/**
 * Keeps the names of announced CAs in the handshakes of the mTLS listener. Invariant: it tells names
 * and gives no trust: what the TLS stack gets are stand-ins, whose keys nobody has.
 */
import { standInFor } from '../pki/stand-in-certificate.ts';
import type { TenantCaRegistry } from '../security/tenant-ca-registry.ts';
import { type ReloadableServer, secureContextOptions } from '../security/tls-context.ts';
import type { ListenerCertificates } from './certificates.ts';

export interface AnnouncedCasParts {
  readonly registry: TenantCaRegistry;
  readonly certificates: ListenerCertificates;
  readonly server: ReloadableServer;
}

export class AnnouncedCas {
  readonly #parts: AnnouncedCasParts;
  /** By key of the CA. */
  #standIns: ReadonlyMap<string, string> = new Map();

  constructor(parts: AnnouncedCasParts) {
    this.#parts = parts;
  }

  /** PEM, one for each announced CA. */
  readonly pems = (): string[] => [...this.#standIns.values()];

  /** Has handshakes from now on tell what the registry says; tickets given before are void then. */
  update(): void {
    const { registry, certificates, server } = this.#parts;
    const wanted = new Map(registry.announced().map((ca) => [ca.keyId, ca]));
    const isSame =
      wanted.size === this.#standIns.size &&
      [...wanted.keys()].every((keyId) => this.#standIns.has(keyId));
    if (isSame) return;
    this.#standIns = new Map(
      [...wanted].map(([keyId, ca]) => [
        keyId,
        this.#standIns.get(keyId) ?? standInFor(ca.certificate),
      ]),
    );
    server.setSecureContext(secureContextOptions(certificates.material, this.pems()));
  }
}
