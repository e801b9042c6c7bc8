/**
 * `breakwater audit export`: records of the access log for another system, oldest first, in a form
 * that it reads: OCSF, CloudEvents, NDJSON as it stands in the log, or CSV.
 */
import { dirname } from 'node:path';
import type { Command } from 'commander';
import { toCloudEvent } from '../audit/export-cloudevents.ts';
import { csvHeader, csvLine } from '../audit/export-csv.ts';
import { toOcsf } from '../audit/export-ocsf.ts';
import { type FileHandle, nodeFileSystem } from '../base/file-system.ts';
import { packageVersion } from '../config/package-root.ts';
import { addFilterOptions, type FilterOptions, filterOf } from './audit-filter.ts';
import { limitOf, recordsOf, warn } from './audit-query.ts';
import {
  addSourceOptions,
  type ShownRecord,
  type SourceOptions,
  withSource,
} from './audit-source.ts';
import { CommandError, UsageError } from './command-error.ts';
import { counted, isRead } from './output.ts';

interface Options extends FilterOptions, SourceOptions {
  readonly format?: string;
  readonly json?: boolean;
  readonly limit: string;
  readonly out?: string;
  readonly source: string;
}

interface Format {
  readonly header: string;
  readonly line: (record: ShownRecord) => string;
}

const WRITE_BYTES = 256 * 1024;
const URI = /^[A-Za-z][A-Za-z0-9+.-]*:[^\s<>"{}|\\^`]{1,500}$/;

export function registerAuditExport(group: Command): void {
  const command = group
    .command('export')
    .description('write records of the access log for another system, oldest first')
    .option('--format <format>', 'ocsf, cloudevents, ndjson or csv')
    .option('--json', 'the same as --format ndjson')
    .option('--out <file>', 'write to this file (0600; replaced when all is written)')
    .option('--limit <count>', 'at most so many records; 0: all of them', '0')
    .option('--source <uri>', 'CloudEvents: names this log among others', 'urn:breakwater:audit');
  addSourceOptions(addFilterOptions(command)).action((options: Options) => exportRecords(options));
}

async function exportRecords(options: Options): Promise<void> {
  const filter = filterOf(options);
  const format = formatOf(options);
  const limit = limitOf(options.limit);
  const sink = options.out === undefined ? standardOutput() : fileSink(options.out);
  const found = { hasMore: false, badLines: 0 };
  let count = 0;
  try {
    await sink.write(format.header);
    await withSource(options, async (source) => {
      for await (const record of recordsOf(source, { filter, order: 'oldest', limit, found })) {
        if (!sink.isWanted()) return;
        await sink.write(format.line(record));
        count += 1;
      }
    });
    await sink.end();
  } catch (error) {
    sink.abandon();
    throw error;
  }
  const more = found.hasMore ? ', and there are more' : '';
  if (options.out !== undefined || found.hasMore)
    warn(`${counted(count, 'record')} exported${more}`);
  if (found.badLines > 0) warn('lines that are no records were passed over: see "audit verify"');
}

function formatOf({ format, json, source }: Options): Format {
  if (format !== undefined && json === true) throw new UsageError('--format or --json, not both');
  const line = (make: (record: ShownRecord) => unknown): Format => ({
    header: '',
    line: (record) => `${JSON.stringify(make(record))}\n`,
  });
  if (!URI.test(source))
    throw new UsageError('--source is a URI, for example urn:breakwater:plant-7');
  const version = packageVersion();
  switch (json === true ? 'ndjson' : format) {
    case 'ocsf':
      return line((record) => toOcsf(record, version));
    case 'cloudevents':
      return line((record) => toCloudEvent(record, source));
    case 'ndjson':
      return line(({ id: _id, stream: _stream, ...record }) => record);
    case 'csv':
      return { header: csvHeader(), line: csvLine };
    default:
      throw new UsageError('--format is ocsf, cloudevents, ndjson or csv');
  }
}

interface Sink {
  /** False: nobody will read what is written from now on. */
  isWanted(): boolean;
  write(text: string): Promise<void> | void;
  end(): Promise<void> | void;
  abandon(): void;
}

function standardOutput(): Sink {
  return {
    isWanted: isRead,
    write: (text) => {
      if (process.stdout.write(text) || !isRead()) return;
      return new Promise((resolve) => {
        const goOn = (): void => {
          process.stdout.off('drain', goOn).off('error', goOn);
          resolve();
        };
        process.stdout.on('drain', goOn).on('error', goOn);
      });
    },
    end: () => undefined,
    abandon: () => undefined,
  };
}

/** Writes beside the file and takes its place at the end. */
function fileSink(path: string): Sink {
  const temporary = `${path}.tmp`;
  if (nodeFileSystem.statSync(dirname(path))?.isDirectory !== true) {
    throw new CommandError(`${dirname(path)} is no folder: make it first`);
  }
  if (nodeFileSystem.statSync(temporary) !== undefined) {
    throw new CommandError(
      `${temporary} is there: another export writes it, or one was cut off; remove it`,
    );
  }
  const handle: FileHandle = nodeFileSystem.openSync(temporary, 'create');
  let parts: Buffer[] = [];
  let queuedBytes = 0;
  let position = 0;
  const flush = (): void => {
    handle.writevSync(parts.length > 1 ? [Buffer.concat(parts)] : parts, position);
    position += queuedBytes;
    parts = [];
    queuedBytes = 0;
  };
  return {
    isWanted: () => true,
    write: (text) => {
      const bytes = Buffer.from(text, 'utf8');
      parts.push(bytes);
      queuedBytes += bytes.length;
      if (queuedBytes >= WRITE_BYTES) flush();
    },
    end: async () => {
      if (queuedBytes > 0) flush();
      await handle.datasync();
      handle.closeSync();
      nodeFileSystem.renameSync(temporary, path);
      await nodeFileSystem.syncDirectory(dirname(path));
    },
    abandon: () => {
      handle.closeSync();
      nodeFileSystem.unlinkSync(temporary);
    },
  };
}
