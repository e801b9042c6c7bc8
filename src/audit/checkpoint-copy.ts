/**
 * Owns the copy of the checkpoints in a second folder, which may be slow, full or away.
 *
 * Invariant: nothing waits for it. A copy that fell behind catches up by what it lacks; one that has
 * more than its original is left as it is and told of, since somebody cut the original.
 * Concurrency: one copy at a time; what comes meanwhile is in the next one.
 */
import { basename, join } from 'node:path';
import type { Logger } from '../base/logger.ts';
import type { SecurityEvent } from './audit-event.ts';

export interface CheckpointCopyOptions {
  readonly from: string;
  readonly to: string;
  /** Makes `to` as long as `from`; false when it is longer. */
  readonly extend: (from: string, to: string) => Promise<boolean>;
  readonly logger: Logger;
  readonly record: (event: SecurityEvent) => void;
}

const PENDING_MAX = 64;

export class CheckpointCopy {
  readonly #options: CheckpointCopyOptions;
  readonly #pending = new Set<string>();
  #running: Promise<void> | null = null;
  #hasFailed = false;

  constructor(options: CheckpointCopyOptions) {
    this.#options = options;
  }

  /** The file has something new. */
  note(path: string): void {
    this.#pending.add(basename(path));
    if (this.#pending.size > PENDING_MAX) {
      const [oldest] = this.#pending;
      this.#pending.delete(oldest!);
    }
    this.#running ??= this.#run().finally(() => {
      this.#running = null;
    });
  }

  async close(): Promise<void> {
    await this.#running;
  }

  async #run(): Promise<void> {
    const { from, to, extend } = this.#options;
    for (const name of this.#pending) {
      try {
        if (await extend(join(from, name), join(to, name))) this.#pending.delete(name);
        else {
          this.#pending.delete(name);
          this.#tell('audit-checkpoints-differ', `${name} was longer in the copy than it is now.`);
        }
        this.#hasFailed = false;
      } catch (err) {
        this.#failed(err);
        return;
      }
    }
  }

  #failed(err: unknown): void {
    if (this.#hasFailed) return;
    this.#hasFailed = true;
    this.#options.logger.error({ err }, 'checkpoints are not copied to audit.checkpoints.copy.dir');
    this.#tell('audit-checkpoints-not-copied', 'The second folder does not take checkpoints.');
  }

  #tell(reason: string, detail: string): void {
    this.#options.record({ type: 'server', outcome: 'failure', reason, detail });
  }
}
