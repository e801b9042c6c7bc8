/**
 * Owns how many dynamic rules a tenant may have, and how many of them may speak about one name.
 *
 * A decision that is not remembered looks at every rule of the caller that covers the name: those on
 * the name itself, and those on prefixes, on all names, and on names with a variable. Both numbers
 * are bounded for each principal and resource type, so that no tenant can write rules that make its
 * decisions slow for everybody else on the event loop. Pure.
 */
import { type AclBinding, WILDCARD_RESOURCE } from '../security/acl/acl-binding.ts';

export interface AclLimits {
  readonly aclsPerTenantMax: number;
  /** Rules of one principal on one literal name. */
  readonly aclsPerNameMax: number;
  /** Rules of one principal, in one resource type, on prefixes, `*` and names with a variable. */
  readonly wideAclsPerPrincipalMax: number;
}

const isWide = ({ patternType, resourceName }: AclBinding): boolean =>
  patternType !== 'LITERAL' || resourceName === WILDCARD_RESOURCE || resourceName.includes('${');

/** Equal for rules that a decision has to look at together. No value holds a line end. */
const spotOf = (binding: AclBinding): string => {
  const name = isWide(binding) ? '' : binding.resourceName;
  return `${binding.resourceType}\n${binding.principal}\n${name}`;
};

export class AclCounts {
  #total = 0;
  readonly #bySpot = new Map<string, number>();

  get total(): number {
    return this.#total;
  }

  add(binding: AclBinding): void {
    const spot = spotOf(binding);
    this.#total += 1;
    this.#bySpot.set(spot, (this.#bySpot.get(spot) ?? 0) + 1);
  }

  remove(binding: AclBinding): void {
    const spot = spotOf(binding);
    const left = (this.#bySpot.get(spot) ?? 0) - 1;
    this.#total -= 1;
    if (left > 0) this.#bySpot.set(spot, left);
    else this.#bySpot.delete(spot);
  }

  /** Asks for one new rule after the other; null, or why there is no room for it. */
  admission(limits: AclLimits): (binding: AclBinding) => string | null {
    const added = new Map<string, number>();
    let total = this.#total;
    return (binding) => {
      if (total >= limits.aclsPerTenantMax) {
        return `The limit of ${limits.aclsPerTenantMax} rules of a tenant is reached.`;
      }
      const spot = spotOf(binding);
      const count = (this.#bySpot.get(spot) ?? 0) + (added.get(spot) ?? 0);
      const wide = isWide(binding);
      const most = wide ? limits.wideAclsPerPrincipalMax : limits.aclsPerNameMax;
      if (count >= most) {
        const what = wide ? 'on prefixes and on all names' : 'on one name';
        return `The limit of ${most} rules of a principal ${what} is reached.`;
      }
      added.set(spot, (added.get(spot) ?? 0) + 1);
      total += 1;
      return null;
    };
  }
}
