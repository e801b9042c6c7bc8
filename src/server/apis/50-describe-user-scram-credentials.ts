/**
 * DescribeUserScramCredentials (key 50): who has SCRAM credentials, by which mechanism and with how
 * many iterations. Salts and keys never leave.
 * - DESCRIBE on the cluster, which is the tenant's own: it sees its own users only.
 * - Null or no users: all. A user without: RESOURCE_NOT_FOUND; one named twice: DUPLICATE_RESOURCE.
 * - More users than a tenant can have: INVALID_REQUEST, for a small request has no huge answer.
 */
import { ApiKey } from '../../protocol/api-keys.ts';
import { ErrorCode } from '../../protocol/error-codes.ts';
import { workInTurns } from '../../protocol/records/event-loop-slices.ts';
import type {
  DescribeUserScramCredentialsResponse,
  DescribeUserScramCredentialsResult,
} from '../../protocol/schemas/50-describe-user-scram-credentials.ts';
import type { ScramCredentials } from '../../security/scram/scram-credentials.ts';
import { scramMechanismByName } from '../../security/scram/scram-mechanism.ts';
import { cluster, defineApi } from '../define-api.ts';

/** Named in one request: as many as a tenant can have. */
const USERS_MAX = 10_000;
/** Users that are described between two looks at the time. */
const USERS_PER_STEP = 64;

export const describeUserScramCredentialsApi = defineApi({
  key: ApiKey.DescribeUserScramCredentials,
  versions: { min: 0, max: 0 },
  authorization: cluster('DESCRIBE'),

  async handle(ctx, { users }) {
    if (users !== null && users.length > USERS_MAX) return failed(ErrorCode.INVALID_REQUEST);
    const { tenant } = ctx.session.principal;
    const credentials = ctx.services.security.scramCredentials(tenant);
    const mentions = new Map<string, number>();
    for (const { name } of users ?? []) mentions.set(name, (mentions.get(name) ?? 0) + 1);
    const asked = mentions.size === 0 ? credentials.users() : mentions.keys();
    const describeOne = (user: string): DescribeUserScramCredentialsResult =>
      (mentions.get(user) ?? 0) > 1 ? twice(user) : describe(credentials, user);
    const results = await workInTurns(ctx.services.clock, each(asked, describeOne));
    return { throttleTimeMs: 0, errorCode: 0, errorMessage: null, results };
  },

  fail: (_request, errorCode) => failed(errorCode),
});

function* each<T, R>(items: Iterable<T>, work: (item: T) => R): Generator<void, R[]> {
  const results: R[] = [];
  for (const item of items) {
    if (results.length % USERS_PER_STEP === USERS_PER_STEP - 1) yield;
    results.push(work(item));
  }
  return results;
}

function failed(errorCode: number): DescribeUserScramCredentialsResponse {
  return { throttleTimeMs: 0, errorCode, errorMessage: null, results: [] };
}

function describe(credentials: ScramCredentials, user: string): DescribeUserScramCredentialsResult {
  const held = credentials.ofUser(user);
  if (held.length === 0) {
    return {
      user,
      errorCode: ErrorCode.RESOURCE_NOT_FOUND,
      errorMessage: 'Attempt to describe a user credential that does not exist',
      credentialInfos: [],
    };
  }
  return {
    user,
    errorCode: ErrorCode.NONE,
    errorMessage: null,
    credentialInfos: held.map(({ mechanism, iterations }) => ({
      mechanism: scramMechanismByName(mechanism)!.code,
      iterations,
    })),
  };
}

function twice(user: string): DescribeUserScramCredentialsResult {
  return {
    user,
    errorCode: ErrorCode.DUPLICATE_RESOURCE,
    errorMessage: 'A user cannot be described twice in the same request',
    credentialInfos: [],
  };
}
