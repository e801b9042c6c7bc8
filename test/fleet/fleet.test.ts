import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { DeviceRecord } from '../../src/fleet/device-record.ts';
import { DIRECTORY, type FleetScene, fleetScene, START_MS } from './fleet-scene.ts';

const FILE = /devices-\d+\.log$/;
const filesOf = ({ files }: Pick<FleetScene, 'files'>): string[] => files.readdirSync(DIRECTORY);
const all = { cursor: null, limit: 1000, prefix: '', matches: () => true };

async function namesOf({ fleet }: FleetScene, tenant = 'acme'): Promise<string[]> {
  const { records } = await fleet.list(tenant, all);
  return records.map(({ name }) => name);
}

describe('what a connection leaves in the fleet view', () => {
  it('is there while it lasts and after it ended', async () => {
    const scene = fleetScene();
    const { open, meter, bytes } = scene.connect('pump-17');
    meter.request('pump-client');
    meter.request('pump-client');
    meter.software('librdkafka', '2.5.0');
    meter.denials++;
    bytes.bytesRead = 1000;
    bytes.bytesWritten = 400;
    scene.clock.pass(2000);
    await scene.fleet.flush();
    expect(scene.fleet.find('acme', 'pump-17')).toMatchObject({
      kind: 'device',
      fleet: 'plant-a',
      authentication: 'mTLS',
      firstSeenMs: START_MS,
      lastSeenMs: START_MS + 2000,
      address: '192.0.2.7',
      clientId: 'pump-client',
      softwareName: 'librdkafka',
      softwareVersion: '2.5.0',
      certificate: {
        serial: '0A1B',
        issuerKeyId: 'ab'.repeat(32),
        validFromMs: START_MS - 1000,
        expiresMs: START_MS + 90 * 86_400_000,
      },
      bytesIn: 1000,
      bytesOut: 400,
      requests: 2,
      denials: 1,
      connections: 1,
      lastDisconnect: null,
    });
    bytes.bytesRead = 1500;
    scene.clock.pass(3000);
    open.closed('idle');
    const second = scene.connect('pump-17');
    second.bytes.bytesRead = 10;
    second.open.closed('peer-closed');
    expect(scene.fleet.find('acme', 'pump-17')).toMatchObject({
      bytesIn: 1510,
      requests: 2,
      connects: 2,
      connections: 0,
      lastDisconnect: { reason: 'peer-closed', atMs: START_MS + 5000 },
    });
  });

  it('is written for those that say something, and once a minute for those that do not', async () => {
    const scene = fleetScene();
    for (let index = 0; index < 50; index++) scene.connect(`idle-${index}`);
    await scene.fleet.flush();
    await scene.fleet.flush();
    const before = scene.fleet.figures.diskBytes;
    scene.clock.pass(59_000);
    await scene.fleet.flush();
    expect(scene.fleet.figures.diskBytes).toBe(before);
    expect(scene.fleet.find('acme', 'idle-7')).toMatchObject({ lastSeenMs: START_MS });
    scene.clock.pass(1000);
    await scene.fleet.flush();
    expect(scene.fleet.figures.diskBytes).toBeGreaterThan(before);
    expect(scene.fleet.find('acme', 'idle-7')).toMatchObject({ lastSeenMs: START_MS + 60_000 });
  });

  it('is another one in each tenant', () => {
    const scene = fleetScene();
    scene.connect('pump-17').meter.requests = 7;
    scene.connect('pump-17', { tenant: 'globex' }).open.closed('idle');
    scene.fleet.forgetTenant('globex');
    expect(scene.fleet.find('globex', 'pump-17')).toBeUndefined();
    expect(scene.fleet.find('acme', 'pump-17')).toMatchObject({ connections: 1 });
  });

  it('comes again, and counts once, when its record had to go meanwhile', async () => {
    const scene = fleetScene({ devicesPerTenantMax: 2 });
    const first = scene.connect('a');
    first.bytes.bytesRead = 5;
    await scene.fleet.flush();
    for (const name of ['b', 'c']) scene.connect(name);
    expect(scene.fleet.find('acme', 'a')).toBeUndefined();
    first.bytes.bytesRead = 8;
    first.open.closed('idle');
    expect(scene.fleet.find('acme', 'a')).toMatchObject({ bytesIn: 3, connections: 0 });
  });
});

describe('refusals in the fleet view', () => {
  const refusal = { tenant: 'acme', name: 'pump-17', detail: 'why', address: '198.51.100.9' };
  const proven = {
    tenant: 'acme',
    name: 'pump-17',
    kind: 'device',
    fleet: 'plant-a',
    certificate: {
      serial: 'ABC',
      issuerKeyId: 'cd'.repeat(32),
      validFromMs: START_MS - 5000,
      expiresMs: START_MS - 1000,
    },
  } as const;

  it('make no record of a name that was only claimed', () => {
    const scene = fleetScene();
    scene.fleet.refused({ ...refusal, proven: null, reason: 'wrong_password' });
    expect(scene.fleet.count).toBe(0);
    expect(scene.fleet.failuresOf('acme', 'pump-17')).toEqual([]);
  });

  it('count for a name that has a record, with reason, time and address', () => {
    const scene = fleetScene();
    scene.connect('pump-17');
    for (let count = 1; count <= 20; count++) {
      scene.clock.pass(1000);
      const detail = `try ${count}`;
      scene.fleet.refused({ ...refusal, proven: null, reason: 'wrong_password', detail });
    }
    expect(scene.fleet.find('acme', 'pump-17')).toMatchObject({
      authenticationFailures: 20,
      address: '192.0.2.7',
      lastFailure: {
        atMs: START_MS + 20_000,
        reason: 'wrong_password',
        detail: 'try 20',
        address: '198.51.100.9',
      },
    });
    const told = scene.fleet.failuresOf('acme', 'pump-17').map(({ detail }) => detail);
    expect(told).toEqual([20, 19, 18, 17, 16, 15, 14, 13].map((count) => `try ${count}`));
  });

  it('make a record when the certificate was proven, of a device that never came in', () => {
    const scene = fleetScene();
    scene.fleet.refused({ ...refusal, proven, reason: 'expired' });
    expect(scene.fleet.find('acme', 'pump-17')).toMatchObject({
      fleet: 'plant-a',
      lastSeenMs: null,
      authentication: null,
      certificate: { serial: '0ABC', expiresMs: START_MS - 1000 },
      lastFailure: { reason: 'expired' },
    });
  });
});

describe('the list', () => {
  it('gives pages that neither repeat nor leave out, while devices come and go', async () => {
    const scene = fleetScene();
    for (let index = 0; index < 100; index++) scene.connect(`device-${index}`);
    scene.connect('other', { tenant: 'globex' });
    const seen: string[] = [];
    let cursor: string | null = null;
    for (let page = 0; page < 20; page++) {
      const found: { records: readonly DeviceRecord[]; next: string | null } =
        await scene.fleet.list('acme', { ...all, cursor, limit: 7 });
      seen.push(...found.records.map(({ name }) => name));
      cursor = found.next;
      if (cursor === null) break;
      scene.connect(`device-${page}`);
      if (page === 3) scene.connect('late');
    }
    const expected = Array.from({ length: 100 }, (_, index) => `device-${index}`);
    expect(seen).toEqual([...expected, 'late']);
  });

  it('goes on behind a cursor whose record has gone', async () => {
    const scene = fleetScene({ devicesPerTenantMax: 10 });
    for (let index = 0; index < 10; index++) scene.connect(`device-${index}`);
    const { next } = await scene.fleet.list('acme', { ...all, limit: 3 });
    for (let index = 10; index < 13; index++) scene.connect(`device-${index}`);
    const { records } = await scene.fleet.list('acme', { ...all, cursor: next });
    expect(records.map(({ name }) => name)).toEqual(
      [3, 4, 5, 6, 7, 8, 9, 10, 11, 12].map((index) => `device-${index}`),
    );
  });

  it('of one tenant says nothing to the cursor of another', async () => {
    const scene = fleetScene();
    for (let index = 0; index < 5; index++) scene.connect(`device-${index}`);
    scene.connect('own', { tenant: 'globex' });
    const { next } = await scene.fleet.list('acme', { ...all, limit: 2 });
    const { records } = await scene.fleet.list('globex', { ...all, cursor: next });
    expect(records.map(({ tenant }) => tenant)).toEqual(['globex']);
  });

  it('is told by prefix and by what matches', async () => {
    const scene = fleetScene();
    for (const name of ['pump-1', 'valve-1', 'pump-2']) scene.connect(name);
    const matches = ({ name }: DeviceRecord): boolean => name.endsWith('2');
    expect((await scene.fleet.list('acme', { ...all, prefix: 'pump' })).records).toHaveLength(2);
    const both = await scene.fleet.list('acme', { ...all, prefix: 'pump', matches });
    expect(both.records.map(({ name }) => name)).toEqual(['pump-2']);
  });
});

describe('after a restart', () => {
  it('all is there, but for the connections', async () => {
    const scene = fleetScene();
    const { open, meter } = scene.connect('pump-17');
    meter.request('client');
    scene.connect('pump-18');
    open.closed('expired');
    const before = scene.fleet.find('acme', 'pump-17');
    await scene.fleet.close();
    const after = scene.again(scene.files);
    expect(after.fleet.find('acme', 'pump-17')).toEqual(before);
    expect(after.fleet.find('acme', 'pump-18')).toMatchObject({
      connections: 0,
      lastDisconnect: { reason: 'shutdown' },
    });
  });

  it('what was flushed survives a kill', async () => {
    const scene = fleetScene();
    scene.connect('a');
    await scene.fleet.flush();
    scene.connect('b');
    await scene.fleet.flush();
    scene.connect('c');
    const after = scene.again(scene.files.kill());
    expect(await namesOf(after)).toEqual(['a', 'b']);
  });

  it('what was flushed survives a power cut, at whatever moment it comes', async () => {
    for (let steps = 0; steps < 12; steps++) {
      const scene = fleetScene();
      for (let index = 0; index < 30; index++) scene.connect(`old-${index}`);
      await scene.fleet.flush();
      for (let index = 0; index < 30; index++) scene.connect(`new-${index}`);
      const flushing = scene.fleet.flush();
      for (let step = 0; step < steps; step++) await Promise.resolve();
      const disk = scene.files.cut();
      // A disk without power answers no more: that flush never ends.
      flushing.catch(() => {});
      const names = await namesOf(scene.again(disk));
      const old = names.filter((name) => name.startsWith('old-'));
      expect(old).toHaveLength(30);
      expect(new Set(names).size).toBe(names.length);
    }
  });

  it('what is damaged is left out, and what stood before it is there', async () => {
    const scene = fleetScene();
    for (let index = 0; index < 50; index++) scene.connect(`device-${index}`);
    await scene.fleet.close();
    const disk = scene.files.kill();
    const path = join(DIRECTORY, disk.readdirSync(DIRECTORY).find((name) => FILE.test(name))!);
    const bytes = disk.readFileSync(path);
    bytes[Math.floor(bytes.length / 2)]! ^= 1;
    disk.writeFileSync(path, bytes);
    const after = scene.again(disk);
    const names = await namesOf(after);
    expect(names.length).toBeGreaterThan(5);
    expect(names.length).toBeLessThan(50);
    // It is written anew: the damage is not met again.
    await after.fleet.flush();
    expect(await namesOf(after.again(after.files.kill()))).toEqual(names);
  });

  it.each(['', 'BWFLEET\u0002 of another version', 'x'.repeat(5000)])(
    'a file that is none of ours is begun anew: %#',
    async (text) => {
      const scene = fleetScene();
      await scene.fleet.close();
      const disk = scene.files.kill();
      for (const name of disk.readdirSync(DIRECTORY)) {
        disk.writeFileSync(join(DIRECTORY, name), Buffer.from(text, 'latin1'));
      }
      const after = scene.again(disk);
      expect(after.fleet.count).toBe(0);
      after.connect('a');
      await after.fleet.flush();
      expect(await namesOf(after.again(after.files.kill()))).toEqual(['a']);
    },
  );

  it('a tenant that was deleted is gone, and comes back empty', async () => {
    const scene = fleetScene();
    scene.connect('a');
    scene.connect('b', { tenant: 'globex' });
    await scene.fleet.flush();
    scene.fleet.forgetTenant('acme');
    const after = scene.again(scene.files.kill());
    expect(await namesOf(after)).toEqual([]);
    expect(await namesOf(after, 'globex')).toEqual(['b']);
    const without = after.again(after.files.kill(), (tenant) => tenant !== 'globex');
    expect(without.fleet.count).toBe(0);
  });

  it('who had to go stays away', async () => {
    const scene = fleetScene({ devicesPerTenantMax: 2 });
    for (const name of ['a', 'b', 'c']) scene.connect(name);
    await scene.fleet.flush();
    expect(await namesOf(scene.again(scene.files.kill()))).toEqual(['b', 'c']);
  });
});

describe('the file', () => {
  it('is made anew before it is many times what it holds, and never two of them stay', async () => {
    const scene = fleetScene();
    const meters = Array.from({ length: 301 }, (_, index) => scene.connect(`pump-${index}`).meter);
    let largest = 0;
    for (let round = 0; round < 120; round++) {
      for (const meter of meters) meter.requests++;
      await scene.fleet.flush();
      largest = Math.max(largest, scene.fleet.figures.diskBytes);
    }
    expect(largest).toBeGreaterThan(4 * 1024 * 1024);
    expect(scene.fleet.figures.diskBytes).toBeLessThan(4.5 * 1024 * 1024);
    expect(filesOf(scene)).toHaveLength(1);
    expect(await namesOf(scene.again(scene.files.kill()))).toHaveLength(301);
  });

  it('on a full disk leaves the view in memory, says so, and is whole once there is room', async () => {
    const scene = fleetScene();
    scene.connect('a');
    await scene.fleet.flush();
    scene.files.freeBytes = 100;
    scene.connect('b');
    await scene.fleet.flush();
    expect(scene.fleet.problem).toMatch(/not kept on disk/);
    scene.connect('c');
    await scene.fleet.flush();
    expect(await namesOf(scene)).toEqual(['a', 'b', 'c']);
    expect(filesOf(scene).length).toBeLessThanOrEqual(2);
    scene.files.freeBytes = Number.POSITIVE_INFINITY;
    await scene.fleet.flush();
    expect(scene.fleet.problem).toBeNull();
    expect(filesOf(scene)).toHaveLength(1);
    expect(await namesOf(scene.again(scene.files.kill()))).toEqual(['a', 'b', 'c']);
  });

  it('whose sync failed is not written again', async () => {
    const scene = fleetScene();
    scene.connect('a');
    await scene.fleet.flush();
    const [before] = filesOf(scene);
    scene.files.failNext('datasync', 'EIO');
    scene.connect('b');
    await scene.fleet.flush();
    expect(scene.fleet.problem).not.toBeNull();
    await scene.fleet.flush();
    expect(scene.fleet.problem).toBeNull();
    expect(filesOf(scene)).not.toContain(before);
    expect(await namesOf(scene.again(scene.files.cut()))).toEqual(['a', 'b']);
  });
});
