/**
 * Owns which roles one session has: those that the policy links to its subjects, and those that its
 * token brought. Casbin asks it behind g(); the index takes its subjects from it.
 *
 * Invariant: it answers as the policy with a line `g, <subject>, <role>, <domain>` for each role of
 * the token would (test/security/casbin-differential holds it to that), and adds nothing to the
 * policy's own links, so that no other session of the same subject has them.
 */
import { DefaultRoleManager } from 'casbin';
import type { PolicyRoles } from './policy-roles.ts';

export class SessionRoles extends DefaultRoleManager {
  readonly #policy: PolicyRoles;
  readonly #subject: string;
  readonly tokenRoles: readonly string[];

  constructor(policy: PolicyRoles, subject: string, tokenRoles: readonly string[]) {
    super(0);
    this.#policy = policy;
    this.#subject = subject;
    this.tokenRoles = tokenRoles;
  }

  /** Every role that the member holds in the domain, directly or by inheritance. */
  rolesOf(member: string, domain: string): ReadonlySet<string> {
    const byPolicy = this.#policy.rolesOf(member, domain);
    if (member !== this.#subject) return byPolicy;
    const held = new Set(byPolicy);
    for (const role of this.tokenRoles) {
      held.add(role);
      for (const inherited of this.#policy.rolesOf(role, domain)) held.add(inherited);
    }
    return held;
  }

  /** A shortest chain from the member to the role, both included; null when it does not hold it. */
  pathTo(member: string, role: string, domain: string): string[] | null {
    const byPolicy = this.#policy.pathTo(member, role, domain);
    if (byPolicy !== null || member !== this.#subject) return byPolicy;
    for (const own of this.tokenRoles) {
      const path = this.#policy.pathTo(own, role, domain);
      if (path !== null) return [member, ...path];
    }
    return null;
  }

  /** Casbin's question behind `g(member, role, domain)` in the matcher. */
  override syncedHasLink(member: string, role: string, ...domain: string[]): boolean {
    return member === role || this.rolesOf(member, domain[0] ?? '').has(role);
  }

  /** The token's role that makes a rule for `role` concern the session; null when policy links do. */
  tokenRoleBehind(role: string, fleetSubject: string, domain: string): string | null {
    if (!role.startsWith('Role:')) return null;
    const byPolicy = [this.#subject, fleetSubject].some((member) =>
      this.#policy.rolesOf(member, domain).has(role),
    );
    if (byPolicy) return null;
    const gives = (own: string): boolean =>
      own === role || this.#policy.rolesOf(own, domain).has(role);
    return this.tokenRoles.find(gives) ?? null;
  }
}
