import { describe, expect, it } from 'vitest';
import { systemClock } from '../../src/base/clock.ts';
import { CertificateNetworks } from '../../src/security/certificate-networks.ts';
import type { KafkaPrincipal } from '../../src/security/principal.ts';

const SITE = { ipv4: 24, ipv6: 48 };
const TEN_MINUTES_MS = 600_000;
const HERE = '10.0.0.1';
const THERE = '10.0.1.1';

const holderOf = (certificateSerial: string | null, tenant = 'acme'): KafkaPrincipal => ({
  principalType: 'User',
  name: 'pump-1',
  tenant,
  kind: 'device',
  fleet: 'dev',
  roles: [],
  authentication: 'mTLS',
  certificateSerial,
  expiresAtMs: null,
});

function networksAt(bits = SITE) {
  let nowMs = 0;
  const clock = { ...systemClock, monotonicMs: () => nowMs };
  const networks = new CertificateNetworks(bits, clock);
  return {
    networks,
    pass: (ms: number): void => {
      nowMs += ms;
    },
  };
}

describe('a certificate in two networks', () => {
  it('is told of when both are live, with both, and only then', () => {
    const { networks } = networksAt();
    const one = holderOf('0A');
    expect(networks.opened(one, HERE)).toBeNull();
    expect(networks.opened(one, '10.0.0.77')).toBeNull();
    expect(networks.opened(one, THERE)).toEqual({
      tenant: 'acme',
      name: 'pump-1',
      serial: '0A',
      networks: ['10.0.0.0/24', '10.0.1.0/24'],
    });
  });

  it('is none when one connection ended before the other began', () => {
    const { networks } = networksAt();
    const one = holderOf('0A');
    networks.opened(one, HERE);
    networks.opened(one, HERE);
    networks.closed(one, HERE);
    networks.closed(one, HERE);
    expect(networks.opened(one, THERE)).toBeNull();
  });

  it('is one while any connection of the first network lives', () => {
    const { networks } = networksAt();
    const one = holderOf('0A');
    networks.opened(one, HERE);
    networks.opened(one, HERE);
    networks.closed(one, HERE);
    expect(networks.opened(one, THERE)).not.toBeNull();
  });

  it('says nothing of other certificates, of another tenant with that serial, or of logins', () => {
    const { networks } = networksAt();
    networks.opened(holderOf('0A'), HERE);
    expect(networks.opened(holderOf('0B'), THERE)).toBeNull();
    expect(networks.opened(holderOf('0A', 'globex'), THERE)).toBeNull();
    networks.opened(holderOf(null), HERE);
    expect(networks.opened(holderOf(null), THERE)).toBeNull();
  });

  it('is told of again after ten minutes, or once it was let in again', () => {
    const { networks, pass } = networksAt();
    const one = holderOf('0a');
    const again = () => {
      const alarm = networks.opened(one, THERE);
      networks.closed(one, THERE);
      return alarm !== null;
    };
    networks.opened(one, HERE);
    expect([again(), again()]).toEqual([true, false]);
    pass(TEN_MINUTES_MS - 1);
    expect(again()).toBe(false);
    pass(1);
    expect([again(), again()]).toEqual([true, false]);
    networks.forget('acme', '0A');
    expect([again(), again()]).toEqual([true, false]);
  });

  it('what is one network is the operator to say', () => {
    const { networks } = networksAt({ ipv4: 0, ipv6: 48 });
    networks.opened(holderOf('0A'), HERE);
    expect(networks.opened(holderOf('0A'), '192.168.1.1')).toBeNull();
    networks.opened(holderOf('0B'), '2001:db8:1:1::1');
    expect(networks.opened(holderOf('0B'), '2001:db8:1:2::1')).toBeNull();
    expect(networks.opened(holderOf('0B'), '2001:db8:2:2::1')).not.toBeNull();
  });

  it('nothing is kept of connections that ended', () => {
    const { networks } = networksAt();
    for (let n = 0; n < 100; n++) networks.opened(holderOf(n.toString(16)), HERE);
    expect(networks.size).toBe(100);
    for (let n = 0; n < 100; n++) networks.closed(holderOf(n.toString(16)), HERE);
    networks.closed(holderOf('FF'), HERE);
    expect(networks.size).toBe(0);
  });
});
