/** Revocations and suspensions as events: what is stored, what is refused, what a restart keeps. */
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { systemClock } from '../../src/base/clock.ts';
import type { MetadataRecord } from '../../src/metadata/metadata-log.ts';
import { fromStateRecord } from '../../src/metadata/metadata-log.ts';
import type { WantedRevocation } from '../../src/metadata/revocation-change.ts';
import {
  DEFAULT_SECURITY_LIMITS,
  type SecurityState,
  type SecurityStateOptions,
} from '../../src/metadata/security-state.ts';
import type { Revocations } from '../../src/security/revocations.ts';
import { createTestPki, type TestPki, tenantCa } from '../pki/test-pki.ts';
import { type OpenedState, SecurityStateFixture } from './security-state-fixture.ts';

const fixture = new SecurityStateFixture('revocations');
let pki: TestPki;
beforeAll(() => {
  pki = createTestPki();
});
afterEach(() => fixture.end());

const newDirectory = fixture.newDirectory.bind(fixture);

async function open(
  directory = newDirectory(),
  options: Partial<SecurityStateOptions> = {},
): Promise<OpenedState> {
  const opened = await fixture.open(options, directory);
  await opened.state.createTenant('acme', pki.tenants.acme.certificate.toString());
  return opened;
}

const wanted = (change: Partial<WantedRevocation>): WantedRevocation => ({
  name: null,
  serials: [],
  caFingerprint: null,
  reason: 'keyCompromise',
  ...change,
});

const of = (state: SecurityState): Revocations => state.image.tenants.get('acme')!.revocations;
const facts = (revocations: Revocations): unknown => [
  [...revocations.certificates()],
  [...revocations.names()],
  [...revocations.suspensions()],
];

describe('revocations and suspensions', () => {
  it.each([
    ['replayed', {}],
    ['from a snapshot', { snapshotAfterBytes: 1 }],
  ])('are there after a restart, %s', async (_, options) => {
    const directory = newDirectory();
    const { state, close } = await open(directory, options);
    await state.revokeCertificates('acme', wanted({ name: 'pump-1', serials: ['0a', 'ff'] }));
    await state.setSuspended('acme', { kind: 'device', name: 'pump-2' }, true);
    await state.setSuspended('acme', { kind: 'fleet', name: 'plant-a' }, true);
    await state.setSuspended('acme', { kind: 'certificate', name: 'a1b2c' }, true);
    await state.setSuspended('acme', { kind: 'fleet', name: 'plant-b' }, true);
    await state.setSuspended('acme', { kind: 'fleet', name: 'plant-b' }, false);
    const before = facts(of(state));
    await close();
    const again = await open(directory, options);
    expect(facts(of(again.state))).toEqual(before);
    expect(of(again.state)).toMatchObject({
      certificateCount: 2,
      nameCount: 1,
      suspensionCount: 3,
    });
    const serial = { kind: 'certificate', name: '0A1B2C' } as const;
    expect(of(again.state).suspension(serial)).toBeDefined();
    await expect(
      again.state.setSuspended('acme', { kind: 'certificate', name: 'pump-1' }, true),
    ).rejects.toMatchObject({ reason: 'invalid' });
  });

  it('a serial is bound to each CA of the tenant, or to the one that is named', async () => {
    const { state } = await open();
    const second = tenantCa(pki.clientRoot, 'acme').certificate;
    await state.addTenantCa('acme', second.toString());
    await state.revokeCertificates('acme', wanted({ serials: ['01', '1'] }));
    expect(of(state).certificateCount).toBe(2);
    const caFingerprint = second.fingerprint256;
    await state.revokeCertificates('acme', wanted({ serials: ['02'], caFingerprint }));
    expect(of(state).certificateCount).toBe(3);
    const foreign = pki.tenants.globex.certificate.fingerprint256;
    const refused = state.revokeCertificates(
      'acme',
      wanted({ serials: ['03'], caFingerprint: foreign }),
    );
    await expect(refused).rejects.toMatchObject({ reason: 'invalid' });
  });

  it('what is revoked stays as it was; a name is revoked anew, never earlier', async () => {
    let nowMs = 1_700_000_000_000;
    const clock = { ...systemClock, nowMs: () => nowMs };
    const { state } = await open(undefined, { clock });
    const records: MetadataRecord[] = [];
    state.onChange((_, changes) => records.push(...changes));
    const both = wanted({ name: 'pump-1', serials: ['0A'] });
    await state.revokeCertificates('acme', both);
    await state.revokeCertificates('acme', both);
    nowMs -= 5000;
    await state.revokeCertificates('acme', both);
    expect(records).toHaveLength(1);
    nowMs += 10_000;
    await state.revokeCertificates('acme', both);
    expect(of(state).revokedName('pump-1')?.revokedAtMs).toBe(nowMs);
    expect([...of(state).certificates()][0]?.revokedAtMs).toBe(nowMs - 5000);
  });

  it('suspending twice and resuming who is not suspended write nothing', async () => {
    const { state } = await open();
    const records: MetadataRecord[] = [];
    state.onChange((_, changes) => records.push(...changes));
    const id = { kind: 'device', name: 'pump-1' } as const;
    await state.setSuspended('acme', id, false);
    await state.setSuspended('acme', id, true);
    await state.setSuspended('acme', id, true);
    expect(records).toHaveLength(1);
  });

  it('are refused beyond their limits, with nothing changed', async () => {
    const limits = {
      ...DEFAULT_SECURITY_LIMITS,
      revokedCertificatesPerTenantMax: 2,
      revokedNamesPerTenantMax: 1,
      suspensionsPerTenantMax: 1,
      serialsPerRevocationMax: 2,
    };
    const { state } = await open(undefined, { limits });
    const limit = { reason: 'limit' };
    const revoke = (change: Partial<WantedRevocation>) =>
      state.revokeCertificates('acme', wanted(change));
    await expect(revoke({ serials: ['01', '02', '03'] })).rejects.toMatchObject(limit);
    await revoke({ name: 'pump-1', serials: ['01', '02'] });
    await expect(revoke({ serials: ['03'] })).rejects.toMatchObject(limit);
    await expect(revoke({ name: 'pump-2' })).rejects.toMatchObject(limit);
    await revoke({ name: 'pump-1', serials: ['01'] });
    await state.setSuspended('acme', { kind: 'device', name: 'pump-1' }, true);
    const second = state.setSuspended('acme', { kind: 'fleet', name: 'plant-a' }, true);
    await expect(second).rejects.toMatchObject(limit);
    expect(of(state)).toMatchObject({ certificateCount: 2, nameCount: 1, suspensionCount: 1 });
  });

  it.each([
    ['a name that nobody can have', { name: 'a.b' }, 'invalid'],
    ['a serial that is none', { serials: ['xyz'] }, 'invalid'],
  ])('%s is refused', async (_, change, reason) => {
    const { state } = await open();
    const refused = state.revokeCertificates('acme', wanted(change));
    await expect(refused).rejects.toMatchObject({ reason });
    const nobody = state.revokeCertificates('nobody', wanted({ name: 'pump-1' }));
    await expect(nobody).rejects.toMatchObject({ reason: 'no-such-tenant' });
  });
});

describe('a stored record that makes no sense stops the start', () => {
  const revoked = {
    issuerKeyId: 'a'.repeat(64),
    serial: '0A',
    revokedAtMs: 1,
    reason: 'superseded',
  };
  const record = (type: string, data: object) => ({
    type,
    version: 1,
    data: { tenant: 'acme', ...data },
  });

  it.each([
    ['no lists', 'certificates-revoked', {}],
    [
      'no CA',
      'certificates-revoked',
      { certificates: [{ ...revoked, issuerKeyId: 'x' }], names: [] },
    ],
    [
      'a serial as it is never written',
      'certificates-revoked',
      { certificates: [{ ...revoked, serial: 'a' }], names: [] },
    ],
    [
      'an unknown reason',
      'certificates-revoked',
      { certificates: [{ ...revoked, reason: 'whim' }], names: [] },
    ],
    [
      'no time',
      'certificates-revoked',
      { certificates: [], names: [{ name: 'x', reason: 'superseded' }] },
    ],
    [
      'of nothing known',
      'suspensions',
      { resumed: [{ kind: 'planet', name: 'x' }], suspended: [] },
    ],
  ])('%s', (_, type, data) => {
    expect(() => fromStateRecord(record(type, data) as never)).toThrow(/makes no sense/);
  });

  it('and one that does is read as it was written', () => {
    const data = { tenant: 'acme', certificates: [revoked], names: [] };
    const type = 'certificates-revoked';
    expect(fromStateRecord({ type, version: 1, data } as never)).toEqual({ type, ...data });
  });
});
