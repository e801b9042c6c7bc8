/**
 * Keeps the names of announced CAs in the handshakes of the mTLS listener. Invariant: it tells names
 * and gives no trust: what the TLS stack gets are stand-ins, whose keys nobody has.
 */
import type { Logger } from '../base/logger.ts';
import { standInFor } from '../pki/stand-in-certificate.ts';
import type { TenantCaRegistry } from '../security/tenant-ca-registry.ts';
import { type ReloadableServer, secureContextOptions } from '../security/tls-context.ts';
import type { ListenerCertificates } from './certificates.ts';

export interface AnnouncedCasParts {
  readonly registry: TenantCaRegistry;
  readonly certificates: ListenerCertificates;
  readonly server: ReloadableServer;
  readonly logger: Logger;
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
    const { registry, certificates, server, logger } = this.#parts;
    const wanted = new Map(registry.announced().map((ca) => [ca.keyId, ca]));
    const isSame =
      wanted.size === this.#standIns.size &&
      [...wanted.keys()].every((keyId) => this.#standIns.has(keyId));
    if (isSame) return;
    try {
      const standIns = new Map(
        [...wanted].map(([keyId, ca]) => [
          keyId,
          this.#standIns.get(keyId) ?? standInFor(ca.certificate),
        ]),
      );
      const options = secureContextOptions(certificates.material, [...standIns.values()]);
      server.setSecureContext(options);
      this.#standIns = standIns;
    } catch (err) {
      // Nobody is let in or kept out by a name: what was told so far goes on.
      logger.error({ err }, 'the names of announced CAs cannot be told in handshakes');
    }
  }
}
