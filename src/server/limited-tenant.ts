/**
 * A tenant's view of the engine under the operator's hard limits: topics, partitions, bytes on disk,
 * bytes of a batch, groups. Whoever goes through the view is under them, by whatever way: Kafka's
 * APIs, topics that make themselves, the admin API.
 *
 * - Topics and partitions beyond the limit: POLICY_VIOLATION for each, the others come about. What is
 *   being made counts already, so that requests at the same time do not pass together.
 * - A batch that is too large: MESSAGE_TOO_LARGE for its partition.
 * - Bytes on disk: POLICY_VIOLATION for everything that is produced. Not KAFKA_STORAGE_ERROR, which
 *   clients take for a broken disk and try again for minutes; this says what it is, and at once.
 *   Measured at most once a second, and what was appended since is added.
 * - The broker's own topics (the audit topic) count for nothing here: no limit of the tenant stops them.
 * - Groups: GROUP_MAX_SIZE_REACHED for one that is new; it is the one error of this kind that clients
 *   know of a group, and they give up on it.
 */

import type { Clock } from '../base/clock.ts';
import { KafkaError } from '../base/errors.ts';
import type { Engine, EngineCall } from '../engine/engine.ts';
import { ErrorCode } from '../protocol/error-codes.ts';
import { ZERO_UUID } from '../protocol/schema.ts';
import type { ProduceRequest, ProduceResponse } from '../protocol/schemas/00-produce.ts';
import type {
  OffsetCommitRequest,
  OffsetCommitResponse,
} from '../protocol/schemas/08-offset-commit.ts';
import type { JoinGroupRequest, JoinGroupResponse } from '../protocol/schemas/11-join-group.ts';
import type {
  CreateTopicsRequest,
  CreateTopicsResponse,
} from '../protocol/schemas/19-create-topics.ts';
import type {
  CreatePartitionsRequest,
  CreatePartitionsResponse,
} from '../protocol/schemas/37-create-partitions.ts';
import type { LimitKey, TenantLimits } from '../quota/tenant-limits.ts';
import type { BrokerTopics } from '../tenancy/broker-topics.ts';
import { GuardedNamespace } from '../tenancy/guarded-namespace.ts';
import { KnownGroups } from './known-groups.ts';
import { refuseBatches, StoredBytes, withRefused } from './produce-limits.ts';

export interface TenantLimitParts {
  readonly clock: Clock;
  readonly limits: () => TenantLimits;
  /** Partitions of a topic that names no number. */
  readonly defaultPartitions: number;
  readonly brokerTopics: BrokerTopics;
}

/** What a tenant has of what is limited. */
export interface TenantUse {
  readonly topics: number;
  readonly partitions: number;
  readonly groups: number;
  readonly stored_bytes: number;
}

export class LimitedTenant extends GuardedNamespace {
  readonly #limits: () => TenantLimits;
  readonly #defaultPartitions: number;
  readonly #brokerTopics: BrokerTopics;
  readonly #stored: StoredBytes;
  readonly #groups: KnownGroups;
  /** Of requests under way. */
  #topicsToCome = 0;
  #partitionsToCome = 0;

  constructor(engine: Engine, tenant: string, parts: TenantLimitParts) {
    const { clock, limits, defaultPartitions, brokerTopics } = parts;
    super(engine, tenant, brokerTopics);
    this.#limits = limits;
    this.#defaultPartitions = defaultPartitions;
    this.#brokerTopics = brokerTopics;
    const call: EngineCall = { apiVersion: 4, signal: null };
    this.#stored = new StoredBytes(
      clock,
      () => super.describeLogDirs('', { topics: null }, call),
      (topic) => !brokerTopics.has(topic),
    );
    this.#groups = new KnownGroups(clock, async () => {
      const asked = { statesFilter: [], typesFilter: [] };
      const { groups } = await super.listGroups('', asked, { apiVersion: 5, signal: null });
      return groups.map(({ groupId }) => groupId);
    });
  }

  async use(): Promise<TenantUse> {
    const topics = this.#topics();
    const groups = await this.#groups.count();
    const stored = await this.#stored.now();
    return { topics: topics.length, partitions: this.#partitions(), groups, stored_bytes: stored };
  }

  override createTopics(
    request: CreateTopicsRequest,
    call: EngineCall,
  ): CreateTopicsResponse | Promise<CreateTopicsResponse> {
    const topicsMax = this.#limit('topics');
    const partitionsMax = this.#limit('partitions');
    if (topicsMax === undefined && partitionsMax === undefined) {
      return super.createTopics(request, call);
    }
    const refused: CreateTopicsResponse['topics'] = [];
    let topics = this.#topics().length + this.#topicsToCome;
    let partitions = this.#partitions() + this.#partitionsToCome;
    const before = { topics, partitions };
    request.topics = request.topics.filter(({ name, numPartitions, assignments }) => {
      // The engine's own answer is better for one that is there already, or is the broker's.
      if (this.topicByName(name) !== undefined || this.#brokerTopics.reserves(name)) return true;
      const asked = numPartitions > 0 ? numPartitions : this.#defaultPartitions;
      const added = assignments.length > 0 ? assignments.length : asked;
      const isTopic = topicsMax !== undefined && topics + 1 > topicsMax;
      const isPartition = partitionsMax !== undefined && partitions + added > partitionsMax;
      if (isTopic || isPartition) {
        const key = isTopic ? 'topics' : 'partitions';
        refused.push(refuseTopic(name, this.#refusal(key, call)));
        return false;
      }
      topics += 1;
      partitions += added;
      return true;
    });
    const release = this.#reserve(topics - before.topics, partitions - before.partitions);
    return finish(
      release,
      () => super.createTopics(request, call),
      (answer) => {
        for (const topic of refused) answer.topics.push(topic);
      },
    );
  }

  override createPartitions(
    request: CreatePartitionsRequest,
    call: EngineCall,
  ): CreatePartitionsResponse | Promise<CreatePartitionsResponse> {
    const most = this.#limit('partitions');
    if (most === undefined) return super.createPartitions(request, call);
    const refused: CreatePartitionsResponse['results'] = [];
    const before = this.#partitions() + this.#partitionsToCome;
    let partitions = before;
    request.topics = request.topics.filter(({ name, count }) => {
      const added = count - (this.topicByName(name)?.partitionCount ?? count);
      if (added <= 0 || partitions + added <= most) {
        partitions += Math.max(0, added);
        return true;
      }
      const errorMessage = this.#refusal('partitions', call);
      refused.push({ name, errorCode: ErrorCode.POLICY_VIOLATION, errorMessage });
      return false;
    });
    const release = this.#reserve(0, partitions - before);
    return finish(
      release,
      () => super.createPartitions(request, call),
      (answer) => {
        for (const topic of refused) answer.results.push(topic);
      },
    );
  }

  override produce(
    request: ProduceRequest,
    call: EngineCall,
  ): ProduceResponse | Promise<ProduceResponse> {
    const limits = this.#limits();
    if (!limits.has('message_bytes') && !limits.has('stored_bytes')) {
      return super.produce(request, call);
    }
    const most = this.#limit('stored_bytes');
    const stored = most === undefined ? 0 : this.#stored.now();
    if (stored instanceof Promise)
      return stored.then((bytes) => this.#produce(request, call, bytes));
    return this.#produce(request, call, stored);
  }

  override joinGroup(
    request: JoinGroupRequest,
    call: EngineCall,
  ): JoinGroupResponse | Promise<JoinGroupResponse> {
    const known = this.#admitGroup(request.groupId, call);
    if (known === undefined) return super.joinGroup(request, call);
    return known.then(() => super.joinGroup(request, call));
  }

  override offsetCommit(
    request: OffsetCommitRequest,
    call: EngineCall,
  ): OffsetCommitResponse | Promise<OffsetCommitResponse> {
    const known = this.#admitGroup(request.groupId, call);
    if (known === undefined) return super.offsetCommit(request, call);
    return known.then(() => super.offsetCommit(request, call));
  }

  #produce(
    request: ProduceRequest,
    call: EngineCall,
    stored: number,
  ): ProduceResponse | Promise<ProduceResponse> {
    const storedMax = this.#limit('stored_bytes');
    const isFull = storedMax !== undefined && stored >= storedMax;
    const batchMax = this.#limit('message_bytes') ?? Number.POSITIVE_INFINITY;
    const split = refuseBatches(request, (bytes) => {
      if (isFull) {
        const message = this.#refusal('stored_bytes', call);
        return { errorCode: ErrorCode.POLICY_VIOLATION, message };
      }
      if (bytes <= batchMax) return null;
      const message = this.#refusal('message_bytes', call);
      return { errorCode: ErrorCode.MESSAGE_TOO_LARGE, message };
    });
    if (request.topicData.length === 0) {
      call.ordered?.();
      return withRefused({ responses: [], throttleTimeMs: 0, nodeEndpoints: [] }, split.refused);
    }
    if (storedMax !== undefined) this.#stored.add(split.acceptedBytes);
    const answer = super.produce(request, call);
    if (!(answer instanceof Promise)) return withRefused(answer, split.refused);
    return answer.then((ready) => withRefused(ready, split.refused));
  }

  /** Undefined: it may go on. Rejects with a KafkaError for a group too many. */
  #admitGroup(group: string, call: EngineCall): Promise<void> | undefined {
    const most = this.#limit('groups');
    if (most === undefined) {
      this.#groups.outdate();
      return undefined;
    }
    if (this.#groups.has(group)) return undefined;
    return this.#groups.admit(group, most).then((isAdmitted) => {
      if (isAdmitted) return;
      throw new KafkaError(ErrorCode.GROUP_MAX_SIZE_REACHED, this.#refusal('groups', call));
    });
  }

  #limit(key: LimitKey): number | undefined {
    return this.#limits().limit(key);
  }

  /** Those of the tenant itself. */
  #topics() {
    return this.topicsIn().filter(({ name }) => !this.#brokerTopics.has(name));
  }

  #partitions(): number {
    let count = 0;
    for (const { partitionCount } of this.#topics()) count += partitionCount;
    return count;
  }

  #reserve(topics: number, partitions: number): () => void {
    this.#topicsToCome += topics;
    this.#partitionsToCome += partitions;
    return () => {
      this.#topicsToCome -= topics;
      this.#partitionsToCome -= partitions;
    };
  }

  /** Tells whoever counts, and answers what the client is told. */
  #refusal(key: keyof typeof SENTENCES, call: EngineCall): string {
    const most = this.#limit(key) ?? 0;
    call.onLimit?.(key, most);
    return SENTENCES[key](most);
  }
}

const SENTENCES = {
  topics: (most: number) => `The tenant may have ${most} topics: delete one, or ask the operator.`,
  partitions: (most: number) =>
    `The tenant may have ${most} partitions: ask the operator for more.`,
  stored_bytes: (most: number) =>
    `The tenant may store ${most} bytes: delete records or topics, or ask the operator for more.`,
  message_bytes: (most: number) => `A record batch may have ${most} bytes here: send smaller ones.`,
  groups: (most: number) => `The tenant may have ${most} groups: delete one, or ask the operator.`,
} as const;

function refuseTopic(name: string, errorMessage: string): CreateTopicsResponse['topics'][number] {
  return {
    name,
    topicId: ZERO_UUID,
    errorCode: ErrorCode.POLICY_VIOLATION,
    errorMessage,
    topicConfigErrorCode: ErrorCode.NONE,
    numPartitions: -1,
    replicationFactor: -1,
    configs: [],
  };
}

/** Runs the change; what was reserved for it is free once it is there, or did not come about. */
function finish<T>(
  release: () => void,
  change: () => T | Promise<T>,
  complete: (answer: T) => void,
): T | Promise<T> {
  const done = (answer: T): T => {
    complete(answer);
    return answer;
  };
  let answer: T | Promise<T>;
  try {
    answer = change();
  } catch (error) {
    release();
    throw error;
  }
  if (answer instanceof Promise) return answer.finally(release).then(done);
  release();
  return done(answer);
}
