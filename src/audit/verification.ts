/** The words in which a verification answers. */
import type { StreamName } from './checkpoint.ts';

/** What is wrong, and where it shows first. */
export interface AuditProblem {
  readonly file: string;
  /** From 1; 0 where the file as a whole is meant. */
  readonly line: number;
  /** The record's `seq`, where the problem is of a record. */
  readonly sequence: number | null;
  readonly what: string;
}

export interface StreamReport {
  readonly files: number;
  readonly records: number;
  /** Records of version 1, which has no chain: nothing can be said of them. */
  readonly unchained: number;
  readonly first: number | null;
  readonly last: number | null;
  /** Records after the last checkpoint: chained, and nobody has signed them yet. */
  readonly unsigned: number;
  /** Bytes of a line that was being written while it was read. */
  readonly tornBytes: number;
}

export interface CheckpointsReport {
  readonly count: number;
  readonly first: number | null;
  readonly last: number | null;
  /** The newest one, to be kept elsewhere. */
  readonly newest: string | null;
}

export interface AnchorsReport {
  readonly given: number;
  readonly matched: number;
  /** Their records went by retention. */
  readonly tooOld: number;
}

export interface AuditReport {
  /** In the order checkpoints, security, access; empty: nothing was found to be wrong. */
  readonly problems: readonly AuditProblem[];
  readonly checkpoints: CheckpointsReport;
  readonly streams: Readonly<Record<StreamName, StreamReport>>;
  readonly anchors: AnchorsReport;
}
