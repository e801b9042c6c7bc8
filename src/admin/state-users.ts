/**
 * The admin API's SCRAM users, on the security state. Invariant: what a user logs in with goes in and
 * never comes out: a listing tells names, mechanisms and iterations.
 */
import type { SecurityState } from '../metadata/security-state.ts';
import type {
  ScramCredential,
  ScramCredentialId,
  ScramCredentials,
} from '../security/scram/scram-credentials.ts';
import { SCRAM_MECHANISMS, type ScramMechanismName } from '../security/scram/scram-mechanism.ts';
import type { AdminUsers, UserView } from './admin-services.ts';
import { toAdminError } from './state-tenants.ts';

export class StateUsers implements AdminUsers {
  readonly #state: SecurityState;

  constructor(state: SecurityState) {
    this.#state = state;
  }

  list(tenant: string, after: string | null): Iterable<UserView> | undefined {
    const found = this.#state.image.tenants.get(tenant);
    return found && viewsOf(found.scramCredentials, after);
  }

  async set(tenant: string, credential: ScramCredential): Promise<boolean> {
    const isNew = this.#held(tenant, credential.user, null).length === 0;
    await this.#alter(tenant, [], [credential]);
    return isNew;
  }

  async remove(
    tenant: string,
    user: string,
    mechanism: ScramMechanismName | null,
  ): Promise<number> {
    const held = this.#held(tenant, user, mechanism);
    if (held.length > 0) await this.#alter(tenant, held, []);
    return held.length;
  }

  #held(tenant: string, user: string, mechanism: ScramMechanismName | null): ScramCredentialId[] {
    const credentials = this.#state.image.tenants.get(tenant)?.scramCredentials;
    return SCRAM_MECHANISMS.map(({ name }) => ({ user, mechanism: name })).filter(
      (id) =>
        (mechanism === null || id.mechanism === mechanism) && credentials?.get(id) !== undefined,
    );
  }

  async #alter(
    tenant: string,
    deleted: readonly ScramCredentialId[],
    upserted: readonly ScramCredential[],
  ): Promise<void> {
    try {
      await this.#state.alterScramCredentials(tenant, { deleted, upserted });
    } catch (error) {
      throw toAdminError(error);
    }
  }
}

function* viewsOf(credentials: ScramCredentials, after: string | null): Iterable<UserView> {
  for (const name of credentials.users()) {
    if (after !== null && name <= after) continue;
    const held = credentials.ofUser(name);
    const views = held.map(({ mechanism, iterations }) => ({ mechanism, iterations }));
    yield { name, credentials: views };
  }
}
