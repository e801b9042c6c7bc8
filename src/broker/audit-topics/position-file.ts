/**
 * Owns `<data>/audit-topics.json`: the key that seals positions, and how far each topic had come
 * when the file was written. A topic's own last record knows better; the file spares a start from
 * reading years of audit log on behalf of tenants in which nothing happened.
 *
 * Invariant: losing the file loses no record that is not published yet except while it is also the
 * only witness, and then the topic says so; positions are told by topic id, so that a topic made
 * anew does not inherit those of the one before.
 */
import { type FileSystem, replaceFile, systemErrorCode } from '../../base/file-system.ts';
import type { Logger } from '../../base/logger.ts';
import type { Random } from '../../base/random.ts';
import { type Position, SEAL_KEY_BYTES } from './position.ts';

const VERSION = 1;

export class PositionFile {
  readonly key: Buffer;
  readonly #files: FileSystem;
  readonly #path: string;
  readonly #positions: Map<string, Position>;
  #written = '';

  private constructor(
    files: FileSystem,
    path: string,
    key: Buffer,
    positions: Map<string, Position>,
  ) {
    this.#files = files;
    this.#path = path;
    this.key = key;
    this.#positions = positions;
  }

  /** Makes the file where there is none; one that cannot be understood is begun anew, and logged. */
  static async open(
    { files, path }: { readonly files: FileSystem; readonly path: string },
    random: Random,
    logger: Logger,
  ): Promise<PositionFile> {
    const read = readState(files, path);
    if (read !== null && read !== 'damaged') {
      return new PositionFile(files, path, read.key, read.positions);
    }
    if (read === 'damaged') logger.error({ path }, 'the positions of the audit topics are lost');
    const file = new PositionFile(files, path, random.bytes(SEAL_KEY_BYTES), new Map());
    await file.write(new Map());
    return file;
  }

  /** As the file had it when it was opened. */
  positionOf(topicId: string): Position | undefined {
    return this.#positions.get(topicId);
  }

  async write(positions: ReadonlyMap<string, Position>): Promise<void> {
    const topics = Object.fromEntries(
      [...positions].map(([id, { security, access }]) => [id, [security, access]]),
    );
    const state = { version: VERSION, key: this.key.toString('base64'), topics };
    const text = `${JSON.stringify(state)}\n`;
    if (text === this.#written) return;
    await replaceFile(this.#files, this.#path, Buffer.from(text));
    this.#written = text;
  }
}

interface State {
  readonly key: Buffer;
  readonly positions: Map<string, Position>;
}

function readState(files: FileSystem, path: string): State | 'damaged' | null {
  let text: string;
  try {
    text = files.readFileSync(path).toString('utf8');
  } catch (error) {
    if (systemErrorCode(error) === 'ENOENT') return null;
    throw error;
  }
  try {
    return stateIn(JSON.parse(text)) ?? 'damaged';
  } catch {
    return 'damaged';
  }
}

function stateIn(value: unknown): State | null {
  if (typeof value !== 'object' || value === null) return null;
  const { version, key, topics } = value as Readonly<Record<string, unknown>>;
  if (version !== VERSION || typeof key !== 'string') return null;
  if (typeof topics !== 'object' || topics === null) return null;
  const keyBytes = Buffer.from(key, 'base64');
  if (keyBytes.length !== SEAL_KEY_BYTES) return null;
  const positions = new Map<string, Position>();
  for (const [id, position] of Object.entries(topics)) {
    const [security, access]: unknown[] = Array.isArray(position) ? position : [];
    if (!isSequence(security) || !isSequence(access)) return null;
    positions.set(id, { security, access });
  }
  return { key: keyBytes, positions };
}

const isSequence = (value: unknown): value is number =>
  typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 && value < 2 ** 48;
