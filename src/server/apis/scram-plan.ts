/**
 * Checks what AlterUserScramCredentials asks for, user by user, and makes the keys. Invariant: of a
 * salted password only StoredKey and ServerKey go on from here; no message tells a secret.
 */
import { ErrorCode } from '../../protocol/error-codes.ts';
import type {
  AlterUserScramCredentialsRequest,
  ScramCredentialDeletion,
  ScramCredentialUpsertion,
} from '../../protocol/schemas/51-alter-user-scram-credentials.ts';
import { NAME_GRAMMAR } from '../../security/policy-rule.ts';
import type {
  ScramCredential,
  ScramCredentialId,
  ScramCredentials,
} from '../../security/scram/scram-credentials.ts';
import {
  isScramIterations,
  SCRAM_ITERATIONS_MIN,
  SCRAM_SALT_BYTES_MAX,
  scramKeys,
  scramMechanismByCode,
} from '../../security/scram/scram-mechanism.ts';

export interface Outcome {
  readonly errorCode: number;
  readonly errorMessage: string | null;
}

/** What a user's mention comes to. */
export type Planned = { readonly delete: ScramCredentialId } | { readonly upsert: ScramCredential };

const TWICE: Outcome = {
  errorCode: ErrorCode.DUPLICATE_RESOURCE,
  errorMessage: 'A user credential cannot be altered twice in the same request',
};

export function isPlanned(verdict: Planned | Outcome): verdict is Planned {
  return !('errorCode' in verdict);
}

/** What each user's mention comes to, by user. Nothing is changed yet. */
export function planScram(
  { deletions, upsertions }: AlterUserScramCredentialsRequest,
  now: ScramCredentials,
): Map<string, Planned | Outcome> {
  const verdicts = new Map<string, Planned | Outcome>();
  for (const deletion of deletions) {
    const verdict = verdicts.has(deletion.name) ? TWICE : planDeletion(deletion, now);
    verdicts.set(deletion.name, verdict);
  }
  for (const upsertion of upsertions) {
    const verdict = verdicts.has(upsertion.name) ? TWICE : planUpsertion(upsertion);
    verdicts.set(upsertion.name, verdict);
  }
  return verdicts;
}

function planDeletion(
  { name, mechanism: code }: ScramCredentialDeletion,
  now: ScramCredentials,
): Planned | Outcome {
  if (name === '') return unacceptable('Username must not be empty');
  const mechanism = scramMechanismByCode(code);
  if (mechanism === undefined) return unknownMechanism();
  const id = { user: name, mechanism: mechanism.name };
  if (now.get(id) !== undefined) return { delete: id };
  return {
    errorCode: ErrorCode.RESOURCE_NOT_FOUND,
    errorMessage: 'Attempt to delete a user credential that does not exist',
  };
}

function planUpsertion(asked: ScramCredentialUpsertion): Planned | Outcome {
  const { name, iterations, salt, saltedPassword } = asked;
  if (name === '') return unacceptable('Username must not be empty');
  const mechanism = scramMechanismByCode(asked.mechanism);
  if (mechanism === undefined) return unknownMechanism();
  if (!NAME_GRAMMAR.test(name)) {
    return unacceptable(
      'A user name is 1 to 63 letters, digits, "-" and "_", and begins with no "-"',
    );
  }
  if (!isScramIterations(iterations)) {
    return unacceptable(
      iterations < SCRAM_ITERATIONS_MIN ? 'Too few iterations' : 'Too many iterations',
    );
  }
  if (salt.length === 0 || salt.length > SCRAM_SALT_BYTES_MAX) {
    return unacceptable(`A salt has 1 to ${SCRAM_SALT_BYTES_MAX} bytes`);
  }
  if (saltedPassword.length !== mechanism.digestBytes) {
    return unacceptable(
      `A salted password of ${mechanism.name} has ${mechanism.digestBytes} bytes`,
    );
  }
  const { storedKey, serverKey } = scramKeys(mechanism, saltedPassword);
  return {
    upsert: {
      user: name,
      mechanism: mechanism.name,
      iterations,
      salt: salt.toString('base64'),
      storedKey: storedKey.toString('base64'),
      serverKey: serverKey.toString('base64'),
    },
  };
}

function unacceptable(errorMessage: string): Outcome {
  return { errorCode: ErrorCode.UNACCEPTABLE_CREDENTIAL, errorMessage };
}

function unknownMechanism(): Outcome {
  return {
    errorCode: ErrorCode.UNSUPPORTED_SASL_MECHANISM,
    errorMessage: 'Unknown SCRAM mechanism',
  };
}
