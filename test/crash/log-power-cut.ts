/**
 * Lives of a log directory on a disk that forgets: random work over several logs, cut short by a
 * power cut, a kill or a clean end, then opened again and compared with the model.
 */
import { expect } from 'vitest';
import { StorageError } from '../../src/base/errors.ts';
import { DEFAULT_LOG_CONFIG } from '../../src/engine/embedded/log/log-config.ts';
import { LogManager } from '../../src/engine/embedded/log/log-manager.ts';
import { ManualClock } from '../engine/embedded/log/manual-clock.ts';
import {
  ModelPartition as Model,
  type ModelPartition,
  noteAppended,
  randomBatch,
  randomInt,
  verifyPartition,
} from './log-model.ts';
import { PowerCutFileSystem, type SeededRandom, seededRandom } from './power-cut-file-system.ts';

const DIRECTORY = '/data/log';
const LIVES = 10;
const CONFIG = {
  ...DEFAULT_LOG_CONFIG,
  segmentBytes: 9500,
  indexIntervalBytes: 512,
  retentionBytes: 15_000,
  retentionMs: 150_000,
};

export interface Tally {
  cuts: number;
  kills: number;
  cleanEnds: number;
  appended: number;
  acknowledged: number;
  refused: number;
  deletions: number;
  frontsGone: number;
}

export function emptyTally(): Tally {
  return {
    cuts: 0,
    kills: 0,
    cleanEnds: 0,
    appended: 0,
    acknowledged: 0,
    refused: 0,
    deletions: 0,
    frontsGone: 0,
  };
}

class Lives {
  readonly random: SeededRandom;
  readonly tally: Tally;
  readonly clock = new ManualClock();
  files: PowerCutFileSystem;
  partitions: ModelPartition[] = [];
  #created = 0;
  #life = 0;

  constructor(seed: number, tally: Tally) {
    this.random = seededRandom(seed);
    this.tally = tally;
    this.files = new PowerCutFileSystem(this.random);
  }

  async open(): Promise<LogManager> {
    this.#life += 1;
    const manager = await LogManager.open({
      fileSystem: this.files,
      clock: this.clock,
      directory: DIRECTORY,
      configFor: () => CONFIG,
      config: { openFilesMax: 4, hotBytes: 2000, pendingBytesMax: 8000, indexPersistBytes: 3000 },
    });
    expect([...manager.offlinePartitions]).toEqual([]);
    return manager;
  }

  async run(): Promise<void> {
    for (let life = 0; life < LIVES; life += 1) {
      const manager = await this.open();
      await this.#compare(manager, 'durable');
      await this.#work(manager);
      await this.#end(manager);
    }
  }

  async #end(manager: LogManager): Promise<void> {
    const choice = this.random();
    this.#noteStarts(manager);
    let promise: 'durable' | 'written' = 'written';
    if (choice < 0.6) {
      this.tally.cuts += 1;
      this.files = this.files.cut();
      promise = 'durable';
    } else if (choice < 0.8) {
      this.tally.kills += 1;
      this.files = this.files.kill();
    } else {
      // A clean end, and sometimes the power fails in its midst.
      const closing = manager.close().catch(() => undefined);
      const turns = randomInt(this.random, 60);
      for (let turn = 0; turn < turns; turn += 1) await nextTurn();
      if (this.random() < 0.5) {
        this.#noteStarts(manager);
        this.tally.cuts += 1;
        this.files = this.files.cut();
        promise = 'durable';
      } else {
        await closing;
        this.#noteStarts(manager);
        this.tally.cleanEnds += 1;
        this.files = this.files.kill();
      }
    }
    this.#life += 1;
    await this.#verify(promise);
  }

  #noteStarts(manager: LogManager): void {
    for (const model of this.partitions) {
      const log = manager.get(model.topic, model.partition);
      if (log?.topicId !== model.topicId) continue;
      model.noteStart(log);
      if (log.local.segments[0]!.baseOffset > model.firstSegment) this.tally.frontsGone += 1;
      model.firstSegment = log.local.segments[0]!.baseOffset;
    }
  }

  /** Sometimes the power fails again while the logs are opened. */
  async #cutWhileOpening(): Promise<void> {
    const opening = this.open().catch(() => undefined);
    const turns = randomInt(this.random, 30);
    for (let turn = 0; turn < turns; turn += 1) await nextTurn();
    this.files = this.files.cut();
    this.tally.cuts += 1;
    void opening;
  }

  async #verify(end: 'durable' | 'written'): Promise<void> {
    for (const model of this.partitions) model.forgetRefused();
    const isCutAgain = this.random() < 0.2;
    if (isCutAgain) await this.#cutWhileOpening();
    const promise = isCutAgain ? 'durable' : end;
    const manager = await this.open();
    await this.#compare(manager, promise);
    // What was read after the restart was promised to be durable.
    if (this.random() < 0.5) this.files = this.files.cut();
    else {
      await manager.close();
      this.files = this.files.kill();
    }
  }

  /**
   * Holds the logs against the model, which then learns what they hold. Before each life, too: a
   * refused batch whose removal never reached the disk is allowed to come back with a later cut.
   */
  async #compare(manager: LogManager, promise: 'durable' | 'written'): Promise<void> {
    for (const model of this.partitions) {
      const end = promise === 'durable' ? model.durableEnd : model.writtenEnd;
      await verifyPartition(manager, model, end, this.random);
      model.durableEnd = model.endOffset;
      model.writtenEnd = model.endOffset;
    }
    for (const log of [...manager.logs()]) {
      const isKnown = this.partitions.some((model) => model.topicId === log.topicId);
      // A deletion that the disk forgot: the metadata would say so, and the engine delete it again.
      if (!isKnown) manager.delete(log.topic, log.partition);
    }
    this.partitions = this.partitions.filter(
      (model) => manager.get(model.topic, model.partition)?.topicId === model.topicId,
    );
  }

  async #work(manager: LogManager): Promise<void> {
    const steps = randomInt(this.random, 80);
    for (let step = 0; step < steps; step += 1) {
      const choice = this.random();
      if (choice < 0.06) this.#create(manager);
      else if (choice < 0.08) this.#delete(manager);
      else if (choice < 0.12) void manager.checkpoint().catch(() => undefined);
      else if (choice < 0.15) this.#breakTheDisk();
      else if (choice < 0.19) this.clock.advance(randomInt(this.random, 70_000));
      else if (choice < 0.24) this.#deleteRecords(manager);
      else if (choice < 0.27) void manager.retention.check();
      else if (choice < 0.4) await nextTurn();
      else this.#append(manager);
    }
  }

  /** Most often it fills up, or has space again; a failed sync ends what this life can do. */
  #breakTheDisk(): void {
    const choice = this.random();
    if (choice < 0.1) this.files.failNext('datasync', 'EIO');
    else if (choice < 0.5) {
      this.files.freeBytes = randomInt(this.random, 4000);
      for (const model of this.partitions) model.mayForgetProducers = true;
    } else this.files.freeBytes = Number.POSITIVE_INFINITY;
  }

  #create(manager: LogManager): void {
    const partition = randomInt(this.random, 5);
    if (manager.get('t', partition) !== undefined) return;
    this.#created += 1;
    const topicId = `${'A'.repeat(18)}${this.#created.toString().padStart(4, '0')}`;
    try {
      manager.create('t', partition, topicId, CONFIG);
    } catch (error) {
      // The name may have been a deleted log's: nothing was promised of this one.
      expect(error).toBeInstanceOf(StorageError);
      return;
    }
    this.partitions = this.partitions.filter((model) => model.partition !== partition);
    this.partitions.push(new Model('t', partition, topicId));
  }

  #delete(manager: LogManager): void {
    const [model] = this.partitions.splice(randomInt(this.random, this.partitions.length), 1);
    if (model === undefined) return;
    try {
      manager.delete(model.topic, model.partition);
    } catch (error) {
      expect(error).toBe(manager.failure);
      this.partitions.push(model);
    }
  }

  #deleteRecords(manager: LogManager): void {
    const model = this.partitions[randomInt(this.random, this.partitions.length)];
    const log = model && manager.get(model.topic, model.partition);
    if (model === undefined || log === undefined || log.failure !== undefined) return;
    const visible = log.highWatermark - log.logStartOffset;
    // Often all of it: only then the active segment goes, too.
    const count = this.random() < 0.4 ? visible : randomInt(this.random, visible + 1);
    const offset = log.logStartOffset + count;
    if (!log.advanceLogStart(offset)) return;
    const life = this.#life;
    manager.persistLogStarts([log]).then(
      () => {
        if (life !== this.#life) return;
        this.tally.deletions += 1;
        model.durableStart = Math.max(model.durableStart, offset);
        manager.retention.removeBelowStart(log);
      },
      () => undefined,
    );
  }

  #append(manager: LogManager): void {
    const model = this.partitions[randomInt(this.random, this.partitions.length)];
    const log = model && manager.get(model.topic, model.partition);
    if (model === undefined || log === undefined) return;
    model.forgetRefused();
    const batch = randomBatch(this.random, model, this.clock.nowMs());
    const result = log.append(batch, { leaderEpoch: this.#life });
    if (result.failure !== undefined) {
      this.tally.refused += 1;
      return;
    }
    expect(result.errorCode).toBe(0);
    const noted = noteAppended(model, batch, result);
    this.tally.appended += 1;
    const life = this.#life;
    log.whenWritten(result, (failure) => {
      if (failure === undefined && life === this.#life) model.writtenEnd = noted.lastOffset + 1;
    });
    if (this.random() < 0.5) return;
    log.whenDurable(result, (failure) => {
      if (failure !== undefined || life !== this.#life) return;
      this.tally.acknowledged += 1;
      model.durableEnd = Math.max(model.durableEnd, noted.lastOffset + 1);
    });
  }
}

function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** Some lives of one directory, all from one seed. */
export async function runLives(seed: number, tally: Tally): Promise<void> {
  try {
    await new Lives(seed, tally).run();
  } catch (error) {
    throw new Error(`power cuts with seed ${seed}: ${String(error)}`, { cause: error });
  }
}
