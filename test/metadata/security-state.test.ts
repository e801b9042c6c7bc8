import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { StorageError } from '../../src/base/errors.ts';
import type { StateRecord } from '../../src/engine/engine.ts';
import type { MetadataError } from '../../src/metadata/metadata-error.ts';
import type { MetadataRecord } from '../../src/metadata/metadata-log.ts';
import { DEFAULT_SECURITY_LIMITS } from '../../src/metadata/security-state.ts';
import type { AclBinding } from '../../src/security/acl/acl-binding.ts';
import { createTestPki, type TestPki, tenantCa } from '../pki/test-pki.ts';
import { SecurityStateFixture } from './security-state-fixture.ts';

const fixture = new SecurityStateFixture('security-state');
let pki: TestPki;
let acmeCa: string;
let globexCa: string;

beforeAll(() => {
  pki = createTestPki();
  acmeCa = pki.tenants.acme.certificate.toString();
  globexCa = pki.tenants.globex.certificate.toString();
});

afterEach(() => fixture.end());

const open = fixture.open.bind(fixture);
const newDirectory = fixture.newDirectory.bind(fixture);

const rule = (change: Partial<AclBinding> = {}): AclBinding => ({
  resourceType: 'TOPIC',
  resourceName: 'telemetry',
  patternType: 'LITERAL',
  principal: 'User:device-1',
  host: '*',
  operation: 'WRITE',
  permission: 'ALLOW',
  ...change,
});

const refused = (reason: MetadataError['reason']) => ({ code: 'METADATA_ERROR', reason });

describe('tenants', () => {
  it('are created active, with a cluster id of their own and their CA', async () => {
    const { state } = await open();
    const acme = await state.createTenant('acme', acmeCa);
    const globex = await state.createTenant('globex', globexCa);
    expect(acme).toMatchObject({ name: 'acme', state: 'active', acls: [] });
    expect(acme.clusterId).toMatch(/^[A-Za-z0-9_-]{22}$/);
    expect(acme.clusterId).not.toBe(globex.clusterId);
    expect(acme.cas.map(({ fingerprint256 }) => fingerprint256)).toEqual([
      pki.tenants.acme.certificate.fingerprint256,
    ]);
    expect(state.image.tenants.get('acme')).toBe(acme);
  });

  it('are created once: again with the same CA changes nothing, with another it is refused', async () => {
    const { state, log } = await open();
    const first = await state.createTenant('acme', acmeCa);
    const bytes = log.bytesSinceSnapshot;
    const { version } = state.image;
    expect(await state.createTenant('acme', acmeCa)).toBe(first);
    expect(log.bytesSinceSnapshot).toBe(bytes);
    expect(state.image.version).toBe(version);
    await expect(state.createTenant('acme', globexCa)).rejects.toMatchObject(
      refused('tenant-exists'),
    );
  });

  it('are suspended and resumed', async () => {
    const { state } = await open();
    await state.createTenant('acme', acmeCa);
    expect((await state.setTenantState('acme', 'suspended')).state).toBe('suspended');
    const { version } = state.image;
    await state.setTenantState('acme', 'suspended');
    expect(state.image.version).toBe(version);
    expect((await state.setTenantState('acme', 'active')).state).toBe('active');
    await expect(state.setTenantState('nobody', 'active')).rejects.toMatchObject(
      refused('no-such-tenant'),
    );
  });

  it('may have several CAs, but never one of another tenant', async () => {
    const { state } = await open();
    await state.createTenant('acme', acmeCa);
    const next = tenantCa(pki.clientRoot, 'acme').certificate.toString();
    expect((await state.addTenantCa('acme', next)).cas.length).toBe(2);
    expect((await state.addTenantCa('acme', next)).cas.length).toBe(2);
    await expect(state.createTenant('globex', next)).rejects.toMatchObject(refused('ca-taken'));
    await state.createTenant('globex', globexCa);
    await expect(state.addTenantCa('globex', acmeCa)).rejects.toMatchObject(refused('ca-taken'));
    await expect(state.addTenantCa('nobody', acmeCa)).rejects.toMatchObject(
      refused('no-such-tenant'),
    );
  });

  it.each(['', 'Acme', 'a.b', 'a_b', 'a/b', 'a b', '_operator', '*', 'x'.repeat(64), 'ä'])(
    'cannot be named %j',
    async (name) => {
      const { state } = await open();
      await expect(state.createTenant(name, acmeCa)).rejects.toMatchObject(refused('invalid'));
    },
  );

  it('give no private key into the log', async () => {
    const { state, log } = await open();
    const key = pki.tenants.acme.privateKey.export({ format: 'pem', type: 'pkcs8' }).toString();
    for (const pem of [key, `${acmeCa}\n${key}`, `${key}\n${acmeCa}`]) {
      await expect(state.createTenant('acme', pem)).rejects.toMatchObject(refused('private-key'));
    }
    expect(log.bytesSinceSnapshot).toBe(0);
  });

  it.each<[string, () => string]>([
    ['nothing', () => ''],
    ['no PEM', () => 'hello'],
    ['two certificates', () => `${acmeCa}\n${globexCa}`],
    ['words around it', () => `Certificate:\n${acmeCa}`],
    ['a broken one', () => acmeCa.replace(/[A-Za-z]{20}/, 'A'.repeat(20))],
    ['a leaf', () => pki.broker.certificate.toString()],
  ])('are refused with %s for a CA', async (_, pem) => {
    const { state } = await open();
    await expect(state.createTenant('acme', pem())).rejects.toMatchObject(refused('invalid'));
  });

  it('are limited in number, and in their CAs', async () => {
    const limits = { ...DEFAULT_SECURITY_LIMITS, tenantsMax: 1, casPerTenantMax: 1 };
    const { state } = await open({ limits });
    await state.createTenant('acme', acmeCa);
    await expect(state.createTenant('globex', globexCa)).rejects.toMatchObject(refused('limit'));
    const next = tenantCa(pki.clientRoot, 'acme').certificate.toString();
    await expect(state.addTenantCa('acme', next)).rejects.toMatchObject(refused('limit'));
  });
});

describe('dynamic rules', () => {
  it('are added and removed once each, per tenant', async () => {
    const { state } = await open();
    await state.createTenant('acme', acmeCa);
    await state.createTenant('globex', globexCa);
    const deny = rule({ permission: 'DENY' });
    expect(await state.addAcls('acme', [rule(), deny, rule()])).toBe(2);
    expect(await state.addAcls('acme', [rule(), rule({ operation: 'READ' })])).toBe(1);
    expect(await state.removeAcls('acme', [deny, deny])).toBe(1);
    expect(await state.removeAcls('acme', [deny])).toBe(0);
    expect(state.image.tenants.get('acme')?.acls).toEqual([rule(), rule({ operation: 'READ' })]);
    expect(state.image.tenants.get('globex')?.acls).toEqual([]);
  });

  it('keep only the seven fields of a binding', async () => {
    const { state } = await open();
    await state.createTenant('acme', acmeCa);
    await state.addAcls('acme', [{ ...rule(), note: 'x' } as AclBinding]);
    expect(state.image.tenants.get('acme')?.acls).toEqual([rule()]);
  });

  it.each<[string, Partial<AclBinding>]>([
    ['a line end in the name', { resourceName: 'a\np, User:*' }],
    ['a separator in the name', { resourceName: 'a,b' }],
    ['an empty name', { resourceName: '' }],
    ['a principal of no kind', { principal: 'device-1' }],
    ['a separator in the principal', { principal: 'User:a,b' }],
    ['a host that is none', { host: 'example.com' }],
    ['an operation of another type', { operation: 'IDEMPOTENT_WRITE' }],
    ['an unknown operation', { operation: 'FLY' as 'READ' }],
    ['an unknown type', { resourceType: 'constructor' as 'TOPIC' }],
    ['an unknown permission', { permission: 'MAYBE' as 'ALLOW' }],
  ])('are refused whole for %s', async (_, change) => {
    const { state } = await open();
    await state.createTenant('acme', acmeCa);
    await expect(state.addAcls('acme', [rule(), rule(change)])).rejects.toMatchObject(
      refused('invalid'),
    );
    expect(state.image.tenants.get('acme')?.acls).toEqual([]);
  });

  it('need a tenant, and are limited in number', async () => {
    const limits = { ...DEFAULT_SECURITY_LIMITS, aclsPerTenantMax: 3, aclsPerChangeMax: 4 };
    const { state } = await open({ limits });
    await expect(state.addAcls('acme', [rule()])).rejects.toMatchObject(refused('no-such-tenant'));
    await expect(state.removeAcls('acme', [])).rejects.toMatchObject(refused('no-such-tenant'));
    await state.createTenant('acme', acmeCa);
    const many = (count: number) =>
      Array.from({ length: count }, (_, n) => rule({ resourceName: `t${n}` }));
    await expect(state.addAcls('acme', many(4))).rejects.toMatchObject(refused('limit'));
    await expect(state.addAcls('acme', many(5))).rejects.toMatchObject(refused('limit'));
    expect(await state.addAcls('acme', many(3))).toBe(3);
    expect(await state.addAcls('acme', many(3))).toBe(0);
    await expect(state.addAcls('acme', [rule()])).rejects.toMatchObject(refused('limit'));
  });
});

describe('the image', () => {
  it('changes only when the record is durable, and then before the caller knows', async () => {
    const { state, log } = await open();
    await state.createTenant('acme', acmeCa);
    const before = state.image;
    const append = log.append.bind(log);
    let duringAppend: unknown;
    log.append = async (records) => {
      await append(records);
      duringAppend = state.image;
    };
    const seen: (readonly [number, readonly MetadataRecord[]])[] = [];
    const stop = state.onChange(({ version }, changes) => seen.push([version, changes]));
    await state.addAcls('acme', [rule()]);
    expect(duringAppend).toBe(before);
    expect(before.tenants.get('acme')?.acls).toEqual([]);
    expect(state.image.version).toBeGreaterThan(before.version);
    expect(seen).toEqual([
      [state.image.version, [{ type: 'acls-added', tenant: 'acme', bindings: [rule()] }]],
    ]);
    stop();
    await state.setTenantState('acme', 'suspended');
    expect(seen.length).toBe(1);
  });

  it('does not change, and tells nobody, when the record cannot be stored', async () => {
    const { state, log } = await open();
    await state.createTenant('acme', acmeCa);
    const before = state.image;
    let told = 0;
    state.onChange(() => {
      told += 1;
    });
    log.append = () => Promise.reject(new StorageError('no space left'));
    await expect(state.addAcls('acme', [rule()])).rejects.toThrow(StorageError);
    await expect(state.setTenantState('acme', 'suspended')).rejects.toThrow(StorageError);
    expect(state.image).toBe(before);
    expect(told).toBe(0);
  });

  it('confirms nothing after a failed change until a record is stored again', async () => {
    const { state, log } = await open();
    await state.createTenant('acme', acmeCa);
    await state.addAcls('acme', [rule({ permission: 'DENY' })]);
    const append = log.append.bind(log);
    log.append = () => Promise.reject(new StorageError('offline'));
    const deny = rule({ permission: 'DENY' });
    await expect(state.removeAcls('acme', [deny])).rejects.toThrow('offline');
    await expect(state.addAcls('acme', [deny])).rejects.toThrow('uncertain');
    log.append = append;
    await state.addAcls('acme', [rule()]);
    expect(await state.addAcls('acme', [deny])).toBe(0);
  });

  it('keeps a tenant that did not change', async () => {
    const { state } = await open();
    const acme = await state.createTenant('acme', acmeCa);
    await state.createTenant('globex', globexCa);
    await state.addAcls('globex', [rule()]);
    expect(state.image.tenants.get('acme')).toBe(acme);
  });

  it('runs changes in order, a bounded number of them waiting', async () => {
    const limits = { ...DEFAULT_SECURITY_LIMITS, waitingChangesMax: 3 };
    const { state } = await open({ limits });
    await state.createTenant('acme', acmeCa);
    const changes = await Promise.allSettled([
      state.setTenantState('acme', 'suspended'),
      state.setTenantState('acme', 'active'),
      state.setTenantState('acme', 'suspended'),
      state.setTenantState('acme', 'active'),
    ]);
    expect(changes.at(-1)).toMatchObject({ status: 'rejected', reason: refused('busy') });
    expect(state.image.tenants.get('acme')?.state).toBe('suspended');
  });
});

describe('a restart', () => {
  it.each([1_000_000, 1])('gives the same state, snapshot after %i bytes', async (limit) => {
    const directory = newDirectory();
    const first = await open({ snapshotAfterBytes: limit }, directory);
    await first.state.createTenant('acme', acmeCa);
    await first.state.createTenant('globex', globexCa);
    const next = tenantCa(pki.clientRoot, 'acme').certificate.toString();
    await first.state.addTenantCa('acme', next);
    await first.state.setTenantState('globex', 'suspended');
    const many = Array.from({ length: 2500 }, (_, n) => rule({ resourceName: `t${n}` }));
    await first.state.addAcls('acme', many);
    await first.state.removeAcls('acme', many.slice(0, 7));
    const before = first.state.image.tenants;
    await first.close();
    const second = await open({ snapshotAfterBytes: limit }, directory);
    expect(second.state.image.tenants).toEqual(before);
  });

  it.each<[string, StateRecord]>([
    ['an unknown type', { type: 'moon-phase', version: 1, data: { tenant: 'acme' } }],
    ['a newer version', { type: 'acls-removed', version: 2, data: { tenant: 'acme' } }],
    ['no tenant', { type: 'tenant-state', version: 1, data: { state: 'active' } }],
    [
      'another tenant',
      { type: 'tenant-state', version: 1, data: { tenant: 'b', state: 'active' } },
    ],
    ['a third state', { type: 'tenant-state', version: 1, data: { tenant: 'acme', state: 'odd' } }],
    [
      'a CA of nothing',
      { type: 'tenant-ca', version: 1, data: { tenant: 'acme', caCertificate: '' } },
    ],
    [
      'a rule out of order',
      {
        type: 'acls-added',
        version: 1,
        data: { tenant: 'acme', bindings: [{ ...rule(), operation: 'FLY' }] },
      },
    ],
    [
      'a rule without host',
      {
        type: 'acls-added',
        version: 1,
        data: { tenant: 'acme', bindings: [{ ...rule(), host: 7 }] },
      },
    ],
  ])('is refused on %s', async (_, record) => {
    const directory = newDirectory();
    const first = await open({}, directory);
    await first.state.createTenant('acme', acmeCa);
    await first.log.append([record]);
    await first.close();
    await expect(open({}, directory)).rejects.toThrow(StorageError);
  });
});
