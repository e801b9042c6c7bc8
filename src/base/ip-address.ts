/**
 * Owns IP addresses and networks (CIDR) as numbers. Pure.
 *
 * Invariant: an IPv4 address written inside IPv6 (`::ffff:10.0.0.1`, as dual-stack sockets report
 * it) equals the IPv4 address; whatever is in doubt is no address.
 */

/** An address as a number of 32 or 128 bits. */
export interface Address {
  readonly bits: 32 | 128;
  readonly value: bigint;
}

export interface Network extends Address {
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

/** Null when it is no address; a zone (`%eth0`) is left out. */
export function parseAddress(text: string): Address | null {
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

/** An address or a network in CIDR form whose host bits are zero; null when it is neither. */
export function parseNetwork(text: string): Network | null {
  const slash = text.indexOf('/');
  const addressText = slash === -1 ? text : text.slice(0, slash);
  const address = text.includes('%') ? null : parseAddress(addressText);
  if (address === null) return null;
  if (slash === -1) return { ...address, prefixLength: address.bits };
  const lengthText = text.slice(slash + 1);
  // A network in mapped form would leave its length in doubt.
  const isMapped = address.bits === 32 && addressText.includes(':');
  if (!/^(0|[1-9][0-9]{0,2})$/.test(lengthText) || isMapped) return null;
  const prefixLength = Number(lengthText);
  if (prefixLength > address.bits) return null;
  const hostBits = BigInt(address.bits - prefixLength);
  if ((address.value >> hostBits) << hostBits !== address.value) return null;
  return { ...address, prefixLength };
}

export function networkContains(network: Network, address: Address): boolean {
  if (network.bits !== address.bits) return false;
  const ignored = BigInt(network.bits - network.prefixLength);
  return network.value >> ignored === address.value >> ignored;
}

/** The first `prefixLength` bits of an address, as a network. */
export function networkOf({ bits, value }: Address, prefixLength: number): Network {
  const hostBits = BigInt(bits - prefixLength);
  return { bits, value: (value >> hostBits) << hostBits, prefixLength };
}

/** In a form that `parseNetwork` reads, the same for equal networks; a single address has no length. */
export function formatNetwork({ bits, value, prefixLength }: Network): string {
  const size = bits === 32 ? 8 : 16;
  const parts = Array.from({ length: bits === 32 ? 4 : 8 }, (_, at) => {
    const part = (value >> BigInt(bits - size * (at + 1))) & ((1n << BigInt(size)) - 1n);
    return part.toString(bits === 32 ? 10 : 16);
  });
  const text = bits === 32 ? parts.join('.') : shortened(parts);
  return prefixLength === bits ? text : `${text}/${prefixLength}`;
}

/** RFC 5952: the longest run of zeros, the first of equal ones, is `::`; a single zero stays. */
function shortened(groups: readonly string[]): string {
  const all = groups.join(':');
  const runs = all.match(/\b0(?::0)+\b/g) ?? [];
  const longest = runs.reduce((most, run) => (run.length > most.length ? run : most), '');
  if (longest === '') return all;
  const at = all.search(new RegExp(`(?:^|:)${longest}(?:$|:)`));
  const begin = all[at] === ':' ? at + 1 : at;
  const head = all.slice(0, begin).replace(/:$/, '');
  const tail = all.slice(begin + longest.length).replace(/^:/, '');
  return `${head}::${tail}`;
}

/** Networks with commas between, as in the configuration; null when one of them is none. */
export function parseNetworks(text: string): readonly Network[] | null {
  const found: Network[] = [];
  for (const part of text.split(',')) {
    const network = parseNetwork(part.trim());
    if (network === null) return null;
    found.push(network);
  }
  return found;
}

/** Whether an address in text form lies in one of the networks. */
export function inNetworks(networks: readonly Network[], text: string): boolean {
  const address = networks.length === 0 ? null : parseAddress(text);
  return address !== null && networks.some((network) => networkContains(network, address));
}
