/**
 * A broker that can be ended and begun again, a producer that goes on through it, and a group of
 * real clients, with a ledger of what was acknowledged, delivered and committed.
 */
import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { setTimeout as pause, setImmediate as turn } from 'node:timers/promises';
import { expect } from 'vitest';
import { ApiKey } from '../../src/protocol/api-keys.ts';
import { ErrorCode } from '../../src/protocol/error-codes.ts';
import { buildRecordBatch } from '../../src/protocol/records/record-batch-builder.ts';
import { type BrokerProcess, startBroker } from './broker-process.ts';
import { clientIdentity } from './client-identity.ts';
import type { ClientMember, GroupClient } from './group-clients.ts';
import { GroupLedger, type Offsets } from './group-ledger.ts';
import { committedOffsets } from './group-member.ts';
import { removeDirectory, temporaryDirectory } from './temporary-directory.ts';
import { WireClient } from './wire-client.ts';

const TOPIC = 'telemetry';
const PARTITIONS = 6;
const RECORDS_A_BATCH = 2;
const PRODUCE_EVERY_MS = 30;
/** Until every member has been given something new: a rebalance, or a session that must run out. */
const PROGRESS_MS = 40_000;

export class GroupScene {
  readonly group = `svc-${randomUUID().slice(0, 8)}`;
  readonly ledger = new GroupLedger();
  readonly workDir = temporaryDirectory('group-clients');
  broker!: BrokerProcess;
  readonly #members = new Map<string, { readonly member: ClientMember; delivered: number }>();
  #joined = 0;
  #isProducing = false;
  #producing: Promise<void> = Promise.resolve();
  #nextValue = 0;

  async start(): Promise<void> {
    this.broker = await startBroker({
      dataDir: join(this.workDir, 'data'),
      certsDir: join(this.workDir, 'certs'),
      env: { BREAKWATER_GROUP_INITIAL_REBALANCE_DELAY_MS: '300' },
      ...(this.broker && { port: this.broker.port, adminPort: this.broker.adminPort }),
    });
  }

  #connect(name: string): Promise<WireClient> {
    return WireClient.connect(this.broker.port, clientIdentity(this.broker.certsDir, 'acme', name));
  }

  produce(): void {
    this.#isProducing = true;
    this.#producing = this.#keepProducing();
  }

  async stopProducing(): Promise<void> {
    this.#isProducing = false;
    await this.#producing;
  }

  /** Values are never sent twice: what failed without an answer may be in the log or not. */
  async #keepProducing(): Promise<void> {
    let client: WireClient | undefined;
    while (this.#isProducing) {
      try {
        client ??= await this.#connect('device-1');
        for (let partition = 0; partition < PARTITIONS; partition++) {
          await this.#send(client, partition);
        }
      } catch {
        client?.close();
        client = undefined;
      }
      await pause(PRODUCE_EVERY_MS);
    }
    client?.close();
  }

  async #send(client: WireClient, index: number): Promise<void> {
    const values = Array.from({ length: RECORDS_A_BATCH }, () => `value-${this.#nextValue++}`);
    const records = buildRecordBatch(
      values.map((value) => ({ timestampMs: Date.now(), key: null, value: Buffer.from(value) })),
    );
    const topicData = [{ name: TOPIC, partitionData: [{ index, records }] }];
    const answer = await client.call(ApiKey.Produce, 9, { acks: -1, timeoutMs: 5000, topicData });
    const { errorCode, baseOffset } = answer.responses[0]!.partitionResponses[0]!;
    if (errorCode !== ErrorCode.NONE) throw new Error(`Produce is answered with ${errorCode}`);
    values.forEach((value, n) => {
      this.ledger.acknowledged(index, Number(baseOffset) + n, value);
    });
  }

  async join(client: GroupClient): Promise<string> {
    const name = `member-${++this.#joined}`;
    const { broker, group, workDir } = this;
    const identity = clientIdentity(broker.certsDir, 'acme', 'service-1');
    const place = { identity, bootstrap: broker.bootstrap, topic: TOPIC, group, workDir };
    const entry = { delivered: 0 };
    const member = await client.join(place, (partition, offset, value) => {
      entry.delivered += 1;
      this.ledger.delivered(name, partition, offset, value);
    });
    this.#members.set(name, Object.assign(entry, { member }));
    return name;
  }

  async leave(client: GroupClient, name: string): Promise<void> {
    const { member } = this.#members.get(name)!;
    if (client.leavesOnlyIdle === true) {
      await this.stopProducing();
      await this.delivered();
    }
    await member.leave();
    this.#members.delete(name);
    await this.checkpoint();
    if (client.leavesOnlyIdle === true) this.produce();
  }

  async allLeave(): Promise<void> {
    await Promise.all([...this.#members.values()].map(({ member }) => member.leave()));
    this.#members.clear();
    await this.checkpoint();
  }

  /** What the broker shows as committed. */
  async committed(): Promise<Offsets> {
    const admin = await this.#connect('admin-1');
    const offsets = await committedOffsets(admin, this.group);
    admin.close();
    const entries = Object.entries(offsets);
    return Object.fromEntries(
      entries.map(([place, offset]) => [place.slice(TOPIC.length + 1), offset]),
    );
  }

  /** From here on nothing that is committed now may come again. */
  async checkpoint(): Promise<Offsets> {
    const offsets = await this.committed();
    // What was committed had been printed before: it lies in the pipes, if not here.
    for (let turns = 0; turns < 10; turns++) await turn();
    this.ledger.committed(offsets);
    return offsets;
  }

  /** Every member is given something that it had not had, and in every partition more is committed. */
  async progress(): Promise<void> {
    const delivered = new Map([...this.#members].map(([name, { delivered }]) => [name, delivered]));
    const committed = await this.committed();
    const lacking = async (): Promise<string[]> => {
      const idle = [...this.#members]
        .filter(([name, { delivered: now }]) => now - delivered.get(name)! < 10)
        .map(([name, { member }]) => `${name} is given nothing: ${member.complaints()}`);
      const now = await this.committed();
      for (let partition = 0; partition < PARTITIONS; partition++) {
        const offset = now[partition] ?? -1;
        if (offset <= (committed[partition] ?? 0))
          idle.push(`${partition}: ${offset} is committed`);
      }
      return idle;
    };
    await expect.poll(lacking, { timeout: PROGRESS_MS, interval: 100 }).toEqual([]);
  }

  /** `meanwhile` happens when the broker has ended. */
  async restart(how: 'stop' | 'kill9', meanwhile: () => void = () => {}): Promise<void> {
    await this.checkpoint();
    await this.broker[how]();
    meanwhile();
    await this.start();
    await this.checkpoint();
  }

  /** Everything that was acknowledged is processed. */
  async delivered(): Promise<void> {
    const some = (): string[] => this.ledger.missing().slice(0, 10);
    await expect.poll(some, { timeout: PROGRESS_MS, interval: 100 }).toEqual([]);
  }

  /** And committed. */
  async settled(): Promise<void> {
    await this.delivered();
    const client = await this.#connect('service-1');
    const { topics } = await client.call(ApiKey.ListOffsets, 7, {
      topics: [
        {
          name: TOPIC,
          partitions: Array.from({ length: PARTITIONS }, (_, partitionIndex) => {
            return { partitionIndex, timestamp: -1 };
          }),
        },
      ],
    });
    client.close();
    const ends = topics[0]!.partitions.map(({ partitionIndex, offset }) => {
      return [partitionIndex, Number(offset)] as const;
    });
    const wanted = Object.fromEntries(ends);
    await expect.poll(() => this.committed(), { timeout: PROGRESS_MS }).toEqual(wanted);
  }

  async dispose(): Promise<void> {
    await this.stopProducing();
    await Promise.allSettled([...this.#members.values()].map(({ member }) => member.leave()));
    await this.broker?.dispose();
    removeDirectory(this.workDir);
  }
}
