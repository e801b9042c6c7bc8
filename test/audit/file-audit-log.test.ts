import { appendFileSync, existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type FileAuditLogOptions, openFileAuditLog } from '../../src/audit/file-audit-log.ts';
import { ConfigError, StorageError } from '../../src/base/errors.ts';
import {
  type AuditFolder,
  access,
  auditFolder,
  denied,
  type FaultyDisk,
  failure,
  faultyDisk,
  ManualClock,
  subject,
  until,
} from './audit-fixture.ts';

let folder: AuditFolder;
let clock: ManualClock;
let disk: FaultyDisk;
beforeEach(() => {
  folder = auditFolder();
  clock = new ManualClock();
  disk = faultyDisk();
});
afterEach(() => folder.close());

const open = (options: Partial<FileAuditLogOptions> = {}) =>
  openFileAuditLog({ directory: folder.directory, clock, files: disk, ...options });

/** The records of the stream without those that opening writes. */
const records = (stream: 'security' | 'access') =>
  folder.records(stream).filter(({ reason }) => reason !== 'audit-opened');

describe('records', () => {
  it('hold who, what, the decision and the rule', async () => {
    const log = open();
    log.access(subject(), access());
    log.access(subject(), denied({ resourceName: 'secret' }));
    await log.close();
    expect(records('access')).toEqual([
      {
        level: 'info',
        v: 2,
        seq: 1,
        prev: '0'.repeat(64),
        time: '2026-11-22T12:00:00.000Z',
        type: 'access',
        tenant: 'acme',
        principal: 'User:device-1',
        certificate: '0A',
        address: '127.0.0.1',
        port: 50_000,
        connection: 'c1',
        listener: 'mtls',
        api: 'Produce',
        apiVersion: 9,
        clientId: 'pump',
        operation: 'WRITE',
        resourceType: 'TOPIC',
        resource: 'telemetry',
        decision: 'allow',
        rule: 'p, Fleet:dev, *, TOPIC, LITERAL, telemetry, WRITE, *, allow',
        origin: 'devices.csv:3',
      },
    ]);
    expect(records('security')).toMatchObject([
      { level: 'warn', type: 'access', decision: 'deny', resource: 'secret', rule: null },
    ]);
  });

  it('of security events hold outcome, reason and facts', async () => {
    const log = open();
    log.security(subject({ tenant: null, principal: null }), failure({ detail: 'It ended.' }));
    log.security(null, {
      type: 'policy',
      outcome: 'success',
      reason: 'policy-loaded',
      facts: { rules: 7 },
    });
    await log.close();
    expect(records('security')).toMatchObject([
      {
        type: 'authentication',
        outcome: 'failure',
        decision: 'deny',
        reason: 'certificate-expired',
        detail: 'It ended.',
        address: '127.0.0.1',
        tenant: null,
      },
      { type: 'policy', outcome: 'success', facts: { rules: 7 } },
    ]);
  });
});

describe('repeats', () => {
  it('are counted within the window and written at its end', async () => {
    const log = open();
    const who = subject();
    for (let index = 0; index < 5; index += 1) log.access(who, access());
    clock.advance(400);
    log.access(who, access());
    clock.advance(700);
    await log.close();
    expect(records('access')).toMatchObject([
      { resource: 'telemetry', seq: 1 },
      {
        resource: 'telemetry',
        count: 5,
        first: '2026-11-22T12:00:00.000Z',
        last: '2026-11-22T12:00:00.400Z',
      },
    ]);
    expect(records('access')[0]).not.toHaveProperty('count');
  });

  it('are told apart by connection, API, operation, resource, rule and client', async () => {
    const log = open();
    const [one, two] = [subject(), subject({ connectionId: 'c2' })];
    const kinds = [
      access(),
      access({ api: 'Metadata' }),
      access({ operation: 'DESCRIBE' }),
      access({ resourceName: 'other' }),
      access({ rule: 'another' }),
      access({ clientId: 'other' }),
      access({ apiVersion: 10 }),
      access({ resourceType: 'GROUP' }),
    ];
    for (const kind of [...kinds, ...kinds]) {
      log.access(one, kind);
      log.access(two, kind);
    }
    await log.close();
    const written = records('access');
    expect(written).toHaveLength(4 * kinds.length);
    expect(written.filter(({ count }) => count === 1)).toHaveLength(2 * kinds.length);
  });

  it('are written one by one with a window of 0', async () => {
    const log = open({ repeatWindowMs: 0 });
    for (let index = 0; index < 5; index += 1) log.access(subject(), access());
    await log.close();
    expect(records('access')).toHaveLength(5);
  });

  it('lose nothing when the memory for them is used up', async () => {
    const log = open({ repeatEntriesMax: 2 });
    const who = subject();
    for (const name of ['a', 'b', 'c', 'a', 'b', 'c', 'c']) {
      log.access(who, access({ resourceName: name }));
    }
    await log.close();
    const total = new Map<unknown, number>();
    for (const { resource, count } of records('access')) {
      total.set(resource, (total.get(resource) ?? 0) + Number(count ?? 1));
    }
    expect(Object.fromEntries(total)).toEqual({ a: 2, b: 2, c: 3 });
  });

  it('leave no timer behind once nothing repeats', async () => {
    const log = open();
    log.access(subject(), access());
    clock.advance(10_000);
    expect(clock.timers).toBe(0);
    await log.close();
  });
});

describe('durability', () => {
  it('durable() waits for the sync and then nothing is pending', async () => {
    const log = open();
    await log.durable();
    expect(log.pending).toBe(false);
    disk.holdSyncs = [];
    log.access(subject(), denied());
    expect(log.pending).toBe(true);
    let done = false;
    const waiting = log.durable().then(() => {
      done = true;
    });
    const held = disk.holdSyncs;
    await until(() => held.length === 1);
    expect(done).toBe(false);
    held.shift()!();
    disk.holdSyncs = null;
    await waiting;
    expect(log.pending).toBe(false);
    expect(records('security')).toHaveLength(1);
    await log.close();
  });

  it('syncs what comes during a sync together, once', async () => {
    const log = open({ repeatWindowMs: 0 });
    await log.durable();
    disk.holdSyncs = [];
    const before = disk.syncs;
    log.access(subject(), denied());
    const first = log.durable();
    const held = disk.holdSyncs;
    await until(() => held.length === 1);
    for (let index = 0; index < 100; index += 1) {
      log.access(subject(), denied({ resourceName: `n${index}` }));
    }
    const second = log.durable();
    held.shift()!();
    disk.holdSyncs = null;
    await Promise.all([first, second]);
    expect(disk.syncs - before).toBe(2);
    expect(records('security')).toHaveLength(101);
    await log.close();
  });

  it('an allowed access is nothing to wait for', async () => {
    const log = open();
    await log.durable();
    log.access(subject(), access());
    expect(log.pending).toBe(false);
    await log.close();
  });
});

describe('a disk that fails', () => {
  it('full: unhealthy, durable() rejects, nothing is torn or lost, and it recovers', async () => {
    const log = open({ repeatWindowMs: 0 });
    await log.durable();
    disk.bytesLeft = 30;
    log.access(subject(), denied({ resourceName: 'one' }));
    await expect(log.durable()).rejects.toBeInstanceOf(StorageError);
    expect(log.healthy).toBe(false);
    log.access(subject(), denied({ resourceName: 'two' }));
    await expect(log.durable()).rejects.toBeInstanceOf(StorageError);
    clock.advance(150);
    disk.bytesLeft = null;
    log.access(subject(), denied({ resourceName: 'three' }));
    await log.durable();
    expect(log.healthy).toBe(true);
    await log.close();
    expect(records('security').map(({ resource }) => resource)).toEqual(['one', 'two', 'three']);
    expect(folder.records('security').map(({ seq }) => seq)).toEqual([1, 2, 3, 4]);
  });

  it('full for long: one empty file at most, and the timer alone brings it back', async () => {
    const log = open();
    await log.durable();
    disk.bytesLeft = 0;
    log.access(subject(), denied());
    await expect(log.durable()).rejects.toBeInstanceOf(StorageError);
    for (let index = 0; index < 20; index += 1) {
      clock.advance(1_000);
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(folder.files('security').length).toBeLessThanOrEqual(2);
    disk.bytesLeft = null;
    clock.advance(1_000);
    await log.durable();
    expect(log.healthy).toBe(true);
    await log.close();
  });

  it('a failed sync: the batch goes to another file, the old one is not synced again', async () => {
    const log = open();
    await log.durable();
    disk.syncFails = true;
    log.access(subject(), denied());
    await expect(log.durable()).rejects.toBeInstanceOf(StorageError);
    disk.syncFails = false;
    clock.advance(150);
    await log.durable();
    await log.close();
    expect(folder.files('security')).toHaveLength(2);
    expect(records('security')).toHaveLength(1);
  });

  it('an overflowing queue is counted, reported and refused', async () => {
    const log = open({ repeatWindowMs: 0, queueBytesMax: 8_192 });
    await log.durable();
    const change = failure({ type: 'policy', outcome: 'success', reason: 'changed' });
    for (let index = 0; index < 100; index += 1) log.security(subject(), change);
    expect(log.healthy).toBe(false);
    await expect(log.durable()).rejects.toBeInstanceOf(StorageError);
    await until(() => log.healthy);
    await log.durable();
    await log.close();
    const lost = records('security').find(({ reason }) => reason === 'audit-lines-lost');
    const written = records('security').filter(({ reason }) => reason === 'changed').length;
    expect(written).toBeGreaterThan(5);
    expect(lost).toMatchObject({ facts: { stream: 'security', lines: 100 - written } });
    const numbers = folder.records('security').map(({ seq }) => seq);
    expect(numbers).toEqual(numbers.map((_, index) => index + 1));
  });

  it('an access stream that cannot be written makes the log unhealthy too', async () => {
    const log = open();
    await log.durable();
    disk.bytesLeft = 0;
    log.access(subject(), access());
    clock.advance(100);
    await until(() => !log.healthy);
    disk.bytesLeft = null;
    clock.advance(1_200);
    await until(() => log.healthy);
    await log.close();
    expect(records('access')).toHaveLength(1);
  });

  it('refuses a folder that it cannot use, in a sentence', () => {
    writeFileSync(join(folder.directory, '..', 'file'), '');
    expect(() => openFileAuditLog({ directory: join(folder.directory, '..', 'file') })).toThrow(
      ConfigError,
    );
  });
});

describe('files', () => {
  it('are left for a new one when they are large and on a new day', async () => {
    const log = open({ repeatWindowMs: 0, fileBytesMax: 600 });
    for (const name of ['a', 'b', 'c']) {
      log.access(subject(), denied({ resourceName: name }));
      await log.durable();
    }
    clock.advance(24 * 3_600_000);
    log.access(subject(), denied({ resourceName: 'd' }));
    await log.durable();
    await log.close();
    expect(folder.files('security')).toEqual([
      'security-20261122-000001.ndjson',
      'security-20261122-000002.ndjson',
      'security-20261122-000003.ndjson',
      'security-20261123-000001.ndjson',
    ]);
    expect(folder.records('security').map(({ seq }) => seq)).toEqual([1, 2, 3, 4, 5]);
  });

  it('are continued after a restart, with the next sequence number', async () => {
    const first = open();
    first.access(subject(), denied());
    await first.close();
    const second = open();
    second.access(subject(), denied());
    await second.close();
    expect(folder.files('security')).toHaveLength(1);
    expect(folder.records('security').map(({ seq }) => seq)).toEqual([1, 2, 3, 4]);
  });

  it('lose a torn last line, and the loss is recorded', async () => {
    const first = open();
    first.access(subject(), denied());
    await first.close();
    const path = join(folder.directory, folder.files('security')[0]!);
    appendFileSync(path, '{"level":"warn","v":1,"seq":3,"resou');
    const second = open();
    await second.close();
    expect(folder.records('security').map(({ seq }) => seq)).toEqual([1, 2, 3]);
    expect(folder.records('security')[2]).toMatchObject({
      reason: 'audit-opened',
      facts: { securityTornBytes: 36, accessTornBytes: 0 },
    });
  });

  it('that end in something else are left alone', async () => {
    const first = open();
    await first.close();
    const path = join(folder.directory, folder.files('security')[0]!);
    appendFileSync(path, 'not ours\n');
    const before = readFileSync(path);
    const second = open();
    await second.close();
    expect(readFileSync(path).equals(before)).toBe(true);
    expect(folder.files('security')).toHaveLength(2);
  });

  it('of access are not made before there is an access', async () => {
    const log = open();
    await log.close();
    expect(existsSync(folder.directory)).toBe(true);
    expect(readdirSync(folder.directory)).toEqual(['security-20261122-000001.ndjson']);
  });
});
