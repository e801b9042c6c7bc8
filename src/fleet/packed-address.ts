/** Addresses as 16 bytes: IPv6, or IPv4 mapped into it; all zero stands for none. */
import { formatNetwork, parseAddress } from '../base/ip-address.ts';

const MAPPED = 0xffff_0000_0000n;
const LOW = 0xffff_ffff_ffff_ffffn;

export function writeAddress(target: Buffer, text: string): void {
  const address = parseAddress(text);
  const value =
    address === null ? 0n : address.bits === 32 ? MAPPED | address.value : address.value;
  target.writeBigUInt64BE(value >> 64n, 0);
  target.writeBigUInt64BE(value & LOW, 8);
}

/** Null: none. */
export function readAddress(source: Buffer): string | null {
  const value = (source.readBigUInt64BE(0) << 64n) | source.readBigUInt64BE(8);
  if (value === 0n) return null;
  const isMapped = value >> 32n === 0xffffn;
  const bits = isMapped ? 32 : 128;
  return formatNetwork({
    bits,
    value: isMapped ? value & 0xffff_ffffn : value,
    prefixLength: bits,
  });
}
