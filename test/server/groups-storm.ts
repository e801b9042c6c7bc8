/**
 * 50 members join, leave, stall and die at random, some of them static: every record is processed,
 * no partition has two owners in a generation, nobody begins before what was committed, and
 * afterwards the group settles within the protocol's bounds.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { expect } from 'vitest';
import { ApiKey } from '../../src/protocol/api-keys.ts';
import { buildRecordBatch } from '../../src/protocol/records/record-batch-builder.ts';
import { seededRandom } from '../crash/power-cut-file-system.ts';
import type { BrokerFixture } from '../tools/broker-fixture.ts';
import { GroupConsumer, type Witness } from '../tools/group-consumer.ts';
import { testSeed } from '../tools/test-seed.ts';
import type { WireClient } from '../tools/wire-client.ts';

const MEMBERS = 50;
const PARTITIONS = 100;
const SESSION_MS = 6000;
const REBALANCE_MS = 10_000;
const STATIC_EVERY = 5;
/** A stalled member, then its session, then one rebalance in which nobody is missing. */
const SETTLED_MS = 2 * SESSION_MS + SESSION_MS + REBALANCE_MS + 10_000;
const TOPIC = 'storm';

/** A static member that comes back has another id and the same assignment: it is its instance. */
const ownerOf = (member: string): string => /^static-\d+(?=-)/.exec(member)?.[0] ?? member;

/** Holds what members are told against each other. */
class StormWitness implements Witness {
  readonly #owners = new Map<string, string>();
  readonly #committed = new Map<number, number>();
  readonly processedValues = new Set<string>();
  readonly violations: string[] = [];
  generations = 0;
  repeated = 0;

  assigned(member: string, generation: number, partitions: readonly number[]): void {
    this.generations = Math.max(this.generations, generation);
    const owner = ownerOf(member);
    for (const partition of partitions) {
      const place = `${generation}/${partition}`;
      const other = this.#owners.get(place) ?? owner;
      if (other !== owner) this.violations.push(`${place} has the owners ${other} and ${owner}`);
      this.#owners.set(place, owner);
    }
  }

  begins(partition: number, offset: number): void {
    const committed = this.#committed.get(partition) ?? 0;
    if (offset < committed) {
      this.violations.push(`partition ${partition} begins at ${offset}, committed is ${committed}`);
    }
  }

  processed(_partition: number, _offset: number, value: string): void {
    if (this.processedValues.has(value)) this.repeated += 1;
    this.processedValues.add(value);
  }

  committed(partition: number, offset: number): void {
    const before = this.#committed.get(partition) ?? 0;
    this.#committed.set(partition, Math.max(before, offset));
  }
}

class Storm {
  readonly #fixture: BrokerFixture;
  readonly #random: () => number;
  readonly #consumers: (GroupConsumer | null)[] = [];
  readonly #running: Promise<void>[] = [];
  readonly witness = new StormWitness();
  produced = 0;
  disturbances = 0;

  constructor(fixture: BrokerFixture, seed: number) {
    this.#fixture = fixture;
    this.#random = seededRandom(seed);
  }

  #int(below: number): number {
    return Math.floor(this.#random() * below);
  }

  #begin(slot: number): void {
    const consumer = new GroupConsumer({
      groupId: 'svc-storm',
      topic: TOPIC,
      partitionCount: PARTITIONS,
      sessionTimeoutMs: SESSION_MS,
      rebalanceTimeoutMs: REBALANCE_MS,
      ...(slot % STATIC_EVERY === 0 ? { instance: `static-${slot}` } : {}),
      connect: () => this.#fixture.connect('acme', 'service-1'),
      witness: this.witness,
    });
    this.#consumers[slot] = consumer;
    this.#running.push(consumer.run());
  }

  /** Every member that is not there joins. */
  gather(): void {
    for (let slot = 0; slot < MEMBERS; slot++) {
      if (this.#consumers[slot] == null) this.#begin(slot);
    }
  }

  async rage(admin: WireClient, durationMs: number): Promise<void> {
    const endMs = performance.now() + durationMs;
    while (performance.now() < endMs) {
      await this.#produce(admin);
      await this.#disturb();
      await pause(200 + this.#int(800));
    }
  }

  async #produce(admin: WireClient): Promise<void> {
    for (let batch = 0; batch < 20; batch++) {
      const records = Array.from({ length: 5 }, () => ({
        timestampMs: Date.now(),
        key: null,
        value: Buffer.from(String(this.produced++)),
      }));
      const data = { index: this.#int(PARTITIONS), records: buildRecordBatch(records) };
      const topicData = [{ name: TOPIC, partitionData: [data] }];
      await admin.call(ApiKey.Produce, 9, { acks: -1, timeoutMs: 10_000, topicData });
    }
  }

  async #disturb(): Promise<void> {
    const slot = this.#int(MEMBERS);
    const consumer = this.#consumers[slot];
    this.disturbances += 1;
    if (consumer == null) {
      this.#begin(slot);
      return;
    }
    const choice = this.#random();
    if (choice < 0.4) {
      consumer.stall(this.#int(2 * SESSION_MS));
      return;
    }
    this.#consumers[slot] = null;
    if (choice < 0.7) consumer.die();
    else await consumer.leave();
  }

  /** All are in one generation, and own every partition between them. */
  isSettled(): boolean {
    const generations = new Set(this.#consumers.map((one) => one!.generation));
    const owned = this.#consumers.flatMap((one) => one!.partitions);
    const isShared = owned.length === PARTITIONS && new Set(owned).size === PARTITIONS;
    return generations.size === 1 && !generations.has(-1) && isShared;
  }

  async end(): Promise<void> {
    for (const consumer of this.#consumers) consumer?.die();
    await Promise.all(this.#running);
  }
}

/** A storm of so long on the fixture's broker; BREAKWATER_TEST_SEED repeats one's choices. */
export async function weatherStorm(fixture: BrokerFixture, durationMs: number): Promise<void> {
  const seed = testSeed('groups-storm', 1_486_530);
  const storm = new Storm(fixture, seed);
  const { witness } = storm;
  const admin = await fixture.connect('acme', 'admin-1');
  await admin.call(ApiKey.CreateTopics, 7, {
    topics: [{ name: TOPIC, numPartitions: PARTITIONS, replicationFactor: 1 }],
    timeoutMs: 10_000,
  });
  try {
    storm.gather();
    await storm.rage(admin, durationMs);
    expect(witness.violations.slice(0, 10)).toEqual([]);
    storm.gather();
    const calmMs = performance.now();
    await expect.poll(() => storm.isSettled(), { timeout: SETTLED_MS, interval: 100 }).toBe(true);
    const settledMs = Math.round(performance.now() - calmMs);
    await expect
      .poll(() => witness.processedValues.size, { timeout: 60_000, interval: 200 })
      .toBe(storm.produced);
    console.log(
      `${storm.disturbances} disturbances, ${witness.generations} generations, ` +
        `${storm.produced} records, ${witness.repeated} processed again, settled in ${settledMs} ms`,
    );
  } finally {
    await storm.end();
  }
  expect(witness.violations.slice(0, 10)).toEqual([]);
  expect(witness.generations).toBeGreaterThan(10);
}
