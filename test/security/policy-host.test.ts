import { BlockList, isIPv4 } from 'node:net';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { hostMatches, hostProblem } from '../../src/security/policy-host.ts';
import { testSeed } from '../tools/test-seed.ts';

describe('the host of a rule', () => {
  const matches: [string, string, boolean][] = [
    ['*', '10.0.0.1', true],
    ['*', 'anything', true],
    ['10.0.0.1', '10.0.0.1', true],
    ['10.0.0.1', '10.0.0.10', false],
    ['10.0.0.1', '::ffff:10.0.0.1', true],
    ['10.0.0.1', '::ffff:a00:1', true],
    ['10.0.0.1', '::10.0.0.1', false],
    ['::ffff:10.0.0.1', '10.0.0.1', true],
    ['10.0.0.0/8', '10.255.0.1', true],
    ['10.0.0.0/8', '11.0.0.1', false],
    ['0.0.0.0/0', '203.0.113.9', true],
    ['0.0.0.0/0', '2001:db8::1', false],
    ['::/0', '10.0.0.1', false],
    ['10.0.0.1/32', '10.0.0.1', true],
    ['2001:db8::/32', '2001:DB8:0:0::1', true],
    ['2001:db8::1', '2001:0db8:0000:0000:0000:0000:0000:0001', true],
    ['fe80::1', 'fe80::1%eth0', true],
    ['10.0.0.0/8', '', false],
    ['10.0.0.0/8', '10.0.0', false],
    ['10.0.0.0/8', '10.0.0.1.example', false],
    ['10.0.0.0/8', '010.0.0.1', false],
  ];
  for (const [rule, host, expected] of matches) {
    it(`${rule} and ${host || '""'}: ${expected}`, () => {
      expect(hostMatches(rule, host)).toBe(expected);
    });
  }

  const bad = ['', '10.0.0', '10.0.0.256', '10.0.0.1/33', '10.0.0.1/8', '::/129', ':::', '1::2::3'];
  for (const text of [
    ...bad,
    '::ffff:10.0.0.0/104',
    'fe80::1%eth0',
    '10.0.0.0/',
    '/8',
    '10.0.0.0/08',
  ]) {
    it(`${text || '""'} is refused`, () => expect(hostProblem(text)).not.toBeNull());
  }

  it('covers the same addresses as Node does', () => {
    const seed = testSeed('policy-host', 5_495_304);
    const octet = fc.constantFrom(0, 1, 10, 127, 128, 192, 255);
    const ipv4 = fc.tuple(octet, octet, octet, octet).map((octets) => octets.join('.'));
    const address = fc.oneof(ipv4, fc.ipV6()).filter((text) => !text.startsWith('::'));
    let compared = 0;
    fc.assert(
      fc.property(address, address, fc.nat(128), (network, host, bits) => {
        const length = isIPv4(network) ? bits % 33 : bits;
        const rule = `${network}/${length}`;
        if (hostProblem(rule) !== null) return;
        compared += 1;
        const list = new BlockList();
        list.addSubnet(network, length, isIPv4(network) ? 'ipv4' : 'ipv6');
        const sameFamily = isIPv4(network) === isIPv4(host);
        const covered = sameFamily && list.check(host, isIPv4(host) ? 'ipv4' : 'ipv6');
        expect(hostMatches(rule, host)).toBe(covered);
      }),
      { seed, numRuns: 5_000 },
    );
    expect(compared).toBeGreaterThan(200);
  });
});
