/**
 * The admin API's rules: those of the policy files, read-only, and the dynamic ones of the security
 * state, in one view.
 */
import type { StateAcls } from '../metadata/state-acls.ts';
import type { AclBinding } from '../security/acl/acl-binding.ts';
import type { AclFilter } from '../security/acl/acl-filter.ts';
import type { AclChangeRecorder, AclOutcome, AclRefusal } from '../security/acl/tenant-acls.ts';
import type { Action } from '../security/authorizer.ts';
import type { CasbinAuthorizer } from '../security/casbin-authorizer.ts';
import type { AclExplanation, AclView, AdminAcls, AskedPrincipal } from './admin-services.ts';
import { AdminError } from './problem.ts';

/** The admin API authorizes and records a change, and its failure, before and around the call. */
const RECORDED: AclChangeRecorder = { begin() {}, async record() {}, failed() {} };

const STATUS: Record<AclRefusal['reason'], number> = {
  invalid: 400,
  limit: 409,
  busy: 503,
  storage: 503,
};

export class PolicyAcls implements AdminAcls {
  readonly #acls: StateAcls;
  readonly #authorizer: CasbinAuthorizer;

  constructor(acls: StateAcls, authorizer: CasbinAuthorizer) {
    this.#acls = acls;
    this.#authorizer = authorizer;
  }

  list(tenant: string, filter: AclFilter): readonly AclView[] {
    return this.#authorizer.listRules(tenant, filter);
  }

  problem(tenant: string, binding: AclBinding): string | null {
    return this.#acls.problem(tenant, binding);
  }

  async add(tenant: string, binding: AclBinding): Promise<boolean> {
    return changedBy(await this.#acls.add(tenant, [binding], RECORDED)) > 0;
  }

  async remove(tenant: string, binding: AclBinding): Promise<number> {
    return changedBy(await this.#acls.remove(tenant, [binding], RECORDED));
  }

  explain(tenant: string, who: AskedPrincipal, host: string, action: Action): AclExplanation {
    const kind = who.fleet === null ? 'service' : 'device';
    return this.#authorizer.explain({ ...who, tenant, kind }, host, action);
  }
}

function changedBy({ changed, refused }: AclOutcome): number {
  for (const { reason, message } of refused.values()) {
    const code = reason === 'storage' ? 'storage-offline' : reason;
    throw new AdminError(STATUS[reason], code, message);
  }
  return changed;
}
