/**
 * Owns `manifest.ndjson`, which says what a backup holds: a line that opens it, a line for each part
 * and each file (path, size, SHA-256), and a last line with the SHA-256 of all lines before it and,
 * where the broker has a key for it, an Ed25519 signature over that hash.
 *
 * Invariants: a manifest without its last line is none; a path leads to a place inside the backup and
 * nowhere else, whatever the file says; a line is bounded.
 */
import { createHash, createPublicKey, type KeyObject, sign, verify } from 'node:crypto';
import { forEachLineInTurns, isMissing } from '../base/bulk-files.ts';
import { BackupError } from './backup-error.ts';

export const MANIFEST_FILE = 'manifest.ndjson';
export const BACKUP_FORMAT = 1;

export interface BackupHead {
  readonly name: string;
  /** The release that wrote it. */
  readonly version: string;
  readonly nodeId: number;
  readonly createdAtMs: number;
  /** The backup whose files it shares; null: none. */
  readonly since: string | null;
}

export interface BackupFile {
  readonly path: string;
  readonly bytes: number;
  readonly sha256: string;
  /** Nothing is ever appended to what it was copied from. */
  readonly isFinal: boolean;
}

export interface BackupPart {
  readonly name: string;
  readonly kind: string;
  readonly facts: Readonly<Record<string, string | number>>;
}

/** Where the security metadata stood: whose log it is, and how far it went. */
export interface SecurityPosition {
  readonly lineage: string;
  readonly offset: number;
}

export interface BackupEnd {
  readonly finishedAtMs: number;
  readonly files: number;
  readonly bytes: number;
  readonly security: SecurityPosition;
}

export interface Manifest {
  readonly head: BackupHead;
  readonly parts: readonly BackupPart[];
  readonly files: readonly BackupFile[];
  /** Parts that could not be read, and why. */
  readonly skipped: readonly { readonly part: string; readonly reason: string }[];
  readonly end: BackupEnd;
  /** Of all lines but the last. */
  readonly sha256: string;
  readonly signature: string | null;
}

export class ManifestWriter {
  readonly #hash = createHash('sha256');
  #lines: Buffer[] = [];

  constructor(head: BackupHead) {
    this.#add({ type: 'backup', format: BACKUP_FORMAT, ...head });
  }

  part(part: BackupPart): void {
    this.#add({ type: 'part', ...part });
  }

  file(file: BackupFile): void {
    this.#add({ type: 'file', ...file });
  }

  skipped(part: string, reason: string): void {
    this.#add({ type: 'skipped', part, reason });
  }

  /** The bytes of the file, and the hash that stands in its last line. */
  finish(end: BackupEnd, key: KeyObject | null): { bytes: Buffer; sha256: string } {
    this.#add({ type: 'totals', ...end });
    const sha256 = this.#hash.digest('hex');
    const signature = key === null ? null : sign(null, signedText(sha256), key).toString('base64');
    const last = Buffer.from(`${JSON.stringify({ type: 'end', sha256, signature })}\n`);
    return { bytes: Buffer.concat([...this.#lines, last]), sha256 };
  }

  #add(line: object): void {
    const bytes = Buffer.from(`${JSON.stringify(line)}\n`);
    this.#hash.update(bytes);
    this.#lines.push(bytes);
  }
}

/** What is signed is of this use alone. */
const signedText = (sha256: string): Buffer => Buffer.from(`breakwater backup manifest ${sha256}`);

/**
 * Rejects with BackupError unless the file is a whole manifest of a format that is known. Long ones are
 * read in turns of the event loop.
 */
export async function readManifest(path: string): Promise<Manifest> {
  const reader = new ManifestReader(path);
  try {
    await forEachLineInTurns(path, (text) => reader.line(text));
  } catch (error) {
    if (isMissing(error)) throw damaged(path, 'it is missing');
    throw error;
  }
  return reader.manifest();
}

class ManifestReader {
  readonly #path: string;
  readonly #hash = createHash('sha256');
  readonly #parts: BackupPart[] = [];
  readonly #files: BackupFile[] = [];
  readonly #paths = new Set<string>();
  readonly #skipped: { part: string; reason: string }[] = [];
  #head: BackupHead | null = null;
  #totals: BackupEnd | null = null;
  #end: Fields | null = null;

  constructor(path: string) {
    this.#path = path;
  }

  line(text: string): void {
    const path = this.#path;
    if (this.#end !== null) throw damaged(path, 'something follows its end');
    const line = fieldsOf(text, path);
    if (line.type === 'end') {
      this.#end = line;
      return;
    }
    this.#hash.update(`${text}\n`);
    if (this.#head === null) this.#head = headOf(line, path);
    else if (line.type === 'part') this.#parts.push(partOf(line, path));
    else if (line.type === 'file') this.#file(fileOf(line, path));
    else if (line.type === 'skipped') {
      this.#skipped.push({ part: textIn(line.part, path), reason: textIn(line.reason, path) });
    } else if (line.type === 'totals' && this.#totals === null) {
      this.#totals = totalsOf(line, path);
    } else throw damaged(path, 'a line is of no kind that is known');
  }

  manifest(): Manifest {
    const path = this.#path;
    const [head, end, last] = [this.#head, this.#totals, this.#end];
    const sha256 = this.#hash.digest('hex');
    if (head === null || last === null) throw damaged(path, 'it has no end');
    if (last.sha256 !== sha256) throw damaged(path, 'it was changed after it was written');
    if (end === null || end.files !== this.#files.length) {
      throw damaged(path, 'its files are not those that it counts');
    }
    const [parts, files, skipped] = [this.#parts, this.#files, this.#skipped];
    return { head, parts, files, skipped, end, sha256, signature: optionalText(last.signature) };
  }

  #file(file: BackupFile): void {
    if (this.#paths.has(file.path)) throw damaged(this.#path, 'a file is there twice');
    this.#paths.add(file.path);
    this.#files.push(file);
  }
}

/** Whether the signature is that of the key. */
export function isSignedBy({ sha256, signature }: Manifest, publicKeyPem: string): boolean {
  if (signature === null) return false;
  const key = createPublicKey(publicKeyPem);
  return verify(null, signedText(sha256), key, Buffer.from(signature, 'base64'));
}

type Fields = Readonly<Record<string, unknown>>;

function headOf(line: Fields, path: string): BackupHead {
  if (line.type !== 'backup') throw damaged(path, 'it does not begin as one');
  if (line.format !== BACKUP_FORMAT) {
    throw new BackupError(`${path} is of a format that this release does not know: upgrade`);
  }
  return {
    name: textIn(line.name, path),
    version: textIn(line.version, path),
    nodeId: count(line.nodeId, path),
    createdAtMs: count(line.createdAtMs, path),
    since: optionalText(line.since),
  };
}

function totalsOf(line: Fields, path: string): BackupEnd {
  return {
    finishedAtMs: count(line.finishedAtMs, path),
    files: count(line.files, path),
    bytes: count(line.bytes, path),
    security: positionOf(Object(line.security) as Fields, path),
  };
}

const PATH_PIECE = /^(?!\.{1,2}$)[A-Za-z0-9._-]{1,255}$/;
const SHA256 = /^[0-9a-f]{64}$/;

function fileOf(line: Fields, path: string): BackupFile {
  const name = textIn(line.path, path);
  const pieces = name.split('/');
  const isInside =
    (pieces[0] === 'data' || pieces[0] === 'audit') &&
    pieces.length >= 2 &&
    pieces.every((piece) => PATH_PIECE.test(piece));
  if (!isInside) throw damaged(path, 'a path leads out of the backup');
  const sha256 = textIn(line.sha256, path);
  if (!SHA256.test(sha256)) throw damaged(path, 'a hash is none');
  return { path: name, bytes: count(line.bytes, path), sha256, isFinal: line.isFinal === true };
}

function partOf(line: Fields, path: string): BackupPart {
  const facts = Object.entries(Object(line.facts) as Fields).filter(
    (entry): entry is [string, string | number] => ['string', 'number'].includes(typeof entry[1]),
  );
  return {
    name: textIn(line.name, path),
    kind: textIn(line.kind, path),
    facts: Object.fromEntries(facts),
  };
}

function positionOf({ lineage, offset }: Fields, path: string): SecurityPosition {
  return { lineage: textIn(lineage, path), offset: count(offset, path) };
}

function fieldsOf(line: string, path: string): Fields {
  try {
    return Object(JSON.parse(line)) as Fields;
  } catch {
    throw damaged(path, 'a line is not JSON');
  }
}

function textIn(value: unknown, path: string): string {
  if (typeof value !== 'string') throw damaged(path, 'a text is missing');
  return value;
}

const optionalText = (value: unknown): string | null => (typeof value === 'string' ? value : null);

function count(value: unknown, path: string): number {
  if (!Number.isSafeInteger(value) || Number(value) < 0) throw damaged(path, 'a number is missing');
  return Number(value);
}

const damaged = (path: string, what: string): BackupError =>
  new BackupError(`${path} is no manifest of a whole backup (${what}): take another backup`);
