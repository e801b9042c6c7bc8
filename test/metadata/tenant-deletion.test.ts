/** The deletion of a tenant as events: what it ends, what is remembered, what a restart keeps. */
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { StorageError } from '../../src/base/errors.ts';
import { fromStateRecord } from '../../src/metadata/metadata-log.ts';
import { DEFAULT_SECURITY_LIMITS, type SecurityState } from '../../src/metadata/security-state.ts';
import { countsOf, NO_COUNTS } from '../../src/metadata/tenant-deletion.ts';
import { createTestPki, type TestPki, tenantCa } from '../pki/test-pki.ts';
import { SecurityStateFixture } from './security-state-fixture.ts';

const fixture = new SecurityStateFixture('deletion');
let pki: TestPki;
let acmeCa: string;
beforeAll(() => {
  pki = createTestPki();
  acmeCa = pki.tenants.acme.certificate.toString();
});
afterEach(() => fixture.end());

const COUNTS = { ...NO_COUNTS, topics: 3 };
const begin = (state: SecurityState, stored: string[] = []) =>
  state.beginTenantDeletion(
    'acme',
    () => COUNTS,
    async () => {
      stored.push('recorded');
    },
  );
const newCa = (tenant: 'acme' | 'globex'): string =>
  tenantCa(pki.clientRoot, tenant).certificate.toString();

describe('a tenant that is deleted', () => {
  it('changes no more from the beginning on, and is not brought back', async () => {
    const { state } = await fixture.open();
    await state.createTenant('acme', acmeCa);
    const stored: string[] = [];
    expect((await begin(state, stored)).counts).toEqual(COUNTS);
    const { version } = state.image;
    expect((await begin(state, stored)).counts).toEqual(COUNTS);
    expect([state.image.version, stored]).toEqual([version, ['recorded']]);
    const refused = { reason: 'tenant-deleting' };
    await expect(state.setTenantState('acme', 'active')).rejects.toMatchObject(refused);
    await expect(state.createTenant('acme', acmeCa)).rejects.toMatchObject(refused);
    await expect(state.addTenantCa('acme', newCa('acme'))).rejects.toMatchObject(refused);
    await expect(state.addAcls('acme', [])).rejects.toMatchObject(refused);
    const id = { kind: 'device', name: 'pump' } as const;
    await expect(state.setSuspended('acme', id, true)).rejects.toMatchObject(refused);
    expect(state.image.tenants.get('acme')?.state).toBe('deleting');
  });

  it('is not begun when the record of it fails, and not ended before it was begun', async () => {
    const { state } = await fixture.open();
    await state.createTenant('acme', acmeCa);
    const failing = state.beginTenantDeletion(
      'acme',
      () => COUNTS,
      () => Promise.reject(new StorageError('no audit log')),
    );
    await expect(failing).rejects.toThrow('no audit log');
    expect(state.image.tenants.get('acme')?.state).toBe('active');
    await expect(state.finishTenantDeletion('acme')).rejects.toThrow(/was not begun/);
    await expect(state.finishTenantDeletion('nobody')).rejects.toMatchObject({
      reason: 'no-such-tenant',
    });
  });

  it('takes its bans along, leaves its CA key retired, and stays so after a restart', async () => {
    const directory = fixture.newDirectory();
    const first = await fixture.open({}, directory);
    await first.state.createTenant('acme', acmeCa);
    const id = { kind: 'principal', tenant: 'acme', name: 'pump' } as const;
    await first.state.addBan({ id, durationMs: 60_000, reason: '' });
    await begin(first.state);
    await first.close();

    const second = await fixture.open({}, directory);
    expect(second.state.image.tenants.get('acme')).toMatchObject({
      state: 'deleting',
      deletion: { counts: COUNTS },
    });
    await second.state.finishTenantDeletion('acme');
    // Nothing of it is left in the segment: the snapshot took its place.
    expect(second.log.bytesSinceSnapshot).toBe(0);
    await second.close();

    const third = await fixture.open({}, directory);
    expect(third.state.image.tenants.size).toBe(0);
    expect(third.state.image.bans.size).toBe(0);
    expect(third.state.image.deleted.lastOf('acme')?.counts).toEqual(COUNTS);
    const retired = { reason: 'ca-retired' };
    await expect(third.state.createTenant('acme', acmeCa)).rejects.toMatchObject(retired);
    await third.state.createTenant('globex', newCa('globex'));
    await expect(third.state.addTenantCa('globex', acmeCa)).rejects.toMatchObject(retired);
    const again = await third.state.createTenant('acme', newCa('acme'));
    expect(again.clusterId).not.toBe(third.state.image.deleted.lastOf('acme')?.clusterId);
    await third.close();
    const fourth = await fixture.open({}, directory);
    expect(fourth.state.image.tenants.get('acme')?.clusterId).toBe(again.clusterId);
  });

  it('takes its quotas and ceilings along; those of the broker stay', async () => {
    const directory = fixture.newDirectory();
    const { state, close } = await fixture.open({}, directory);
    await state.createTenant('acme', acmeCa);
    const rate = { producer_byte_rate: 5 };
    await state.alterClientQuotas('acme', [{ entity: { user: 'ada' }, values: rate }]);
    const ceilings = [{ scope: {}, values: rate }];
    await state.alterLimits('acme', [...ceilings, { scope: { fleet: 'a' }, values: rate }]);
    await state.alterLimits(null, ceilings);
    const counted = countsOf(state.image.tenants.get('acme')!, state.image.bans);
    expect(counted.quotas).toBe(3);
    await begin(state);
    const refused = { reason: 'tenant-deleting' };
    await expect(state.alterLimits('acme', ceilings)).rejects.toMatchObject(refused);
    await state.finishTenantDeletion('acme');
    await state.createTenant('acme', newCa('acme'));
    await close();
    const { image } = (await fixture.open({}, directory)).state;
    const { limits, clientQuotas } = image.tenants.get('acme')!;
    expect([limits.size, clientQuotas.size, image.brokerLimits.size]).toEqual([0, 0, 1]);
  });

  it('is counted with all that it has', async () => {
    const { state } = await fixture.open();
    const tenant = await state.createTenant('acme', acmeCa);
    expect(countsOf(tenant, state.image.bans)).toEqual({ ...NO_COUNTS, cas: 1 });
    await state.revokeCertificates('acme', {
      ...{ name: 'pump', serials: ['01'], caFingerprint: null, reason: 'unspecified' },
    });
    const now = state.image.tenants.get('acme')!;
    expect(countsOf(now, state.image.bans)).toEqual({ ...NO_COUNTS, cas: 1, revocations: 2 });
  });

  it('is remembered up to a limit, beyond which no deletion begins', async () => {
    const { state } = await fixture.open({
      limits: { ...DEFAULT_SECURITY_LIMITS, deletedTenantsMax: 0 },
    });
    await state.createTenant('acme', acmeCa);
    await expect(begin(state)).rejects.toMatchObject({ reason: 'limit' });
    expect(state.image.tenants.get('acme')?.state).toBe('active');
  });

  it.each([
    ['no counts', { begunAtMs: 1 }],
    ['a count that is none', { begunAtMs: 1, counts: { ...NO_COUNTS, topics: -1 } }],
    ['no time', { counts: NO_COUNTS }],
  ])('is not read from a record with %s', (_, data) => {
    const record = { type: 'tenant-deleting', version: 1, data: { tenant: 'acme', ...data } };
    expect(() => fromStateRecord(record)).toThrow(StorageError);
  });
});

describe('a change that is durable', () => {
  it('is in force, but not confirmed, until what follows it is durable too', async () => {
    let fails = false;
    const onStored = async (): Promise<void> => {
      if (fails) throw new StorageError('no watermark');
    };
    const { state } = await fixture.open({ onStored });
    await state.createTenant('acme', acmeCa);
    fails = true;
    await expect(state.setTenantState('acme', 'suspended')).rejects.toThrow('no watermark');
    expect(state.image.tenants.get('acme')?.state).toBe('suspended');
    await expect(state.setTenantState('acme', 'suspended')).rejects.toThrow(/uncertain/);
    fails = false;
    await state.setTenantState('acme', 'active');
    await state.setTenantState('acme', 'active');
  });
});
