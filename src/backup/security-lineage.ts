/**
 * Owns whose security metadata a data folder holds, and how far it must have come at least.
 *
 *   <data>/security-lineage        a random id: made with the log, copied with it by a backup, made
 *                                  anew when a restore could not prove that nothing was lost
 *   security.watermark.file        outside the data folder: the id, and the end of the log after
 *                                  the last change that is in force
 *
 * Invariants: the watermark is durable before a change is confirmed, so that an older log (an older
 * copy of the folder, a restored one, an empty one) is noticed at the start and refused, before it
 * could bring back what was revoked or deleted since. Without the file nothing is noticed.
 */
import { join } from 'node:path';
import { readIfThere } from '../base/credential-files.ts';
import { ConfigError, StorageError } from '../base/errors.ts';
import { type FileSystem, replaceFile, systemErrorCode } from '../base/file-system.ts';
import { type Random, randomUuid } from '../base/random.ts';
import type { SecurityPosition } from './backup-manifest.ts';

export const LINEAGE_FILE = 'security-lineage';
const LINEAGE = /^[A-Za-z0-9_-]{22}$/;

/** Null where there is none. Throws ConfigError when what is there is none. */
export function readLineage(dataDir: string): string | null {
  const path = join(dataDir, LINEAGE_FILE);
  const text = readIfThere(path)?.trim() ?? null;
  if (text === null || LINEAGE.test(text)) return text;
  throw new ConfigError(`${path} is damaged: bring it back from a backup of the same folder.`);
}

export async function writeLineage(
  files: FileSystem,
  dataDir: string,
  random: Random,
): Promise<string> {
  const lineage = randomUuid(random);
  await replaceFile(files, join(dataDir, LINEAGE_FILE), Buffer.from(`${lineage}\n`));
  return lineage;
}

/** Null when there is no such file. Throws ConfigError when it cannot be read. */
export function readWatermark(path: string): SecurityPosition | null {
  const text = readIfThere(path);
  if (text === null) return null;
  try {
    const { lineage, offset } = Object(JSON.parse(text)) as Record<string, unknown>;
    const isOne = typeof lineage === 'string' && LINEAGE.test(lineage);
    if (isOne && Number.isSafeInteger(offset)) return { lineage, offset: Number(offset) };
  } catch {
    // Told below.
  }
  throw new ConfigError(
    `security.watermark.file: ${path} is damaged. It says how far the security metadata must have ` +
      'come; remove it only if you know that the data folder is the newest there is.',
  );
}

export interface WatermarkOptions {
  readonly files: FileSystem;
  readonly random: Random;
  readonly dataDir: string;
  /** Null: none is kept. */
  readonly path: string | null;
  /** The log of security events, just opened. */
  readonly log: { readonly endOffset: number };
  /** Whether the folder comes from a restore that shut all tenants out, and starts for the first time. */
  readonly isNewLineageExpected: boolean;
}

export class SecurityWatermark {
  readonly lineage: string;
  readonly #options: WatermarkOptions;

  private constructor(options: WatermarkOptions, lineage: string) {
    this.#options = options;
    this.lineage = lineage;
  }

  /** Rejects with ConfigError when the log is older than it was, or another one. */
  static async open(options: WatermarkOptions): Promise<SecurityWatermark> {
    const { files, random, dataDir, path, log } = options;
    const known = path === null ? null : readWatermark(path);
    const found = readLineage(dataDir);
    if (known !== null && !options.isNewLineageExpected) refuseOlder(options, known, found);
    const lineage = found ?? (await writeLineage(files, dataDir, random));
    const watermark = new SecurityWatermark(options, lineage);
    if (known?.lineage !== lineage || known.offset < log.endOffset) await watermark.advance();
    return watermark;
  }

  get position(): SecurityPosition {
    return { lineage: this.lineage, offset: this.#options.log.endOffset };
  }

  /** Resolves when the watermark stands at the end of the log, durably. */
  async advance(): Promise<void> {
    const { files, path } = this.#options;
    if (path === null) return;
    const bytes = Buffer.from(`${JSON.stringify(this.position)}\n`);
    await replaceFile(files, path, bytes).catch((cause: unknown) => {
      const code = systemErrorCode(cause) ?? 'unknown';
      throw new StorageError(
        `security.watermark.file: ${path} cannot be written (${code}): the change is in force, but ` +
          'an older copy of the metadata would go unnoticed. Make its folder writable.',
        { cause },
      );
    });
  }
}

function refuseOlder(
  { dataDir, path, log }: WatermarkOptions,
  known: SecurityPosition,
  lineage: string | null,
): void {
  const isSame = lineage === known.lineage;
  if (isSame && log.endOffset >= known.offset) return;
  const what = isSame
    ? `ends at change ${log.endOffset}, but change ${known.offset} was in force`
    : log.endOffset === 0
      ? 'is empty, but there were tenants before'
      : 'is not the one that was in force';
  throw new ConfigError(
    `The security metadata in ${dataDir} ${what} (${path}): what was revoked or deleted since would ` +
      'be undone. Start on the newest data folder; or restore a backup into a new folder with ' +
      '"breakwater restore", which brings the newest security metadata along or shuts every tenant ' +
      'out until you let it in. Only to begin anew with new CAs, remove that file.',
  );
}
