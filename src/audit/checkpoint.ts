/**
 * Owns what a checkpoint is: a JWS (compact, EdDSA) that says how far a stream of the log had come and
 * with which hash. Each names the hash of the one before it, so that the newest vouches for all.
 *
 * Invariant: what is read back was checked field by field; the key comes from the caller's list and
 * never from the checkpoint.
 */
import { CompactSign, compactVerify, decodeProtectedHeader } from 'jose';
import type { SigningKey, VerifyingKey } from './signing-key.ts';

export const CHECKPOINT_VERSION = 1;
const TYPE = 'breakwater-audit-checkpoint';
const ALGORITHM = 'EdDSA';

export const STREAMS = ['security', 'access'] as const;
export type StreamName = (typeof STREAMS)[number];

/** Where a stream begins after retention took what was before it. */
export interface StreamBeginning {
  readonly file: string;
  /** The `seq` of its first line, and the hash that this line names. */
  readonly first: number;
  readonly prev: string;
}

/** The same of the checkpoints themselves. */
export interface CheckpointsBeginning {
  readonly file: string;
  readonly n: number;
  readonly prev: string;
}

export interface Beginnings {
  readonly security?: StreamBeginning;
  readonly access?: StreamBeginning;
  readonly checkpoints?: CheckpointsBeginning;
}

export interface Checkpoint {
  readonly v: typeof CHECKPOINT_VERSION;
  /** Random, the same for the life of the log. */
  readonly log: string;
  /** Random, the same for a run of the broker. */
  readonly boot: string;
  /** From 1, one for each checkpoint of the log. */
  readonly n: number;
  /** SHA-256 of the line of the checkpoint before this one. */
  readonly prev: string;
  readonly time: string;
  readonly stream: StreamName;
  /** The file, and `seq` of the first record that no checkpoint had covered, and of the last. */
  readonly file: string;
  readonly first: number;
  readonly last: number;
  /** SHA-256 of the line of record `last`. */
  readonly head: string;
  readonly begins?: Beginnings;
}

const HASH = /^[0-9a-f]{64}$/;
const isText = (value: unknown): value is string => typeof value === 'string' && value.length < 256;
const isHash = (value: unknown): value is string => isText(value) && HASH.test(value);
const isCount = (value: unknown): value is number =>
  typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

export async function signCheckpoint(checkpoint: Checkpoint, key: SigningKey): Promise<string> {
  return await new CompactSign(Buffer.from(JSON.stringify(checkpoint)))
    .setProtectedHeader({ alg: ALGORITHM, kid: key.id, typ: TYPE })
    .sign(key.privateKey);
}

/** A checkpoint whose form was checked and whose signature was not. */
export interface UnverifiedCheckpoint {
  readonly checkpoint: Checkpoint;
  readonly keyId: string;
}

/** Null when the line is no checkpoint of this version. */
export function parseCheckpoint(line: string): UnverifiedCheckpoint | null {
  try {
    const { alg, kid, typ } = decodeProtectedHeader(line);
    if (alg !== ALGORITHM || typ !== TYPE || typeof kid !== 'string') return null;
    const payload: unknown = JSON.parse(
      Buffer.from(line.split('.')[1] ?? '', 'base64url').toString('utf8'),
    );
    return isCheckpoint(payload) ? { checkpoint: payload, keyId: kid } : null;
  } catch {
    return null;
  }
}

function isCheckpoint(value: unknown): value is Checkpoint {
  if (!isObject(value)) return false;
  const { v, log, boot, n, prev, time, stream, file, first, last, head, begins } = value;
  const isWhole = [log, boot, time, file].every(isText) && [n, first, last].every(isCount);
  if (v !== CHECKPOINT_VERSION || !isWhole || !isHash(prev) || !isHash(head)) return false;
  if (!STREAMS.some((name) => name === stream)) return false;
  return begins === undefined || isBeginnings(begins);
}

function isBeginnings(value: unknown): value is Beginnings {
  if (!isObject(value)) return false;
  return Object.entries(value).every(([name, begin]) => {
    if (!isObject(begin) || !isText(begin.file) || !isHash(begin.prev)) return false;
    if (name === 'checkpoints') return isCount(begin.n);
    return STREAMS.some((stream) => stream === name) && isCount(begin.first);
  });
}

/** Why the line is not signed by one of the keys; null when it is. */
export async function signatureProblem(
  line: string,
  keys: readonly VerifyingKey[],
): Promise<string | null> {
  const parsed = parseCheckpoint(line);
  if (parsed === null) return 'it is not a checkpoint';
  const key = keys.find(({ id }) => id === parsed.keyId);
  if (key === undefined) {
    return `it is signed with the key ${parsed.keyId}, which is none of those given with --key`;
  }
  try {
    await compactVerify(line, key.publicKey, { algorithms: [ALGORITHM] });
    return null;
  } catch {
    return 'its signature is false';
  }
}
