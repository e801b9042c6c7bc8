/** Delegation tokens in the security state: bounds, restarts, snapshots and records in disorder. */
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { systemClock } from '../../src/base/clock.ts';
import { nodeFileSystem } from '../../src/base/file-system.ts';
import { silentLogger } from '../../src/base/logger.ts';
import { systemRandom } from '../../src/base/random.ts';
import { openStateLog } from '../../src/engine/embedded/state-log.ts';
import { fromStateRecord, SECURITY_METADATA_LOG } from '../../src/metadata/metadata-log.ts';
import {
  DEFAULT_SECURITY_LIMITS,
  SecurityState,
  type SecurityStateOptions,
} from '../../src/metadata/security-state.ts';
import { type DelegationToken, newTokenId } from '../../src/security/tokens/delegation-token.ts';
import { createTestPki, type TestPki } from '../pki/test-pki.ts';
import { removeDirectory, temporaryDirectory } from '../tools/temporary-directory.ts';

const ends: (() => void | Promise<void>)[] = [];
const NOW_MS = 1_800_000_000_000;
let pki: TestPki;
let nowMs: number;

beforeAll(() => {
  pki = createTestPki();
});

afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

function newDirectory(): string {
  const directory = temporaryDirectory('metadata-tokens');
  ends.push(() => removeDirectory(directory));
  return directory;
}

async function open(options: Partial<SecurityStateOptions> = {}, directory = newDirectory()) {
  nowMs = NOW_MS;
  const log = await openStateLog({
    files: nodeFileSystem,
    clock: systemClock,
    directory,
    name: SECURITY_METADATA_LOG,
  });
  ends.push(() => log.close().catch(() => {}));
  const clock = { ...systemClock, nowMs: () => nowMs };
  const parts = { clock, random: systemRandom, logger: silentLogger };
  const state = await SecurityState.open({ log, ...parts, ...options });
  const close = async (): Promise<void> => {
    await state.close();
    await log.close();
  };
  if (state.image.tenants.size === 0) {
    await state.createTenant('acme', pki.tenants.acme.certificate.toString());
    await state.createTenant('globex', pki.tenants.globex.certificate.toString());
  }
  return { state, log, close };
}

const token = (change: Partial<DelegationToken> = {}): DelegationToken => ({
  id: newTokenId(systemRandom),
  owner: 'ada',
  fleet: null,
  requester: 'ada',
  renewers: ['bob'],
  certificate: null,
  issuedAtMs: NOW_MS,
  expiresAtMs: NOW_MS + 1000,
  maxAtMs: NOW_MS + 2000,
  ...change,
});
const set = (...tokens: DelegationToken[]) => ({ set: tokens, removed: [] });
const tokensOf = (state: SecurityState, tenant = 'acme') => [
  ...state.image.tenants.get(tenant)!.delegationTokens.all(),
];
const refused = (reason: string) => ({ code: 'METADATA_ERROR', reason });

describe('delegation tokens', () => {
  it('come, change and go, for their tenant alone', async () => {
    const { state } = await open();
    const [one, two] = [token(), token({ owner: 'bob' })];
    await state.changeDelegationTokens('acme', () => set(one, two));
    const renewed = { ...one, expiresAtMs: NOW_MS + 1500 };
    await state.changeDelegationTokens('acme', (now) => {
      expect(now.get(one.id)).toEqual(one);
      return { set: [renewed], removed: [two.id] };
    });
    expect(tokensOf(state)).toEqual([renewed]);
    expect(tokensOf(state, 'globex')).toEqual([]);
  });

  it('are there after a restart, from the log and from a snapshot', async () => {
    for (const snapshotAfterBytes of [1, 1_000_000]) {
      const directory = newDirectory();
      const first = await open({ snapshotAfterBytes }, directory);
      const made = [
        token({ fleet: 'plant-a', certificate: { issuerKeyId: 'ab'.repeat(32), serial: '0A' } }),
        token({ renewers: [] }),
        token({ owner: 'bob' }),
      ];
      await first.state.changeDelegationTokens('acme', () => set(...made));
      await first.state.changeDelegationTokens('acme', () => ({ set: [], removed: [made[2]!.id] }));
      await first.close();
      const second = await open({ snapshotAfterBytes }, directory);
      expect(tokensOf(second.state)).toEqual(made.slice(0, 2));
    }
  });

  it('write nothing when nothing changes', async () => {
    const { state, log } = await open();
    const end = log.endOffset;
    const unknown = newTokenId(systemRandom);
    await state.changeDelegationTokens('acme', () => ({ set: [], removed: [unknown] }));
    expect(log.endOffset).toBe(end);
  });

  it('are bounded for an owner and a tenant; what has expired goes with the next one', async () => {
    const limits = {
      ...DEFAULT_SECURITY_LIMITS,
      delegationTokensPerOwnerMax: 2,
      delegationTokensPerTenantMax: 3,
    };
    const { state } = await open({ limits });
    const add = (one: DelegationToken) => state.changeDelegationTokens('acme', () => set(one));
    const soon = token({ expiresAtMs: NOW_MS + 10 });
    await add(soon);
    await add(token());
    await expect(add(token())).rejects.toMatchObject(refused('limit'));
    await add(token({ owner: 'bob' }));
    await expect(add(token({ owner: 'eve' }))).rejects.toMatchObject(refused('limit'));
    // A renewal is no new token.
    await add({ ...soon, expiresAtMs: NOW_MS + 20 });
    await state.changeDelegationTokens('globex', () => set(token()));
    nowMs = NOW_MS + 20;
    await add(token());
    expect(tokensOf(state).map(({ id }) => id)).not.toContain(soon.id);
    expect(tokensOf(state)).toHaveLength(3);
    await expect(add(token())).rejects.toMatchObject(refused('limit'));
  });

  it('two that are made at once cannot both take the last place', async () => {
    const limits = { ...DEFAULT_SECURITY_LIMITS, delegationTokensPerOwnerMax: 1 };
    const { state } = await open({ limits });
    const add = () => state.changeDelegationTokens('acme', () => set(token()));
    const outcomes = await Promise.allSettled([add(), add()]);
    expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'rejected']);
  });

  it('what the decision throws changes nothing and reaches the caller', async () => {
    const { state, log } = await open();
    const end = log.endOffset;
    const change = state.changeDelegationTokens('acme', () => {
      throw new RangeError('no');
    });
    await expect(change).rejects.toThrow(RangeError);
    expect(log.endOffset).toBe(end);
  });

  it.each<[string, Partial<DelegationToken>]>([
    ['an id that is none', { id: 'short' }],
    ['an owner that nobody can be called', { owner: 'a/b' }],
    ['a renewer that nobody can be called', { renewers: [''] }],
    ['eleven renewers', { renewers: Array.from({ length: 11 }, (_, n) => `r${n}`) }],
    ['an end after the longest time', { expiresAtMs: NOW_MS + 3000 }],
    ['a time that is none', { maxAtMs: Number.POSITIVE_INFINITY }],
  ])('are refused with %s, and so is a record of it', async (_what, change) => {
    const { state } = await open();
    const bad = token(change);
    await expect(state.changeDelegationTokens('acme', () => set(bad))).rejects.toMatchObject(
      refused('invalid'),
    );
    const data = { tenant: 'acme', set: [bad], removed: [] };
    expect(() => fromStateRecord({ type: 'delegation-tokens', version: 1, data })).toThrow(
      /makes no sense/,
    );
  });

  it.each<[string, object]>([
    ['no list', { set: {}, removed: [] }],
    ['a removed id that is none', { set: [], removed: ['x'] }],
    ['a certificate that is none', { set: [{ ...token(), certificate: {} }], removed: [] }],
    [
      'a serial that is none',
      {
        set: [{ ...token(), certificate: { issuerKeyId: 'ab'.repeat(32), serial: '-1' } }],
        removed: [],
      },
    ],
  ])('a record with %s stops the start', (_what, data) => {
    const record = { type: 'delegation-tokens', version: 1, data: { tenant: 'acme', ...data } };
    expect(() => fromStateRecord(record)).toThrow(/makes no sense/);
  });
});
