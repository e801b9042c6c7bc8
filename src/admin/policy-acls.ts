/**
 * The admin API's rules: those of the policy files, read-only, and the dynamic ones of the security
 * state, in one view; explained together with what an external authorizer says.
 */
import type { StateAcls } from '../metadata/state-acls.ts';
import type { AclBinding } from '../security/acl/acl-binding.ts';
import type { AclFilter } from '../security/acl/acl-filter.ts';
import type { AclChangeRecorder, AclOutcome, AclRefusal } from '../security/acl/tenant-acls.ts';
import type { Action } from '../security/authorizer.ts';
import type { CasbinAuthorizer } from '../security/casbin-authorizer.ts';
import type { ExternalAuthorizer } from '../security/external/external-authorizer.ts';
import type { KafkaPrincipal } from '../security/principal.ts';
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
  readonly #external: ExternalAuthorizer | null;
  readonly #isRefused: (action: Action) => boolean;

  /** `isRefused` tells what is refused before any rule is asked. */
  constructor(
    acls: StateAcls,
    authorizer: CasbinAuthorizer,
    external: ExternalAuthorizer | null = null,
    isRefused: (action: Action) => boolean = () => false,
  ) {
    this.#acls = acls;
    this.#authorizer = authorizer;
    this.#external = external;
    this.#isRefused = isRefused;
  }

  list(tenant: string, filter: AclFilter): Iterable<AclView | null> {
    return this.#authorizer.eachRule(tenant, filter);
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

  async explain(
    tenant: string,
    who: AskedPrincipal,
    host: string,
    action: Action,
  ): Promise<AclExplanation> {
    const kind = who.fleet === null ? 'service' : 'device';
    const local = this.#authorizer.explain({ ...who, tenant, kind }, host, action);
    if (this.#isRefused(action)) {
      const sentence = `Denied whatever the rules say: topic ${action.resourceName} is kept by the broker and can only be read.`;
      return { ...local, allowed: false, sentence, external: null };
    }
    const external = this.#external;
    if (external === null || external.modeOf(tenant) === 'local') {
      return { ...local, external: null };
    }
    const principal = asCertificate({ ...who, tenant, kind });
    const question = { principal, host, action, anyResource: false, client: null };
    const { mode, pdp, answer, allowed } = await external.explain(question, local.allowed);
    const said = answer === null ? '' : `, where ${pdp} answers: ${answer.words}`;
    const outcome = allowed ? 'allowed' : 'denied';
    const sentence = `The policy says: ${local.sentence} The tenant's mode is ${mode}${said}: ${outcome}.`;
    return { ...local, allowed, sentence, external: { mode, pdp, answer } };
  }
}

/** The principal that a certificate of that name would make. */
function asCertificate(
  who: Pick<KafkaPrincipal, 'name' | 'tenant' | 'kind' | 'fleet' | 'roles'>,
): KafkaPrincipal {
  const proof = { authentication: 'mTLS', certificateSerial: null, expiresAtMs: null };
  return { principalType: 'User', ...who, ...proof };
}

function changedBy({ changed, refused }: AclOutcome): number {
  for (const { reason, message } of refused.values()) {
    const code = reason === 'storage' ? 'storage-offline' : reason;
    throw new AdminError(STATUS[reason], code, message);
  }
  return changed;
}
