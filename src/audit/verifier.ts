/**
 * Owns `audit verify`: is the log in a folder the one that the broker wrote and signed? Reads files
 * only, so it works while a broker writes, on a copy, and on another machine.
 *
 * Invariant: checkpoints are read before the lines, so that whatever a running broker adds meanwhile is
 * beyond the last checkpoint, never before it.
 */
import { join } from 'node:path';
import { type FileSystem, systemErrorCode } from '../base/file-system.ts';
import { auditBytesOf } from './audit-bytes.ts';
import { listStreamFiles } from './audit-files.ts';
import { ChainVerifier, type Signed } from './chain-verifier.ts';
import { parseCheckpoint, STREAMS, type StreamName, signatureProblem } from './checkpoint.ts';
import { checkpointLines, verifyCheckpoints } from './checkpoint-verifier.ts';
import { areSame } from './compress-file.ts';
import type { VerifyingKey } from './signing-key.ts';
import type { AuditProblem, AuditReport } from './verification.ts';

export interface VerifyOptions {
  readonly files: FileSystem;
  readonly directory: string;
  readonly keys: readonly VerifyingKey[];
  /** Checkpoints that were kept elsewhere, one a line, by the name of their file. */
  readonly anchors?: { readonly name: string; readonly text: string };
}

export async function verifyAudit(options: VerifyOptions): Promise<AuditReport> {
  const { files, directory, keys } = options;
  const checkpoints = await verifyCheckpoints(files, directory, keys);
  const anchors = await readAnchors(options);
  const problems = [checkpoints.problem, anchors.problem];
  const { last: lastNumber } = checkpoints.report;
  const chains = { security: null, access: null } as Record<StreamName, ChainVerifier | null>;
  for (const stream of STREAMS) {
    const verifier = new ChainVerifier({
      beginnings: checkpoints.beginnings[stream],
      checkpoints: checkpointsOf(files, directory, stream, lastNumber ?? 0),
      anchors: anchors.signed.filter(({ checkpoint }) => checkpoint.stream === stream),
    });
    chains[stream] = verifier;
    await verifyStream(options, stream, verifier);
    problems.push(verifier.problem);
  }
  const security = chains.security!;
  const access = chains.access!;
  const streams = { security: security.report, access: access.report };
  if (lastNumber === null) problems.push(unsignedProblem());
  const matched = security.anchorsMatched + access.anchorsMatched;
  const tooOld = security.anchorsTooOld + access.anchorsTooOld;
  const given = anchors.signed.length;
  for (const stream of STREAMS) {
    const of = anchors.signed.filter(({ checkpoint }) => checkpoint.stream === stream);
    const { anchorsTooOld } = chains[stream]!;
    problems.push(anchorsProblem(stream, { given: of.length, tooOld: anchorsTooOld }));
  }
  return {
    problems: problems.filter((problem) => problem !== null),
    checkpoints: checkpoints.report,
    streams,
    anchors: { given, matched, tooOld },
  };
}

async function verifyStream(
  { files, directory }: VerifyOptions,
  stream: StreamName,
  verifier: ChainVerifier,
): Promise<void> {
  for (const name of listStreamFiles(files, directory, stream)) {
    verifier.begin(name);
    if (await hasOtherForm(files, directory, name)) {
      verifier.damaged('its plain and its compressed form differ, and readers take the plain one');
      return;
    }
    try {
      for await (const window of bytesOf(files, directory, name)) {
        if (!verifier.take(window)) return;
      }
    } catch (error) {
      if (systemErrorCode(error)?.startsWith('Z_') !== true) throw error;
      verifier.damaged('its compressed form is damaged');
      return;
    }
  }
  verifier.end();
}

/** Beside a compressed file its plain form is left by a crash only, and holds the same then. */
async function hasOtherForm(files: FileSystem, directory: string, name: string): Promise<boolean> {
  if (!name.endsWith('.gz')) return false;
  const plain = join(directory, name.slice(0, -'.gz'.length));
  if (files.statSync(plain) === undefined || (await areSame(files, plain))) return false;
  return files.statSync(plain) !== undefined;
}

/** A running broker may put the compressed form in the place of a file that was listed. */
async function* bytesOf(
  files: FileSystem,
  directory: string,
  name: string,
): AsyncGenerator<Buffer> {
  const path = join(directory, name);
  const compressed = `${path}.gz`;
  const isReplaced = files.statSync(path) === undefined && files.statSync(compressed) !== undefined;
  yield* auditBytesOf(files, isReplaced ? compressed : path);
}

function* checkpointsOf(
  files: FileSystem,
  directory: string,
  stream: StreamName,
  lastNumber: number,
): Generator<Signed> {
  for (const line of checkpointLines(files, directory)) {
    if (line.checkpoint === null || line.checkpoint.n > lastNumber) return;
    if (line.checkpoint.stream !== stream) continue;
    yield { checkpoint: line.checkpoint, name: `checkpoint ${line.file}:${line.line}` };
  }
}

interface Anchors {
  readonly signed: readonly Signed[];
  readonly problem: AuditProblem | null;
}

async function readAnchors({ anchors, keys }: VerifyOptions): Promise<Anchors> {
  if (anchors === undefined) return { signed: [], problem: null };
  const signed: Signed[] = [];
  const lines = anchors.text.split('\n').map((line) => line.trim());
  for (const [at, line] of lines.entries()) {
    if (line === '') continue;
    const why = await signatureProblem(line, keys);
    if (why !== null) {
      const what = `the anchor does not count: ${why}`;
      return { signed, problem: { file: anchors.name, line: at + 1, sequence: null, what } };
    }
    const { checkpoint } = parseCheckpoint(line)!;
    signed.push({ checkpoint, name: `the anchor ${anchors.name}:${at + 1}` });
  }
  signed.sort((a, b) => a.checkpoint.last - b.checkpoint.last);
  if (signed.length > 0) return { signed, problem: null };
  const what = 'the file holds no checkpoint: "breakwater audit checkpoint" prints one';
  return { signed, problem: { file: anchors.name, line: 0, sequence: null, what } };
}

/** Anchors that say nothing of what is here are no reason to believe it, stream by stream. */
function anchorsProblem(
  stream: StreamName,
  { given, tooOld }: { readonly given: number; readonly tooOld: number },
): AuditProblem | null {
  if (given === 0 || tooOld < given) return null;
  const what =
    `the ${stream} records that the anchors tell of are gone, by retention or by who has the ` +
    'signing key: nothing vouches for those that are left; keep a newer anchor';
  return { file: 'anchors', line: 0, sequence: null, what };
}

function unsignedProblem(): AuditProblem {
  const what =
    'no checkpoint vouches for the log: its files checkpoints-*.jws are gone, or no broker that ' +
    'signs has written here yet';
  return { file: 'checkpoints', line: 0, sequence: null, what };
}

/** A file that retention took between listing and reading. */
export const isVanished = (error: unknown): boolean => systemErrorCode(error) === 'ENOENT';
