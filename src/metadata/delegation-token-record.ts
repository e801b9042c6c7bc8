/** Reads a stored `delegation-tokens` record; each token is checked as when it came in. */

import { canonicalSerial } from '../security/revocations.ts';
import {
  type DelegationToken,
  type DelegationTokenChange,
  isTokenId,
  type TokenCertificate,
  tokenProblem,
} from '../security/tokens/delegation-token.ts';
import { type Data, fields, list, malformed, text, texts } from './record-fields.ts';

const KEY_ID = /^[0-9a-f]{64}$/i;

export function delegationTokenChange(data: Data): DelegationTokenChange {
  return {
    set: list(data.set).map((item) => delegationToken(fields(item))),
    removed: texts(data.removed).map((id) => {
      if (!isTokenId(id)) throw malformed('a token has no id');
      return id;
    }),
  };
}

function delegationToken(stored: Data): DelegationToken {
  const token: DelegationToken = {
    id: text(stored.id),
    owner: text(stored.owner),
    fleet: stored.fleet === null ? null : text(stored.fleet),
    requester: text(stored.requester),
    renewers: texts(stored.renewers),
    certificate: stored.certificate === null ? null : certificate(fields(stored.certificate)),
    issuedAtMs: timeMs(stored.issuedAtMs),
    expiresAtMs: timeMs(stored.expiresAtMs),
    maxAtMs: timeMs(stored.maxAtMs),
  };
  const problem = tokenProblem(token);
  if (problem !== null) throw malformed(`of a token: ${problem}`);
  return token;
}

function certificate(stored: Data): TokenCertificate {
  const issuerKeyId = text(stored.issuerKeyId);
  const serial = text(stored.serial);
  if (!KEY_ID.test(issuerKeyId) || canonicalSerial(serial) === null) {
    throw malformed('a token was made with a certificate that is none');
  }
  return { issuerKeyId, serial };
}

function timeMs(value: unknown): number {
  if (typeof value !== 'number') throw malformed('a token has no time');
  return value;
}
