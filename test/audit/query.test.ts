/** Reading the audit log back: whatever the files look like, the answer is what a scan would give. */
import { appendFileSync, readFileSync, renameSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { FROM_THE_START } from '../../src/audit/audit-page.ts';
import type { AuditFilter } from '../../src/audit/audit-query.ts';
import { AuditQueryThread } from '../../src/audit/audit-query-thread.ts';
import { buildFileIndex, indexPathOf, readFileIndex } from '../../src/audit/file-index.ts';
import { nodeFileSystem } from '../../src/base/file-system.ts';
import { inNetworks, parseNetwork } from '../../src/base/ip-address.ts';
import { temporaryDirectory } from '../tools/temporary-directory.ts';
import { testSeed } from '../tools/test-seed.ts';
import {
  compressFile,
  fileName,
  idsOf,
  lineOf,
  type MadeRecord,
  madeRecord,
  numbers,
  pageOf,
  readerOf,
  type Shape,
  STEP_MS,
  type Stream,
  writeStream,
} from './query-fixture.ts';

const below = numbers(testSeed('audit-query', 20_261_123));
const STREAMS = ['security', 'access'] as const;
const RECORDS = 2_400;

const records: Record<Stream, MadeRecord[]> = { security: [], access: [] };
for (const stream of STREAMS) {
  for (let seq = 1; seq <= RECORDS; seq += 1) records[stream].push(madeRecord(stream, seq, below));
}

/** What a filter means, said plainly. */
function expected(filter: AuditFilter, order: 'oldest' | 'newest'): string[] {
  const { stream, resourcePrefix, network, sinceMs, untilMs, exceptApi, ...same } = filter;
  const parsed = network === undefined ? null : parseNetwork(network);
  const found = STREAMS.filter((name) => stream === undefined || name === stream).flatMap((name) =>
    records[name]
      .filter((record) => Object.entries(same).every(([field, value]) => record[field] === value))
      .filter(({ resource }) => String(resource).startsWith(resourcePrefix ?? ''))
      .filter(({ address }) => parsed === null || inNetworks([parsed], String(address)))
      .filter(({ api }) => exceptApi === undefined || api !== exceptApi)
      .filter(
        ({ time, last }) => sinceMs === undefined || Date.parse(String(last ?? time)) >= sinceMs,
      )
      .filter(
        ({ time, first }) => untilMs === undefined || Date.parse(String(first ?? time)) <= untilMs,
      )
      .map(({ seq, time }) => ({ id: `${name}:${seq}`, time })),
  );
  // Of the same millisecond the security stream goes first, as the streams are asked.
  const sorted = found.sort((a, b) => (a.time < b.time ? -1 : a.time > b.time ? 1 : 0));
  return (order === 'oldest' ? sorted : sorted.reverse()).map(({ id }) => id);
}

function randomFilter(): AuditFilter {
  const { resource, principal, certificate, address } = records.security[below(RECORDS)]!;
  const at = Date.parse(records.access[below(RECORDS)]!.time);
  const parts: AuditFilter[] = [
    { tenant: ['acme', 'globex', 'nobody'][below(3)]! },
    { principal: String(principal) },
    { principal: String(principal), tenant: 'acme', decision: 'deny' },
    { resource: String(resource) },
    { resourcePrefix: String(resource).slice(0, below(12)) },
    { certificate: String(certificate) },
    { network: String(address) },
    { network: ['10.0.1.0/24', '10.0.0.0/8', '2001:db8::/32', '0.0.0.0/0'][below(4)]! },
    { decision: ['allow', 'deny'][below(2)]! },
    { operation: ['READ', 'WRITE'][below(2)]! },
    { clientId: 'a "quoted\\" id, with\u2028breaks' },
    { api: 'Produce' },
    { exceptApi: 'Fetch' },
    { connection: 'connection-7' },
    { stream: STREAMS[below(2)]! },
    { sinceMs: at },
    { untilMs: at },
    { sinceMs: at, untilMs: at + below(500) * STEP_MS },
  ];
  return Object.assign(
    {},
    ...Array.from({ length: below(3) + 1 }, () => parts[below(parts.length)]),
  );
}

const LAYOUTS: readonly (readonly Shape[])[] = [
  ['plain'],
  ['plain', 'plain'],
  ['gzip+index', 'plain+index', 'plain'],
  ['gzip+index', 'gzip+index', 'gzip', 'gzip+index', 'plain'],
];

describe.each(LAYOUTS.map((layout) => ({ layout })))('in files $layout', ({ layout }) => {
  const directory = temporaryDirectory('audit-query');
  beforeAll(async () => {
    for (const stream of STREAMS) await writeStream(directory, stream, records[stream], layout);
  });

  it('every question gets the answer of a scan, page by page, in both orders', async () => {
    const reader = readerOf(directory);
    for (let turn = 0; turn < 6; turn += 1) {
      const filter = randomFilter();
      const order = below(2) === 0 ? 'oldest' : 'newest';
      const wanted = expected(filter, order);
      const limit = below(10) === 0 ? 1 + Math.floor(wanted.length / 7) : 400 + below(4000);
      const asked = { filter, order, limit } as const;
      expect(sameMoments(await idsOf(reader, asked)), JSON.stringify(asked)).toEqual(
        sameMoments(wanted),
      );
    }
  });

  it('a page that may not work at all still gets further, and loses nothing', async () => {
    const filter = { principal: 'User:device-3', decision: 'deny' };
    for (const order of ['oldest', 'newest'] as const) {
      const ids = await idsOf(readerOf(directory), { filter, order, limit: 7, workMsMax: 0 });
      expect(sameMoments(ids)).toEqual(sameMoments(expected(filter, order)));
    }
  });
});

/** Records of one millisecond have no order among the streams. */
const timeOf = new Map<string, string>(
  STREAMS.flatMap((name) =>
    records[name].map(({ seq, time }) => [`${name}:${seq}`, time] as const),
  ),
);
function sameMoments(ids: readonly string[]): string[] {
  return ids
    .map((id) => `${timeOf.get(id)} ${id}`)
    .sort((a, b) => {
      const [left, right] = [a.slice(0, 24), b.slice(0, 24)];
      return left === right
        ? a < b
          ? -1
          : 1
        : ids.indexOf(a.slice(25)) - ids.indexOf(b.slice(25));
    });
}

describe('an index', () => {
  const ask = { filter: { principal: 'User:device-5' }, limit: 10_000 } as const;
  const some = records.access.slice(0, 600);
  const setUp = async (shapes: readonly Shape[]) => {
    const directory = temporaryDirectory('audit-index');
    const paths = await writeStream(directory, 'access', some, shapes);
    const right = some
      .filter(({ principal }) => principal === 'User:device-5')
      .map(({ seq }) => `access:${seq}`);
    return { directory, path: paths[0]!, right };
  };

  it('is made by the thread that answers, for a file that is compressed', async () => {
    const { directory, path, right } = await setUp(['gzip', 'plain']);
    const thread = new AuditQueryThread(directory);
    const request = { order: 'oldest', bytesMax: 2 ** 20, workMsMax: 10_000 } as const;
    const { lines } = await thread.page({ ...ask, ...request, after: FROM_THE_START });
    expect(lines.map(({ line }) => `access:${(JSON.parse(line) as MadeRecord).seq}`)).toEqual(
      right,
    );
    expect(readFileIndex(nodeFileSystem, path)).not.toBeNull();
    writeFileSync(indexPathOf(path), '');
    await thread.index(path);
    expect(readFileIndex(nodeFileSystem, path)).not.toBeNull();
    await thread.close();
  });

  it('spares reading: a name that is nowhere costs no block', async () => {
    const { directory } = await setUp(['gzip+index', 'plain']);
    const page = await pageOf(readerOf(directory), { filter: { principal: 'User:nobody' } });
    expect(page.records).toEqual([]);
    // The newest file, which is being written, has no index.
    expect(page.counts.blocksRead).toBe(1);
    expect(page.counts.blocksSkipped).toBeGreaterThan(1);
  });

  it('hides nothing when a byte of it is wrong, wherever', async () => {
    const { directory, path, right } = await setUp(['gzip+index', 'plain']);
    const whole = readFileSync(indexPathOf(path));
    for (let turn = 0; turn < 40; turn += 1) {
      const bytes = Buffer.from(whole);
      // The head is short beside the rows: half of the turns are for it.
      const at = below(turn % 2 === 0 ? 2_000 : bytes.length);
      bytes[at]! ^= 1 << below(8);
      writeFileSync(indexPathOf(path), bytes);
      expect(await idsOf(readerOf(directory), ask), `byte ${at}`).toEqual(right);
    }
    for (const length of [0, 10, 400, whole.length - 1]) {
      writeFileSync(indexPathOf(path), whole.subarray(0, length));
      expect(await idsOf(readerOf(directory), ask), `cut to ${length}`).toEqual(right);
    }
  });

  it('of another file, or of an earlier state of this one, is not used', async () => {
    const { directory, path } = await setUp(['plain+index', 'plain']);
    const late = { ...some[0]!, seq: 9_000, principal: 'User:late' };
    appendFileSync(path, lineOf(late));
    expect(readFileIndex(nodeFileSystem, path)).toBeNull();
    const asked = { filter: { principal: 'User:late' } };
    expect(await idsOf(readerOf(directory), asked)).toEqual(['access:9000']);
    const other = join(directory, fileName('access', 2));
    renameSync(indexPathOf(path), indexPathOf(other));
    expect(readFileIndex(nodeFileSystem, other)).toBeNull();
  });

  it('a block that is not what was indexed is an error, not a gap', async () => {
    const { directory, path } = await setUp(['plain+index', 'plain']);
    const text = readFileSync(path, 'latin1');
    // Two lines become one in the middle: size and both ends stay.
    const middle = text.indexOf('\n', text.length / 2);
    writeFileSync(path, `${text.slice(0, middle)} ${text.slice(middle + 1)}`, 'latin1');
    await expect(idsOf(readerOf(directory), ask)).rejects.toThrow(/not what was indexed.*verify/);
  });

  it('a damaged compressed block is an error, with and without an index', async () => {
    const { directory, path } = await setUp(['gzip+index', 'plain']);
    const bytes = readFileSync(path);
    bytes[Math.floor(bytes.length / 2)]! ^= 0x10;
    writeFileSync(path, bytes);
    await expect(idsOf(readerOf(directory), { filter: {} })).rejects.toThrow(/block/);
    await expect(idsOf(readerOf(directory, false), { filter: {} })).rejects.toThrow(/block/);
  });

  it('is the same for the same file, and counts lines that are no records', async () => {
    const { directory, path } = await setUp(['plain+index', 'plain']);
    const before = readFileSync(indexPathOf(path));
    await buildFileIndex(nodeFileSystem, path);
    expect(readFileSync(indexPathOf(path)).equals(before)).toBe(true);
    writeFileSync(path, `no record\n${readFileSync(path, 'latin1')}`, 'latin1');
    await buildFileIndex(nodeFileSystem, path);
    const page = await pageOf(readerOf(directory), { filter: { principal: 'User:nobody' } });
    expect(page.counts.badLines).toBe(1);
  });
});

describe('a log that is being written', () => {
  it('is followed over the end of a file, compression and a half-written line', async () => {
    const directory = temporaryDirectory('audit-tail');
    const path = join(directory, fileName('access', 1));
    const line = (seq: number): string => lineOf(madeRecord('access', seq, below));
    writeFileSync(path, line(1) + line(2), 'latin1');
    const reader = readerOf(directory);
    let after = await reader.end();
    const news = async (): Promise<number[]> => {
      const page = await pageOf(reader, { filter: {} }, after);
      after = page.after;
      return page.records.map(({ seq }) => seq);
    };
    expect(await news()).toEqual([]);
    const third = line(3);
    appendFileSync(path, third.slice(0, 50), 'latin1');
    expect(await news()).toEqual([]);
    appendFileSync(path, third.slice(50) + line(4), 'latin1');
    expect(await news()).toEqual([3, 4]);
    writeFileSync(join(directory, fileName('access', 2)), line(5), 'latin1');
    appendFileSync(path, '', 'latin1');
    expect(await news()).toEqual([5]);
    compressFile(path, 500);
    appendFileSync(join(directory, fileName('access', 2)), line(6), 'latin1');
    expect(await news()).toEqual([6]);
    expect(await idsOf(reader, { filter: {} })).toEqual(
      [1, 2, 3, 4, 5, 6].map((n) => `access:${n}`),
    );
  });

  it('a file that is compressed between two pages does not break the answer', async () => {
    const directory = temporaryDirectory('audit-pages');
    const some = records.access.slice(0, 600);
    const [first] = await writeStream(directory, 'access', some, ['plain', 'plain']);
    const reader = readerOf(directory);
    const page = await pageOf(reader, { filter: {}, limit: 250 }, FROM_THE_START);
    compressFile(first!, 50_000);
    const rest = await pageOf(reader, { filter: {}, limit: 1000 }, page.after);
    const seqs = [...page.records, ...rest.records].map(({ seq }) => seq);
    expect(seqs).toEqual(some.map(({ seq }) => seq));
  });

  it('lines that are no records, however long, hide none of their neighbours', async () => {
    const directory = temporaryDirectory('audit-foreign');
    const path = join(directory, fileName('access', 1));
    const some = records.access;
    const third = Math.floor(some.length / 3);
    const foreign = `${'x'.repeat(500_000)}\n`.repeat(2);
    const part = (from: number, to: number) => some.slice(from, to).map(lineOf).join('');
    const parts = [part(0, third), part(third, 2 * third), part(2 * third, some.length)];
    writeFileSync(path, parts.join(foreign), 'latin1');
    for (const order of ['oldest', 'newest'] as const) {
      const ids = await idsOf(readerOf(directory), { filter: {}, order, limit: 199 });
      const right = some.map(({ seq }) => `access:${seq}`);
      expect(ids).toEqual(order === 'oldest' ? right : right.reverse());
    }
    const { counts } = await pageOf(readerOf(directory), { filter: {}, limit: 10_000 });
    expect(counts.badLines).toBe(4);
  });

  it('an empty folder and an empty file have no records', async () => {
    const directory = temporaryDirectory('audit-empty');
    expect(await idsOf(readerOf(directory), { filter: {} })).toEqual([]);
    const path = join(directory, fileName('security', 1));
    writeFileSync(path, lineOf(records.security[0]!));
    truncateSync(path, 0);
    expect(await idsOf(readerOf(directory), { filter: {} })).toEqual([]);
    expect(await readerOf(directory).end()).toEqual({ security: 0, access: 0 });
  });
});
