/** The operator's limits in the security state, over restarts and snapshots. */
import { afterEach, beforeAll, expect, it } from 'vitest';
import { DEFAULT_SECURITY_LIMITS } from '../../src/metadata/security-state.ts';
import { createTestPki, type TestPki } from '../pki/test-pki.ts';
import { SecurityStateFixture } from './security-state-fixture.ts';

const fixture = new SecurityStateFixture('limits');
let pki: TestPki;
beforeAll(() => {
  pki = createTestPki();
});
afterEach(() => fixture.end());

const rate = (value: number | null) => ({ producer_byte_rate: value });
const invalid = { code: 'METADATA_ERROR', reason: 'invalid' };

it.each([1, 1e9])('survive a restart, with a snapshot after %i bytes', async (bytes) => {
  const directory = fixture.newDirectory();
  const { state, close } = await fixture.open({ snapshotAfterBytes: bytes }, directory);
  await state.createTenant('acme', pki.tenants.acme.certificate.toString());
  await state.alterLimits('acme', [
    { scope: {}, values: { ...rate(5), topics: 7 } },
    { scope: { fleet: 'plant-a' }, values: rate(3) },
    { scope: { device: 'pump-1' }, values: rate(2) },
  ]);
  await state.alterLimits('acme', [
    { scope: { fleet: 'plant-a' }, values: rate(null) },
    { scope: {}, values: { topics: null } },
  ]);
  await state.alterLimits(null, [{ scope: {}, values: rate(9) }]);
  await close();
  const { image } = (await fixture.open({}, directory)).state;
  expect([...image.tenants.get('acme')!.limits.entries()]).toEqual([
    { scope: {}, values: rate(5) },
    { scope: { device: 'pump-1' }, values: rate(2) },
  ]);
  expect(image.brokerLimits.limit('producer_byte_rate')).toBe(9);
});

it('are refused when they are not in order, of nobody, or too many', async () => {
  const limits = { ...DEFAULT_SECURITY_LIMITS, quotaEntitiesPerTenantMax: 1 };
  const { state } = await fixture.open({ limits }, fixture.newDirectory());
  await state.createTenant('acme', pki.tenants.acme.certificate.toString());
  const bad = [
    { scope: { fleet: 'a', device: 'b' }, values: rate(1) },
    { scope: { fleet: 'a.b' }, values: rate(1) },
    { scope: {}, values: rate(0) },
    { scope: {}, values: rate(1.5) },
    { scope: { fleet: 'a' }, values: { topics: 1 } },
  ];
  for (const one of bad)
    await expect(state.alterLimits('acme', [one])).rejects.toMatchObject(invalid);
  const ofBroker = state.alterLimits(null, [{ scope: {}, values: { topics: 1 } }]);
  await expect(ofBroker).rejects.toMatchObject(invalid);
  const ofNobody = state.alterLimits('globex', [{ scope: {}, values: rate(1) }]);
  await expect(ofNobody).rejects.toMatchObject({ reason: 'no-such-tenant' });
  await state.alterLimits('acme', [{ scope: {}, values: rate(1) }]);
  const more = state.alterLimits('acme', [{ scope: { fleet: 'a' }, values: rate(1) }]);
  await expect(more).rejects.toMatchObject({ reason: 'limit' });
  expect(state.image.tenants.get('acme')!.limits.size).toBe(1);
});
