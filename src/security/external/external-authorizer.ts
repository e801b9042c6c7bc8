/**
 * Owns which word counts for a tenant: the policy's, a policy decision point's, or both.
 *
 * Invariants: it fails closed (whatever a PDP does wrong is a deny, except in the mode that names
 * the policy as fallback); tenants share no queue, connection, circuit or memory; a decision that
 * the policy alone takes never waits. Operators have no tenant and are decided by the policy.
 * A change of settings and an invalidation begin a new epoch, so that what connections remember of
 * the tenant is void.
 */
import type { Clock } from '../../base/clock.ts';
import type { Operation, ResourceTypeName } from '../acl/operation.ts';
import type {
  Action,
  AuthorizationResult,
  Authorizer,
  OutsideDecisions,
  Question,
} from '../authorizer.ts';
import { type KafkaPrincipal, OPERATOR_TENANT } from '../principal.ts';
import {
  ALL_LOCAL,
  type AuthorizerMode,
  type ExternalSettings,
  type PdpSettings,
  type TenantChoice,
} from './external-settings.ts';
import { asPdpError, type LaneParts, PdpLane } from './pdp-lane.ts';
import { PdpError } from './pdp-protocol.ts';
import { type DeciderStatus, TenantDecider } from './tenant-decider.ts';

/** What the log and the audit are told; each limits repeats itself. */
export interface ExternalReports {
  failed(tenant: string, pdp: string, error: PdpError): void;
  circuit(tenant: string, pdp: string, isOpen: boolean): void;
  differs(question: Question, local: AuthorizationResult, external: AuthorizationResult): void;
}

export type PdpParts = Pick<LaneParts, 'http' | 'protocol'>;

export interface ExternalAuthorizerOptions {
  /** Decides where the PDP does not, or not alone. */
  readonly local: Authorizer;
  readonly clock: Clock;
  readonly reports: ExternalReports;
  /** Decisions that all tenants together remember. */
  readonly decisionsMax?: number;
}

export interface OutsideExplanation {
  readonly mode: AuthorizerMode;
  readonly pdp: string | null;
  /** What the PDP said just now; null where it is not asked. */
  readonly answer: {
    readonly decision: 'allow' | 'deny' | 'failed';
    readonly words: string;
  } | null;
  /** What comes out of both. */
  readonly allowed: boolean;
}

export interface TenantAuthorizerStatus extends DeciderStatus {
  readonly tenant: string;
  readonly mode: AuthorizerMode;
  readonly pdp: string;
  readonly differences: number;
}

interface Asked {
  readonly choice: TenantChoice;
  readonly pdp: string;
  readonly decider: TenantDecider;
  differences: number;
}

const DECISIONS_MAX_DEFAULT = 200_000;

export class ExternalAuthorizer implements Authorizer, OutsideDecisions {
  readonly #local: Authorizer;
  readonly #clock: Clock;
  readonly #reports: ExternalReports;
  readonly #decisionsMax: number;
  #settings: ExternalSettings = ALL_LOCAL;
  #connect: (pdp: PdpSettings) => PdpParts = () => {
    throw new Error('no PDP is configured');
  };
  /** By tenant; made with its first question. */
  readonly #asked = new Map<string, Asked>();
  readonly #invalidations = new Map<string, number>();
  #changes = 0;

  constructor(options: ExternalAuthorizerOptions) {
    this.#local = options.local;
    this.#clock = options.clock;
    this.#reports = options.reports;
    this.#decisionsMax = options.decisionsMax ?? DECISIONS_MAX_DEFAULT;
  }

  get outside(): OutsideDecisions {
    return this;
  }

  get epoch(): number {
    let invalidations = 0;
    for (const count of this.#invalidations.values()) invalidations += count;
    return this.#local.epoch + this.#changes + invalidations;
  }

  epochIn(tenant: string): number {
    return this.#local.epochIn(tenant) + this.#changes + (this.#invalidations.get(tenant) ?? 0);
  }

  /** New settings take force at once, for every tenant; what was remembered is forgotten. */
  apply(settings: ExternalSettings, connect: (pdp: PdpSettings) => PdpParts): void {
    const before = [...this.#asked.values()];
    this.#asked.clear();
    this.#settings = settings;
    this.#connect = connect;
    this.#changes += 1;
    for (const { decider } of before) decider.close();
  }

  /** Forgets what a PDP said of the tenant; how many decisions that were. */
  invalidate(tenant: string): number {
    this.#invalidations.set(tenant, (this.#invalidations.get(tenant) ?? 0) + 1);
    return this.#asked.get(tenant)?.decider.forget() ?? 0;
  }

  modeOf(tenant: string): AuthorizerMode {
    return this.#choiceOf(tenant).mode;
  }

  status(): TenantAuthorizerStatus[] {
    return [...this.#asked].map(([tenant, { choice, pdp, decider, differences }]) => ({
      tenant,
      mode: choice.mode,
      pdp,
      differences,
      ...decider.status(),
    }));
  }

  close(): void {
    for (const { decider } of this.#asked.values()) decider.close();
    this.#asked.clear();
    this.#settings = ALL_LOCAL;
  }

  concerns(tenant: string): boolean {
    const { mode } = this.#choiceOf(tenant);
    return mode !== 'local' && mode !== 'shadow';
  }

  known(question: Question): AuthorizationResult | undefined {
    const { tenant } = question.principal;
    const { mode } = this.#choiceOf(tenant);
    if (mode === 'local' || mode === 'shadow') return this.#localWord(question);
    const local = mode === 'local-and-external' ? this.#localWord(question) : null;
    if (local !== null && !local.allowed) return local;
    const external = this.#askedOf(tenant).decider.known(question);
    if (external === undefined || local === null) return external;
    return both(local, external);
  }

  async ask(question: Question): Promise<AuthorizationResult> {
    const { tenant } = question.principal;
    const { mode, pdp } = this.#choiceOf(tenant);
    if (pdp === null || mode === 'shadow') return this.#localWord(question);
    const local = mode === 'local-and-external' ? this.#localWord(question) : null;
    if (local !== null && !local.allowed) return local;
    try {
      const external = await this.#askedOf(tenant).decider.ask(question);
      return local === null ? external : both(local, external);
    } catch (error) {
      return this.#failed(question, error, { mode, pdp: pdp.name });
    }
  }

  authorize(principal: KafkaPrincipal, host: string, action: Action): AuthorizationResult {
    const question = { principal, host, action, anyResource: false, client: null };
    return this.#atOnce(question);
  }

  authorizeIn(
    tenant: string | null,
    principal: KafkaPrincipal,
    host: string,
    action: Action,
  ): AuthorizationResult {
    return this.#local.authorizeIn(tenant, principal, host, action);
  }

  authorizeByResourceType(
    principal: KafkaPrincipal,
    host: string,
    operation: Operation,
    resourceType: ResourceTypeName,
  ): AuthorizationResult {
    const action = { operation, resourceType, resourceName: '' };
    return this.#atOnce({ principal, host, action, anyResource: true, client: null });
  }

  /** Asks the PDP afresh, whatever is remembered; `local` is the policy's own verdict. */
  async explain(question: Question, local: boolean): Promise<OutsideExplanation> {
    const { tenant } = question.principal;
    const { mode, pdp } = this.#choiceOf(tenant);
    if (pdp === null) return { mode, pdp: null, answer: null, allowed: local };
    try {
      const { allowed, rule } = await this.#askedOf(tenant).decider.askAfresh(question);
      const decision = allowed ? 'allow' : 'deny';
      const answer = { decision, words: rule ?? decision } as const;
      return { mode, pdp: pdp.name, answer, allowed: outcome(mode, local, allowed) };
    } catch (error) {
      const words = error instanceof Error ? error.message : String(error);
      const answer = { decision: 'failed', words } as const;
      return { mode, pdp: pdp.name, answer, allowed: outcome(mode, local, null) };
    }
  }

  /** For who cannot wait: what is not known is denied. */
  #atOnce(question: Question): AuthorizationResult {
    const { tenant } = question.principal;
    const { mode, pdp } = this.#choiceOf(tenant);
    if (mode === 'local') return this.#localWord(question);
    if (mode === 'shadow') return this.#shadowed(question);
    const known = this.known(question);
    if (known !== undefined) return known;
    return { allowed: false, rule: null, origin: `external:${pdp!.name} was not asked` };
  }

  #localWord({ principal, host, action, anyResource }: Question): AuthorizationResult {
    if (!anyResource) return this.#local.authorize(principal, host, action);
    const { operation, resourceType } = action;
    return this.#local.authorizeByResourceType(principal, host, operation, resourceType);
  }

  /** The policy's word, at once; the PDP's comes later and is only compared. */
  #shadowed(question: Question): AuthorizationResult {
    const local = this.#localWord(question);
    const asked = this.#askedOf(question.principal.tenant);
    const compare = (external: AuthorizationResult): void => {
      if (external.allowed === local.allowed) return;
      asked.differences += 1;
      this.#reports.differs(question, local, external);
    };
    const known = asked.decider.known(question);
    if (known !== undefined) compare(known);
    else {
      asked.decider.ask(question).then(compare, (error: unknown) => {
        this.#report(question.principal.tenant, asked.pdp, error);
      });
    }
    return local;
  }

  #failed(
    question: Question,
    error: unknown,
    { mode, pdp }: { mode: AuthorizerMode; pdp: string },
  ): AuthorizationResult {
    const failure = error instanceof PdpError ? error.failure : 'malformed';
    this.#report(question.principal.tenant, pdp, error);
    const why = `external:${pdp} failed (${failure})`;
    if (mode !== 'external-with-local-fallback') {
      return { allowed: false, rule: null, origin: why, cachedUntilMs: 0 };
    }
    const { allowed, rule, origin } = this.#localWord(question);
    return { allowed, rule, origin: `${origin ?? 'no rule'}, since ${why}`, cachedUntilMs: 0 };
  }

  #report(tenant: string, pdp: string, error: unknown): void {
    const why = asPdpError(error);
    if (why.failure !== 'closed') this.#reports.failed(tenant, pdp, why);
  }

  #choiceOf(tenant: string): TenantChoice {
    if (tenant === OPERATOR_TENANT) return ALL_LOCAL.fallback;
    return this.#settings.tenants.get(tenant) ?? this.#settings.fallback;
  }

  #askedOf(tenant: string): Asked {
    const known = this.#asked.get(tenant);
    if (known !== undefined) return known;
    const choice = this.#choiceOf(tenant);
    const pdp = choice.pdp!;
    const lane = new PdpLane(pdp.lane, {
      ...this.#connect(pdp),
      clock: this.#clock,
      onCircuit: (isOpen) => this.#reports.circuit(tenant, pdp.name, isOpen),
    });
    const decider = new TenantDecider({
      pdp: pdp.name,
      lane,
      cache: pdp.cache,
      clock: this.#clock,
      room: () => Math.floor(this.#decisionsMax / this.#asked.size),
    });
    const made = { choice, pdp: pdp.name, decider, differences: 0 };
    this.#asked.set(tenant, made);
    for (const each of this.#asked.values()) each.decider.shrink();
    return made;
  }
}

function both(local: AuthorizationResult, external: AuthorizationResult): AuthorizationResult {
  if (!external.allowed) return external;
  return {
    ...external,
    rule: `${local.rule} and ${external.rule}`,
    origin: `${local.origin} and ${external.origin}`,
  };
}

/** `external` null: the PDP could not be asked. */
function outcome(mode: AuthorizerMode, local: boolean, external: boolean | null): boolean {
  switch (mode) {
    case 'local':
    case 'shadow':
      return local;
    case 'external':
      return external === true;
    case 'local-and-external':
      return local && external === true;
    case 'external-with-local-fallback':
      return external ?? local;
  }
}
