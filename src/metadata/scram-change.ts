/**
 * Decides what a change of a tenant's SCRAM credentials comes to. Invariant: no message tells a key,
 * a salt or a number of iterations.
 */
import { NAME_GRAMMAR } from '../security/policy-rule.ts';
import type { ScramChange, ScramCredentials } from '../security/scram/scram-credentials.ts';
import { MetadataError } from './metadata-error.ts';

/** What of the change alters anything: deletions of what is there, and all upsertions. */
export function effectiveScramChange(now: ScramCredentials, wanted: ScramChange): ScramChange {
  for (const { user } of [...wanted.deleted, ...wanted.upserted]) {
    if (NAME_GRAMMAR.test(user)) continue;
    throw new MetadataError('invalid', 'A credential is refused: its user cannot be a name.');
  }
  return {
    deleted: wanted.deleted.filter((id) => now.get(id) !== undefined),
    upserted: wanted.upserted,
  };
}

/** How many credentials there are after the change. */
export function credentialsAfter(now: ScramCredentials, change: ScramChange): number {
  const added = change.upserted.filter((credential) => now.get(credential) === undefined);
  return now.size - change.deleted.length + added.length;
}
