/** Budgets of tenants, the reserve of operators, hidden values, details, and who is told of records. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { hmacOf, readHmacKey } from '../../src/audit/audit-hmac.ts';
import {
  type DurableRecord,
  type FileAuditLog,
  type FileAuditLogOptions,
  openFileAuditLog,
} from '../../src/audit/file-audit-log.ts';
import { makeSigningKey, readSigningKey } from '../../src/audit/signing-key.ts';
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
import { filesOf, keyPair, verify } from './signed-log.ts';

let folder: AuditFolder;
let clock: ManualClock;
let disk: FaultyDisk;
beforeEach(() => {
  folder = auditFolder();
  clock = new ManualClock();
  disk = faultyDisk();
});
afterEach(() => folder.close());

const open = (options: Partial<FileAuditLogOptions> = {}): FileAuditLog =>
  openFileAuditLog({ directory: folder.directory, clock, files: disk, ...options });

const operator = subject({ listener: 'admin', tenant: null, principal: 'User:root' });
/** Somebody of a tenant, on the admin listener as well. */
const auditor = subject({ listener: 'admin', principal: 'User:ada', certificateSerial: null });
const change = { type: 'administration', outcome: 'success', reason: 'topic-create' } as const;
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('equal refusals', () => {
  it('of many connections of one source are ten lines a second and a count', async () => {
    const log = open();
    for (let at = 0; at < 200; at += 1) {
      log.access(subject({ connectionId: `c${at}` }), denied());
      log.access(subject({ connectionId: `d${at}` }), denied({ resourceName: 'other' }));
    }
    clock.advance(1_000);
    await log.close();
    const lines = folder.records('security').filter(({ type }) => type === 'access');
    expect(lines.filter(({ resource }) => resource === 'telemetry')).toHaveLength(10);
    expect(lines.filter(({ resource }) => resource === 'other')).toHaveLength(10);
    expect(lines.find(({ reason }) => reason === 'denied')).toMatchObject({ count: 380 });
  });
});

describe('the budget of a day', () => {
  it('counts what is beyond it, refuses changes of that tenant alone, and ends with the day', async () => {
    const log = open({ repeatWindowMs: 0, tenantDailyBytes: 20_000 });
    const [acme, globex] = [subject(), subject({ tenant: 'globex', principal: 'User:ada' })];
    for (let at = 0; at < 100; at += 1) {
      log.access(acme, denied({ resourceName: `n${at}` }));
      log.access(acme, access({ resourceName: `n${at}` }));
      await log.durable();
    }
    log.security(acme, { type: 'authentication', outcome: 'success', reason: 'certificate' });
    expect(log.healthy).toBe(true);
    expect(log.accepts(acme)).toBe(false);
    expect(log.accepts(globex)).toBe(true);
    expect(log.accepts(operator)).toBe(true);
    expect(log.accepts(auditor)).toBe(false);
    log.access(globex, denied({ resourceName: 'mine' }));
    clock.advance(1_000);
    await log.durable();
    const lines = [...folder.records('security'), ...folder.records('access')];
    const bytes = folder.text('security').length;
    expect(bytes).toBeLessThan(25_000);
    const counted = lines.filter(({ reason }) => reason === 'over-budget');
    const written = lines.filter(({ tenant, reason }) => tenant === 'acme' && reason === undefined);
    const total = counted.reduce((sum, { count }) => sum + Number(count), written.length);
    expect(total).toBe(201);
    expect(counted.every(({ tenant, decision }) => tenant === 'acme' && !decision)).toBe(true);
    expect(lines.some(({ resource }) => resource === 'mine')).toBe(true);
    clock.advance(12 * 3_600_000);
    expect(log.accepts(acme)).toBe(true);
    log.access(acme, denied({ resourceName: 'tomorrow' }));
    await log.close();
    expect(folder.records('security').at(-1)).toMatchObject({ resource: 'tomorrow' });
  });

  it('a quarter of the queue is for one tenant, an eighth for nobody but operators', async () => {
    const log = open({ repeatWindowMs: 0, queueBytesMax: 64 * 1024, tenantDenialsPerSecond: 1e9 });
    await log.durable();
    for (const tenant of ['a', 'b', 'c', 'd', 'e', 'f']) {
      for (let at = 0; at < 200; at += 1) {
        log.access(subject({ tenant }), denied({ resourceName: `n${at}` }));
      }
    }
    log.security(operator, change);
    await log.durable().catch(() => {});
    await until(() => log.healthy);
    clock.advance(1_000);
    await log.close();
    const lines = folder.records('security');
    expect(lines.filter(({ tenant }) => tenant === 'a').length).toBeLessThan(50);
    expect(lines.find(({ reason }) => reason === 'topic-create')).toMatchObject({
      principal: 'User:root',
    });
  });
});

describe('a full disk', () => {
  it('is for operators: their records are durable on the reserve, others are refused', async () => {
    const log = open({ repeatWindowMs: 0, reserveBytes: 64 * 1024 });
    await log.durable();
    const space = { totalBytes: 1e9, usableBytes: 0 };
    disk.space = () => Promise.resolve(space);
    disk.unlinkSync = (path) => {
      disk.bytesLeft = path.endsWith('reserve') ? 4_000 : disk.bytesLeft;
    };
    disk.bytesLeft = 100;
    log.access(subject(), denied({ resourceName: 'filling' }));
    await expect(log.durable()).rejects.toBeInstanceOf(StorageError);
    expect(log.healthy).toBe(false);
    clock.advance(150);
    log.security(operator, change);
    await log.durableForOperators();
    expect(log.healthyForOperators).toBe(true);
    expect(log.healthy).toBe(false);
    expect(log.pending).toBe(true);
    await expect(log.durable()).rejects.toThrow(/disk of the audit log is full/);
    const filled = folder.text('security').length;
    for (let at = 0; at < 20; at += 1) log.security(auditor, { ...change, reason: 'audit-query' });
    await turn();
    expect(folder.text('security').length).toBe(filled);
    // Strangers and tenants do not eat what is kept for operators.
    const before = folder.text('security').length;
    for (let at = 0; at < 500; at += 1) {
      log.security(subject({ tenant: null, principal: null }), failure());
      log.access(subject(), access({ resourceName: `n${at}` }));
    }
    for (let second = 0; second < 5; second += 1) {
      clock.advance(1_000);
      await turn();
    }
    expect(folder.text('security').length).toBe(before);
    disk.bytesLeft = null;
    space.usableBytes = 1e9;
    clock.advance(1_000);
    await until(() => log.healthy);
    clock.advance(1_000);
    await log.close();
    const reasons = folder.records('security').map(({ reason }) => reason);
    expect(reasons).toContain('topic-create');
    expect(reasons).not.toContain('audit-query');
    const counted = folder.records('security').filter(({ reason }) => reason === 'over-budget');
    expect(counted.reduce((sum, { count }) => sum + Number(count), 0)).toBe(520);
    expect(folder.records('access')).toHaveLength(500);
  });

  it('without room for a reserve there is none, and the log works', async () => {
    disk.bytesLeft = 10_000;
    const log = open({ reserveBytes: 64 * 1024 });
    disk.bytesLeft = null;
    log.access(subject(), denied());
    await log.durable();
    await log.close();
    expect(folder.records('security')).toHaveLength(2);
  });
});

describe('hidden values', () => {
  const key = Buffer.alloc(32, 7);

  it('are the same text for the same value, in records, facts and counts', async () => {
    const fields = ['principal', 'address', 'resource', 'clientId'];
    const log = open({ repeatWindowMs: 0, hmac: { fields, key } });
    log.access(subject(), denied());
    log.access(subject(), access());
    log.security(subject(), failure({ facts: { principal: 'User:device-1', count: 3 } }));
    await log.close();
    const text = folder.text('security') + folder.text('access');
    expect(text).not.toMatch(/User:device-1|127\.0\.0\.1|telemetry"|pump/);
    const principal = hmacOf(key, 'principal', 'User:device-1');
    expect(principal).toMatch(/^hmac:[A-Za-z0-9_-]{22}$/);
    expect(folder.records('security').slice(1)).toMatchObject([
      { principal, resource: hmacOf(key, 'resource', 'telemetry'), tenant: 'acme' },
      { principal, facts: { principal, count: 3 } },
    ]);
    expect(hmacOf(Buffer.alloc(32, 8), 'principal', 'User:device-1')).not.toBe(principal);
    expect(hmacOf(key, 'address', 'User:device-1')).not.toBe(principal);
  });

  it('need a key that is long and private', () => {
    const path = join(folder.directory, '..', 'key');
    expect(() => readHmacKey(path)).toThrow(ConfigError);
    writeFileSync(path, 'short', { mode: 0o600 });
    expect(() => readHmacKey(path)).toThrow(/fewer than 32/);
    rmSync(path);
    writeFileSync(path, key, { mode: 0o644 });
    expect(() => readHmacKey(path)).toThrow(/chmod 600/);
  });
});

describe('a signing key', () => {
  it('that is missing, open to others or of another kind stops the start', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'breakwater-signing-'));
    try {
      await expect(readSigningKey(join(directory, 'none.key'))).rejects.toThrow(/audit new-key/);
      const { keyPath, publicPath } = makeSigningKey(directory);
      await expect(readSigningKey(publicPath)).rejects.toBeInstanceOf(ConfigError);
      expect(() => makeSigningKey(directory)).toThrow(/exists and is kept/);
      const open644 = join(directory, 'open.key');
      writeFileSync(open644, readFileSync(keyPath), { mode: 0o644 });
      await expect(readSigningKey(open644)).rejects.toThrow(/chmod 600/);
    } finally {
      rmSync(directory, { recursive: true, force: true });
    }
  });
});

describe('details and listeners', () => {
  it('a tenant may have each access written', async () => {
    const log = open({ detailTenants: ['acme'] });
    const [acme, globex] = [subject(), subject({ tenant: 'globex' })];
    for (let at = 0; at < 5; at += 1) {
      log.access(acme, access());
      log.access(globex, access());
    }
    await log.close();
    expect(folder.records('access').filter(({ tenant }) => tenant === 'acme')).toHaveLength(5);
    expect(folder.records('access').filter(({ tenant }) => tenant === 'globex')).toHaveLength(2);
  });

  it('each line is told once, in order, with its tenant, after it is on the disk', async () => {
    const told: DurableRecord[] = [];
    const log = open({ repeatWindowMs: 0, onRecord: (record) => void told.push(record) });
    await log.durable();
    disk.holdSyncs = [];
    log.access(subject(), denied());
    const waiting = log.durable();
    const held = disk.holdSyncs;
    await until(() => held.length === 1);
    expect(told).toHaveLength(1);
    held.shift()!();
    disk.holdSyncs = null;
    await waiting;
    log.access(subject({ tenant: 'globex' }), access());
    await log.close();
    for (const stream of ['security', 'access'] as const) {
      const lines = told.filter((record) => record.stream === stream).map(({ line }) => line);
      expect(`${lines.join('\n')}\n`).toBe(folder.text(stream));
    }
    expect(told.map(({ tenant }) => tenant)).toEqual([null, 'acme', 'globex']);
  });
});

describe('the copy of the checkpoints', () => {
  it('catches up, outlives the original, and is told of when the original was cut', async () => {
    const copy = join(folder.directory, '..', 'copy');
    const key = await keyPair();
    const options = { signingKey: key.signing, checkpointCopyDirectory: copy, repeatWindowMs: 0 };
    const first = open(options);
    await first.checkpoint();
    await first.close();
    mkdirSync(copy);
    const second = open(options);
    await second.checkpoint();
    await second.close();
    const [name] = filesOf(folder.directory, 'checkpoints');
    const original = readFileSync(join(folder.directory, name!), 'utf8');
    expect(readFileSync(join(copy, name!), 'utf8')).toBe(original);
    const anchor = readFileSync(join(copy, name!), 'utf8');
    expect((await verify(folder.directory, [key.verifying], anchor)).problems).toEqual([]);
    writeFileSync(join(folder.directory, name!), `${original.split('\n')[0]}\n`);
    const third = open(options);
    await third.checkpoint();
    await third.close();
    expect(folder.text('security')).toMatch(/audit-checkpoints-not-copied/);
    expect(readFileSync(join(copy, name!), 'utf8')).toBe(original);
  });
});
