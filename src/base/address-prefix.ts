/**
 * Owns the naming of networks: the prefix of an address, as text that is the same for every address
 * in it. Invariant: what is no address is its own network, so that nothing is lumped together that
 * could not be read.
 */
import { isIPv4, isIPv6 } from 'node:net';

export interface PrefixBits {
  /** 0 to 32. */
  readonly ipv4: number;
  /** 0 to 128. */
  readonly ipv6: number;
}

/** `10.1.2.3` is in `10.1.2.0/24`, `2001:db8:1:2::3` in `2001:db8:1::/48`. */
export function addressPrefix(address: string, bits: PrefixBits): string {
  const mapped = /^::ffff:([\d.]+)$/i.exec(address)?.[1] ?? address;
  if (isIPv4(mapped)) {
    const kept = maskedIn(mapped.split('.').map(Number), 8, bits.ipv4);
    return `${kept.join('.')}/${bits.ipv4}`;
  }
  const [bare = ''] = address.split('%');
  if (!isIPv6(bare)) return address;
  const kept = maskedIn(groupsOf(bare), 16, bits.ipv6);
  while (kept.at(-1) === 0) kept.pop();
  const text = kept.map((group) => group.toString(16)).join(':');
  return `${text}${kept.length === 8 ? '' : '::'}/${bits.ipv6}`;
}

/** The parts with all bits behind the first `bits` cleared. */
function maskedIn(parts: readonly number[], partBits: number, bits: number): number[] {
  return parts.map((part, at) => {
    const cleared = Math.min(partBits, Math.max(0, (at + 1) * partBits - bits));
    return (part >> cleared) << cleared;
  });
}

/** The eight groups of a valid IPv6 address. */
function groupsOf(address: string): number[] {
  const dotted = /^(.*:)(\d+)\.(\d+)\.(\d+)\.(\d+)$/.exec(address);
  if (dotted !== null) {
    const [a, b, c, d] = dotted.slice(2).map(Number) as [number, number, number, number];
    const low = `${((a << 8) | b).toString(16)}:${((c << 8) | d).toString(16)}`;
    return groupsOf(`${dotted[1]}${low}`);
  }
  const [head = '', tail] = address.split('::');
  const numbers = (text: string): number[] =>
    text === '' ? [] : text.split(':').map((group) => Number.parseInt(group, 16));
  if (tail === undefined) return numbers(head);
  const [before, after] = [numbers(head), numbers(tail)];
  return [...before, ...new Array<number>(8 - before.length - after.length).fill(0), ...after];
}
