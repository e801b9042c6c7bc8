/**
 * What the handlers may read and change of a tenant's security state; src/broker/ puts the metadata
 * behind it. Invariant: a change is on stable storage when its promise resolves, and every request
 * that comes later sees it. `isPermitted` is asked when the change's turn has come.
 */
import type { ClientQuotaAlteration } from '../quota/client-quota-entity.ts';
import type { ClientQuotas } from '../quota/client-quotas.ts';
import type { ScramChange, ScramCredentials } from '../security/scram/scram-credentials.ts';

export interface TenantSecurity {
  clientQuotas(tenant: string): ClientQuotas;
  /** All or nothing; with `validateOnly` nothing. Rejects with a KafkaError when it is refused. */
  alterClientQuotas(
    tenant: string,
    alterations: readonly ClientQuotaAlteration[],
    options: {
      readonly validateOnly: boolean;
      readonly isPermitted: () => boolean | Promise<boolean>;
    },
  ): Promise<void>;
  scramCredentials(tenant: string): ScramCredentials;
  /** All or nothing. Rejects with a KafkaError when it is refused. */
  alterScramCredentials(
    tenant: string,
    change: ScramChange,
    options: { readonly isPermitted: () => boolean | Promise<boolean> },
  ): Promise<void>;
}
