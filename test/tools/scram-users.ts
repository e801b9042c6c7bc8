/** SCRAM users for tests, made over the wire by a tenant's administrator, as kafka-configs does. */
import { pbkdf2Sync, randomBytes } from 'node:crypto';
import { expect } from 'vitest';
import { ApiKey } from '../../src/protocol/api-keys.ts';
import { ErrorCode } from '../../src/protocol/error-codes.ts';
import { SCRAM_MECHANISMS } from '../../src/security/scram/scram-mechanism.ts';
import type { WireClient } from './wire-client.ts';

/** Gives `user` that password for both mechanisms. */
export const upsertScramUser = async (
  admin: WireClient,
  user: string,
  password: string,
  iterations = 4096,
): Promise<void> => {
  for (const { code, digest, digestBytes } of SCRAM_MECHANISMS) {
    const salt = randomBytes(20);
    const saltedPassword = pbkdf2Sync(password, salt, iterations, digestBytes, digest);
    const answer = await admin.call(ApiKey.AlterUserScramCredentials, 0, {
      deletions: [],
      upsertions: [{ name: user, mechanism: code, iterations, salt, saltedPassword }],
    });
    expect(answer.results.map(({ errorCode }) => errorCode)).toEqual([ErrorCode.NONE]);
  }
};

/** Takes the user's password away again, for both mechanisms. */
export const removeScramUser = async (admin: WireClient, user: string): Promise<void> => {
  for (const { code } of SCRAM_MECHANISMS) {
    await admin.call(ApiKey.AlterUserScramCredentials, 0, {
      deletions: [{ name: user, mechanism: code }],
      upsertions: [],
    });
  }
};
