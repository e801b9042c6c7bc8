/**
 * Owns one tenant's SCRAM credentials as they are looked at. Invariant: an object of this class
 * never changes; a change makes another one. Keys and salts are base64, as they are stored; nothing
 * here is for an answer, a log or the audit but user, mechanism and iterations.
 */
import type { ScramMechanismName } from './scram-mechanism.ts';

/** Whose credential: one for each user and mechanism. */
export interface ScramCredentialId {
  readonly user: string;
  readonly mechanism: ScramMechanismName;
}

export interface ScramCredential extends ScramCredentialId {
  readonly iterations: number;
  readonly salt: string;
  readonly storedKey: string;
  readonly serverKey: string;
}

export interface ScramChange {
  readonly deleted: readonly ScramCredentialId[];
  readonly upserted: readonly ScramCredential[];
}

const NOTHING: readonly ScramCredential[] = [];

/** Applies the deletions, and then the upsertions, to credentials by user. */
export function applyScramChange(
  byUser: Map<string, readonly ScramCredential[]>,
  { deleted, upserted }: ScramChange,
): void {
  const without = ({ user, mechanism }: ScramCredentialId): readonly ScramCredential[] =>
    (byUser.get(user) ?? NOTHING).filter((credential) => credential.mechanism !== mechanism);
  for (const id of deleted) {
    const rest = without(id);
    if (rest.length === 0) byUser.delete(id.user);
    else byUser.set(id.user, rest);
  }
  for (const credential of upserted) {
    byUser.set(credential.user, [...without(credential), credential]);
  }
}

export class ScramCredentials {
  readonly #byUser: ReadonlyMap<string, readonly ScramCredential[]>;
  /** Credentials, of all users and mechanisms. */
  readonly size: number;

  /** Takes the credentials as they are now, by user. */
  constructor(byUser: ReadonlyMap<string, readonly ScramCredential[]>) {
    this.#byUser = new Map(byUser);
    let size = 0;
    for (const credentials of byUser.values()) size += credentials.length;
    this.size = size;
  }

  users(): Iterable<string> {
    return this.#byUser.keys();
  }

  /** One for each mechanism that the user can log in by. */
  ofUser(user: string): readonly ScramCredential[] {
    return this.#byUser.get(user) ?? NOTHING;
  }

  get({ user, mechanism }: ScramCredentialId): ScramCredential | undefined {
    return this.ofUser(user).find((credential) => credential.mechanism === mechanism);
  }
}
