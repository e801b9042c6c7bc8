/**
 * Owns the trial of a candidate policy beside the one in force: every decision is the live policy's,
 * and where the candidate would decide otherwise that is counted.
 *
 * Invariants: the candidate never changes an answer, whatever it does; what is kept is bounded. A
 * decision that a session remembers is not asked again: the count tells how often the question came
 * afresh, not how often the access was made.
 */
import type { Clock } from '../base/clock.ts';
import type { Logger } from '../base/logger.ts';
import type { Operation, ResourceTypeName } from './acl/operation.ts';
import type { Action, AuthorizationResult, Authorizer } from './authorizer.ts';
import { formatPrincipal, type KafkaPrincipal, OPERATOR_TENANT } from './principal.ts';

export interface ShadowDifference {
  /** Null: an operator. */
  readonly tenant: string | null;
  readonly principal: string;
  readonly fleet: string | null;
  readonly host: string;
  readonly operation: string;
  readonly resourceType: string;
  /** `*` with a topic: any topic at all. */
  readonly resource: string;
  readonly live: AuthorizationResult;
  readonly candidate: AuthorizationResult;
  count: number;
  readonly firstMs: number;
  lastMs: number;
}

export interface ShadowOptions {
  readonly live: Authorizer;
  readonly candidate: Authorizer;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly differencesMax?: number;
}

const DIFFERENCES_MAX = 10_000;
/** Told in the log; all of them are in `differences`. */
const LOGGED_MAX = 20;

export class ShadowAuthorizer implements Authorizer {
  readonly #options: ShadowOptions;
  readonly #differences = new Map<string, ShadowDifference>();
  #asked = 0;
  #differing = 0;

  constructor(options: ShadowOptions) {
    this.#options = options;
  }

  /** Moves with either policy, so that sessions ask again when the candidate changes. */
  get epoch(): number {
    return this.#options.live.epoch + this.#options.candidate.epoch;
  }

  epochIn(tenant: string): number {
    return this.#options.live.epochIn(tenant) + this.#options.candidate.epochIn(tenant);
  }

  /** Decisions that both were asked for, and how many came out otherwise. */
  get counts(): { readonly asked: number; readonly differing: number; readonly isCut: boolean } {
    const isCut = this.#differences.size >= (this.#options.differencesMax ?? DIFFERENCES_MAX);
    return { asked: this.#asked, differing: this.#differing, isCut };
  }

  /** Each kind once, the first one first. */
  get differences(): readonly ShadowDifference[] {
    return [...this.#differences.values()];
  }

  authorize(principal: KafkaPrincipal, host: string, action: Action): AuthorizationResult {
    const { live, candidate } = this.#options;
    const result = live.authorize(principal, host, action);
    const other = candidate.authorize(principal, host, action);
    this.#compare(principal, host, action, result, other);
    return result;
  }

  authorizeIn(
    tenant: string | null,
    principal: KafkaPrincipal,
    host: string,
    action: Action,
  ): AuthorizationResult {
    const { live, candidate } = this.#options;
    const result = live.authorizeIn(tenant, principal, host, action);
    const other = candidate.authorizeIn(tenant, principal, host, action);
    const name = tenant === null ? action.resourceName : `${tenant}/${action.resourceName}`;
    this.#compare(principal, host, { ...action, resourceName: name }, result, other);
    return result;
  }

  authorizeByResourceType(
    principal: KafkaPrincipal,
    host: string,
    operation: Operation,
    resourceType: ResourceTypeName,
  ): AuthorizationResult {
    const { live, candidate } = this.#options;
    const result = live.authorizeByResourceType(principal, host, operation, resourceType);
    const other = candidate.authorizeByResourceType(principal, host, operation, resourceType);
    const action = { operation, resourceType, resourceName: '*' };
    this.#compare(principal, host, action, result, other);
    return result;
  }

  #compare(
    principal: KafkaPrincipal,
    host: string,
    { operation, resourceType, resourceName }: Action,
    live: AuthorizationResult,
    candidate: AuthorizationResult,
  ): void {
    this.#asked += 1;
    if (live.allowed === candidate.allowed) return;
    this.#differing += 1;
    const nowMs = this.#options.clock.nowMs();
    const { tenant, fleet } = principal;
    const what = [operation, resourceType, resourceName, live.allowed];
    const key = JSON.stringify([tenant, principal.name, fleet, host, ...what]);
    const known = this.#differences.get(key);
    if (known !== undefined) {
      known.count += 1;
      known.lastMs = nowMs;
      return;
    }
    if (this.counts.isCut) return;
    const difference: ShadowDifference = {
      tenant: tenant === OPERATOR_TENANT ? null : tenant,
      principal: formatPrincipal(principal),
      fleet,
      host,
      operation,
      resourceType,
      resource: resourceName,
      live,
      candidate,
      count: 1,
      firstMs: nowMs,
      lastMs: nowMs,
    };
    this.#differences.set(key, difference);
    if (this.#differences.size > LOGGED_MAX) return;
    const hint = this.#differences.size === LOGGED_MAX ? '; "policy shadow" lists the rest' : '';
    this.#options.logger.warn({ difference }, `the candidate policy would decide otherwise${hint}`);
  }
}
