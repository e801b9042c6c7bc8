/** Puts the security state behind what the handlers know of it; its refusals become Kafka's errors. */
import { KafkaError } from '../base/errors.ts';
import { systemRandom } from '../base/random.ts';
import type { Config } from '../config/config-schema.ts';
import { MetadataError, type MetadataRefusal } from '../metadata/metadata-error.ts';
import type { Tenant } from '../metadata/metadata-image.ts';
import type { SecurityState } from '../metadata/security-state.ts';
import { ErrorCode } from '../protocol/error-codes.ts';
import type { TokenLogins } from '../security/sasl/scram-exchange.ts';
import { newTokenId } from '../security/tokens/delegation-token.ts';
import type { TenantSecurity } from '../server/tenant-security.ts';

const CODES: Readonly<Partial<Record<MetadataRefusal, number>>> = {
  invalid: ErrorCode.INVALID_REQUEST,
  limit: ErrorCode.POLICY_VIOLATION,
  busy: ErrorCode.REQUEST_TIMED_OUT,
  denied: ErrorCode.CLUSTER_AUTHORIZATION_FAILED,
};

export function tenantSecurity(
  state: SecurityState,
  config: Config,
  tokens: TokenLogins | null,
): TenantSecurity {
  const tenantNamed = (name: string): Tenant => {
    const tenant = state.image.tenants.get(name);
    if (tenant === undefined) throw new Error('a connection of no tenant was served');
    return tenant;
  };
  return {
    clientQuotas: (tenant) => tenantNamed(tenant).clientQuotas,
    alterClientQuotas: (tenant, alterations, options) =>
      state.alterClientQuotas(tenant, alterations, options).catch(asKafkaError),
    scramCredentials: (tenant) => tenantNamed(tenant).scramCredentials,
    alterScramCredentials: (tenant, change, options) =>
      state.alterScramCredentials(tenant, change, options).catch(asKafkaError),
    delegationTokens: tokens && {
      lifetimeMaxMs: config['delegation.token.max.lifetime.ms'],
      renewalMaxMs: config['delegation.token.expiry.time.ms'],
      keys: tokens.keys,
      newId: () => newTokenId(systemRandom),
      of: (tenant) => tenantNamed(tenant).delegationTokens,
      change: (tenant, decide, options) =>
        state.changeDelegationTokens(tenant, decide, options).catch(asKafkaError),
    },
  };
}

function asKafkaError(error: unknown): never {
  const code = error instanceof MetadataError ? CODES[error.reason] : undefined;
  if (code === undefined || !(error instanceof MetadataError)) throw error;
  throw new KafkaError(code, error.message, { cause: error });
}
