/**
 * The Authorizer interface: may this principal, from this host, do this to that resource?
 *
 * Invariants: it fails closed (an error inside is a deny with the reason), it answers in the
 * principal's own tenant only, and every answer carries its evidence. Names are the tenant's own
 * (visible) names, never physical ones.
 */
import type { Operation, ResourceTypeName } from './acl/operation.ts';
import type { KafkaPrincipal } from './principal.ts';

/** One thing that a request wants to do. */
export interface Action {
  readonly operation: Operation;
  readonly resourceType: ResourceTypeName;
  readonly resourceName: string;
}

export interface AuthorizationResult {
  readonly allowed: boolean;
  /** The rule that decided, e.g. `p, User:device-1, acme, ...`; null when none matched. */
  readonly rule: string | null;
  /** Where that rule stands, e.g. `acme.csv:12` or `dynamic`; null when none matched. */
  readonly origin: string | null;
  /**
   * When a time window ends what was decided here, in milliseconds since the epoch; absent: no window
   * has a say. `epochIn` grows by then at the latest.
   */
  readonly validUntilMs?: number;
  /** How the caller came under a rule of a role, e.g. `User:ada`, `Role:lead`, `Role:reader`. */
  readonly rolePath?: readonly string[];
  /** The role that the rule reached the caller by, where it came from the session's token alone. */
  readonly tokenRole?: string;
  /**
   * Monotonic milliseconds until which it may be used again. Absent: as long as the policy's epoch
   * stands. Only decisions of an external authorizer have such an end of their own.
   */
  readonly cachedUntilMs?: number;
}

/** What an external authorizer is told of the request, beside who asks for what. */
export interface ClientFacts {
  readonly clientId: string;
  readonly apiKey: number;
  readonly apiVersion: number;
  readonly listener: string;
}

/** One decision that may have to be asked for outside the process. */
export interface Question {
  readonly principal: KafkaPrincipal;
  readonly host: string;
  readonly action: Action;
  /** True: any resource of the type will do, and `action.resourceName` is empty (KIP-679). */
  readonly anyResource: boolean;
  /** Null where no request stands behind the question. */
  readonly client: ClientFacts | null;
}

/** Decisions that are not, or not only, taken here. */
export interface OutsideDecisions {
  /** False: every decision in the tenant is there at once, from `Authorizer.authorize`. */
  concerns(tenant: string): boolean;

  /** The decision as it is known now; undefined: it must be asked for. Never throws. */
  known(question: Question): AuthorizationResult | undefined;

  /** Asks for it, within bounded time. Never rejects: what goes wrong is a deny. */
  ask(question: Question): Promise<AuthorizationResult>;
}

export interface Authorizer {
  /** Present where some tenants' decisions are asked for outside the process. */
  readonly outside?: OutsideDecisions;

  /** Grows with every change of policy. */
  readonly epoch: number;

  /**
   * Grows with every change of policy that concerns the tenant, and with no other tenant's, and when a
   * time window ended what was decided in it; decisions cached under an older one are void.
   */
  epochIn(tenant: string): number;

  /** Decides one action. Never throws. `host` is the peer's IP address. */
  authorize(principal: KafkaPrincipal, host: string, action: Action): AuthorizationResult;

  /**
   * Decides one action on a resource of `tenant` (null: of the broker itself). For operators, whose
   * principal belongs to no tenant; anyone else is denied in every tenant but the own one.
   */
  authorizeIn(
    tenant: string | null,
    principal: KafkaPrincipal,
    host: string,
    action: Action,
  ): AuthorizationResult;

  /**
   * May the principal do `operation` on at least one resource of the type (Kafka's
   * authorizeByResourceType, KIP-679)? A prefixed or wildcard deny that covers every allow wins.
   */
  authorizeByResourceType(
    principal: KafkaPrincipal,
    host: string,
    operation: Operation,
    resourceType: ResourceTypeName,
  ): AuthorizationResult;
}
