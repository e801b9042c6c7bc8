/**
 * Owns the fleet view: what is known of each device, service and user that has ever proved who it
 * is. It is told of connections and refusals, and asked by operators.
 *
 * Invariants: nobody gets a record who has not proved a name of a tenant (a refused certificate
 * counts when the tenant's CA signed it and its key was used; a login that fails only counts for a
 * name that has a record); connections count by themselves, and what they counted is added to their
 * device's record every few seconds and at their end; nothing here decides over access.
 *
 * Concurrency: everything happens on the event loop; what goes through many records does so in turns.
 */
import type { Clock, Timer } from '../base/clock.ts';
import type { FileSystem } from '../base/file-system.ts';
import type { Logger } from '../base/logger.ts';
import type { Random } from '../base/random.ts';
import type { KafkaPrincipal } from '../security/principal.ts';
import type { ConnectionMeter } from './connection-meter.ts';
import { removeTenant } from './device-frames.ts';
import { DeviceLog } from './device-log.ts';
import { CodeWords, type DeviceFailure, type DeviceRecord } from './device-record.ts';
import { type DevicePage, type DeviceQuery, listDevices } from './device-search.ts';
import { type DeviceLimits, DeviceTable } from './device-table.ts';
import { DeviceUpdates, type Refusal } from './device-updates.ts';
import { FleetWriter } from './fleet-writer.ts';
import { RecentFailures } from './recent-failures.ts';
import { turnsOf } from './turns.ts';

export interface FleetSettings extends DeviceLimits {
  /** What connections counted is added to the records, and written, as often. */
  readonly flushMs: number;
}

export interface FleetOptions {
  readonly files: FileSystem;
  readonly directory: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly settings: FleetSettings;
  /** Records of tenants that are not there any more are dropped at the start. */
  readonly isTenant: (tenant: string) => boolean;
}

/** Bytes of a connection, as the socket counts them. */
export interface ByteCounts {
  readonly bytesRead: number;
  readonly bytesWritten: number;
}

/** A connection that is served, until it is closed. */
export interface OpenConnection {
  closed(reason: string): void;
}

interface Metered extends OpenConnection {
  fold(): void;
}

export class Fleet {
  readonly #options: FleetOptions;
  readonly #table: DeviceTable;
  readonly #words = new CodeWords();
  readonly #updates: DeviceUpdates;
  readonly #writer: FleetWriter;
  readonly #failures = new RecentFailures();
  readonly #open = new Set<Metered>();
  #timer: Timer | null = null;
  #cycle: Promise<void> | null = null;

  private constructor(options: FleetOptions) {
    this.#options = options;
    const { settings, random, clock, files, directory, logger } = options;
    this.#table = new DeviceTable(settings, random, (tenant, name) => {
      this.#writer.removed(tenant, name);
      this.#failures.forget(tenant, name);
    });
    const parts = { table: this.#table, words: this.#words };
    const log = new DeviceLog({ ...parts, files, directory, logger });
    this.#writer = new FleetWriter(this.#table, log);
    this.#updates = new DeviceUpdates({
      ...parts,
      clock,
      changed: (slot) => this.#writer.changed(slot),
    });
    log.load();
    for (const { name } of [...this.#table.tenants()]) {
      if (!options.isTenant(name)) removeTenant(this.#table, name);
    }
    this.#table.orderByLastSeen();
    this.#writer.begin();
  }

  /** Reads what an earlier run kept; never fails for what it finds. */
  static open(options: FleetOptions): Fleet {
    const fleet = new Fleet(options);
    fleet.#schedule();
    return fleet;
  }

  get count(): number {
    return this.#table.count;
  }

  get figures(): { devices: number; evicted: number; memoryBytes: number; diskBytes: number } {
    const { count: devices, evicted, allocatedBytes: memoryBytes } = this.#table;
    return { devices, evicted, memoryBytes, diskBytes: this.#writer.diskBytes };
  }

  /** What an operator has to look at, as a sentence; null: nothing. */
  get problem(): string | null {
    return this.#writer.problem;
  }

  /** A connection begins to be served. `meter` counts for it from now on. */
  connected(
    principal: KafkaPrincipal,
    address: string,
    bytes: ByteCounts,
    meter: ConnectionMeter,
  ): OpenConnection {
    const open = this.#updates.connection(principal, address, bytes, meter);
    const metered: Metered = {
      fold: () => open.fold(),
      closed: (reason) => {
        this.#open.delete(metered);
        open.closed(reason);
      },
    };
    this.#open.add(metered);
    return metered;
  }

  /** Somebody was refused: with a proven name, or with one that it only claimed. */
  refused(refusal: Refusal): void {
    const failure = this.#updates.refused(refusal);
    if (failure !== null) this.#failures.add(refusal.tenant, refusal.name, failure);
  }

  find(tenant: string, name: string): DeviceRecord | undefined {
    const slot = this.#table.find(tenant, name);
    return slot === 0 ? undefined : this.#updates.recordOf(slot);
  }

  /** The newest first; only those since the start, but for the one that the record keeps. */
  failuresOf(tenant: string, name: string): readonly DeviceFailure[] {
    const recent = this.#failures.of(tenant, name);
    if (recent.length > 0) return recent;
    const last = this.find(tenant, name)?.lastFailure ?? null;
    return last === null ? [] : [last];
  }

  list(tenant: string, query: DeviceQuery): Promise<DevicePage> {
    return listDevices(this.#table, tenant, query, this.#options.clock, (slot) =>
      this.#updates.recordOf(slot),
    );
  }

  /** Everything about the tenant is forgotten, on disk too. */
  forgetTenant(tenant: string): void {
    removeTenant(this.#table, tenant);
    this.#failures.forgetTenant(tenant);
    this.#writer.tenantRemoved(tenant);
  }

  /** Adds what connections counted, writes what has changed, and goes on making the file anew. */
  flush(): Promise<void> {
    this.#cycle ??= this.#run().finally(() => {
      this.#cycle = null;
    });
    return this.#cycle;
  }

  async close(): Promise<void> {
    this.#timer?.cancel();
    this.#timer = null;
    await this.#cycle;
    for (const open of [...this.#open]) open.closed('shutdown');
    await this.#writer.close();
  }

  async #run(): Promise<void> {
    await turnsOf(this.#options.clock, this.#fold());
    await this.#writer.run(this.#options.clock);
  }

  *#fold(): Generator<void> {
    for (const open of [...this.#open]) {
      if (this.#open.has(open)) open.fold();
      yield;
    }
  }

  #schedule(): void {
    const { clock, settings, logger } = this.#options;
    this.#timer = clock.setTimer(settings.flushMs, () => {
      this.flush()
        .catch((err: unknown) => logger.error({ err }, 'the fleet view could not be written'))
        .finally(() => {
          if (this.#timer !== null) this.#schedule();
        });
    });
  }
}
