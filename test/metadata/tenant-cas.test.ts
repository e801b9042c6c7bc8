import { describe, expect, it } from 'vitest';
import { systemClock } from '../../src/base/clock.ts';
import { silentLogger } from '../../src/base/logger.ts';
import { systemRandom } from '../../src/base/random.ts';
import type { StateRecord } from '../../src/engine/engine.ts';
import { fromStateRecord, type MetadataLog } from '../../src/metadata/metadata-log.ts';
import { SecurityState } from '../../src/metadata/security-state.ts';
import { pemOf } from '../../src/pki/pki-directory.ts';
import { CN_RULE, foreignCa } from '../pki/foreign-ca.ts';
import { createTestPki, tenantCa } from '../pki/test-pki.ts';

const pki = createTestPki();
const vendor = foreignCa();
const fingerprint = vendor.certificate.fingerprint256;
const wanted = {
  caCertificate: pemOf(vendor.certificate),
  mappingRules: CN_RULE,
  isAnnounced: true,
  isShared: false,
};

/** A log in memory. */
function memoryLog(records: StateRecord[]): MetadataLog {
  return {
    replay: async (apply: (record: StateRecord) => void) => records.forEach(apply),
    append: async (added: readonly StateRecord[]) => void records.push(...added),
    snapshot: async (all: readonly StateRecord[]) => void records.splice(0, records.length, ...all),
    bytesSinceSnapshot: 1,
    close: async () => {},
  } as unknown as MetadataLog;
}

const opened = (records: StateRecord[], snapshotAfterBytes = 1000): Promise<SecurityState> =>
  SecurityState.open({
    log: memoryLog(records),
    clock: systemClock,
    random: systemRandom,
    logger: silentLogger,
    snapshotAfterBytes,
  });

async function withTenants(): Promise<{ state: SecurityState; records: StateRecord[] }> {
  const records: StateRecord[] = [];
  const state = await opened(records);
  await state.createTenant('acme', pemOf(pki.tenants.acme.certificate));
  await state.createTenant('globex', pemOf(pki.tenants.globex.certificate));
  return { state, records };
}

describe('CAs of tenants in the security state', () => {
  it.each([1000, 1])(
    'are there after a start, with all that was said of them (%i)',
    async (bytes) => {
      const { records } = await withTenants();
      const state = await opened(records, bytes);
      await state.importCa('acme', wanted);
      await state.importCa('acme', { ...wanted, mappingRules: 'RULE:a/b/' });
      const second = tenantCa(pki.clientRoot, 'acme').certificate;
      await state.addTenantCa('acme', pemOf(second));
      await state.removeCa('acme', pki.tenants.acme.certificate.fingerprint256);
      const { image } = await opened(JSON.parse(JSON.stringify(records)) as StateRecord[]);
      const acme = image.tenants.get('acme')!;
      expect(acme.cas.map(({ fingerprint256 }) => fingerprint256)).toEqual([second.fingerprint256]);
      expect(acme.importedCas).toMatchObject([
        {
          fingerprint256: fingerprint,
          mappingRules: 'RULE:a/b/',
          isAnnounced: true,
          isShared: false,
        },
      ]);
      expect(image.tenants.get('globex')!.importedCas).toEqual([]);
    },
  );

  it('asked for as they are write nothing', async () => {
    const { state, records } = await withTenants();
    await state.importCa('acme', wanted);
    const before = records.length;
    await state.importCa('acme', wanted);
    expect(records).toHaveLength(before);
  });

  it('a key is of one tenant, or imported, and shared by all or by one', async () => {
    const { state } = await withTenants();
    const own = pemOf(pki.tenants.globex.certificate);
    await expect(state.importCa('acme', { ...wanted, caCertificate: own })).rejects.toMatchObject({
      reason: 'ca-taken',
    });
    await state.importCa('acme', wanted);
    await expect(state.createTenant('initech', wanted.caCertificate)).rejects.toMatchObject({
      reason: 'ca-taken',
    });
    const shared = { ...wanted, isShared: true };
    await expect(state.importCa('globex', shared)).rejects.toMatchObject({ reason: 'ca-taken' });
    await state.importCa('acme', shared);
    await state.importCa('globex', shared);
    // What is shared by two is not taken back by one.
    await expect(state.importCa('acme', wanted)).rejects.toMatchObject({ reason: 'ca-taken' });
  });

  it('are limited, and the last of its own stays', async () => {
    const { state } = await withTenants();
    for (let n = 0; n < 16; n++) {
      const subject = { organization: 'Vendor', commonName: `CA ${n}` };
      await state.importCa('acme', {
        ...wanted,
        caCertificate: pemOf(foreignCa(subject).certificate),
      });
    }
    await expect(state.importCa('acme', wanted)).rejects.toMatchObject({ reason: 'limit' });
    const last = pki.tenants.acme.certificate.fingerprint256;
    await expect(state.removeCa('acme', last)).rejects.toMatchObject({ reason: 'last-ca' });
    await expect(state.removeCa('acme', fingerprint)).rejects.toMatchObject({
      reason: 'no-such-ca',
    });
    await expect(state.removeCa('nobody', last)).rejects.toMatchObject({
      reason: 'no-such-tenant',
    });
  });

  it.each([
    [{ mappingRules: undefined }],
    [{ isShared: 'yes' }],
    [{ isAnnounced: undefined }],
    [{ caCertificate: 1 }],
  ])('a stored import with %j stops the start', (change) => {
    const data = { tenant: 'acme', ...wanted, ...change };
    expect(() => fromStateRecord({ type: 'imported-ca', version: 1, data })).toThrow('no sense');
    const removal = { tenant: 'acme', fingerprint256: 'AA' };
    const record = { type: 'imported-ca-removed', version: 1, data: removal };
    expect(() => fromStateRecord(record)).toThrow('no sense');
  });
});
