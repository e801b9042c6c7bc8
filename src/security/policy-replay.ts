/**
 * Owns asking a policy again what the access log says was asked: which past accesses would come out
 * otherwise. Pure; the records are of unchecked shape.
 *
 * Invariant: what cannot be judged is counted with its reason, never taken for unchanged.
 */
import { operationOf, type ResourceTypeName, resourceTypeOf } from './acl/operation.ts';
import type { AuthorizationResult, Authorizer } from './authorizer.ts';
import { caller } from './policy-diff.ts';
import { DYNAMIC_ORIGIN } from './policy-rule.ts';
import type { KafkaPrincipal } from './principal.ts';

/** Why a record was not judged. */
export type NotReplayed =
  /** Not an access, or not one of a tenant's client. */
  | 'other'
  /** A listing is filtered name by name and recorded once. */
  | 'listing'
  /** An operator's access through the admin API. */
  | 'operator'
  /** A name was too long to be recorded whole. */
  | 'cut-name'
  /** Decided by a dynamic rule, and the tenant's dynamic rules were not given. */
  | 'dynamic-rule'
  /** Decided by a rule with an attribute of the certificate or token, which is not recorded. */
  | 'attribute'
  /** Not decided by rules: an external authorizer, or a failure. */
  | 'no-rule-decision';

interface PastAccess {
  readonly principal: KafkaPrincipal;
  readonly host: string;
  readonly operation: NonNullable<ReturnType<typeof operationOf>>;
  readonly resourceType: ResourceTypeName;
  readonly resourceName: string;
  readonly wasAllowed: boolean;
  readonly rule: string | null;
  readonly origin: string | null;
  readonly count: number;
  readonly first: string;
  readonly last: string;
}

/** Accesses of one kind that would come out otherwise. */
export interface ReplayFlip {
  readonly tenant: string;
  readonly principal: string;
  readonly fleet: string | null;
  readonly host: string;
  readonly operation: string;
  readonly resourceType: string;
  readonly resource: string;
  readonly before: { readonly allowed: boolean; readonly origin: string | null };
  readonly after: { readonly allowed: boolean; readonly origin: string | null };
  /** How often, and when (ISO 8601, UTC). */
  count: number;
  first: string;
  last: string;
}

const FLIPS_MAX = 100_000;
const CUT_NAME = /\.\.\.\([0-9]+ characters\)$/;
const ATTRIBUTE = /\$\{(cert|token)\./;
const RULE_ORIGIN = /^[^:\s]+\.csv:[0-9]+$/;

export class PolicyReplay {
  readonly #policy: Pick<Authorizer, 'authorize' | 'authorizeByResourceType'>;
  readonly #knowsDynamicRules: (tenant: string) => boolean;
  readonly #flips = new Map<string, ReplayFlip>();
  readonly #skipped = new Map<NotReplayed, number>();
  /** Accesses, not lines: a line may stand for many. */
  replayed = 0;
  /** True when there were more kinds of flips than are kept. */
  isCut = false;

  constructor(
    policy: Pick<Authorizer, 'authorize' | 'authorizeByResourceType'>,
    knowsDynamicRules: (tenant: string) => boolean,
  ) {
    this.#policy = policy;
    this.#knowsDynamicRules = knowsDynamicRules;
  }

  get flips(): ReplayFlip[] {
    return [...this.#flips.values()];
  }

  get skipped(): ReadonlyMap<NotReplayed, number> {
    return this.#skipped;
  }

  add(record: Readonly<Record<string, unknown>>): void {
    const past = this.#accessIn(record);
    if (typeof past === 'string') {
      this.#skipped.set(past, (this.#skipped.get(past) ?? 0) + countOf(record));
      return;
    }
    this.replayed += past.count;
    const now = this.#decide(past);
    if (now.allowed !== past.wasAllowed) this.#note(past, now);
  }

  #accessIn(record: Readonly<Record<string, unknown>>): PastAccess | NotReplayed {
    if (record.type !== 'access' || record.api === undefined) return 'other';
    if (record.listener === 'admin') return 'operator';
    const past = readAccess(record);
    if (past === null) return 'other';
    if (past.rule?.startsWith('listing ') === true) return 'listing';
    if ([past.resourceName, past.principal.name].some((name) => CUT_NAME.test(name))) {
      return 'cut-name';
    }
    if (ATTRIBUTE.test(past.rule ?? '')) return 'attribute';
    const { origin } = past;
    if (origin === DYNAMIC_ORIGIN) {
      return this.#knowsDynamicRules(past.principal.tenant) ? past : 'dynamic-rule';
    }
    return origin === null || RULE_ORIGIN.test(origin) ? past : 'no-rule-decision';
  }

  #decide(past: PastAccess): AuthorizationResult {
    const { principal, host, operation, resourceType, resourceName } = past;
    // No topic has this name: "any topic" is recorded so.
    if (resourceType === 'TOPIC' && resourceName === '*') {
      return this.#policy.authorizeByResourceType(principal, host, operation, resourceType);
    }
    return this.#policy.authorize(principal, host, { operation, resourceType, resourceName });
  }

  #note(past: PastAccess, now: AuthorizationResult): void {
    const { principal, host, operation, resourceType, resourceName } = past;
    const flip: ReplayFlip = {
      tenant: principal.tenant,
      principal: `User:${principal.name}`,
      fleet: principal.fleet,
      host,
      operation,
      resourceType,
      resource: resourceName,
      before: { allowed: past.wasAllowed, origin: past.origin },
      after: { allowed: now.allowed, origin: now.origin },
      count: past.count,
      first: past.first,
      last: past.last,
    };
    const { count, first, last, ...kind } = flip;
    const key = JSON.stringify(kind);
    const known = this.#flips.get(key);
    if (known !== undefined) {
      known.count += count;
      if (first < known.first) known.first = first;
      if (last > known.last) known.last = last;
    } else if (this.#flips.size < FLIPS_MAX) this.#flips.set(key, flip);
    else this.isCut = true;
  }
}

function readAccess(record: Readonly<Record<string, unknown>>): PastAccess | null {
  const operation = operationOf(record.operation);
  const resourceType = resourceTypeOf(record.resourceType);
  const { tenant, principal, address, resource, decision } = record;
  const name = textOf(principal)?.replace(/^User:/, '');
  if (operation === undefined || resourceType === undefined || name === undefined) return null;
  if (typeof tenant !== 'string' || typeof address !== 'string') return null;
  if (typeof resource !== 'string' || (decision !== 'allow' && decision !== 'deny')) return null;
  const time = textOf(record.time) ?? '';
  // Of the roles that a token gave, the record names the one that decided.
  const tokenRole = textOf(record.tokenRole);
  return {
    principal: caller(tenant, name, textOf(record.fleet) ?? null, tokenRole ? [tokenRole] : []),
    host: address,
    operation,
    resourceType,
    resourceName: resource,
    wasAllowed: decision === 'allow',
    rule: textOf(record.rule) ?? null,
    origin: textOf(record.origin) ?? null,
    count: countOf(record),
    first: textOf(record.first) ?? time,
    last: textOf(record.last) ?? time,
  };
}

const textOf = (value: unknown): string | undefined =>
  typeof value === 'string' ? value : undefined;

const countOf = ({ count }: Readonly<Record<string, unknown>>): number =>
  Number.isSafeInteger(count) && Number(count) > 0 ? Number(count) : 1;
