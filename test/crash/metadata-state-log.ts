/**
 * Lives of a state log on a disk that forgets: appends (several at once), snapshots, full disks and
 * failing syncs, cut short by a power cut, a kill or a clean end, then opened again and compared.
 *
 * The model: an entry of the log is a batch of numbers that one append brought. Acknowledged entries
 * are there, in the order of the calls; entries that were asked for and not acknowledged may be
 * there or not, whole or not at all, and what was seen once stays.
 */
import { expect } from 'vitest';
import { systemClock } from '../../src/base/clock.ts';
import { StorageError } from '../../src/base/errors.ts';
import { type EmbeddedStateLog, openStateLog } from '../../src/engine/embedded/state-log.ts';
import type { StateRecord } from '../../src/engine/engine.ts';
import { PowerCutFileSystem, type SeededRandom, seededRandom } from './power-cut-file-system.ts';

const LIVES = 8;

export interface Tally {
  cuts: number;
  kills: number;
  cleanEnds: number;
  acknowledged: number;
  snapshots: number;
  offline: number;
  torn: number;
}

export const emptyTally = (): Tally => {
  return { cuts: 0, kills: 0, cleanEnds: 0, acknowledged: 0, snapshots: 0, offline: 0, torn: 0 };
};

interface Entry {
  readonly first: number;
  readonly count: number;
  isAcknowledged: boolean;
}

class StateLogLives {
  readonly #random: SeededRandom;
  readonly #tally: Tally;
  #files: PowerCutFileSystem;
  /** In the order of the calls. */
  #entries: Entry[] = [];
  #next = 0;

  constructor(seed: number, tally: Tally) {
    this.#random = seededRandom(seed);
    this.#tally = tally;
    this.#files = new PowerCutFileSystem(this.#random);
  }

  async run(): Promise<void> {
    for (let life = 0; life < LIVES; life++) {
      const log = await this.#open();
      await this.#work(log);
    }
    await this.#open();
  }

  async #open(): Promise<EmbeddedStateLog> {
    this.#files.freeBytes = Number.POSITIVE_INFINITY;
    const log = await openStateLog({
      files: this.#files,
      clock: systemClock,
      directory: '/data',
      name: 'test',
    });
    if (log.cutBytes > 0) this.#tally.torn += 1;
    const found: number[] = [];
    await log.replay(({ data }) => found.push(Number(data.n)));
    this.#compare(found);
    return log;
  }

  #compare(found: readonly number[]): void {
    const there = new Set(found);
    for (const { first, count, isAcknowledged } of this.#entries) {
      const held = Array.from({ length: count }, (_, n) => there.has(first + n));
      if (isAcknowledged) expect(held).not.toContain(false);
      else expect(new Set(held).size).toBe(1);
    }
    this.#entries = this.#entries.filter(({ first }) => there.has(first));
    const expected = this.#entries.flatMap((entry) => numbersOf(entry));
    expect(found).toEqual(expected);
    for (const entry of this.#entries) entry.isAcknowledged = true;
  }

  async #work(log: EmbeddedStateLog): Promise<void> {
    const steps = 1 + this.#int(12);
    let underWay: Promise<unknown>[] = [];
    for (let step = 0; step < steps; step++) {
      this.#maybeBreakTheDisk();
      if (this.#random() < 0.2) {
        // The owner of a log takes a snapshot of a state that it knows to be whole.
        await Promise.all(underWay);
        underWay = [];
        underWay.push(this.#snapshot(log));
      }
      const appends = 1 + this.#int(3);
      for (let n = 0; n < appends; n++) underWay.push(this.#append(log));
      if (this.#random() < 0.5) {
        await Promise.all(underWay);
        underWay = [];
      }
    }
    await this.#end(log, underWay);
  }

  async #end(log: EmbeddedStateLog, underWay: readonly Promise<unknown>[]): Promise<void> {
    const choice = this.#random();
    if (choice < 0.15) {
      await Promise.all(underWay);
      await log.close().catch(() => {});
      this.#tally.cleanEnds += 1;
      // A clean end leaves nothing for a power cut to take.
      this.#files = this.#files.cut();
      return;
    }
    const turns = this.#int(6);
    for (let turn = 0; turn < turns; turn++) await new Promise((resolve) => setImmediate(resolve));
    const isCut = choice < 0.8;
    if (isCut) this.#tally.cuts += 1;
    else this.#tally.kills += 1;
    this.#files = isCut ? this.#files.cut() : this.#files.kill();
  }

  async #append(log: EmbeddedStateLog): Promise<void> {
    const count = 1 + this.#int(4);
    const entry: Entry = { first: this.#next, count, isAcknowledged: false };
    this.#next += count;
    this.#entries.push(entry);
    try {
      await log.append(numbersOf(entry).map((n) => this.#record(n)));
      entry.isAcknowledged = true;
      this.#tally.acknowledged += 1;
    } catch (error) {
      this.#noteFailure(error);
    }
  }

  async #snapshot(log: EmbeddedStateLog): Promise<void> {
    const known = this.#entries.filter(({ isAcknowledged }) => isAcknowledged);
    const gone = new Set(this.#entries.filter(({ isAcknowledged }) => !isAcknowledged));
    try {
      await log.snapshot(known.flatMap(numbersOf).map((n) => this.#record(n)));
      // What an append failed to bring is not in the state that has now replaced the log.
      this.#entries = this.#entries.filter((entry) => !gone.has(entry));
      this.#tally.snapshots += 1;
    } catch (error) {
      this.#noteFailure(error);
    }
  }

  #noteFailure(error: unknown): void {
    expect(error).toBeInstanceOf(StorageError);
    if (String(error).includes('offline')) this.#tally.offline += 1;
  }

  #maybeBreakTheDisk(): void {
    const choice = this.#random();
    if (choice < 0.05) this.#files.failNext('datasync', 'EIO', /\.log$|\.tmp$/);
    else if (choice < 0.07) this.#files.failNext('syncDirectory', 'EIO');
    else if (choice < 0.08) this.#files.failNext('rename', 'EIO');
    else if (choice < 0.12) this.#files.freeBytes = this.#int(1500);
    else if (choice < 0.3) this.#files.freeBytes = Number.POSITIVE_INFINITY;
  }

  #record(n: number): StateRecord {
    return { type: 'number', version: 1, data: { n, filler: 'x'.repeat(this.#int(900)) } };
  }

  #int(below: number): number {
    return Math.floor(this.#random() * below);
  }
}

function numbersOf({ first, count }: Entry): number[] {
  return Array.from({ length: count }, (_, n) => first + n);
}

/** One history of several lives; what fails names the seed. */
export async function liveStateLog(seed: number, tally: Tally): Promise<void> {
  try {
    await new StateLogLives(seed, tally).run();
  } catch (error) {
    throw new Error(`seed ${seed}`, { cause: error });
  }
}
