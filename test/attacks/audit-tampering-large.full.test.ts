/** Threat: an edit is hidden in a log of a million records. Each kind of it is found, and named. */
import {
  closeSync,
  cpSync,
  mkdtempSync,
  openSync,
  readFileSync,
  readSync,
  rmSync,
  truncateSync,
  unlinkSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { writeLargeLog } from '../audit/large-log.ts';
import { filesOf, type KeyPair, keyPair, verify } from '../audit/signed-log.ts';

const RECORDS = 1_000_000;
const TIMEOUT_MS = 60_000;

let root = '';
let log = '';
let key: KeyPair;
beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), 'breakwater-large-'));
  log = join(root, 'log');
  key = await keyPair();
  await writeLargeLog(log, key.signing, RECORDS);
}, TIMEOUT_MS);
afterAll(() => rmSync(root, { recursive: true, force: true }));

const fileOf = (index: number): string => filesOf(log, 'access')[index]!;
const first = async (directory = log) => (await verify(directory, [key.verifying])).problems[0];

/** Where the record stands in its file. */
function offsetOf(path: string, sequence: number): number {
  return readFileSync(path, 'latin1').indexOf(`"seq":${sequence},`);
}

/** Changes bytes in place, asks, and puts them back. */
async function withBytes(name: string, at: number, bytes: string) {
  const path = join(log, name);
  const file = openSync(path, 'r+');
  const before = Buffer.alloc(bytes.length);
  readSync(file, before, 0, before.length, at);
  writeSync(file, Buffer.from(bytes), 0, bytes.length, at);
  try {
    return await first();
  } finally {
    writeSync(file, before, 0, before.length, at);
    closeSync(file);
  }
}

describe(`in a log of ${RECORDS} records`, () => {
  it('nothing is found as it is', { timeout: TIMEOUT_MS }, async () => {
    const report = await verify(log, [key.verifying]);
    expect(report.problems).toEqual([]);
    expect(report.streams.access).toMatchObject({ records: RECORDS, unsigned: 0 });
  });

  it('one changed character is found, early or late', { timeout: TIMEOUT_MS }, async () => {
    for (const [index, sequence] of [7, 300_123].entries()) {
      const name = fileOf(index);
      const at = offsetOf(join(log, name), sequence) + 150;
      expect(await withBytes(name, at, '#')).toMatchObject({ file: name, sequence });
    }
  });

  it('the last record is found when it changed', { timeout: TIMEOUT_MS }, async () => {
    const name = fileOf(3);
    const at = offsetOf(join(log, name), RECORDS) + 150;
    const problem = await withBytes(name, at, '#');
    expect(problem).toMatchObject({ file: name, sequence: RECORDS });
    expect(problem?.what).toMatch(/rewritten/);
  });

  it('a missing file is found, at each place', { timeout: TIMEOUT_MS }, async () => {
    for (const index of [0, 2, 3]) {
      const name = fileOf(index);
      const kept = join(root, 'kept');
      cpSync(join(log, name), kept);
      unlinkSync(join(log, name));
      const problem = await first();
      cpSync(kept, join(log, name));
      expect(problem?.what, name).toMatch(/missing|what was before it is gone/);
    }
  });

  it('a lost line at the end is found', { timeout: TIMEOUT_MS }, async () => {
    const path = join(log, fileOf(3));
    const bytes = readFileSync(path);
    truncateSync(path, bytes.lastIndexOf('\n', bytes.length - 2) + 1);
    const problem = await first();
    writeFileSync(path, bytes);
    expect(problem).toMatchObject({ sequence: RECORDS });
    expect(problem?.what).toMatch(/missing at the end/);
  });

  it('two lines that changed places are found', { timeout: TIMEOUT_MS }, async () => {
    const path = join(log, fileOf(2));
    const bytes = readFileSync(path);
    const lines = bytes.toString('latin1').split('\n');
    [lines[70_000], lines[70_001]] = [lines[70_001]!, lines[70_000]!];
    writeFileSync(path, lines.join('\n'));
    const problem = await first();
    writeFileSync(path, bytes);
    expect(problem).toMatchObject({ file: fileOf(2), line: 70_001, sequence: 570_002 });
  });
});
