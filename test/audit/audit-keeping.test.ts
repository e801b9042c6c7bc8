/** What becomes of files that a stream has left: compressed, taken by retention, and verified after. */
import { spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { compressFile } from '../../src/audit/compress-file.ts';
import { type FileAuditLog, openFileAuditLog } from '../../src/audit/file-audit-log.ts';
import { nodeFileSystem } from '../../src/base/file-system.ts';
import { access, denied, ManualClock, subject } from './audit-fixture.ts';
import { filesOf, type KeyPair, keyPair, linesIn, putLines, verify } from './signed-log.ts';

const DAY_MS = 86_400_000;
const NONE = { days: 0, bytes: 0 };

let directory = '';
let key: KeyPair;
let clock: ManualClock;
beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'breakwater-keeping-'));
  key = await keyPair();
  clock = new ManualClock();
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

interface Wanted {
  readonly isCompressing?: boolean;
  readonly security?: { days: number; bytes: number };
  readonly access?: { days: number; bytes: number };
  readonly onCompressed?: (path: string) => void;
}

function open({ onCompressed, ...keeping }: Wanted = {}): FileAuditLog {
  return openFileAuditLog({
    directory,
    clock,
    repeatWindowMs: 0,
    fileBytesMax: 2_048,
    signingKey: key.signing,
    keeping: { isCompressing: false, security: NONE, access: NONE, ...keeping },
    ...(onCompressed !== undefined && { onCompressed }),
  });
}

async function write(log: FileAuditLog, records = 16): Promise<void> {
  for (let at = 0; at < records; at += 1) {
    log.access(subject(), denied({ resourceName: `n${at}` }));
    log.access(subject(), access({ resourceName: `n${at}` }));
    await log.durable();
    clock.advance(60);
  }
  await log.checkpoint();
}

/** Passes until the condition holds: what is not synced yet when one begins is left to the next. */
async function kept(log: FileAuditLog, condition: () => boolean): Promise<void> {
  for (let pass = 0; pass < 50 && !condition(); pass += 1) {
    await log.checkpoint();
    await log.keep();
  }
  expect(condition()).toBe(true);
}

const problems = async () => (await verify(directory, [key.verifying])).problems;
const named = (pattern: RegExp): string[] =>
  readdirSync(directory)
    .filter((name) => pattern.test(name))
    .sort();

describe('closed files', () => {
  it('are compressed, all but the newest, verify as before and read with zcat', async () => {
    const log = open();
    await write(log);
    await log.close();
    const before = filesOf(directory, 'security').map((name) => [
      name,
      readFileSync(join(directory, name), 'utf8'),
    ]);
    const told: string[] = [];
    const again = open({ isCompressing: true, onCompressed: (path) => void told.push(path) });
    await again.keep();
    await again.close();
    expect(named(/^security.*\.ndjson$/)).toHaveLength(1);
    expect(named(/^access.*\.ndjson$/)).toHaveLength(1);
    expect(named(/\.gz$/)).toEqual(told.map((path) => path.slice(directory.length + 1)).sort());
    expect(told.length).toBeGreaterThan(4);
    for (const [name, text] of before.slice(0, -1)) {
      const { stdout } = spawnSync('zcat', [join(directory, `${name}.gz`)], { encoding: 'utf8' });
      expect(stdout).toBe(text);
    }
    const report = await verify(directory, [key.verifying]);
    expect(report.problems).toEqual([]);
    expect(report.streams.access.records).toBe(16);
  });

  it('consist of members of whole lines that stand alone', async () => {
    const path = join(directory, 'access-20261122-000001.ndjson');
    const line = `${'x'.repeat(999)}\n`;
    writeFileSync(path, line.repeat(3_500));
    await compressFile(nodeFileSystem, path, () => {});
    const packed = readFileSync(`${path}.gz`);
    const starts: number[] = [];
    for (let at = 0; at !== -1; ) {
      starts.push(at);
      at = packed.indexOf(Buffer.from([0x1f, 0x8b, 0x08]), at + 1);
    }
    expect(starts.length).toBeGreaterThanOrEqual(3);
    let text = '';
    for (const [index, start] of starts.entries()) {
      const member = gunzipSync(packed.subarray(start, starts[index + 1])).toString('latin1');
      expect(member.endsWith('\n')).toBe(true);
      expect(member.length).toBeLessThan(2 * 1024 * 1024);
      text += member;
    }
    expect(text).toBe(line.repeat(3_500));
    expect(existsSync(path)).toBe(false);
  });

  it('that a crash left in both forms, or half written, are settled by the next pass', async () => {
    const log = open();
    await write(log);
    await log.close();
    const [first, second] = filesOf(directory, 'security');
    const kept = readFileSync(join(directory, first!));
    await compressFile(nodeFileSystem, join(directory, first!), () => {});
    writeFileSync(join(directory, first!), kept);
    writeFileSync(join(directory, `${second}.gz.writing`), 'half');
    expect(await problems()).toEqual([]);
    const again = open();
    await again.keep();
    await again.close();
    expect(existsSync(join(directory, first!))).toBe(false);
    expect(existsSync(join(directory, `${second}.gz.writing`))).toBe(false);
    expect(await problems()).toEqual([]);
  });

  it('of both forms that differ are kept, both', async () => {
    const log = open();
    await write(log);
    await log.close();
    const [first] = filesOf(directory, 'security');
    const kept = readFileSync(join(directory, first!));
    await compressFile(nodeFileSystem, join(directory, first!), () => {});
    writeFileSync(join(directory, first!), Buffer.concat([kept, Buffer.from('{}\n')]));
    const again = open();
    await again.keep();
    await again.close();
    expect(named(new RegExp(`^${first}`))).toHaveLength(2);
  });

  it('are found damaged by a verification', async () => {
    const log = open({ isCompressing: true });
    await write(log);
    await log.keep();
    await log.close();
    const [packed] = named(/^access.*\.gz$/);
    const lines = gunzipSync(readFileSync(join(directory, packed!)))
      .toString()
      .replace('127.0.0.1', '127.0.0.9');
    const plain = join(directory, packed!.replace('.gz', ''));
    writeFileSync(plain, lines);
    unlinkSync(join(directory, packed!));
    await compressFile(nodeFileSystem, plain, () => {});
    expect((await problems())[0]).toMatchObject({ file: packed, sequence: 1 });
    writeFileSync(join(directory, packed!), 'no gzip');
    expect((await problems())[0]).toMatchObject({ file: packed });
  });
});

describe('retention', () => {
  it('by age takes whole files, tells of it first, and the rest verifies', async () => {
    const log = open({ security: { days: 2, bytes: 0 }, access: { days: 1, bytes: 0 } });
    await write(log);
    clock.advance(2 * DAY_MS);
    await write(log);
    await kept(log, () => named(/^access-20261122/).length === 0);
    expect(named(/^security-20261122/).length).toBeGreaterThan(2);
    expect(await problems()).toEqual([]);
    clock.advance(DAY_MS);
    await write(log, 3);
    await kept(log, () => named(/^(security|checkpoints)-20261122/).length === 0);
    await log.close();
    const report = await verify(directory, [key.verifying]);
    expect(report.problems).toEqual([]);
    expect(report.streams.security.first).toBeGreaterThan(15);
    const told = filesOf(directory, 'security')
      .flatMap((name) => linesIn(directory, name))
      .filter((line) => line.includes('audit-retention'));
    expect(told.length).toBeGreaterThanOrEqual(2);
    // Checkpoints of days of which nothing is left went as well.
    expect(report.checkpoints.first).toBeGreaterThan(1);
  });

  it('by size takes the oldest and never the newest', async () => {
    const log = open({ security: { days: 0, bytes: 10_000 } });
    await write(log, 30);
    await log.keep();
    const bytes = named(/^security/).reduce(
      (sum, name) => sum + readFileSync(join(directory, name)).length,
      0,
    );
    expect(bytes).toBeLessThan(10_000 + 2_048);
    expect(named(/^access/).length).toBeGreaterThan(3);
    await log.close();
    expect(await problems()).toEqual([]);
    const tiny = open({ security: { days: 0, bytes: 1 } });
    await tiny.keep();
    await tiny.close();
    expect(named(/^security/)).toHaveLength(1);
    expect(await problems()).toEqual([]);
  });

  it('covers no theft: what goes without a statement, or beyond one, is found', async () => {
    const log = open({ security: { days: 0, bytes: 12_000 } });
    await write(log, 40);
    await log.keep();
    await log.close();
    expect(await problems()).toEqual([]);
    const [oldest] = filesOf(directory, 'security');
    unlinkSync(join(directory, oldest!));
    expect((await problems())[0]?.what).toMatch(/what was before it is gone/);
  });

  it('of the checkpoints alone covers no theft either', async () => {
    const log = open({ security: { days: 1, bytes: 0 }, access: { days: 1, bytes: 0 } });
    for (let day = 0; day < 5; day += 1) {
      await write(log, 5);
      clock.advance(DAY_MS);
    }
    await log.keep();
    await log.close();
    expect(await problems()).toEqual([]);
    const [oldest] = filesOf(directory, 'checkpoints');
    unlinkSync(join(directory, oldest!));
    expect((await problems())[0]?.what).toMatch(/checkpoints before [0-9]+ are missing/);
  });

  it('that a crash interrupted between two files leaves a log that verifies', async () => {
    const files = { ...nodeFileSystem };
    let left = 1;
    files.unlink = (path) => {
      left -= 1;
      if (left < 0) throw new Error('the power is gone');
      return nodeFileSystem.unlink(path);
    };
    const log = openFileAuditLog({
      ...{ directory, clock, files, repeatWindowMs: 0, fileBytesMax: 4_096 },
      signingKey: key.signing,
      keeping: { isCompressing: false, security: { days: 0, bytes: 5_000 }, access: NONE },
    });
    await write(log, 40);
    await log.keep();
    await log.close();
    expect(left).toBeLessThan(0);
    const report = await verify(directory, [key.verifying]);
    expect(report.problems).toEqual([]);
    expect(report.streams.security.first).toBeGreaterThan(1);
  });
});

describe('a log of version 1', () => {
  it('is continued by a chain, and a verification says what it cannot tell', async () => {
    const old = (seq: number): string =>
      `{"level":"info","v":1,"seq":${seq},"time":"2026-11-22T12:00:00.000Z","type":"server"}\n`;
    const file = 'security-20261122-000001.ndjson';
    writeFileSync(join(directory, file), old(1) + old(2));
    const log = open();
    await write(log, 3);
    await log.close();
    const report = await verify(directory, [key.verifying]);
    expect(report.problems).toEqual([]);
    expect(report.streams.security).toMatchObject({ unchained: 2, first: 1 });
    writeFileSync(join(directory, file), old(1) + old(2).replace('server', 'policy'));
    expect((await problems())[0]).toMatchObject({ file, line: 2, sequence: 2 });
  });
});

describe('a change of keys', () => {
  it('is announced, and both keys together verify the log', async () => {
    const first = open();
    await write(first, 3);
    await first.close();
    const old = key.verifying;
    key = await keyPair();
    const second = open();
    await write(second, 3);
    await second.close();
    expect((await verify(directory, [old, key.verifying])).problems).toEqual([]);
    expect((await verify(directory, [key.verifying])).problems[0]?.what).toMatch(/none of those/);
    const lines = filesOf(directory, 'security').flatMap((name) => linesIn(directory, name));
    expect(lines.filter((line) => line.includes('audit-signing-key-changed'))).toHaveLength(1);
  });
});

describe('an end that was cut off while the broker was down', () => {
  it('is recorded when it starts again, and stays found', async () => {
    const log = open();
    await write(log, 5);
    await log.close();
    const name = filesOf(directory, 'security').at(-1)!;
    const lines = linesIn(directory, name);
    putLines(directory, name, lines.slice(0, -1));
    const again = open();
    await write(again, 2);
    await again.close();
    const told = filesOf(directory, 'security')
      .flatMap((file) => linesIn(directory, file))
      .filter((line) => line.includes('audit-records-missing'));
    expect(told).toHaveLength(1);
    expect(told[0]).toContain('"stream":"security","records":1');
    expect((await problems())[0]?.what).toMatch(/missing before it/);
  });
});
