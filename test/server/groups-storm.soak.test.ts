/**
 * 50 members join, leave, stall and die at random for two minutes, some of them static: every record
 * is processed, no partition has two owners in a generation, nobody begins before what was
 * committed, and afterwards the group settles within the protocol's bounds.
 */
import { randomInt } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { ApiKey } from '../../src/protocol/api-keys.ts';
import { buildRecordBatch } from '../../src/protocol/records/record-batch-builder.ts';
import { seededRandom } from '../crash/power-cut-file-system.ts';
import { useBroker } from '../tools/broker-fixture.ts';
import { GroupConsumer, type Witness } from '../tools/group-consumer.ts';
import { describeRequiring } from '../tools/tool-detection.ts';

const MEMBERS = 50;
const PARTITIONS = 100;
const STORM_MS = 120_000;
const SESSION_MS = 6000;
const REBALANCE_MS = 10_000;
const STATIC_EVERY = 5;
const TOPIC = 'storm';

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
    for (const partition of partitions) {
      const place = `${generation}/${partition}`;
      const owner = this.#owners.get(place);
      // A static member that comes back has another id and the same assignment.
      const isOther = owner !== undefined && owner !== member && !member.startsWith('static-');
      if (isOther) this.violations.push(`${place} has the owners ${owner} and ${member}`);
      this.#owners.set(place, member);
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

describeRequiring(['built-broker'], 'a storm of members', () => {
  const fixture = useBroker();

  it('loses nothing, shares nothing, and settles', async () => {
    const seed = randomInt(2 ** 31);
    const random = seededRandom(seed);
    const int = (below: number): number => Math.floor(random() * below);
    const admin = await fixture.connect('acme', 'admin-1');
    await admin.call(ApiKey.CreateTopics, 7, {
      topics: [{ name: TOPIC, numPartitions: PARTITIONS, replicationFactor: 1 }],
      timeoutMs: 10_000,
    });
    const witness = new StormWitness();
    const running: Promise<void>[] = [];
    const consumers: (GroupConsumer | null)[] = [];
    const begin = (slot: number): void => {
      const consumer = new GroupConsumer({
        groupId: 'svc-storm',
        topic: TOPIC,
        partitionCount: PARTITIONS,
        sessionTimeoutMs: SESSION_MS,
        rebalanceTimeoutMs: REBALANCE_MS,
        ...(slot % STATIC_EVERY === 0 ? { instance: `static-${slot}` } : {}),
        connect: () => fixture.connect('acme', 'service-1'),
        witness,
      });
      consumers[slot] = consumer;
      running.push(consumer.run());
    };
    for (let slot = 0; slot < MEMBERS; slot++) begin(slot);

    let produced = 0;
    const produce = async (): Promise<void> => {
      const partitionData = Array.from({ length: 20 }, () => {
        const values = Array.from({ length: 5 }, () => String(produced++));
        const records = values.map((value) => ({
          timestampMs: Date.now(),
          key: null,
          value: Buffer.from(value),
        }));
        return { index: int(PARTITIONS), records: buildRecordBatch(records) };
      });
      // One batch a partition in a request.
      for (const data of partitionData) {
        const topicData = [{ name: TOPIC, partitionData: [data] }];
        await admin.call(ApiKey.Produce, 9, { acks: -1, timeoutMs: 10_000, topicData });
      }
    };

    let events = 0;
    const disturb = async (): Promise<void> => {
      const slot = int(MEMBERS);
      const consumer = consumers[slot];
      events += 1;
      if (consumer == null) {
        begin(slot);
        return;
      }
      const choice = random();
      if (choice < 0.4) consumer.stall(int(2 * SESSION_MS));
      else {
        consumers[slot] = null;
        if (choice < 0.7) consumer.die();
        else await consumer.leave();
      }
    };

    const endMs = performance.now() + STORM_MS;
    while (performance.now() < endMs) {
      await produce();
      await disturb();
      await pause(200 + int(800));
    }

    for (let slot = 0; slot < MEMBERS; slot++) if (consumers[slot] == null) begin(slot);
    const calmMs = performance.now();
    const isSettled = (): boolean => {
      const generations = new Set(consumers.map((one) => one!.generation));
      const owned = consumers.flatMap((one) => one!.partitions);
      return generations.size === 1 && !generations.has(-1) && new Set(owned).size === PARTITIONS;
    };
    // A stalled member, then its session, then one rebalance in which nobody is missing.
    const boundMs = 2 * SESSION_MS + SESSION_MS + REBALANCE_MS + 10_000;
    await expect.poll(isSettled, { timeout: boundMs, interval: 100 }).toBe(true);
    const settledMs = Math.round(performance.now() - calmMs);
    await expect
      .poll(() => witness.processedValues.size, { timeout: 60_000, interval: 200 })
      .toBe(produced);

    console.log(
      `seed ${seed}: ${events} disturbances, ${witness.generations} generations, ` +
        `${produced} records, ${witness.repeated} processed again, settled in ${settledMs} ms`,
    );
    for (const consumer of consumers) consumer?.die();
    await Promise.all(running);
    expect(witness.violations).toEqual([]);
    expect(witness.generations).toBeGreaterThan(10);
  });
});
