/** Bans as events: what is stored, what is refused, what a restart keeps. */
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
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
import type { BanId } from '../../src/security/abuse/bans.ts';
import { createTestPki, type TestPki } from '../pki/test-pki.ts';
import { handClock } from '../tools/hand-clock.ts';
import { removeDirectory, temporaryDirectory } from '../tools/temporary-directory.ts';

const HOUR_MS = 3_600_000;
const clock = handClock();
const ends: (() => void | Promise<void>)[] = [];
let pki: TestPki;
beforeAll(() => {
  pki = createTestPki();
});
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

const newDirectory = (): string => {
  const directory = temporaryDirectory('bans');
  ends.push(() => removeDirectory(directory));
  return directory;
};

async function open(directory = newDirectory(), options: Partial<SecurityStateOptions> = {}) {
  const name = SECURITY_METADATA_LOG;
  const log = await openStateLog({ files: nodeFileSystem, clock, directory, name });
  ends.push(() => log.close().catch(() => {}));
  const parts = { clock, random: systemRandom, logger: silentLogger };
  const state = await SecurityState.open({ log, ...parts, ...options });
  await state.createTenant('acme', pki.tenants.acme.certificate.toString());
  const close = async (): Promise<void> => {
    await state.close();
    await log.close();
  };
  return { state, close };
}

const ADDRESS: BanId = { kind: 'address', network: '2001:DB8:0::/48' };
const NAME: BanId = { kind: 'principal', tenant: 'acme', name: 'pump-1' };
const forAnHour = (id: BanId, reason = '') => ({ id, durationMs: HOUR_MS, reason });
const all = (state: SecurityState) => [...state.image.bans.all()];

describe('bans', () => {
  it.each([
    ['replayed', {}],
    ['from a snapshot', { snapshotAfterBytes: 1 }],
  ])('are there after a restart, with their end, %s', async (_, options) => {
    const directory = newDirectory();
    const { state, close } = await open(directory, options);
    await state.addBan(forAnHour(ADDRESS, 'scanning'));
    await state.addBan(forAnHour(NAME));
    await state.addBan(forAnHour({ ...NAME, name: 'pump-2' }));
    expect(await state.removeBan({ ...NAME, name: 'pump-2' })).toBe(true);
    const before = all(state);
    await close();
    clock.pass(HOUR_MS - 1);
    const { bans } = (await open(directory, options)).state.image;
    expect([...bans.all()]).toEqual(before);
    expect(bans.ofAddress('2001:db8::5', clock.nowMs())?.reason).toBe('banned');
    expect(bans.ofPrincipal('acme', 'pump-1', clock.nowMs())?.reason).toBe('banned');
    clock.pass(1);
    expect(bans.ofAddress('2001:db8::5', clock.nowMs())).toBeNull();
    expect(bans.ofPrincipal('acme', 'pump-1', clock.nowMs())).toBeNull();
  });

  it('of addresses cover what lies in the network and nothing else', async () => {
    const { state } = await open();
    for (const network of ['10.0.0.0/8', '192.0.2.7', '2001:db8::/64']) {
      await state.addBan(forAnHour({ kind: 'address', network }));
    }
    const { bans } = state.image;
    const isBanned = (text: string): boolean => bans.ofAddress(text, clock.nowMs()) !== null;
    expect(['10.1.2.3', '::ffff:10.1.2.3', '192.0.2.7', '2001:db8::9'].every(isBanned)).toBe(true);
    expect(['11.0.0.1', '192.0.2.8', '2001:db8:0:1::', '::a00:1', ''].some(isBanned)).toBe(false);
  });

  it('of the same address or name take the place of the earlier one', async () => {
    const { state } = await open();
    await state.addBan(forAnHour(ADDRESS, 'first'));
    await state.addBan(forAnHour({ kind: 'address', network: '2001:db8::/48' }, 'second'));
    expect(all(state).map(({ reason }) => reason)).toEqual(['second']);
    expect(await state.removeBan(NAME)).toBe(false);
  });

  it('are bounded in number, and those that ended do not count', async () => {
    const limits = { ...DEFAULT_SECURITY_LIMITS, bansMax: 2 };
    const { state } = await open(undefined, { limits });
    const at = (last: number): BanId => ({ kind: 'address', network: `192.0.2.${last}` });
    await state.addBan(forAnHour(at(1)));
    await state.addBan(forAnHour(at(2)));
    await expect(state.addBan(forAnHour(at(3)))).rejects.toMatchObject({ reason: 'limit' });
    await state.addBan(forAnHour(at(2), 'again'));
    clock.pass(HOUR_MS);
    await state.addBan(forAnHour(at(3)));
    expect(all(state)).toHaveLength(1);
  });

  it.each([
    ['host bits', { kind: 'address', network: '10.0.0.1/8' }, 'invalid'],
    ['every address', { kind: 'address', network: '::/0' }, 'invalid'],
    ['no address', { kind: 'address', network: 'example.com' }, 'invalid'],
    ['a name that nobody can have', { ...NAME, name: 'a.b' }, 'invalid'],
    ['no such tenant', { ...NAME, tenant: 'nowhere' }, 'no-such-tenant'],
  ] as [string, BanId, string][])('of %s are refused', async (_, id, reason) => {
    const { state } = await open();
    await expect(state.addBan(forAnHour(id))).rejects.toMatchObject({ reason });
    expect(state.image.bans.size).toBe(0);
  });

  it.each([0, -1, 1.5, Number.NaN, 100 * 366 * 24 * HOUR_MS])(
    'for %d ms are refused',
    async (durationMs) => {
      const { state } = await open();
      const refused = state.addBan({ id: ADDRESS, durationMs, reason: '' });
      await expect(refused).rejects.toMatchObject({ reason: 'invalid' });
    },
  );

  it.each([
    [
      {
        lifted: [],
        banned: [{ kind: 'address', network: '10.0.0.1/8', sinceMs: 1, untilMs: 2, reason: '' }],
      },
    ],
    [{ lifted: [], banned: [{ kind: 'address', network: '10.0.0.1', sinceMs: 1, reason: '' }] }],
    [{ lifted: [], banned: [{ kind: 'fleet', name: 'x', sinceMs: 1, untilMs: 2, reason: '' }] }],
    [{ lifted: [{ kind: 'principal', name: 'x' }], banned: [] }],
    [{ banned: [] }],
  ])('that make no sense stop the start: %j', (data) => {
    expect(() => fromStateRecord({ type: 'bans', version: 1, data })).toThrow(/no sense/);
    expect(() => fromStateRecord({ type: 'bans', version: 2, data })).toThrow(/does not know/);
  });
});
