/**
 * A small consumer of the classic protocol over two bare connections, that can stall, die and leave
 * when told to. It commits after it has processed, and tells a witness what it is given, reads and
 * commits.
 */
import { ApiKey } from '../../src/protocol/api-keys.ts';
import { consumerProtocolAssignment } from '../../src/protocol/coordinator-records/consumer-protocol.ts';
import {
  decodePrefixed,
  encodeVersioned,
} from '../../src/protocol/coordinator-records/versioned.ts';
import { ErrorCode } from '../../src/protocol/error-codes.ts';
import { readRecords } from '../../src/protocol/records/record.ts';
import {
  batchSizeBytes,
  lastOffset,
  RECORD_BATCH_OVERHEAD,
  recordsSection,
} from '../../src/protocol/records/record-batch.ts';
import { joinRequest, subscriptionTo } from './group-member.ts';
import type { WireClient } from './wire-client.ts';

export interface Witness {
  assigned(member: string, generation: number, partitions: readonly number[]): void;
  /** Where a member begins to read a partition that it was given. */
  begins(partition: number, offset: number): void;
  processed(partition: number, offset: number, value: string): void;
  /** Answered without an error. */
  committed(partition: number, offset: number): void;
}

export interface GroupConsumerOptions {
  readonly groupId: string;
  readonly topic: string;
  readonly partitionCount: number;
  readonly sessionTimeoutMs: number;
  readonly rebalanceTimeoutMs: number;
  readonly instance?: string;
  readonly connect: () => Promise<WireClient>;
  readonly witness: Witness;
}

const HEARTBEAT_MS = 400;
const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

export class GroupConsumer {
  readonly #options: GroupConsumerOptions;
  #coordinator: WireClient | undefined;
  #data: WireClient | undefined;
  #memberId = '';
  #generation = -1;
  #positions = new Map<number, number>();
  #isRunning = true;
  #stalledUntilMs = 0;

  constructor(options: GroupConsumerOptions) {
    this.#options = options;
  }

  get isStable(): boolean {
    return this.#generation >= 0;
  }

  get generation(): number {
    return this.#generation;
  }

  get partitions(): readonly number[] {
    return [...this.#positions.keys()];
  }

  /** Until it is told to die or to leave; a lost connection is made again. */
  async run(): Promise<void> {
    while (this.#isRunning) {
      try {
        this.#coordinator ??= await this.#options.connect();
        this.#data ??= await this.#options.connect();
        await this.#join();
        await this.#read();
      } catch {
        this.#generation = -1;
        this.#hangUp();
        if (this.#isRunning) await pause(50);
      }
    }
  }

  /** Neither reads nor sends heartbeats for so long. */
  stall(ms: number): void {
    this.#stalledUntilMs = performance.now() + ms;
  }

  die(): void {
    this.#isRunning = false;
    this.#hangUp();
  }

  async leave(): Promise<void> {
    this.#isRunning = false;
    const { groupId, instance = null } = this.#options;
    const member = { memberId: this.#memberId, groupInstanceId: instance };
    const leaving = this.#data?.call(ApiKey.LeaveGroup, 5, { groupId, members: [member] });
    await leaving?.catch(() => undefined);
    this.#hangUp();
  }

  #hangUp(): void {
    this.#coordinator?.close();
    this.#data?.close();
    this.#coordinator = undefined;
    this.#data = undefined;
  }

  async #join(): Promise<void> {
    const { groupId, topic, sessionTimeoutMs, rebalanceTimeoutMs, instance } = this.#options;
    this.#generation = -1;
    this.#positions = new Map();
    const metadata = subscriptionTo(topic);
    const request = {
      ...joinRequest(groupId, {
        memberId: this.#memberId,
        metadata,
        sessionTimeoutMs,
        rebalanceTimeoutMs,
      }),
      ...(instance === undefined ? {} : { groupInstanceId: instance }),
    };
    const joined = await this.#coordinator!.call(ApiKey.JoinGroup, 9, request);
    if (joined.errorCode === ErrorCode.MEMBER_ID_REQUIRED) {
      this.#memberId = joined.memberId;
      return this.#join();
    }
    if (joined.errorCode !== ErrorCode.NONE) return this.#refused(joined.errorCode);
    this.#memberId = joined.memberId;
    const { generationId } = joined;
    const isAssigning = joined.leader === joined.memberId && !joined.skipAssignment;
    const ids = joined.members.map((member) => member.memberId);
    const synced = await this.#coordinator!.call(ApiKey.SyncGroup, 5, {
      groupId,
      generationId,
      memberId: this.#memberId,
      groupInstanceId: instance ?? null,
      protocolType: 'consumer',
      protocolName: 'range',
      assignments: isAssigning ? this.#shareOut(ids) : [],
    });
    if (synced.errorCode !== ErrorCode.NONE) return this.#refused(synced.errorCode);
    await this.#begin(generationId, synced.assignment);
  }

  #refused(errorCode: number): void {
    const isForgotten =
      errorCode === ErrorCode.UNKNOWN_MEMBER_ID || errorCode === ErrorCode.FENCED_INSTANCE_ID;
    if (isForgotten) this.#memberId = '';
  }

  #shareOut(ids: readonly string[]) {
    const { topic, partitionCount } = this.#options;
    return ids.map((memberId, index) => {
      const partitions: number[] = [];
      for (let p = index; p < partitionCount; p += ids.length) partitions.push(p);
      const assignedPartitions = [{ topic, partitions }];
      return {
        memberId,
        assignment: encodeVersioned(consumerProtocolAssignment, 0, { assignedPartitions }),
      };
    });
  }

  async #begin(generation: number, assignment: Buffer): Promise<void> {
    const { groupId, topic, witness } = this.#options;
    const { assignedPartitions } = decodePrefixed(consumerProtocolAssignment, 0, assignment);
    const partitionIndexes = assignedPartitions.flatMap(({ partitions }) => partitions);
    witness.assigned(this.#memberId, generation, partitionIndexes);
    const { groups } = await this.#data!.call(ApiKey.OffsetFetch, 8, {
      groups: [{ groupId, topics: [{ name: topic, partitionIndexes }] }],
    });
    for (const { partitionIndex, committedOffset } of groups[0]!.topics[0]?.partitions ?? []) {
      const offset = Math.max(0, committedOffset);
      this.#positions.set(partitionIndex, offset);
      witness.begins(partitionIndex, offset);
    }
    this.#generation = generation;
  }

  /** Heartbeats, reads, processes and commits until the group wants something else. */
  async #read(): Promise<void> {
    while (this.#isRunning && this.#generation >= 0) {
      const stallMs = this.#stalledUntilMs - performance.now();
      if (stallMs > 0) await pause(stallMs);
      const heard = await this.#coordinator!.call(ApiKey.Heartbeat, 4, {
        groupId: this.#options.groupId,
        generationId: this.#generation,
        memberId: this.#memberId,
        groupInstanceId: this.#options.instance ?? null,
      });
      if (heard.errorCode !== ErrorCode.NONE) {
        this.#refused(heard.errorCode);
        return;
      }
      await this.#poll();
      await pause(HEARTBEAT_MS);
    }
  }

  async #poll(): Promise<void> {
    if (this.#positions.size === 0) return;
    const { topic, witness } = this.#options;
    const partitions = [...this.#positions].map(([partition, fetchOffset]) => {
      return { partition, fetchOffset, partitionMaxBytes: 65_536 };
    });
    const fetched = await this.#data!.call(ApiKey.Fetch, 11, {
      maxWaitMs: 0,
      minBytes: 0,
      topics: [{ topic, partitions }],
    });
    const advanced = new Map<number, number>();
    for (const { partitionIndex, records } of fetched.responses[0]?.partitions ?? []) {
      for (const { offset, value } of recordsIn(records)) {
        if (offset < this.#positions.get(partitionIndex)!) continue;
        witness.processed(partitionIndex, offset, value);
        advanced.set(partitionIndex, offset + 1);
      }
    }
    if (advanced.size > 0) await this.#commit(advanced);
  }

  async #commit(offsets: ReadonlyMap<number, number>): Promise<void> {
    const { groupId, topic, instance, witness } = this.#options;
    const { topics } = await this.#data!.call(ApiKey.OffsetCommit, 9, {
      groupId,
      generationIdOrMemberEpoch: this.#generation,
      memberId: this.#memberId,
      groupInstanceId: instance ?? null,
      topics: [
        {
          name: topic,
          partitions: Array.from(offsets, ([partitionIndex, committedOffset]) => {
            return { partitionIndex, committedOffset, committedMetadata: '' };
          }),
        },
      ],
    });
    for (const { partitionIndex, errorCode } of topics[0]!.partitions) {
      if (errorCode !== ErrorCode.NONE) continue;
      const offset = offsets.get(partitionIndex)!;
      this.#positions.set(partitionIndex, offset);
      witness.committed(partitionIndex, offset);
    }
  }
}

/** The records of whole uncompressed batches. */
function* recordsIn(bytes: Buffer | null): Generator<{ offset: number; value: string }> {
  if (bytes === null) return;
  let at = 0;
  while (at + RECORD_BATCH_OVERHEAD <= bytes.length) {
    const end = at + batchSizeBytes(bytes, at);
    if (end > bytes.length || lastOffset(bytes, at) < 0) return;
    for (const { offset, value } of readRecords(bytes, at, recordsSection(bytes, at))) {
      yield { offset, value: value?.toString() ?? '' };
    }
    at = end;
  }
}
