import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  formatNetwork,
  inNetworks,
  networkOf,
  parseAddress,
  parseNetwork,
  parseNetworks,
} from '../../src/base/ip-address.ts';
import { testSeed } from '../tools/test-seed.ts';

describe('the text of a network', () => {
  it.each([
    ['10.0.0.1', '10.0.0.1'],
    ['10.0.0.0/8', '10.0.0.0/8'],
    ['10.0.0.1/32', '10.0.0.1'],
    ['::ffff:10.0.0.1', '10.0.0.1'],
    ['2001:DB8:0:0:0:0:0:1', '2001:db8::1'],
    ['2001:db8:0:1::/64', '2001:db8:0:1::/64'],
    ['::', '::'],
    ['::1', '::1'],
    ['1::', '1::'],
    ['1:0:0:2:0:0:0:3', '1:0:0:2::3'],
    ['1:0:0:2:0:0:3:4', '1::2:0:0:3:4'],
    ['2001:db8:ffff:1::/64', '2001:db8:ffff:1::/64'],
    ['1:0:2:3:4:5:6:7', '1:0:2:3:4:5:6:7'],
    ['10:0:0:a0:0:0:0:1', '10:0:0:a0::1'],
    ['1:20:0:0:0:0:3:4', '1:20::3:4'],
  ])('%s is %s', (text, expected) => {
    expect(formatNetwork(parseNetwork(text)!)).toBe(expected);
  });

  it('is read back as the same network, whatever it is', () => {
    const ofLength = (bits: 32 | 128) =>
      fc
        .tuple(
          fc.bigInt(0n, 2n ** BigInt(bits) - 1n),
          fc.integer({ min: 0, max: bits }),
          fc.bigInt(0n, 2n ** 128n - 1n),
        )
        .map(
          // A mask gives the runs of zeros that random numbers lack.
          ([value, length, mask]) => networkOf({ bits, value: value & mask }, length),
        );
    const isMapped = ({ bits, value }: { bits: number; value: bigint }): boolean =>
      bits === 128 && value >> 32n === 0xffffn;
    const property = fc.property(fc.oneof(ofLength(32), ofLength(128)), (network) => {
      fc.pre(!isMapped(network));
      expect(parseNetwork(formatNetwork(network))).toEqual(network);
    });
    fc.assert(property, { seed: testSeed('ip-address', 11), numRuns: 500 });
  });
});

describe('a list of networks', () => {
  it('holds addresses and networks of both kinds', () => {
    const list = parseNetworks('10.0.0.0/8, 192.0.2.7,2001:db8::/32')!;
    expect(inNetworks(list, '::ffff:10.1.2.3')).toBe(true);
    expect(inNetworks(list, '192.0.2.7')).toBe(true);
    expect(inNetworks(list, '192.0.2.8')).toBe(false);
    expect(inNetworks(list, '2001:db8::5')).toBe(true);
    expect(inNetworks(list, 'no address')).toBe(false);
    expect(inNetworks([], '10.0.0.1')).toBe(false);
  });

  it.each([
    '',
    '10.0.0.0/8,',
    '10.0.0.1/8',
    'example.com',
    '10.0.0.0/33',
    '::ffff:10.0.0.0/104',
    '::1%lo',
  ])('%j is none', (text) => expect(parseNetworks(text)).toBeNull());

  it('an address without end or with a zone', () => {
    expect(parseAddress('1.2.3')).toBeNull();
    expect(parseAddress('fe80::1%eth0')).toEqual(parseAddress('fe80::1'));
  });
});
