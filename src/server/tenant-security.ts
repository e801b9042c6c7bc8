/**
 * What the handlers may read and change of a tenant's security state; src/broker/ puts the metadata
 * behind it. Invariant: a change is on stable storage when its promise resolves, and every request
 * that comes later sees it. `isPermitted` is asked when the change's turn has come.
 */
import type { ClientQuotaAlteration } from '../quota/client-quota-entity.ts';
import type { ClientQuotas } from '../quota/client-quotas.ts';
import type { ScramChange, ScramCredentials } from '../security/scram/scram-credentials.ts';
import type {
  DelegationTokenDecision,
  DelegationTokens,
} from '../security/tokens/delegation-token.ts';
import type { TokenKeys } from '../security/tokens/token-keys.ts';

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
  /** Null where the operator set no secret for them. */
  readonly delegationTokens: TenantDelegationTokens | null;
}

export interface TenantDelegationTokens {
  /** delegation.token.max.lifetime.ms: the longest life, renewals included. */
  readonly lifetimeMaxMs: number;
  /** delegation.token.expiry.time.ms: how long until it must be renewed. */
  readonly renewalMaxMs: number;
  readonly keys: Pick<TokenKeys, 'hmacOf' | 'idOf'>;
  newId(): string;
  of(tenant: string): DelegationTokens;
  /** All or nothing. Rejects with a KafkaError when it is refused, or with what `decide` throws. */
  change(
    tenant: string,
    decide: DelegationTokenDecision,
    options: { readonly isPermitted: () => boolean | Promise<boolean> },
  ): Promise<void>;
}
