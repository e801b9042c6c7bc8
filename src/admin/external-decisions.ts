/** The admin API's view of the external authorizer; without one, every call says so. */
import type { ExternalAuthorizer } from '../security/external/external-authorizer.ts';
import type { AdminAuthorizer, AuthorizerView } from './admin-services.ts';
import { AdminError } from './problem.ts';

export class ExternalDecisions implements AdminAuthorizer {
  readonly #authorizer: ExternalAuthorizer | null;

  constructor(authorizer: ExternalAuthorizer | null) {
    this.#authorizer = authorizer;
  }

  status(): readonly AuthorizerView[] {
    return this.#required()
      .status()
      .map((status) => ({ ...status }));
  }

  invalidate(tenant: string): number {
    return this.#required().invalidate(tenant);
  }

  #required(): ExternalAuthorizer {
    if (this.#authorizer !== null) return this.#authorizer;
    const detail =
      'There is no external authorizer: the policy decides everything. The configuration key ' +
      '"authorizer.external.file" names the file that sets one up.';
    throw new AdminError(409, 'no-external-authorizer', detail);
  }
}
