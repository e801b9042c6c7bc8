import { describe, expect, it } from 'vitest';
import { addressPrefix } from '../../src/base/address-prefix.ts';

const SITE = { ipv4: 24, ipv6: 48 };

describe('the network of an address', () => {
  it.each([
    ['10.1.2.3', '10.1.2.0/24'],
    ['::ffff:10.1.2.3', '10.1.2.0/24'],
    ['255.255.255.255', '255.255.255.0/24'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1::/48'],
    ['2001:db8:1::', '2001:db8:1::/48'],
    ['2001:db8::1', '2001:db8::/48'],
    ['::1', '::/48'],
    ['fe80::1%eth0', 'fe80::/48'],
    ['64:ff9b:1::10.1.2.3', '64:ff9b:1::/48'],
    ['not an address', 'not an address'],
    ['', ''],
  ])('of %s is %s', (address, network) => {
    expect(addressPrefix(address, SITE)).toBe(network);
  });

  it.each([
    [{ ipv4: 0, ipv6: 0 }, '203.0.113.77', '0.0.0.0/0'],
    [{ ipv4: 32, ipv6: 128 }, '203.0.113.77', '203.0.113.77/32'],
    [{ ipv4: 28, ipv6: 128 }, '203.0.113.77', '203.0.113.64/28'],
    [{ ipv4: 0, ipv6: 0 }, 'ffff::1', '::/0'],
    [{ ipv4: 0, ipv6: 128 }, '1:2:3:4:5:6:a.b:8', '1:2:3:4:5:6:a.b:8'],
    [{ ipv4: 0, ipv6: 128 }, '1:2:3:4:5:6:7:8', '1:2:3:4:5:6:7:8/128'],
    [{ ipv4: 0, ipv6: 33 }, '2001:db8:ffff::', '2001:db8:8000::/33'],
  ] as const)('with %o of %s is %s', (bits, address, network) => {
    expect(addressPrefix(address, bits)).toBe(network);
  });
});
