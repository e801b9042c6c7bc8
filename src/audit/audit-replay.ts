/**
 * Owns reading a stream of the audit log again from one of its sequence numbers on, while the broker
 * writes it: plain files and closed ones that were compressed.
 *
 * Invariants: lines come in the order of the stream, each once and exactly as it was written; the
 * unfinished last line of a file is left for later; memory is bounded by a window and a line. A file
 * that goes meanwhile makes the reading fail, and whoever reads begins again.
 */
import { join } from 'node:path';
import { pipeline, Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import type { FileSystem } from '../base/file-system.ts';
import { windowsOf } from './audit-bytes.ts';

export type AuditStreamName = 'security' | 'access';

export interface ReplayedLine {
  readonly sequence: number;
  /** Without its end. */
  readonly line: string;
  /** As parsed; of unchecked shape. */
  readonly fields: Readonly<Record<string, unknown>>;
}

export interface ReplaySource {
  readonly files: FileSystem;
  /** `<data>/audit`. */
  readonly directory: string;
}

const WINDOW_BYTES = 128 * 1024;
const LINE_CHARS_MAX = 1024 * 1024;
const TAIL_BYTES = 1024 * 1024;
const FILE_NAME = /^(security|access)-([0-9]{8})-([0-9]{6,})\.ndjson(\.gz)?$/;
/** Where our writer puts it: before anything that a peer could choose. */
const SEQUENCE = /^\{"level":"[a-z]+","v":[0-9]+,"seq":([0-9]+)[,}]/;

/** The `seq` of a line; null for what is no record of ours. */
export function sequenceOf(line: string): number | null {
  const match = SEQUENCE.exec(line);
  if (match !== null) return Number(match[1]);
  const sequence = fieldsOf(line)?.seq;
  return Number.isSafeInteger(sequence) ? Number(sequence) : null;
}

function fieldsOf(line: string): Record<string, unknown> | null {
  try {
    const value: unknown = JSON.parse(line);
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return null;
    return Object.fromEntries(Object.entries(value));
  } catch {
    return null;
  }
}

/** The lines above `after`, some at a time; the first may lie further on where files have gone. */
export async function* replayLines(
  source: ReplaySource,
  stream: AuditStreamName,
  after: number,
): AsyncGenerator<ReplayedLine[]> {
  const names = filesOf(source, stream);
  let last = after;
  for (const name of names.slice(await startOf(source, names, after))) {
    for await (const lines of linesOf(source, name)) {
      const wanted: ReplayedLine[] = [];
      for (const line of lines) {
        const sequence = sequenceOf(line);
        if (sequence === null || sequence <= last) continue;
        last = sequence;
        const fields = fieldsOf(line);
        if (fields !== null) wanted.push({ sequence, line, fields });
      }
      yield wanted;
    }
  }
}

/** The `seq` of the last whole line of a stream; 0 when there is none. */
export async function lastSequence(source: ReplaySource, stream: AuditStreamName): Promise<number> {
  for (const name of filesOf(source, stream).reverse()) {
    const sequence = name.endsWith('.gz')
      ? await lastOfCompressed(source, name)
      : lastOfPlain(source, name);
    if (sequence !== null) return sequence;
  }
  return 0;
}

/** Oldest first; of a file that is there plain and compressed, the plain one. */
function filesOf({ files, directory }: ReplaySource, stream: AuditStreamName): string[] {
  const present = files
    .readdirSync(directory)
    .filter((name) => FILE_NAME.exec(name)?.[1] === stream);
  const plain = new Set(present.filter((name) => !name.endsWith('.gz')));
  return present
    .filter((name) => plain.has(name) || !plain.has(name.slice(0, -'.gz'.length)))
    .sort((a, b) => orderOf(a).localeCompare(orderOf(b)));
}

/** Numbers have six digits or more. */
function orderOf(name: string): string {
  const [, , day, number] = FILE_NAME.exec(name)!;
  return `${day}-${number!.padStart(16, '0')}`;
}

/** The index of the file in which the line after `after` stands, or of the oldest that is left. */
async function startOf(source: ReplaySource, names: readonly string[], after: number) {
  for (let index = names.length - 1; index > 0; index -= 1) {
    const first = await firstSequence(source, names[index]!);
    if (first !== null && first <= after + 1) return index;
  }
  return 0;
}

async function firstSequence(source: ReplaySource, name: string): Promise<number | null> {
  for await (const lines of linesOf(source, name)) {
    for (const line of lines) {
      const sequence = sequenceOf(line);
      if (sequence !== null) return sequence;
    }
  }
  return null;
}

async function lastOfCompressed(source: ReplaySource, name: string): Promise<number | null> {
  let last: number | null = null;
  for await (const lines of linesOf(source, name)) {
    for (const line of lines) last = sequenceOf(line) ?? last;
  }
  return last;
}

function lastOfPlain({ files, directory }: ReplaySource, name: string): number | null {
  const handle = files.openSync(join(directory, name), 'read');
  try {
    const sizeBytes = handle.sizeBytesSync();
    const tail = Buffer.alloc(Math.min(sizeBytes, TAIL_BYTES));
    const count = handle.readSync(tail, sizeBytes - tail.length);
    const lines = tail.toString('latin1', 0, count).split('\n').slice(0, -1);
    for (const line of lines.reverse()) {
      const sequence = sequenceOf(line);
      if (sequence !== null) return sequence;
    }
    return null;
  } finally {
    handle.closeSync();
  }
}

/** Whole lines of a file, as many as a window ends. */
async function* linesOf(source: ReplaySource, name: string): AsyncGenerator<string[]> {
  const plain = windowsOf(source.files, join(source.directory, name), WINDOW_BYTES);
  let rest = '';
  let isTooLong = false;
  for await (const window of name.endsWith('.gz') ? inflated(plain) : plain) {
    const lines = (rest + window.toString('latin1')).split('\n');
    rest = lines.pop() ?? '';
    // What is so long is nothing that we wrote.
    if (isTooLong && lines.length > 0) lines.shift();
    isTooLong = (isTooLong && lines.length === 0) || rest.length > LINE_CHARS_MAX;
    if (isTooLong) rest = '';
    yield lines;
  }
}

async function* inflated(windows: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  const gunzip = createGunzip({ chunkSize: WINDOW_BYTES });
  // What goes wrong destroys `gunzip`, and whoever reads from it is told.
  pipeline(Readable.from(windows), gunzip, () => undefined);
  for await (const window of gunzip) yield window as Buffer;
}
