/**
 * Reads a stored `scram-credentials` record. Invariant: what is read can be logged in with as it was
 * stored: keys of the mechanism's length, iterations in Kafka's range.
 */
import type {
  ScramChange,
  ScramCredential,
  ScramCredentialId,
} from '../security/scram/scram-credentials.ts';
import {
  isScramIterations,
  type ScramMechanism,
  scramMechanismByName,
} from '../security/scram/scram-mechanism.ts';
import { type Data, fields, list, malformed, text } from './record-fields.ts';

export function scramChange(data: Data): ScramChange {
  return {
    deleted: list(data.deleted).map((item) => credentialId(fields(item))),
    upserted: list(data.upserted).map((item) => credential(fields(item))),
  };
}

function credentialId(stored: Data): ScramCredentialId {
  return { user: text(stored.user), mechanism: mechanismOf(stored).name };
}

function credential(stored: Data): ScramCredential {
  const { digestBytes } = mechanismOf(stored);
  const { iterations } = stored;
  if (typeof iterations !== 'number' || !isScramIterations(iterations)) {
    throw malformed('a credential has no iterations');
  }
  const storedKey = text(stored.storedKey);
  const serverKey = text(stored.serverKey);
  if (bytesOf(storedKey) !== digestBytes || bytesOf(serverKey) !== digestBytes) {
    throw malformed('a credential has no keys');
  }
  return { ...credentialId(stored), iterations, salt: text(stored.salt), storedKey, serverKey };
}

function mechanismOf(stored: Data): ScramMechanism {
  const mechanism = scramMechanismByName(text(stored.mechanism));
  if (mechanism === undefined) throw malformed('a credential has no mechanism');
  return mechanism;
}

function bytesOf(base64: string): number {
  return Buffer.from(base64, 'base64').length;
}
