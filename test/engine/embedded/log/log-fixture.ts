/** Log directories in memory, batches and short cuts for the tests of the log. */

import type { AppendResult } from '../../../../src/engine/embedded/log/append-result.ts';
import {
  DEFAULT_LOG_CONFIG,
  type LogConfig,
  type LogDirectoryConfig,
} from '../../../../src/engine/embedded/log/log-config.ts';
import { LogManager } from '../../../../src/engine/embedded/log/log-manager.ts';
import type { UnifiedLog } from '../../../../src/engine/embedded/log/unified-log.ts';
import { buildRecordBatch } from '../../../../src/protocol/records/record-batch-builder.ts';
import { PowerCutFileSystem, seededRandom } from '../../../crash/power-cut-file-system.ts';
import { ManualClock } from './manual-clock.ts';

export const DIRECTORY = '/log';
export const TOPIC_ID = 'AAAAAAAAAAAAAAAAAAAAAA';

export interface BatchSpec {
  readonly values?: readonly string[];
  readonly timestampMs?: number;
  readonly producerId?: number;
  readonly producerEpoch?: number;
  readonly baseSequence?: number;
  readonly isTransactional?: boolean;
  readonly isControl?: boolean;
}

export function batchOf(spec: BatchSpec = {}): Buffer {
  const { values = ['value'], timestampMs = 1000, ...options } = spec;
  const records = values.map((value) => ({ timestampMs, key: null, value: Buffer.from(value) }));
  return buildRecordBatch(records, options);
}

/** A log directory in memory, opened, killed and opened again. */
export class LogBench {
  files = new PowerCutFileSystem(seededRandom(1));
  readonly clock = new ManualClock();
  readonly config: LogConfig;
  readonly limits: Partial<LogDirectoryConfig>;

  constructor(config: Partial<LogConfig> = {}, limits: Partial<LogDirectoryConfig> = {}) {
    this.config = { ...DEFAULT_LOG_CONFIG, ...config };
    this.limits = limits;
  }

  open(): Promise<LogManager> {
    return LogManager.open({
      fileSystem: this.files,
      clock: this.clock,
      directory: DIRECTORY,
      config: this.limits,
      configFor: () => this.config,
    });
  }

  create(manager: LogManager, partition = 0): UnifiedLog {
    return manager.create('t', partition, TOPIC_ID, this.config);
  }

  /** Ends the process without a close; what was written is still there. */
  kill(): void {
    this.files = this.files.kill();
  }

  path(name: string, partition = 0): string {
    return `${DIRECTORY}/t-${partition}/${name}`;
  }

  /** Replaces a file behind the log's back, durably. */
  overwrite(path: string, bytes: Buffer): void {
    this.files.writeFileSync(path, bytes);
    const handle = this.files.openSync(path, 'readWrite');
    handle.datasyncSync();
    handle.closeSync();
  }
}

export function append(log: UnifiedLog, spec: BatchSpec = {}): AppendResult {
  return log.append(batchOf(spec), { leaderEpoch: 0 });
}

/** Resolves with the failure, or with undefined when the batch is durable. */
export function durable(log: UnifiedLog, result: AppendResult): Promise<Error | undefined> {
  return new Promise((resolve) => log.whenDurable(result, resolve));
}

export function written(log: UnifiedLog, result: AppendResult): Promise<Error | undefined> {
  return new Promise((resolve) => log.whenWritten(result, resolve));
}

export function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
