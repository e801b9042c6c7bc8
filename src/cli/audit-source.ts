/**
 * Owns where a command gets audit records from: a running broker, by its admin API, or the files of a
 * folder. Both give pages and say where the next one begins.
 */
import { promisify } from 'node:util';
import { gunzip } from 'node:zlib';
import type { Command } from 'commander';
import { BlockSource } from '../audit/audit-blocks.ts';
import { type Bounds, FROM_THE_START, PageReader } from '../audit/audit-page.ts';
import type { AuditFilter, QueryOrder } from '../audit/audit-query.ts';
import { DamagedBlockError, MEMBER_TEXT_BYTES_MAX } from '../audit/gzip-member.ts';
import { systemClock } from '../base/clock.ts';
import { nodeFileSystem } from '../base/file-system.ts';
import { AdminClient, addConnectionOptions, type ConnectionOptions } from './admin-client.ts';
import { asObject, listIn } from './answer-fields.ts';
import { queryOf } from './audit-filter.ts';
import { CommandError } from './command-error.ts';

/** `id` (`security:12`), `stream`, then the fields of the record. */
export type ShownRecord = Readonly<Record<string, unknown>>;

export interface SourcePage {
  readonly records: readonly ShownRecord[];
  /** Null: there is no more. */
  readonly next: string | null;
  readonly badLines: number;
}

export interface AuditSource {
  page(
    filter: AuditFilter,
    order: QueryOrder,
    cursor: string | null,
    limit: number,
  ): Promise<SourcePage>;
  /** What is behind the cursor, waiting a while for it; without one, what comes from now on. */
  follow(filter: AuditFilter, cursor: string | null): Promise<SourcePage>;
  close(): void;
}

export interface SourceOptions extends ConnectionOptions {
  readonly dir?: string;
  /** False with --no-index. */
  readonly index?: boolean;
}

export const addSourceOptions = (command: Command): Command =>
  addConnectionOptions(command)
    .option('--dir <dir>', 'read the files of this folder instead of asking a broker')
    .option('--no-index', 'with --dir: read every file whole, and rely on no index');

export function openSource(options: SourceOptions): AuditSource {
  const { dir, index } = options;
  return dir === undefined ? new OnlineSource(options) : new FileSource(dir, index !== false);
}

/** Runs with a source that is closed in any case. */
export async function withSource<T>(
  options: SourceOptions,
  run: (source: AuditSource) => Promise<T>,
): Promise<T> {
  const source = openSource(options);
  try {
    return await run(source);
  } finally {
    source.close();
  }
}

/** What the admin API gives in one answer. */
const PAGE_RECORDS_MAX = 500;

class OnlineSource implements AuditSource {
  readonly #client: AdminClient;

  constructor(options: ConnectionOptions) {
    this.#client = new AdminClient(options);
  }

  page(filter: AuditFilter, order: QueryOrder, cursor: string | null, limit: number) {
    const most = String(Math.min(limit, PAGE_RECORDS_MAX));
    return this.#get('/v1/audit/records', filter, cursor, { order, limit: most });
  }

  follow(filter: AuditFilter, cursor: string | null): Promise<SourcePage> {
    return this.#get('/v1/audit/tail', filter, cursor, { limit: String(PAGE_RECORDS_MAX) });
  }

  async #get(
    path: string,
    filter: AuditFilter,
    cursor: string | null,
    more: Readonly<Record<string, string>>,
  ): Promise<SourcePage> {
    const fields = { ...queryOf(filter), ...more, ...(cursor !== null && { cursor }) };
    const answer = await this.#client.call('GET', `${path}?${new URLSearchParams(fields)}`);
    const { next, badLines } = asObject(answer);
    return {
      records: listIn(answer, 'records'),
      next: typeof next === 'string' ? next : null,
      badLines: typeof badLines === 'number' ? badLines : 0,
    };
  }

  close(): void {
    this.#client.close();
  }
}

/** As many as the thread pool has threads for. */
const READ_AHEAD = 4;
const PAGE_BYTES_MAX = 64 * 1024 * 1024;
const POLL_MS = 250;
const FILE_PAGE_RECORDS_MAX = 20_000;

const unpackInPool = promisify(gunzip);

class FileSource implements AuditSource {
  readonly #directory: string;
  readonly #reader: PageReader;
  #isClosed = false;

  constructor(directory: string, useIndexes: boolean) {
    const files = nodeFileSystem;
    if (files.statSync(directory)?.isDirectory !== true) {
      throw new CommandError(`${directory} is no folder: --dir names the audit folder of a broker`);
    }
    this.#directory = directory;
    this.#reader = new PageReader({
      files,
      clock: systemClock,
      directory,
      source: new BlockSource({ files, useIndexes }),
      unpack: async (bytes, textBytes) => {
        try {
          // One byte more than there is to come: the text arrives in one piece.
          const chunkSize = Math.max(64, textBytes + 1);
          return await unpackInPool(bytes, { chunkSize, maxOutputLength: MEMBER_TEXT_BYTES_MAX });
        } catch (cause) {
          throw new DamagedBlockError('it cannot be unpacked', { cause });
        }
      },
      readAhead: READ_AHEAD,
    });
  }

  async page(filter: AuditFilter, order: QueryOrder, cursor: string | null, limit: number) {
    const { after, isLast, page } = await this.#page(filter, order, boundsIn(cursor), limit);
    return { ...page, next: isLast ? null : cursorOf(after) };
  }

  async follow(filter: AuditFilter, cursor: string | null): Promise<SourcePage> {
    if (cursor === null && filter.sinceMs === undefined) {
      return { records: [], badLines: 0, next: cursorOf(await this.#reader.end()) };
    }
    let bounds = boundsIn(cursor);
    while (!this.#isClosed) {
      const { after, page } = await this.#page(filter, 'oldest', bounds, FILE_PAGE_RECORDS_MAX);
      if (page.records.length > 0) return { ...page, next: cursorOf(after) };
      bounds = after;
      await new Promise<void>((resolve) => systemClock.setTimer(POLL_MS, resolve));
    }
    return { records: [], badLines: 0, next: cursorOf(bounds) };
  }

  async #page(filter: AuditFilter, order: QueryOrder, after: Bounds, limit: number) {
    const most = Math.min(limit, FILE_PAGE_RECORDS_MAX);
    const bounded = { limit: most, bytesMax: PAGE_BYTES_MAX, workMsMax: Number.POSITIVE_INFINITY };
    try {
      const page = await this.#reader.page({ filter, order, after, ...bounded });
      const records = page.records.map(({ stream, seq, record }) => ({
        id: `${stream}:${seq}`,
        stream,
        ...record,
      }));
      const { badLines } = page.counts;
      return { after: page.after, isLast: page.isLast, page: { records, badLines } };
    } catch (error) {
      if (!(error instanceof DamagedBlockError)) throw error;
      throw new CommandError(`${this.#directory}: ${error.message}`, { cause: error });
    }
  }

  close(): void {
    this.#isClosed = true;
  }
}

const cursorOf = ({ security, access }: Bounds): string => JSON.stringify([security, access]);

/** Made by cursorOf, in this process. */
function boundsIn(cursor: string | null): Bounds {
  if (cursor === null) return FROM_THE_START;
  const [security, access] = JSON.parse(cursor) as [number | null, number | null];
  return { security, access };
}
