/** The admin API's revocations and suspensions, on the security state. */
import type { Tenant } from '../metadata/metadata-image.ts';
import type { SecurityState } from '../metadata/security-state.ts';
import type { SuspendedId } from '../security/revocations.ts';
import type {
  AdminRevocations,
  RevocationAnswer,
  RevocationList,
  SuspensionView,
  WantedRevocation,
} from './admin-services.ts';
import { toAdminError } from './state-tenants.ts';

export class StateRevocations implements AdminRevocations {
  readonly #state: SecurityState;

  constructor(state: SecurityState) {
    this.#state = state;
  }

  list(tenant: string): RevocationList | undefined {
    const found = this.#state.image.tenants.get(tenant);
    if (found === undefined) return undefined;
    const { revocations } = found;
    return {
      names: revocations.names(),
      certificates: viewsOf(found),
    };
  }

  suspensions(tenant: string): Iterable<SuspensionView> | undefined {
    return this.#state.image.tenants.get(tenant)?.revocations.suspensions();
  }

  async revoke(tenant: string, wanted: WantedRevocation): Promise<RevocationAnswer> {
    try {
      await this.#state.revokeCertificates(tenant, wanted);
    } catch (error) {
      throw toAdminError(error);
    }
    const now = this.#state.image.tenants.get(tenant)?.revocations;
    const { name } = wanted;
    return {
      name,
      serials: wanted.serials,
      nameRevokedAtMs: (name === null ? undefined : now?.revokedName(name)?.revokedAtMs) ?? null,
    };
  }

  async setSuspended(tenant: string, id: SuspendedId, isSuspended: boolean): Promise<void> {
    try {
      await this.#state.setSuspended(tenant, id, isSuspended);
    } catch (error) {
      throw toAdminError(error);
    }
  }
}

function* viewsOf(tenant: Tenant): RevocationList['certificates'] {
  for (const { issuerKeyId, ...rest } of tenant.revocations.certificates()) {
    const caFingerprint = fingerprintOf(tenant, issuerKeyId);
    yield { ...rest, caKeyId: issuerKeyId, caFingerprint };
  }
}

/** The newest certificate of the CA with that key; null when the tenant has none any more. */
function fingerprintOf({ cas, importedCas }: Tenant, keyId: string): string | null {
  return [...importedCas, ...cas].findLast((ca) => ca.keyId === keyId)?.fingerprint256 ?? null;
}
