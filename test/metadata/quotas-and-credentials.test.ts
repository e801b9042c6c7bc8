/** Client quotas and SCRAM credentials in the security state, over restarts and snapshots. */
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { MetadataImage } from '../../src/metadata/metadata-image.ts';
import { SECURITY_METADATA_LOG } from '../../src/metadata/metadata-log.ts';
import {
  DEFAULT_SECURITY_LIMITS,
  type SecurityStateOptions,
} from '../../src/metadata/security-state.ts';
import type { ClientQuotaAlteration } from '../../src/quota/client-quota-entity.ts';
import type { ScramCredential } from '../../src/security/scram/scram-credentials.ts';
import { createTestPki, type TestPki } from '../pki/test-pki.ts';
import { type OpenedState, SecurityStateFixture } from './security-state-fixture.ts';

const fixture = new SecurityStateFixture('quotas-and-credentials');
let pki: TestPki;

beforeAll(() => {
  pki = createTestPki();
});

afterEach(() => fixture.end());

const newDirectory = fixture.newDirectory.bind(fixture);

async function open(
  options: Partial<SecurityStateOptions> = {},
  directory = newDirectory(),
): Promise<OpenedState> {
  const opened = await fixture.open(options, directory);
  const { state } = opened;
  if (state.image.tenants.size === 0) {
    await state.createTenant('acme', pki.tenants.acme.certificate.toString());
    await state.createTenant('globex', pki.tenants.globex.certificate.toString());
  }
  return opened;
}

const quota = (user: string, value: number | null): ClientQuotaAlteration => ({
  entity: { user },
  values: { producer_byte_rate: value },
});

const credential = (user: string, change: Partial<ScramCredential> = {}): ScramCredential => ({
  user,
  mechanism: 'SCRAM-SHA-256',
  iterations: 4096,
  salt: 'c2FsdA==',
  storedKey: Buffer.alloc(32, 1).toString('base64'),
  serverKey: Buffer.alloc(32, 2).toString('base64'),
  ...change,
});

const refused = (reason: string) => ({ code: 'METADATA_ERROR', reason });
const upsert = (...upserted: ScramCredential[]) => ({ deleted: [], upserted });
const quotasOf = (image: MetadataImage, tenant = 'acme') => [
  ...image.tenants.get(tenant)!.clientQuotas.entries(),
];
const credentialsOf = (image: MetadataImage, tenant = 'acme') => {
  const { scramCredentials } = image.tenants.get(tenant)!;
  return [...scramCredentials.users()].flatMap((user) => scramCredentials.ofUser(user));
};

describe('client quotas', () => {
  it('are set, changed and removed, for their tenant alone', async () => {
    const { state } = await open();
    await state.alterClientQuotas('acme', [quota('ada', 1), quota('bob', 2)]);
    await state.alterClientQuotas('acme', [
      { entity: { user: 'ada' }, values: { producer_byte_rate: null, request_percentage: 5 } },
      quota('bob', null),
    ]);
    expect(quotasOf(state.image)).toEqual([
      { entity: { user: 'ada' }, values: { request_percentage: 5 } },
    ]);
    expect(quotasOf(state.image, 'globex')).toEqual([]);
  });

  it('write nothing when nothing changes, and nothing on a dry run', async () => {
    const { state, log } = await open();
    await state.alterClientQuotas('acme', [quota('ada', 1)]);
    const { version, tenants } = state.image;
    const end = log.endOffset;
    await state.alterClientQuotas('acme', [quota('ada', 1), quota('bob', null)]);
    await state.alterClientQuotas('acme', [quota('bob', 1)], { validateOnly: true });
    expect(log.endOffset).toBe(end);
    expect(state.image.version).toBe(version);
    // Whoever enforces keeps what it found while the object is the same.
    await state.setTenantState('acme', 'suspended');
    expect(state.image.tenants.get('acme')!.clientQuotas).toBe(tenants.get('acme')!.clientQuotas);
  });

  it.each<[string, readonly ClientQuotaAlteration[]]>([
    ['an entity in disorder', [{ entity: {}, values: { producer_byte_rate: 1 } }]],
    ['a value in disorder', [quota('ada', 1), quota('bob', -1)]],
    ['a key of another entity', [{ entity: { ip: null }, values: { producer_byte_rate: 1 } }]],
    ['an entity named twice', [quota('ada', 1), quota('ada', 2)]],
  ])('refuse %s, and then all', async (_what, alterations) => {
    const { state } = await open();
    await expect(state.alterClientQuotas('acme', alterations)).rejects.toMatchObject(
      refused('invalid'),
    );
    expect(quotasOf(state.image)).toEqual([]);
  });

  it('are bounded for each tenant, also on a dry run; what makes room is never refused', async () => {
    const limits = { ...DEFAULT_SECURITY_LIMITS, quotaEntitiesPerTenantMax: 2 };
    const { state } = await open({ limits });
    await state.alterClientQuotas('acme', [quota('a', 1), quota('b', 1)]);
    for (const validateOnly of [true, false]) {
      const change = state.alterClientQuotas('acme', [quota('c', 1)], { validateOnly });
      await expect(change).rejects.toMatchObject(refused('limit'));
    }
    await state.alterClientQuotas('acme', [quota('c', 1), quota('a', null), quota('b', 3)]);
    await state.alterClientQuotas('globex', [quota('a', 1)]);
    expect(quotasOf(state.image).map(({ entity }) => entity.user)).toEqual(['b', 'c']);
  });
});

describe('SCRAM credentials', () => {
  it('are set, replaced and deleted, one for each mechanism, for their tenant alone', async () => {
    const { state } = await open();
    const keys = { storedKey: Buffer.alloc(64, 3).toString('base64') };
    const other = credential('ada', {
      mechanism: 'SCRAM-SHA-512',
      ...keys,
      serverKey: keys.storedKey,
    });
    await state.alterScramCredentials('acme', upsert(credential('ada'), other));
    await state.alterScramCredentials('acme', upsert(credential('ada', { iterations: 8192 })));
    const { scramCredentials } = state.image.tenants.get('acme')!;
    expect(scramCredentials.size).toBe(2);
    expect(scramCredentials.get(credential('ada'))?.iterations).toBe(8192);
    await state.alterScramCredentials('acme', {
      deleted: [credential('ada'), credential('nobody')],
      upserted: [],
    });
    expect(credentialsOf(state.image)).toEqual([other]);
    expect(credentialsOf(state.image, 'globex')).toEqual([]);
  });

  it('are bounded for each tenant, and have the names of principals', async () => {
    const limits = { ...DEFAULT_SECURITY_LIMITS, scramCredentialsPerTenantMax: 1 };
    const { state } = await open({ limits });
    await state.alterScramCredentials('acme', upsert(credential('a')));
    const more = state.alterScramCredentials('acme', upsert(credential('b')));
    await expect(more).rejects.toMatchObject(refused('limit'));
    const odd = state.alterScramCredentials('acme', upsert(credential('a,b')));
    await expect(odd).rejects.toMatchObject(refused('invalid'));
    await state.alterScramCredentials('acme', {
      deleted: [credential('a')],
      upserted: [credential('b')],
    });
    expect(credentialsOf(state.image).map(({ user }) => user)).toEqual(['b']);
  });

  it('wait for one change of another tenant, however many it asks for; operators wait for none', async () => {
    const { state } = await open();
    const done: string[] = [];
    const note = (name: string) => () => void done.push(name);
    const flood = Array.from({ length: 50 }, (_, n) =>
      state.alterScramCredentials('acme', upsert(credential(`u${n}`))).then(note('acme')),
    );
    const mine = state.alterScramCredentials('globex', upsert(credential('ada')));
    const revoked = state.setSuspended('acme', { kind: 'device', name: 'eve' }, true);
    await Promise.all([...flood, mine.then(note('globex')), revoked.then(note('operator'))]);
    expect(done.indexOf('operator')).toBeLessThanOrEqual(1);
    expect(done.indexOf('globex')).toBeLessThanOrEqual(3);
  });

  it('find places, however many changes another tenant has waiting', async () => {
    const limits = { ...DEFAULT_SECURITY_LIMITS, waitingChangesMax: 50 };
    const { state } = await open({ limits });
    const flood = Array.from({ length: 80 }, (_, n) =>
      state.alterScramCredentials('acme', upsert(credential(`u${n}`))),
    );
    const mine = state.alterScramCredentials('globex', upsert(credential('ada')));
    const outcomes = await Promise.allSettled(flood);
    await expect(mine).resolves.toBeUndefined();
    expect(outcomes.at(-1)).toMatchObject({ status: 'rejected', reason: refused('busy') });
  });

  it('are left alone when the right is gone by the time of their turn', async () => {
    const { state } = await open();
    let isPermitted = true;
    const options = { isPermitted: () => isPermitted };
    const changes = [
      state.alterScramCredentials('acme', upsert(credential('ada')), options),
      state.alterClientQuotas('acme', [quota('ada', 1)], options),
    ];
    isPermitted = false;
    for (const change of changes) await expect(change).rejects.toMatchObject(refused('denied'));
    expect([credentialsOf(state.image), quotasOf(state.image)]).toEqual([[], []]);
  });

  it('lie in files that only the broker reads', async () => {
    const directory = newDirectory();
    const { state } = await open({ snapshotAfterBytes: 1 }, directory);
    await state.alterScramCredentials('acme', upsert(credential('ada')));
    const folder = join(directory, `__${SECURITY_METADATA_LOG}-0`);
    const modes = readdirSync(folder).map((name) => statSync(join(folder, name)).mode & 0o777);
    expect(new Set(modes)).toEqual(new Set([0o600]));
  });
});

it.each([1_000_000, 1])('all are there after a restart, snapshot after %i bytes', async (limit) => {
  const directory = newDirectory();
  const first = await open({ snapshotAfterBytes: limit }, directory);
  const many = Array.from({ length: 1500 }, (_, n) => quota(`user-${n}`, n + 1));
  await first.state.alterClientQuotas('acme', many);
  await first.state.alterClientQuotas('acme', [
    quota('user-7', null),
    { entity: { user: null, 'client-id': 'pump' }, values: { request_percentage: 0.5 } },
    { entity: { ip: null }, values: { connection_creation_rate: 3 } },
  ]);
  await first.state.alterScramCredentials('globex', upsert(credential('ada'), credential('bob')));
  await first.state.alterScramCredentials('globex', { deleted: [credential('bob')], upserted: [] });
  const before = [quotasOf(first.state.image), credentialsOf(first.state.image, 'globex')];
  await first.close();
  const { state } = await open({}, directory);
  expect([quotasOf(state.image), credentialsOf(state.image, 'globex')]).toEqual(before);
  expect(before[0]).toHaveLength(1501);
});

it.each<[string, Record<string, unknown>]>([
  ['client-quotas', { alterations: [{ entity: { user: '' }, values: {} }] }],
  ['client-quotas', { alterations: [{ entity: { user: 'a' }, values: { speed: 1 } }] }],
  [
    'client-quotas',
    { alterations: [{ entity: { user: 'a' }, values: { producer_byte_rate: 0 } }] },
  ],
  ['client-quotas', {}],
  ['scram-credentials', { deleted: [], upserted: [{ ...credential('a'), storedKey: 'c2VjcmV0' }] }],
  ['scram-credentials', { deleted: [], upserted: [{ ...credential('a'), iterations: 1 }] }],
  ['scram-credentials', { deleted: [{ user: 'a', mechanism: 'PLAIN' }], upserted: [] }],
])('a stored %s record that makes no sense stops the start: %j', async (type, data) => {
  const directory = newDirectory();
  const first = await open({}, directory);
  await first.log.append([{ type, version: 1, data: { tenant: 'acme', ...data } }]);
  await first.close();
  const again = open({}, directory);
  await expect(again).rejects.toMatchObject({ code: 'STORAGE_ERROR' });
  await expect(again).rejects.not.toThrow(/c2VjcmV0/);
});
