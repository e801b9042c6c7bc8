/** Delegation tokens for tests: a broker that has a secret for them, and calls as Kafka's tool makes them. */
import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ApiKey } from '../../src/protocol/api-keys.ts';
import type { CreateDelegationTokenResponse } from '../../src/protocol/schemas/38-create-delegation-token.ts';
import type { DescribedDelegationToken } from '../../src/protocol/schemas/41-describe-delegation-token.ts';
import { temporaryDirectory } from './temporary-directory.ts';
import type { WireClient } from './wire-client.ts';

/** A new file with a secret; it is removed when the test process ends. */
export const tokenSecretFile = (): string => {
  const path = join(temporaryDirectory('token-secret'), 'secret');
  writeFileSync(path, `${randomBytes(32).toString('base64')}\n`, { mode: 0o600 });
  return path;
};

/** The variables of a broker that serves delegation tokens. */
export const tokenBrokerEnv = (secretFile = tokenSecretFile()): Record<string, string> => ({
  BREAKWATER_DELEGATION_TOKEN_SECRET_KEY_FILE: secretFile,
});

export interface WantedToken {
  readonly owner?: string;
  readonly renewers?: readonly string[];
  readonly maxLifetimeMs?: number;
}

export const createToken = (
  client: WireClient,
  { owner, renewers = [], maxLifetimeMs = -1 }: WantedToken = {},
): Promise<CreateDelegationTokenResponse> =>
  client.call(ApiKey.CreateDelegationToken, 3, {
    ownerPrincipalType: owner === undefined ? null : 'User',
    ownerPrincipalName: owner ?? null,
    renewers: renewers.map((principalName) => ({ principalType: 'User', principalName })),
    maxLifetimeMs,
  });

/** All that the client may see, or those of the owners. */
export const describeTokens = async (
  client: WireClient,
  owners: readonly string[] | null = null,
): Promise<DescribedDelegationToken[]> => {
  const answer = await client.call(ApiKey.DescribeDelegationToken, 3, {
    owners: owners?.map((principalName) => ({ principalType: 'User', principalName })) ?? null,
  });
  if (answer.errorCode !== 0) throw new Error(`DescribeDelegationToken: ${answer.errorCode}`);
  return answer.tokens;
};

export const renewToken = (client: WireClient, hmac: Buffer, renewPeriodMs = -1) =>
  client.call(ApiKey.RenewDelegationToken, 2, { hmac, renewPeriodMs });

/** Without a period: at once. */
export const expireToken = (client: WireClient, hmac: Buffer, expiryTimePeriodMs = -1) =>
  client.call(ApiKey.ExpireDelegationToken, 2, { hmac, expiryTimePeriodMs });
