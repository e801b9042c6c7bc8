/**
 * Lives of a compacted log on a disk that forgets: appends (several at once), compactions, full
 * disks and failing syncs, cut short by a power cut, a kill or a clean end, then opened again and
 * compared.
 *
 * The model: a map of keys. An append sets and deletes some keys, all of them or none. Acknowledged
 * appends count, in the order of the calls; what was asked for and not acknowledged may count or
 * not; what was seen once stays.
 */
import { dirname } from 'node:path';
import { expect } from 'vitest';
import { makeDirectoriesSync } from '../../src/base/file-system.ts';
import {
  type AppendOutcome,
  CompactedLog,
  type CompactedLogOptions,
} from '../../src/engine/embedded/group/compacted-log.ts';
import { Turnstile } from '../../src/engine/embedded/group/turnstile.ts';
import { PowerCutFileSystem, type SeededRandom, seededRandom } from './power-cut-file-system.ts';

const LIVES = 10;
const KEYS = 12;
const FOLDER = '/data/log-0';

export interface GroupLogTally {
  cuts: number;
  kills: number;
  cleanEnds: number;
  acknowledged: number;
  refused: number;
  offline: number;
  compacted: number;
  torn: number;
}

export const emptyGroupLogTally = (): GroupLogTally => ({
  cuts: 0,
  kills: 0,
  cleanEnds: 0,
  acknowledged: 0,
  refused: 0,
  offline: 0,
  compacted: 0,
  torn: 0,
});

interface Entry {
  readonly id: number;
  /** Key to value; null deletes. */
  readonly changes: ReadonlyMap<string, string | null>;
  outcome: AppendOutcome | 'unknown';
}

class GroupLogLives {
  readonly #random: SeededRandom;
  readonly #tally: GroupLogTally;
  #files: PowerCutFileSystem;
  /** What is surely there, and what came on top in this life, in the order of the calls. */
  #base = new Map<string, string>();
  #entries: Entry[] = [];
  #nextId = 1;
  #isThere = false;

  constructor(seed: number, tally: GroupLogTally) {
    this.#random = seededRandom(seed);
    this.#tally = tally;
    this.#files = new PowerCutFileSystem(this.#random);
    makeDirectoriesSync(this.#files, dirname(FOLDER));
  }

  async run(): Promise<void> {
    for (let life = 0; life < LIVES; life++) await this.#work(await this.#open());
    await this.#open();
  }

  async #open(): Promise<CompactedLog> {
    this.#files.freeBytes = Number.POSITIVE_INFINITY;
    const found = new Map<string, string>();
    if (this.#files.statSync(FOLDER) === undefined) {
      // Only a log that never took anything may be missing.
      if (this.#isThere) this.#compare(found);
      return CompactedLog.absent(this.#options());
    }
    const log = await CompactedLog.open(this.#options(), (_offset, _timestampMs, key, value) => {
      if (value === null) found.delete(key.toString());
      else found.set(key.toString(), value.toString().split(' ')[0]!);
    });
    if (log.cutBytes > 0) this.#tally.torn += 1;
    if (this.#files.readdirSync(FOLDER).some((name) => name.includes('compacted'))) {
      this.#tally.compacted += 1;
    }
    this.#compare(found);
    return log;
  }

  #options(): CompactedLogOptions {
    return {
      files: this.#files,
      folder: FOLDER,
      syncs: new Turnstile(1),
      compactions: new Turnstile(1),
      compactAfterBytes: 1500,
      onOffline: () => undefined,
      onNoSpace: () => undefined,
    };
  }

  #compare(found: ReadonlyMap<string, string>): void {
    for (let key = 0; key < KEYS; key++) this.#explain(`k${key}`, found);
    for (const entry of this.#entries) {
      if (entry.outcome === 'durable' || !this.#isVisible(entry, found)) continue;
      // All of an append or nothing: no key of it may show what was there before.
      for (const key of entry.changes.keys()) {
        const index = this.#indexOf(key, found.get(key));
        expect(index).toBeGreaterThanOrEqual(this.#entries.indexOf(entry));
      }
    }
    this.#base = new Map(found);
    this.#entries = [];
  }

  /** The value is that of the last acknowledged append to the key, or of a later one. */
  #explain(key: string, found: ReadonlyMap<string, string>): void {
    const surely = this.#entries.findLastIndex(
      ({ outcome, changes }) => outcome === 'durable' && changes.has(key),
    );
    const explained = this.#indexOf(key, found.get(key));
    expect(explained, `${key} is ${found.get(key)}`).toBeGreaterThanOrEqual(surely);
  }

  /** Which append can have left this value; -1 for what was there before, -2 for none. */
  #indexOf(key: string, value: string | undefined): number {
    const index = this.#entries.findLastIndex(({ changes }) => {
      return changes.has(key) && (changes.get(key) ?? undefined) === value;
    });
    if (index >= 0) return index;
    return this.#base.get(key) === value ? -1 : -2;
  }

  #isVisible({ changes }: Entry, found: ReadonlyMap<string, string>): boolean {
    return [...changes].some(([key, value]) => value !== null && found.get(key) === value);
  }

  async #work(log: CompactedLog): Promise<void> {
    const steps = 1 + this.#int(14);
    let underWay: Promise<unknown>[] = [];
    for (let step = 0; step < steps; step++) {
      this.#maybeBreakTheDisk();
      const appends = 1 + this.#int(4);
      for (let n = 0; n < appends; n++) underWay.push(this.#append(log));
      if (this.#random() < 0.6) {
        await Promise.all(underWay);
        underWay = [];
      }
      if (this.#random() < 0.3) await this.#turns(this.#int(20));
    }
    const choice = this.#random();
    if (choice < 0.2) {
      await log.close().catch(() => undefined);
      await Promise.all(underWay);
      this.#tally.cleanEnds += 1;
      // A clean end leaves nothing for a power cut to take.
      this.#files = this.#files.cut();
      return;
    }
    await this.#turns(this.#int(12));
    const isCut = choice < 0.8;
    if (isCut) this.#tally.cuts += 1;
    else this.#tally.kills += 1;
    this.#files = isCut ? this.#files.cut() : this.#files.kill();
  }

  #append(log: CompactedLog): Promise<void> {
    const id = this.#nextId++;
    const changes = new Map<string, string | null>();
    for (let n = 1 + this.#int(3); n > 0; n--) {
      changes.set(`k${this.#int(KEYS)}`, this.#random() < 0.25 ? null : `v${id}`);
    }
    const entry: Entry = { id, changes, outcome: 'unknown' };
    this.#entries.push(entry);
    const filler = ' '.padEnd(this.#int(200), 'x');
    const records = Array.from(changes, ([key, value]) => ({
      timestampMs: 1_700_000_000_000 + id,
      key: Buffer.from(key),
      value: value === null ? null : Buffer.from(value + filler),
    }));
    return new Promise((resolve) => {
      log.append(records, (outcome) => {
        entry.outcome = outcome;
        if (outcome === 'durable') {
          this.#tally.acknowledged += 1;
          this.#isThere = true;
          this.#checkOrder(entry);
        } else this.#tally[outcome] += 1;
        resolve();
      });
    });
  }

  /** Whoever is told is told in the order of the calls. */
  #checkOrder(entry: Entry): void {
    const before = this.#entries.slice(0, this.#entries.indexOf(entry));
    expect(before.filter(({ outcome }) => outcome === 'unknown')).toEqual([]);
  }

  #maybeBreakTheDisk(): void {
    const choice = this.#random();
    if (choice < 0.03) this.#files.failNext('datasync', 'EIO', /\.log$|\.tmp$/);
    else if (choice < 0.04) this.#files.failNext('syncDirectory', 'EIO');
    else if (choice < 0.05) this.#files.failNext('rename', 'EIO');
    else if (choice < 0.1) this.#files.freeBytes = this.#int(2500);
    else if (choice < 0.4) this.#files.freeBytes = Number.POSITIVE_INFINITY;
  }

  async #turns(count: number): Promise<void> {
    for (let turn = 0; turn < count; turn++) await new Promise((resolve) => setImmediate(resolve));
  }

  #int(below: number): number {
    return Math.floor(this.#random() * below);
  }
}

/** One history of several lives; what fails names the seed. */
export async function liveGroupLog(seed: number, tally: GroupLogTally): Promise<void> {
  try {
    await new GroupLogLives(seed, tally).run();
  } catch (error) {
    throw new Error(`seed ${seed}`, { cause: error });
  }
}
