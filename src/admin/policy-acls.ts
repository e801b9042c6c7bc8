/**
 * The admin API's rules: those of the policy files, read-only, and the dynamic ones of the security
 * state, in one view.
 */
import type { SecurityState } from '../metadata/security-state.ts';
import type { AclBinding } from '../security/acl/acl-binding.ts';
import type { AclFilter } from '../security/acl/acl-filter.ts';
import type { Action } from '../security/authorizer.ts';
import type { CasbinAuthorizer } from '../security/casbin-authorizer.ts';
import { bindingProblem } from '../security/policy-store.ts';
import type { AclExplanation, AclView, AdminAcls, AskedPrincipal } from './admin-services.ts';
import { toAdminError } from './state-tenants.ts';

export class PolicyAcls implements AdminAcls {
  readonly #state: SecurityState;
  readonly #authorizer: CasbinAuthorizer;

  constructor(state: SecurityState, authorizer: CasbinAuthorizer) {
    this.#state = state;
    this.#authorizer = authorizer;
  }

  list(tenant: string, filter: AclFilter): readonly AclView[] {
    return this.#authorizer.listRules(tenant, filter);
  }

  problem(tenant: string, binding: AclBinding): string | null {
    return bindingProblem(tenant, binding);
  }

  async add(tenant: string, binding: AclBinding): Promise<boolean> {
    try {
      return (await this.#state.addAcls(tenant, [binding])) > 0;
    } catch (error) {
      throw toAdminError(error);
    }
  }

  async remove(tenant: string, binding: AclBinding): Promise<number> {
    try {
      return await this.#state.removeAcls(tenant, [binding]);
    } catch (error) {
      throw toAdminError(error);
    }
  }

  explain(tenant: string, who: AskedPrincipal, host: string, action: Action): AclExplanation {
    const kind = who.fleet === null ? 'service' : 'device';
    return this.#authorizer.explain({ ...who, tenant, kind }, host, action);
  }
}
