/**
 * Owns addresses in rules: exact addresses, networks (CIDR) and `*`. Pure.
 *
 * Invariant: an IPv4 address written inside IPv6 (`::ffff:10.0.0.1`, as dual-stack sockets report
 * it) equals the IPv4 address; anything that is not an address matches `*` only.
 */

/** An address as a number of 32 or 128 bits. */
interface Address {
  readonly bits: 32 | 128;
  readonly value: bigint;
}

interface Network extends Address {
  readonly prefixLength: number;
}

function parseIpv4(text: string): bigint | null {
  const parts = text.split('.');
  if (parts.length !== 4) return null;
  let value = 0n;
  for (const part of parts) {
    // No leading zero: some parsers read it as octal, so the meaning would be in doubt.
    if (!/^(0|[1-9][0-9]{0,2})$/.test(part) || Number(part) > 255) return null;
    value = (value << 8n) | BigInt(part);
  }
  return value;
}

/** The 16-bit groups of one side of `::`; an IPv4 tail gives two. */
function parseGroups(text: string): bigint[] | null {
  if (text === '') return [];
  const groups: bigint[] = [];
  const parts = text.split(':');
  for (const [position, part] of parts.entries()) {
    if (position === parts.length - 1 && part.includes('.')) {
      const tail = parseIpv4(part);
      if (tail === null) return null;
      groups.push(tail >> 16n, tail & 0xffffn);
    } else if (/^[0-9A-Fa-f]{1,4}$/.test(part)) groups.push(BigInt(`0x${part}`));
    else return null;
  }
  return groups;
}

function parseIpv6(text: string): bigint | null {
  const sides = text.split('::');
  if (sides.length > 2) return null;
  const head = parseGroups(sides[0]!);
  const tail = sides.length === 2 ? parseGroups(sides[1]!) : [];
  if (head === null || tail === null) return null;
  const missing = 8 - head.length - tail.length;
  if (sides.length === 2 ? missing < 1 : missing !== 0) return null;
  const groups = [...head, ...new Array<bigint>(missing).fill(0n), ...tail];
  return groups.reduce((value, group) => (value << 16n) | group, 0n);
}

const MAPPED_PREFIX = 0xffffn;

function parseAddress(text: string): Address | null {
  const zone = text.indexOf('%');
  const bare = zone === -1 ? text : text.slice(0, zone);
  if (!bare.includes(':')) {
    const value = parseIpv4(bare);
    return value === null ? null : { bits: 32, value };
  }
  const value = parseIpv6(bare);
  if (value === null) return null;
  if (value >> 32n === MAPPED_PREFIX) return { bits: 32, value: value & 0xffffffffn };
  return { bits: 128, value };
}

function parseNetwork(text: string): Network | null {
  const slash = text.indexOf('/');
  const addressText = slash === -1 ? text : text.slice(0, slash);
  const address = text.includes('%') ? null : parseAddress(addressText);
  if (address === null) return null;
  if (slash === -1) return { ...address, prefixLength: address.bits };
  const lengthText = text.slice(slash + 1);
  // A network in mapped form would leave its length in doubt.
  if (!/^(0|[1-9][0-9]{0,2})$/.test(lengthText) || addressText.includes(':ffff:')) return null;
  const prefixLength = Number(lengthText);
  if (prefixLength > address.bits) return null;
  const hostBits = BigInt(address.bits - prefixLength);
  if ((address.value >> hostBits) << hostBits !== address.value) return null;
  return { ...address, prefixLength };
}

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
  if (network === null || address === null || network.bits !== address.bits) return false;
  const ignored = BigInt(network.bits - network.prefixLength);
  return network.value >> ignored === address.value >> ignored;
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
