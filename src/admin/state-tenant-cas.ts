/**
 * The admin API's CAs of tenants, on the security state. Whether a CA may speak for a tenant is asked
 * of the registry before anything is stored; that it does, or no longer, is in force when the change
 * has been stored.
 */
import { X509Certificate } from 'node:crypto';
import type { Clock } from '../base/clock.ts';
import type { ImportedTenantCa } from '../metadata/ca-change.ts';
import type { Tenant } from '../metadata/metadata-image.ts';
import type { SecurityState } from '../metadata/security-state.ts';
import { readTenantCa, type TenantCa } from '../metadata/tenant-ca.ts';
import { subjectText } from '../security/issuer.ts';
import type { TenantCaRegistry } from '../security/tenant-ca-registry.ts';
import type { AdminCas, CaView, WantedImport } from './admin-services.ts';
import { AdminError } from './problem.ts';
import { toAdminError } from './state-tenants.ts';

export interface StateTenantCasParts {
  readonly state: SecurityState;
  readonly registry: TenantCaRegistry;
  readonly clock: Clock;
  /** tenant.domain; '' when it is not set. */
  readonly serverNameDomain: string;
}

export class StateTenantCas implements AdminCas {
  readonly #parts: StateTenantCasParts;

  constructor(parts: StateTenantCasParts) {
    this.#parts = parts;
  }

  list(tenant: string): readonly CaView[] | undefined {
    const found = this.#parts.state.image.tenants.get(tenant);
    return found && viewsOf(found);
  }

  async add(tenant: string, caCertificatePem: string): Promise<CaView> {
    const { state, registry } = this.#parts;
    try {
      const { fingerprint256 } = this.#usable(caCertificatePem);
      registry.checkCa(tenant, caCertificatePem);
      return viewIn(await state.addTenantCa(tenant, caCertificatePem), fingerprint256);
    } catch (error) {
      throw toAdminError(error);
    }
  }

  async import(tenant: string, wanted: WantedImport): Promise<CaView> {
    const { state, registry, serverNameDomain } = this.#parts;
    if (wanted.isShared && serverNameDomain === '') {
      const detail =
        'A shared CA needs server names to tell the tenants apart: set tenant.domain first.';
      throw new AdminError(409, 'no-tenant-domain', detail);
    }
    try {
      const { pem, fingerprint256 } = this.#usable(wanted.caCertificate);
      registry.checkImport({ ...wanted, pem });
      return viewIn(await state.importCa(tenant, wanted), fingerprint256);
    } catch (error) {
      throw toAdminError(error);
    }
  }

  async remove(tenant: string, fingerprint: string): Promise<void> {
    try {
      await this.#parts.state.removeCa(tenant, fingerprint);
    } catch (error) {
      throw toAdminError(error);
    }
  }

  #usable(pem: string): TenantCa {
    const ca = readTenantCa(pem);
    if (ca.notAfterMs > this.#parts.clock.nowMs()) return ca;
    throw new AdminError(400, 'ca-refused', 'Refused: the CA certificate has expired.');
  }
}

function viewsOf({ cas, importedCas }: Tenant): CaView[] {
  return [...cas.map((ca) => viewOf(ca, null)), ...importedCas.map((ca) => viewOf(ca, ca))];
}

function viewIn(tenant: Tenant, fingerprint: string): CaView {
  return viewsOf(tenant).find((ca) => ca.fingerprint === fingerprint)!;
}

function viewOf(ca: TenantCa, imported: ImportedTenantCa | null): CaView {
  const certificate = new X509Certificate(ca.pem);
  return {
    kind: imported === null ? 'own' : 'imported',
    fingerprint: ca.fingerprint256,
    serial: certificate.serialNumber,
    subject: subjectText(certificate),
    expiresAtMs: ca.notAfterMs,
    mappingRules: imported?.mappingRules ?? null,
    isAnnounced: imported?.isAnnounced ?? false,
    isShared: imported?.isShared ?? false,
  };
}
