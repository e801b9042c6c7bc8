/** Audit folders for tests of reading: made-up records, in files as a broker may leave them. */
import { readFileSync, unlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { BlockSource, unpackAtOnce } from '../../src/audit/audit-blocks.ts';
import { FROM_THE_START, type Page, PageReader } from '../../src/audit/audit-page.ts';
import type { AuditFilter, QueryOrder } from '../../src/audit/audit-query.ts';
import { buildFileIndex } from '../../src/audit/file-index.ts';
import { systemClock } from '../../src/base/clock.ts';
import { nodeFileSystem } from '../../src/base/file-system.ts';

export type Stream = 'security' | 'access';

export interface MadeRecord {
  readonly seq: number;
  readonly time: string;
  readonly [field: string]: unknown;
}

/** Whole numbers below a bound, the same for the same seed (mulberry32). */
export function numbers(seed: number): (below: number) => number {
  let state = seed >>> 0;
  return (below) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let value = Math.imul(state ^ (state >>> 15), 1 | state);
    value = (value + Math.imul(value ^ (value >>> 7), 61 | value)) ^ value;
    return ((value ^ (value >>> 14)) >>> 0) % below;
  };
}

const START_MS = Date.parse('2026-11-20T00:00:00.000Z');
export const STEP_MS = 10_000;

/** Few names, so that most questions have several answers. */
export function madeRecord(
  stream: Stream,
  seq: number,
  below: (most: number) => number,
): MadeRecord {
  const device = below(30);
  const atMs = START_MS + seq * STEP_MS + below(STEP_MS);
  const isCounted = below(4) === 0;
  const first = new Date(atMs - below(60_000)).toISOString();
  const time = new Date(atMs).toISOString();
  return {
    level: 'info',
    v: 2,
    seq,
    time,
    type: 'access',
    tenant: ['acme', 'globex', null][below(3)],
    principal: below(12) === 0 ? `User:d\u00fcse-${device}` : `User:device-${device}`,
    certificate: `0${device.toString(16).toUpperCase()}FE`,
    address: below(5) === 0 ? `2001:db8::${device.toString(16)}` : `10.0.${below(3)}.${device}`,
    connection: `connection-${below(50)}`,
    listener: 'mtls',
    api: ['Produce', 'Fetch', 'GET /v1/topics'][below(3)],
    apiVersion: 9,
    clientId: below(3) === 0 ? 'a "quoted\\" id, with\u2028breaks' : 'rdkafka',
    operation: ['READ', 'WRITE', 'DESCRIBE'][below(3)],
    resourceType: 'TOPIC',
    resource: `device-${device}.${'telemetry'.repeat(below(8))}`,
    decision: stream === 'access' ? 'allow' : 'deny',
    rule: `p, ${'x'.repeat(300)}`,
    origin: null,
    ...(isCounted && { count: 3, first, last: time }),
  };
}

/** As the broker writes it: JSON in ASCII. */
export const lineOf = (record: object): string =>
  `${JSON.stringify(record).replace(
    /[\u007f-\uffff]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )}\n`;

export const fileName = (stream: Stream, number: number): string =>
  `${stream}-20261120-${String(number).padStart(6, '0')}.ndjson`;

/** What compressing a closed file leaves: gzip members of whole lines. */
export function compressFile(path: string, memberBytes: number): string {
  const members: Buffer[] = [];
  let text = '';
  const close = (): void => {
    if (text !== '') members.push(gzipSync(Buffer.from(text, 'latin1'), { level: 1 }));
    text = '';
  };
  for (const line of readFileSync(path, 'latin1').split(/(?<=\n)/)) {
    text += line;
    if (text.length >= memberBytes) close();
  }
  close();
  writeFileSync(`${path}.gz`, Buffer.concat(members));
  unlinkSync(path);
  return `${path}.gz`;
}

export type Shape = 'plain' | 'plain+index' | 'gzip' | 'gzip+index';

/** Writes the records into files of the given shapes; the last one is plain, as if being written. */
export async function writeStream(
  directory: string,
  stream: Stream,
  records: readonly MadeRecord[],
  shapes: readonly Shape[],
): Promise<string[]> {
  const perFile = Math.ceil(records.length / shapes.length);
  const paths: string[] = [];
  for (const [at, shape] of shapes.entries()) {
    const path = join(directory, fileName(stream, at + 1));
    const mine = records.slice(at * perFile, (at + 1) * perFile);
    writeFileSync(path, mine.map(lineOf).join(''), 'latin1');
    const made = shape.startsWith('gzip') ? compressFile(path, 128 * 1024) : path;
    if (shape.endsWith('index')) await buildFileIndex(nodeFileSystem, made);
    paths.push(made);
  }
  return paths;
}

export const readerOf = (directory: string, useIndexes = true): PageReader =>
  new PageReader({
    files: nodeFileSystem,
    clock: systemClock,
    directory,
    source: new BlockSource({ files: nodeFileSystem, useIndexes }),
    unpack: unpackAtOnce,
    readAhead: 2,
  });

export interface Asked {
  readonly filter: AuditFilter;
  readonly order?: QueryOrder;
  readonly limit?: number;
  readonly workMsMax?: number;
}

export const pageOf = (reader: PageReader, asked: Asked, after = FROM_THE_START): Promise<Page> =>
  reader.page({
    order: 'oldest',
    limit: 100,
    bytesMax: 2 ** 26,
    workMsMax: Number.POSITIVE_INFINITY,
    ...asked,
    after,
  });

/** The ids of all pages, in the order given. */
export async function idsOf(reader: PageReader, asked: Asked): Promise<string[]> {
  const ids: string[] = [];
  let after = FROM_THE_START;
  for (let pages = 0; pages < 10_000; pages += 1) {
    const page = await pageOf(reader, asked, after);
    ids.push(...page.records.map(({ stream, seq }) => `${stream}:${seq}`));
    if (page.isLast) return ids;
    after = page.after;
  }
  throw new Error('the pages have no end');
}
