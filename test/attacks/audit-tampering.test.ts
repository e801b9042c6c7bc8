/**
 * Threat: somebody with a hand on the disk edits, removes, adds or moves records of the log, files or
 * checkpoints, cuts off its end, or makes all of it anew and signs it with the key on the disk.
 */
import { cpSync, mkdtempSync, readFileSync, rmSync, unlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { auditFiles } from '../../src/audit/audit-blocks.ts';
import { GENESIS, hashOf } from '../../src/audit/chain.ts';
import { type Checkpoint, signCheckpoint } from '../../src/audit/checkpoint.ts';
import { newestCheckpoints } from '../../src/audit/checkpoint-verifier.ts';
import type { AuditReport } from '../../src/audit/verification.ts';
import { nodeFileSystem } from '../../src/base/file-system.ts';
import {
  filesOf,
  type KeyPair,
  keyPair,
  linesIn,
  putLines,
  verify,
  writeSignedLog,
} from '../audit/signed-log.ts';
import { testSeed } from '../tools/test-seed.ts';

const SEED = testSeed('audit-tampering', 7_311_905);
const RUNS = 20;

let root = '';
let original = '';
let key: KeyPair;
let copies = 0;
beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), 'breakwater-tampering-'));
  original = join(root, 'original');
  key = await keyPair();
  await writeSignedLog(original, key.signing);
});
afterAll(() => rmSync(root, { recursive: true, force: true }));

/** Runs `tamper` on a copy of the log and verifies the outcome. */
async function verifiedAfter(
  tamper: (directory: string) => void,
  anchor?: string,
  keys = [key.verifying],
): Promise<AuditReport> {
  copies += 1;
  const directory = join(root, `copy-${copies}`);
  cpSync(original, directory, { recursive: true });
  try {
    tamper(directory);
    return await verify(directory, keys, anchor);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

const sequenceOf = (line: string): number => Number(/"seq":([0-9]+)/.exec(line)![1]);

/** A record of a stream, anywhere in it. */
const place = fc.record({
  stream: fc.constantFrom('security', 'access'),
  file: fc.nat(),
  line: fc.nat(),
});
interface Place {
  readonly stream: string;
  readonly file: number;
  readonly line: number;
}
function at({ stream, file, line }: Place) {
  const files = filesOf(original, stream);
  const name = files[file % files.length]!;
  const lines = linesIn(original, name);
  const index = line % lines.length;
  const isLast = name === files.at(-1) && index === lines.length - 1;
  return { stream, name, lines, index, sequence: sequenceOf(lines[index]!), isLast };
}

/** What stands first in the report is about the right record. */
function expectNamed(report: AuditReport, name: string, sequence: number): void {
  expect(report.problems[0]).toMatchObject({ file: name, sequence });
}

describe('an untouched log', () => {
  it('is in order, of several files in each stream, and signed to its end', async () => {
    const report = await verify(original, [key.verifying]);
    expect(report.problems).toEqual([]);
    expect(filesOf(original, 'security').length).toBeGreaterThan(3);
    expect(filesOf(original, 'access').length).toBeGreaterThan(3);
    expect(report.streams.security).toMatchObject({ records: 31, unsigned: 0, unchained: 0 });
    expect(report.streams.access).toMatchObject({ records: 30, unsigned: 0, first: 1, last: 30 });
    expect(report.checkpoints.count).toBeGreaterThan(10);
  });
});

describe('of the records', () => {
  it('any changed byte is found, and the record named', () =>
    fc.assert(
      fc.asyncProperty(place, fc.nat(), async (where, byte) => {
        const { name, lines, index, sequence } = at(where);
        const line = lines[index]!;
        const position = byte % line.length;
        const other = line[position] === 'x' ? 'y' : 'x';
        const changed = line.slice(0, position) + other + line.slice(position + 1);
        const report = await verifiedAfter((directory) =>
          putLines(directory, name, lines.with(index, changed)),
        );
        const { file, line: found } = report.problems[0]!;
        // Who writes over the head of a record makes it one that does not follow the one before.
        const names = /^\{"level":"(info|warn)","v":2,"seq":[0-9]+,"prev":"/.exec(line)![0].length;
        const isHash = position >= names && position < names + 64;
        if (isHash && index > 0) expect({ file, found }).toEqual({ file: name, found: index });
        else if (position > names + 64) expectNamed(report, name, sequence);
        else expect(report.problems.length).toBeGreaterThan(0);
      }),
      { seed: SEED, numRuns: RUNS },
    ));

  it('a missing one is found, at the end as well', () =>
    fc.assert(
      fc.asyncProperty(place, async (where) => {
        const { name, lines, index, sequence, isLast } = at(where);
        const report = await verifiedAfter((directory) =>
          putLines(directory, name, lines.toSpliced(index, 1)),
        );
        const [problem] = report.problems;
        expect(problem).toMatchObject({ sequence: isLast ? sequence : sequence + 1 });
        expect(problem!.what).toMatch(/missing|what was before it is gone/);
      }),
      { seed: SEED, numRuns: RUNS },
    ));

  it('one that is there twice or in another place is found', () =>
    fc.assert(
      fc.asyncProperty(place, place, async (from, to) => {
        const source = at(from);
        const target = at({ ...to, stream: from.stream });
        const copied = source.lines[source.index]!;
        const report = await verifiedAfter((directory) =>
          putLines(directory, target.name, target.lines.toSpliced(target.index, 0, copied)),
        );
        expect(report.problems.length).toBeGreaterThan(0);
        expect(report.problems[0]!.file).toBe(target.name);
      }),
      { seed: SEED, numRuns: RUNS },
    ));

  it('two that changed places are found', () =>
    fc.assert(
      fc.asyncProperty(place, async (where) => {
        const { name, lines, index } = at(where);
        const other = (index + 1) % lines.length;
        if (other === index) return;
        const swapped = lines.with(index, lines[other]!).with(other, lines[index]!);
        const report = await verifiedAfter((directory) => putLines(directory, name, swapped));
        expect(report.problems[0]).toMatchObject({ file: name });
      }),
      { seed: SEED, numRuns: RUNS },
    ));

  it('an end that was cut off is found, however much of it', () =>
    fc.assert(
      fc.asyncProperty(place, async (where) => {
        const { stream, name, lines, index, sequence } = at(where);
        const files = filesOf(original, stream);
        const report = await verifiedAfter((directory) => {
          putLines(directory, name, lines.slice(0, index));
          for (const file of files.slice(files.indexOf(name) + 1))
            unlinkSync(join(directory, file));
        });
        expect(report.problems[0]).toMatchObject({ sequence });
        expect(report.problems[0]!.what).toMatch(/are missing at the end/);
      }),
      { seed: SEED, numRuns: RUNS },
    ));

  it('a file that is gone is found, wherever it stood', async () => {
    for (const stream of ['security', 'access']) {
      for (const name of filesOf(original, stream)) {
        const report = await verifiedAfter((directory) => unlinkSync(join(directory, name)));
        expect(report.problems[0]?.what, name).toMatch(/missing|what was before it is gone/);
      }
    }
  });

  it('a new chain over changed records is found by the checkpoints, and where it begins', () =>
    fc.assert(
      fc.asyncProperty(place, async (where) => {
        const { stream, sequence } = at(where);
        const report = await verifiedAfter((directory) => rechain(directory, stream, sequence));
        const [problem] = report.problems;
        expect(problem!.what).toMatch(/rewritten/);
        expect(problem!.sequence).toBeGreaterThanOrEqual(sequence);
        expect(problem!.sequence! - sequence).toBeLessThan(6);
      }),
      { seed: SEED, numRuns: 15 },
    ));
});

/** Changes a record and makes all that follow name the new hashes. */
function rechain(directory: string, stream: string, sequence: number): void {
  let previous = GENESIS;
  for (const name of filesOf(directory, stream)) {
    const lines = linesIn(directory, name).map((line) => {
      const linked = line.replace(/"prev":"[0-9a-f]{64}"/, `"prev":"${previous}"`);
      const changed =
        sequenceOf(line) === sequence ? linked.replace('127.0.0.1', '10.0.0.1') : linked;
      const text =
        sequenceOf(line) === sequence && changed === linked
          ? linked.replace('audit-opened', 'nothing')
          : changed;
      previous = hashOf(text);
      return text;
    });
    putLines(directory, name, lines);
  }
}

describe('of the checkpoints', () => {
  it('any changed byte is found', () =>
    fc.assert(
      fc.asyncProperty(fc.nat(), fc.nat(), async (which, byte) => {
        const [name] = filesOf(original, 'checkpoints');
        const lines = linesIn(original, name!);
        const index = which % lines.length;
        const line = lines[index]!;
        // The last character of a signature carries bits that count for nothing.
        const position = byte % (line.length - 1);
        const changed = `${line.slice(0, position)}${line[position] === 'A' ? 'B' : 'A'}${line.slice(position + 1)}`;
        const report = await verifiedAfter((directory) =>
          putLines(directory, name!, lines.with(index, changed)),
        );
        const [problem] = report.problems;
        expect(problem!.file).toBe(name);
        expect(Math.abs(problem!.line - (index + 1))).toBeLessThanOrEqual(1);
      }),
      { seed: SEED, numRuns: RUNS },
    ));

  it('a missing one is found', async () => {
    const [name] = filesOf(original, 'checkpoints');
    const lines = linesIn(original, name!);
    for (let index = 0; index < lines.length - 1; index += 1) {
      const report = await verifiedAfter((directory) =>
        putLines(directory, name!, lines.toSpliced(index, 1)),
      );
      expect(report.problems[0]).toMatchObject({ file: name });
    }
  });

  it('none at all is found', async () => {
    const [name] = filesOf(original, 'checkpoints');
    const report = await verifiedAfter((directory) => unlinkSync(join(directory, name!)));
    expect(report.problems[0]?.what).toMatch(/no checkpoint vouches for the log/);
  });

  it('those of another key do not count', async () => {
    const stranger = await keyPair();
    const report = await verifiedAfter(
      (directory) => {
        const [name] = filesOf(directory, 'checkpoints');
        writeFileSync(join(directory, name!), '');
      },
      undefined,
      [stranger.verifying],
    );
    expect(report.problems.length).toBeGreaterThan(0);
    const unknown = await verifiedAfter(() => {}, undefined, [stranger.verifying]);
    expect(unknown.problems[0]!.what).toMatch(/none of those given with --key/);
  });
});

describe('a log that was made anew and signed with the key on the disk', () => {
  it('is in order by itself, and found by a checkpoint that was kept elsewhere', async () => {
    const [name] = filesOf(original, 'checkpoints');
    const kept = linesIn(original, name!);
    const doctored = join(root, 'doctored');
    await writeSignedLog(doctored, key.signing, { rounds: 7 });
    const [first] = filesOf(doctored, 'security');
    const lines = linesIn(doctored, first!);
    expect(lines.length).toBeGreaterThan(2);
    // Made in the same way but for one record: other content, in order, signed.
    const other = join(root, 'other');
    await writeSignedLog(other, key.signing, { rounds: 6, recordsPerRound: 6 });
    expect((await verify(other, [key.verifying])).problems).toEqual([]);
    for (const anchor of [kept.at(-1)!, kept[3]!, kept.join('\n')]) {
      const { problems } = await verify(other, [key.verifying], anchor);
      expect(problems[0]?.what).toMatch(/rewritten.*the anchor anchor\.jws:[0-9]+ signs another/);
    }
    const honest = await verify(original, [key.verifying], kept.join('\n'));
    expect(honest.problems).toEqual([]);
    expect(honest.anchors).toEqual({ given: kept.length, matched: kept.length, tooOld: 0 });
  });

  it('and shortened together with its checkpoints is found by the anchor', async () => {
    const [name] = filesOf(original, 'checkpoints');
    const kept = linesIn(original, name!);
    const short = join(root, 'short');
    await writeSignedLog(short, key.signing, { rounds: 2 });
    const { problems } = await verify(short, [key.verifying], kept.at(-1)!);
    expect(problems[0]?.what).toMatch(/missing at the end: the anchor/);
  });

  it('an anchor that is forged itself counts for nothing', async () => {
    const stranger = await keyPair();
    const other = join(root, 'strange');
    await writeSignedLog(other, stranger.signing);
    const [name] = filesOf(other, 'checkpoints');
    const report = await verifiedAfter(() => {}, linesIn(other, name!).at(-1)!);
    expect(report.problems[0]?.what).toMatch(/anchor does not count/);
  });
});

describe('what a reader is shown and a verification is not', () => {
  it('a doctored plain file beside the compressed one is found', async () => {
    const [name] = filesOf(original, 'security');
    const report = await verifiedAfter((directory) => {
      const path = join(directory, name!);
      const text = readFileSync(path);
      writeFileSync(`${path}.gz`, gzipSync(text));
      writeFileSync(path, text.toString('latin1').replaceAll('User:', 'User;'));
    });
    expect(report.problems[0]).toMatchObject({ file: `${name}.gz` });
    expect(report.problems[0]!.what).toMatch(/plain and its compressed form differ/);
  });

  it('both forms of a file, as a crash may leave them, are in order', async () => {
    const [name] = filesOf(original, 'security');
    const report = await verifiedAfter((directory) => {
      const path = join(directory, name!);
      writeFileSync(`${path}.gz`, gzipSync(readFileSync(path)));
    });
    expect(report.problems).toEqual([]);
  });

  it("a file whose number is written in a second form is nobody's", async () => {
    const [name] = filesOf(original, 'security');
    const alias = name!.replace(/-([0-9]{6})\./, '-0$1.');
    expect(alias).not.toBe(name);
    const directory = join(root, 'alias');
    cpSync(original, directory, { recursive: true });
    // The true file under the second name, what was made up under the first.
    writeFileSync(join(directory, alias), readFileSync(join(directory, name!)));
    putLines(directory, name!, linesIn(directory, name!).slice(1));
    expect((await verify(directory, [key.verifying])).problems[0]).toMatchObject({ file: name });
    const shown = auditFiles(nodeFileSystem, directory, 'security').map(({ path }) => path);
    expect(shown.map((path) => basename(path))).toEqual(filesOf(original, 'security'));
  });
});

describe('without the signing key', () => {
  it('a log made anew in the version that had no chain, and without checkpoints, is found', async () => {
    const report = await verifiedAfter((directory) => {
      for (const file of filesOf(directory, 'checkpoints')) unlinkSync(join(directory, file));
      for (const stream of ['security', 'access']) {
        for (const file of filesOf(directory, stream)) {
          const plain = linesIn(directory, file).map((line) =>
            line.replace('"v":2', '"v":1').replace(/,"prev":"[0-9a-f]{64}"/, ''),
          );
          putLines(directory, file, plain);
        }
      }
    });
    expect(report.streams.security).toMatchObject({ records: 31, unchained: 31 });
    expect(report.problems[0]?.what).toMatch(/no checkpoint vouches for the log/);
  });

  it('a log that is gone altogether is not in order', async () => {
    const report = await verifiedAfter((directory) => {
      for (const stream of ['security', 'access', 'checkpoints']) {
        for (const file of filesOf(directory, stream)) unlinkSync(join(directory, file));
      }
    });
    expect(report.problems[0]?.what).toMatch(/no checkpoint vouches for the log/);
  });
});

describe('with the signing key', () => {
  it('a whole stream that "went by retention" is found by its own anchor', async () => {
    const kept = newestCheckpoints(nodeFileSystem, original);
    expect(kept).toHaveLength(2);
    const directory = join(root, 'retained');
    cpSync(original, directory, { recursive: true });
    const anchored = JSON.parse(
      Buffer.from(
        kept.find((line) => isOf(line, 'security'))!.split('.')[1]!,
        'base64url',
      ).toString(),
    ) as Checkpoint;
    const files = filesOf(directory, 'security');
    for (const file of files) unlinkSync(join(directory, file));
    const next = { first: anchored.last + 1, prev: 'a'.repeat(64), file: files.at(-1)! };
    const line = `{"level":"info","v":2,"seq":${next.first},"prev":"${next.prev}","type":"server"}`;
    putLines(directory, next.file, [line]);
    const journal = filesOf(directory, 'checkpoints').at(-1)!;
    const lines = linesIn(directory, journal);
    const before = JSON.parse(
      Buffer.from(lines.at(-1)!.split('.')[1]!, 'base64url').toString(),
    ) as Checkpoint;
    const forged = {
      ...anchored,
      ...{ n: before.n + 1, prev: hashOf(lines.at(-1)!), boot: before.boot },
      ...{ first: next.first, last: next.first, head: hashOf(line), begins: { security: next } },
    };
    putLines(directory, journal, [...lines, await signCheckpoint(forged, key.signing)]);
    expect((await verify(directory, [key.verifying])).problems).toEqual([]);
    const report = await verify(directory, [key.verifying], kept.join('\n'));
    expect(report.anchors).toMatchObject({ given: 2, matched: 1, tooOld: 1 });
    expect(report.problems[0]?.what).toMatch(/security records that the anchors tell of are gone/);
  });
});

const isOf = (line: string, stream: string): boolean =>
  Buffer.from(line.split('.')[1]!, 'base64url').toString().includes(`"stream":"${stream}"`);
