/**
 * Owns when device records go to disk: those that have changed, in the order in which they changed,
 * and all of them when the file is to be made anew; both a bounded piece at a time.
 */
import type { Clock } from '../base/clock.ts';
import type { DeviceLog } from './device-log.ts';
import { Code } from './device-slabs.ts';
import type { DeviceTable } from './device-table.ts';
import { turnsOf } from './turns.ts';

/** Records that changed, written in one run; what is left waits for the next. */
const CHANGED_PER_RUN = 100_000;
/** Of all records, for the new file. */
const COPIED_PER_RUN = 200_000;
const RECORDS_PER_STEP = 8;

export class FleetWriter {
  readonly #table: DeviceTable;
  readonly #log: DeviceLog;
  /** Slots; each stands here once, or again when it was given to another record. */
  #changed: number[] = [];
  /** The next slot to be copied into the new file; 0: it is not being made. */
  #copyFrom = 0;

  constructor(table: DeviceTable, log: DeviceLog) {
    this.#table = table;
    this.#log = log;
  }

  get problem(): string | null {
    return this.#log.problem;
  }

  get diskBytes(): number {
    return this.#log.sizeBytes;
  }

  /** Changes go to a new file from now on, which gets all records in the runs that follow. */
  begin(): void {
    this.#log.begin();
    this.#copyFrom = 1;
  }

  changed(slot: number): void {
    if (this.#table.slabs.code(slot, Code.isDirty) === 1) return;
    this.#table.slabs.setCode(slot, Code.isDirty, 1);
    this.#changed.push(slot);
  }

  removed(tenant: string, name: string): void {
    this.#log.removed(tenant, name);
  }

  tenantRemoved(tenant: string): void {
    this.#log.tenantRemoved(tenant);
  }

  async run(clock: Clock): Promise<void> {
    if (!this.#log.isOpen) this.#copyFrom = 0;
    if (this.#copyFrom === 0 && this.#log.isDue) this.begin();
    await turnsOf(clock, this.#writeChanged(CHANGED_PER_RUN));
    if (this.#copyFrom > 0) {
      const isCopied = await turnsOf(clock, this.#copy());
      if (isCopied) {
        await this.#log.conclude();
        this.#copyFrom = 0;
      }
    }
    await this.#log.sync();
  }

  /** Writes all that has changed. */
  async close(): Promise<void> {
    for (const _ of this.#writeChanged(Number.POSITIVE_INFINITY)) {
      // In one go: nobody is served any more.
    }
    await this.#log.close();
  }

  *#writeChanged(most: number): Generator<void> {
    const changed = this.#changed.splice(0, Math.min(most, this.#changed.length));
    const { slabs } = this.#table;
    for (const [index, slot] of changed.entries()) {
      if (slabs.code(slot, Code.isDirty) === 1) {
        slabs.setCode(slot, Code.isDirty, 0);
        this.#put(slot);
      }
      if (index % RECORDS_PER_STEP === 0) yield;
    }
    this.#log.write();
  }

  /** True when every record is in the new file. */
  *#copy(): Generator<void, boolean> {
    const { slabs } = this.#table;
    const end = Math.min(slabs.extent, this.#copyFrom + COPIED_PER_RUN);
    for (let slot = this.#copyFrom; slot < end; slot++) {
      if (slabs.code(slot, Code.isUsed) === 1) this.#put(slot);
      if (slot % RECORDS_PER_STEP === 0) yield;
    }
    this.#log.write();
    this.#copyFrom = end;
    return end >= slabs.extent;
  }

  #put(slot: number): void {
    if (this.#log.device(slot)) return;
    this.#log.write();
    this.#log.device(slot);
  }
}
