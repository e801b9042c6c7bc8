/**
 * Owns who holds which role: the `g` lines of the policy, as Casbin's role manager for one policy
 * set and as the index's source of subjects.
 *
 * Invariant: links of the domain `*` hold in every tenant, never in the operators' domain, and chains
 * may mix both kinds. A set with a cycle or a chain longer than Casbin follows is refused.
 */
import { DefaultRoleManager } from 'casbin';
import { PolicyError } from './policy-parser.ts';
import { EVERY_TENANT, OPERATOR_DOMAIN, type RoleLink } from './policy-rule.ts';

/** As deep as Casbin's default role manager looks. */
const CHAIN_LENGTH_MAX = 10;

type LinksByMember = Map<string, RoleLink[]>;
const NONE: readonly RoleLink[] = [];
const NO_ROLES: ReadonlySet<string> = new Set();

export class PolicyRoles extends DefaultRoleManager {
  readonly #byDomain = new Map<string, LinksByMember>();

  /** Throws PolicyError when the links make a circle or a chain that is too long. */
  constructor(links: readonly RoleLink[]) {
    super(CHAIN_LENGTH_MAX);
    for (const link of links) {
      const byMember = this.#byDomain.get(link.domain) ?? new Map<string, RoleLink[]>();
      this.#byDomain.set(link.domain, byMember);
      const ofMember = byMember.get(link.member);
      if (ofMember === undefined) byMember.set(link.member, [link]);
      else ofMember.push(link);
    }
    this.#check();
  }

  #linksFrom(member: string, domain: string): readonly RoleLink[] {
    const own = this.#byDomain.get(domain)?.get(member) ?? NONE;
    if (domain === OPERATOR_DOMAIN || domain === EVERY_TENANT) return own;
    const every = this.#byDomain.get(EVERY_TENANT)?.get(member) ?? NONE;
    if (every.length === 0) return own;
    return own.length === 0 ? every : [...own, ...every];
  }

  /** Every role that the member holds in the domain, directly or by inheritance. */
  rolesOf(member: string, domain: string): ReadonlySet<string> {
    if (this.#linksFrom(member, domain).length === 0) return NO_ROLES;
    const held = new Set<string>();
    const open = [member];
    for (let next = open.pop(); next !== undefined; next = open.pop()) {
      for (const { role } of this.#linksFrom(next, domain)) {
        if (held.has(role)) continue;
        held.add(role);
        open.push(role);
      }
    }
    return held;
  }

  /** A shortest chain from the member to the role, both included; null when it does not hold it. */
  pathTo(member: string, role: string, domain: string): string[] | null {
    const cameFrom = new Map<string, string | null>([[member, null]]);
    for (const at of cameFrom.keys()) {
      if (at === role) {
        const path: string[] = [];
        for (let step: string | null = at; step !== null; step = cameFrom.get(step) ?? null) {
          path.unshift(step);
        }
        return path;
      }
      for (const link of this.#linksFrom(at, domain)) {
        if (!cameFrom.has(link.role)) cameFrom.set(link.role, at);
      }
    }
    return null;
  }

  /** Casbin's question behind `g(member, role, domain)` in the matcher. */
  override syncedHasLink(member: string, role: string, ...domain: string[]): boolean {
    return member === role || this.rolesOf(member, domain[0] ?? '').has(role);
  }

  #check(): void {
    for (const [domain, byMember] of this.#byDomain) {
      const depths = new Map<string, number>();
      for (const member of byMember.keys()) this.#depth(member, domain, depths, new Set());
    }
  }

  /** The longest chain above the member; depth first, `above` is the path that led here. */
  #depth(member: string, domain: string, depths: Map<string, number>, above: Set<string>): number {
    const known = depths.get(member);
    if (known !== undefined) return known;
    above.add(member);
    let depth = 0;
    for (const link of this.#linksFrom(member, domain)) {
      const { file, line, role } = link;
      if (above.has(role)) throw new PolicyError(file, line, `${role} inherits itself`);
      depth = Math.max(depth, 1 + this.#depth(role, domain, depths, above));
      // Whoever holds a role, by a link or by a token, is one step before it.
      if (depth > (member.startsWith('Role:') ? CHAIN_LENGTH_MAX - 1 : CHAIN_LENGTH_MAX)) {
        throw new PolicyError(file, line, `the chain of roles is longer than ${CHAIN_LENGTH_MAX}`);
      }
    }
    above.delete(member);
    depths.set(member, depth);
    return depth;
  }
}
