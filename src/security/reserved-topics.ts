/**
 * An Authorizer in front of another: topics that the broker keeps for its tenants can be read, and
 * no rule grants anything else on them, neither to a tenant nor to an operator.
 *
 * Invariant: only refusals are added here; whether a topic may be read is for the rules alone.
 */
import type { Operation, ResourceTypeName } from './acl/operation.ts';
import type {
  Action,
  AuthorizationResult,
  Authorizer,
  OutsideDecisions,
  Question,
} from './authorizer.ts';
import type { KafkaPrincipal } from './principal.ts';

const READING: ReadonlySet<Operation> = new Set(['READ', 'DESCRIBE', 'DESCRIBE_CONFIGS']);

const REFUSAL: AuthorizationResult = Object.freeze({
  allowed: false,
  rule: null,
  origin: 'kept by the broker',
});

/** Whether the action is refused whatever the rules say. */
export function isKept(
  { operation, resourceType, resourceName }: Action,
  isReserved: (topic: string) => boolean,
): boolean {
  return resourceType === 'TOPIC' && !READING.has(operation) && isReserved(resourceName);
}

export class ReservedTopics implements Authorizer {
  readonly #rules: Authorizer;
  readonly #isReserved: (topic: string) => boolean;
  readonly outside?: OutsideDecisions;

  constructor(rules: Authorizer, isReserved: (topic: string) => boolean) {
    this.#rules = rules;
    this.#isReserved = isReserved;
    const { outside } = rules;
    if (outside !== undefined) this.outside = this.#before(outside);
  }

  get epoch(): number {
    return this.#rules.epoch;
  }

  epochIn(tenant: string): number {
    return this.#rules.epochIn(tenant);
  }

  authorize(principal: KafkaPrincipal, host: string, action: Action): AuthorizationResult {
    return this.#refuses(action) ? REFUSAL : this.#rules.authorize(principal, host, action);
  }

  authorizeIn(
    tenant: string | null,
    principal: KafkaPrincipal,
    host: string,
    action: Action,
  ): AuthorizationResult {
    if (tenant !== null && this.#refuses(action)) return REFUSAL;
    return this.#rules.authorizeIn(tenant, principal, host, action);
  }

  authorizeByResourceType(
    principal: KafkaPrincipal,
    host: string,
    operation: Operation,
    resourceType: ResourceTypeName,
  ): AuthorizationResult {
    return this.#rules.authorizeByResourceType(principal, host, operation, resourceType);
  }

  #refuses(action: Action): boolean {
    return isKept(action, this.#isReserved);
  }

  #before(outside: OutsideDecisions): OutsideDecisions {
    const refuses = ({ action, anyResource }: Question): boolean =>
      !anyResource && this.#refuses(action);
    return {
      concerns: (tenant) => outside.concerns(tenant),
      known: (question) => (refuses(question) ? REFUSAL : outside.known(question)),
      ask: async (question) => (refuses(question) ? REFUSAL : outside.ask(question)),
    };
  }
}
