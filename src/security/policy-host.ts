/**
 * Owns addresses in rules: exact addresses, networks (CIDR) and `*`. Pure. Invariant: anything that
 * is not an address matches `*` only.
 */

import {
  type Address,
  type Network,
  networkContains,
  parseAddress,
  parseNetwork,
} from '../base/ip-address.ts';

/** What is wrong with the host of a rule, or null when it is `*`, an address or a network. */
export function hostProblem(text: string): string | null {
  if (text === '*' || parseNetwork(text) !== null) return null;
  return `host "${text}" is neither *, nor an IP address, nor a network whose host bits are zero`;
}

const networks = new Map<string, Network | null>();
const addresses = new Map<string, Address | null>();
const REMEMBERED_MAX = 65_536;

function remembered<T>(memory: Map<string, T>, text: string, parse: (text: string) => T): T {
  const known = memory.get(text);
  if (known !== undefined) return known;
  if (memory.size >= REMEMBERED_MAX) memory.clear();
  const parsed = parse(text);
  memory.set(text, parsed);
  return parsed;
}

/** Does the host of a rule cover this peer address? */
export function hostMatches(ruleHost: string, host: string): boolean {
  if (ruleHost === '*') return true;
  const network = remembered(networks, ruleHost, parseNetwork);
  const address = remembered(addresses, host, parseAddress);
  return network !== null && address !== null && networkContains(network, address);
}

/** Does the host of one rule cover every address that the host of another one covers? */
export function hostCovers(outer: string, inner: string): boolean {
  if (outer === '*' || outer === inner) return true;
  const around = remembered(networks, outer, parseNetwork);
  const within = remembered(networks, inner, parseNetwork);
  if (around === null || within === null || around.bits !== within.bits) return false;
  const ignored = BigInt(around.bits - around.prefixLength);
  const isSmaller = within.prefixLength >= around.prefixLength;
  return isSmaller && around.value >> ignored === within.value >> ignored;
}
