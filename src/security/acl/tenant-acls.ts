/**
 * The TenantAcls interface: a tenant's rules as both ways of administration (Kafka's ACL API and the
 * admin API) see and change them. Rules of policy files are shown and never changed here.
 *
 * Invariants: a change is in force and on stable storage when its promise resolves, and was in the
 * audit log, durably, before it was made; a tenant is given from outside, never read out of a rule.
 */
import type { AclBinding } from './acl-binding.ts';

export interface TenantRules {
  /** Rules of the policy files that hold in the tenant: read-only. */
  readonly fromFiles: readonly AclBinding[];
  readonly dynamic: readonly AclBinding[];
}

/** Stable codes of the audit log. */
export type AclChange = 'acl-add' | 'acl-remove';

/** The audit log's part in a change. */
export interface AclChangeRecorder {
  /** Called once, when the change's turn has come: rejects when the caller may not (any more). */
  begin(): void | Promise<void>;
  /** Resolves when it is durable that these rules are about to be changed. */
  record(change: AclChange, bindings: readonly AclBinding[]): Promise<void>;
  /** What was recorded did not come about. */
  failed(change: AclChange, bindings: readonly AclBinding[], refusal: AclRefusal): void;
}

/** Why a rule was not changed; the message is public. */
export interface AclRefusal {
  readonly reason: 'limit' | 'busy' | 'storage' | 'invalid';
  readonly message: string;
}

export interface AclOutcome {
  /** How many rules came or went. */
  readonly changed: number;
  /** By the object that was given; what is not here is now as it was asked to be. */
  readonly refused: ReadonlyMap<AclBinding, AclRefusal>;
}

export interface TenantAcls {
  /** Every rule in force for a tenant, as it stands now; the lists never change. */
  rules(tenant: string): TenantRules;
  /** Null when the binding is in order, else a sentence that says what is wrong with it. */
  problem(tenant: string, binding: AclBinding): string | null;
  /** Each binding must be in order; a rule that is there already is no error. */
  add(
    tenant: string,
    bindings: readonly AclBinding[],
    recorder: AclChangeRecorder,
  ): Promise<AclOutcome>;
  /** Dynamic rules only; one that is not there is no error. */
  remove(
    tenant: string,
    bindings: readonly AclBinding[],
    recorder: AclChangeRecorder,
  ): Promise<AclOutcome>;
}
