/**
 * Owns the first half of a verification: that the checkpoints are one unbroken chain which keys of the
 * caller signed.
 *
 * Invariant: a checkpoint counts only when every one before it was found in order. Each names the
 * hash of the one before it, so the signature of the last one of a run of the broker, of a key and of
 * a file vouches for those before; where it is false, all are asked to name the first false one.
 */
import { basename, join } from 'node:path';
import type { FileSystem } from '../base/file-system.ts';
import { GENESIS, hashOf } from './chain.ts';
import {
  type Beginnings,
  type Checkpoint,
  parseCheckpoint,
  type StreamBeginning,
  type StreamName,
  signatureProblem,
} from './checkpoint.ts';
import { formatCheckpointFile, listCheckpointFiles } from './checkpoint-files.ts';
import type { VerifyingKey } from './signing-key.ts';
import type { AuditProblem, CheckpointsReport } from './verification.ts';

export interface CheckpointLine {
  readonly file: string;
  readonly line: number;
  readonly text: string;
  readonly checkpoint: Checkpoint;
  readonly keyId: string;
}

interface BadLine {
  readonly file: string;
  readonly line: number;
  readonly checkpoint: null;
}

export interface VerifiedCheckpoints {
  readonly problem: AuditProblem | null;
  readonly report: CheckpointsReport;
  /** Where retention said that a stream begins; more than one when it came more than once. */
  readonly beginnings: Readonly<Record<StreamName, readonly StreamBeginning[]>>;
}

/** Every line of every file, oldest first; what is being written behind the last newline is left. */
export function* checkpointLines(
  files: FileSystem,
  directory: string,
): Generator<CheckpointLine | BadLine> {
  for (const name of listCheckpointFiles(files, directory)) {
    const file = formatCheckpointFile(name);
    const text = files.readFileSync(join(directory, file)).toString('latin1');
    let line = 0;
    for (const one of text
      .slice(0, text.lastIndexOf('\n') + 1)
      .split('\n')
      .slice(0, -1)) {
      line += 1;
      const parsed = parseCheckpoint(one);
      yield parsed === null
        ? { file, line, checkpoint: null }
        : { file, line, text: one, ...parsed };
    }
  }
}

/** The newest checkpoint of each stream, in the order in which they were made; [] without any. */
export function newestCheckpoints(files: FileSystem, directory: string): string[] {
  const newest = new Map<StreamName, string>();
  for (const { file, line, checkpoint, ...rest } of checkpointLines(files, directory)) {
    if (checkpoint === null || !('text' in rest)) {
      throw new Error(`${file}:${line} is not a checkpoint`);
    }
    newest.delete(checkpoint.stream);
    newest.set(checkpoint.stream, rest.text);
  }
  return [...newest.values()];
}

const problemAt = ({ file, line }: { file: string; line: number }, what: string): AuditProblem => ({
  file: basename(file),
  line,
  sequence: null,
  what,
});

/** One after the other; `null` once something is wrong. */
class Run {
  readonly #keys: readonly VerifyingKey[];
  /** Not yet vouched for by a signature. */
  #lines: CheckpointLine[] = [];

  constructor(keys: readonly VerifyingKey[]) {
    this.#keys = keys;
  }

  isOther({ keyId, file, checkpoint }: CheckpointLine): boolean {
    const last = this.#lines.at(-1);
    if (last === undefined) return false;
    return last.keyId !== keyId || last.file !== file || last.checkpoint.boot !== checkpoint.boot;
  }

  add(line: CheckpointLine): void {
    this.#lines.push(line);
  }

  /** The lines that are vouched for, and the first that is not. */
  async close(): Promise<{ good: readonly CheckpointLine[]; problem: AuditProblem | null }> {
    const lines = this.#lines;
    this.#lines = [];
    const last = lines.at(-1);
    if (last === undefined || (await signatureProblem(last.text, this.#keys)) === null) {
      return { good: lines, problem: null };
    }
    for (const [at, line] of lines.entries()) {
      const why = await signatureProblem(line.text, this.#keys);
      if (why === null) continue;
      const problem = problemAt(line, `checkpoint ${line.checkpoint.n} does not count: ${why}`);
      return { good: lines.slice(0, at), problem };
    }
    return { good: lines, problem: null };
  }
}

export async function verifyCheckpoints(
  files: FileSystem,
  directory: string,
  keys: readonly VerifyingKey[],
): Promise<VerifiedCheckpoints> {
  const state = new Verification();
  const run = new Run(keys);
  const settle = async (): Promise<boolean> => {
    const { good, problem } = await run.close();
    for (const line of good) state.accept(line);
    state.problem ??= problem;
    return state.problem === null;
  };
  let broken: AuditProblem | null = null;
  for (const line of checkpointLines(files, directory)) {
    broken =
      line.checkpoint === null ? problemAt(line, 'not a checkpoint') : state.linkProblem(line);
    if (broken !== null || line.checkpoint === null) break;
    if (run.isOther(line) && !(await settle())) break;
    run.add(line);
  }
  if (state.problem === null) await settle();
  state.problem ??= broken ?? state.beginningProblem();
  return state;
}

class Verification implements VerifiedCheckpoints {
  problem: AuditProblem | null = null;
  readonly beginnings: Record<StreamName, StreamBeginning[]> = { security: [], access: [] };
  readonly #starts: NonNullable<Beginnings['checkpoints']>[] = [];
  #first: CheckpointLine | null = null;
  #last: CheckpointLine | null = null;
  #linked: CheckpointLine | null = null;
  #count = 0;

  get report(): CheckpointsReport {
    return {
      count: this.#count,
      first: this.#first?.checkpoint.n ?? null,
      last: this.#last?.checkpoint.n ?? null,
      newest: this.#last?.text ?? null,
    };
  }

  /** Whether the line follows the one before it. */
  linkProblem(line: CheckpointLine): AuditProblem | null {
    const before = this.#linked;
    this.#linked = line;
    if (before === null) return null;
    const { n, prev, log } = line.checkpoint;
    const expected = before.checkpoint.n + 1;
    if (log !== before.checkpoint.log) return problemAt(line, 'it is of another log');
    if (n > expected) return problemAt(line, `checkpoints ${expected} to ${n - 1} are missing`);
    if (n < expected) return problemAt(line, `checkpoint ${n} stands where ${expected} belongs`);
    if (prev === hashOf(before.text)) return null;
    return problemAt(before, `checkpoint ${n - 1} is not the one that checkpoint ${n} names`);
  }

  accept(line: CheckpointLine): void {
    this.#first ??= line;
    this.#last = line;
    this.#count += 1;
    const { begins } = line.checkpoint;
    if (begins?.security !== undefined) this.beginnings.security.push(begins.security);
    if (begins?.access !== undefined) this.beginnings.access.push(begins.access);
    if (begins?.checkpoints !== undefined) this.#starts.push(begins.checkpoints);
  }

  /** The first one is number 1, or retention said that what was before it goes. */
  beginningProblem(): AuditProblem | null {
    const first = this.#first;
    if (first === null) return null;
    const { n, prev } = first.checkpoint;
    if (n === 1 && prev === GENESIS) return null;
    const isStated = this.#starts.some(
      (start) => start.n > n || (start.n === n && start.prev === prev),
    );
    if (isStated) return null;
    return problemAt(first, `checkpoints before ${n} are missing, and none says that they may be`);
  }
}
