/**
 * Owns what the audit topics ask of the engine, in the broker's own name and by physical names: to
 * make topics, to set them as the operator wants them, to append, to read where one ends.
 *
 * Invariant: every call does what it says or rejects with TopicLogError; nothing is retried here.
 */
import type { Engine, EngineCall, TopicIdentity } from '../../engine/engine.ts';
import { ConfigResourceType } from '../../protocol/config-resource-type.ts';
import { ErrorCode, errorName } from '../../protocol/error-codes.ts';
import { type NewRecord, readRecords, type StoredRecord } from '../../protocol/records/record.ts';
import {
  batchSizeBytes,
  CompressionCodec,
  compressionCodec,
  RECORD_BATCH_OVERHEAD,
  recordsSection,
} from '../../protocol/records/record-batch.ts';
import { buildRecordBatch } from '../../protocol/records/record-batch-builder.ts';
import { ZERO_UUID } from '../../protocol/schema.ts';

export class TopicLogError extends Error {
  override readonly name = 'TopicLogError';
  readonly errorCode: number;

  constructor(what: string, errorCode: number) {
    super(`${what}: ${errorName(errorCode)}`);
    this.errorCode = errorCode;
  }
}

/** Where a topic ends. */
export interface TopicEnd {
  /** Of the oldest record that is left. */
  readonly startOffset: number;
  /** Of the next record that consumers will see. */
  readonly endOffset: number;
  /** Null where none is left, or the last batch is none that this broker writes. */
  readonly lastRecord: StoredRecord | null;
}

const PARTITION = 0;
const LATEST = -1;
const EARLIEST = -2;
const ALL_REPLICAS = -1;
const WRITTEN = 1;
const TIMEOUT_MS = 30_000;
const CONFIG_SET = 0;
const FETCH_BYTES_MAX = 64 * 1024 * 1024;

/** Versions in which every field used here exists and topics go by name. */
const callOf = (apiVersion: number): EngineCall => ({ apiVersion, signal: null });
const PRODUCE = callOf(12);
const FETCH = callOf(12);
const LIST_OFFSETS = callOf(7);
const CREATE_TOPICS = callOf(7);
const DESCRIBE_CONFIGS = callOf(4);
const ALTER_CONFIGS = callOf(1);

export class TopicLog {
  readonly #engine: Engine;
  readonly #configs: Readonly<Record<string, string>>;

  constructor(engine: Engine, configs: Readonly<Record<string, string>>) {
    this.#engine = engine;
    this.#configs = configs;
  }

  find(name: string): TopicIdentity | undefined {
    return this.#engine.topicByName(name);
  }

  /** Makes those that are not there; what became of each shows in `find`. */
  async create(names: readonly string[]): Promise<void> {
    const configs = Object.entries(this.#configs).map(([name, value]) => ({ name, value }));
    const answer = await this.#engine.createTopics(
      {
        topics: names.map((name) => ({
          name,
          numPartitions: 1,
          replicationFactor: 1,
          assignments: [],
          configs,
        })),
        timeoutMs: TIMEOUT_MS,
        validateOnly: false,
      },
      CREATE_TOPICS,
    );
    for (const { name, errorCode } of answer.topics) {
      if (errorCode === ErrorCode.NONE || errorCode === ErrorCode.TOPIC_ALREADY_EXISTS) continue;
      throw new TopicLogError(`topic ${name} cannot be made`, errorCode);
    }
  }

  /** Sets what the operator has configured otherwise since the topic was made. */
  async configure(name: string): Promise<void> {
    const about = { resourceType: ConfigResourceType.TOPIC, resourceName: name };
    const configurationKeys = Object.keys(this.#configs);
    const { results } = await this.#engine.describeConfigs(
      {
        resources: [{ ...about, configurationKeys }],
        includeSynonyms: false,
        includeDocumentation: false,
      },
      DESCRIBE_CONFIGS,
    );
    const known = new Map(results[0]?.configs.map((config) => [config.name, config.value]));
    const changed = Object.entries(this.#configs).filter(
      ([key, value]) => known.get(key) !== value,
    );
    if (changed.length === 0) return;
    const configs = changed.map(([key, value]) => {
      return { name: key, configOperation: CONFIG_SET, value };
    });
    const { responses } = await this.#engine.incrementalAlterConfigs(
      { resources: [{ ...about, configs }], validateOnly: false },
      ALTER_CONFIGS,
    );
    check(`topic ${name} cannot be configured`, responses[0]?.errorCode);
  }

  /** Resolves with the offset of the last record once all are written, or with `all` synced. */
  async append(name: string, records: readonly NewRecord[], acks: 'written' | 'all') {
    const batch = buildRecordBatch(records);
    const { responses } = await this.#engine.produce(
      {
        transactionalId: null,
        acks: acks === 'all' ? ALL_REPLICAS : WRITTEN,
        timeoutMs: TIMEOUT_MS,
        topicData: [
          { name, topicId: ZERO_UUID, partitionData: [{ index: PARTITION, records: batch }] },
        ],
      },
      PRODUCE,
    );
    const partition = responses[0]?.partitionResponses[0];
    check(`topic ${name} cannot be written`, partition?.errorCode);
    return partition!.baseOffset + records.length - 1;
  }

  async end(name: string): Promise<TopicEnd> {
    const startOffset = await this.#offset(name, EARLIEST);
    const endOffset = await this.#offset(name, LATEST);
    const lastRecord = endOffset > startOffset ? await this.#recordAt(name, endOffset - 1) : null;
    return { startOffset, endOffset, lastRecord };
  }

  /** Records below it are on stable storage. */
  durableEnd(name: string): Promise<number> {
    return this.#offset(name, LATEST);
  }

  async #offset(name: string, timestamp: number): Promise<number> {
    const partitions = [{ partitionIndex: PARTITION, currentLeaderEpoch: -1, timestamp }];
    const { topics } = await this.#engine.listOffsets(
      {
        replicaId: -1,
        isolationLevel: 0,
        topics: [{ name, partitions }],
        timeoutMs: TIMEOUT_MS,
      },
      LIST_OFFSETS,
    );
    const partition = topics[0]?.partitions[0];
    check(`the offsets of topic ${name} cannot be read`, partition?.errorCode);
    return partition!.offset;
  }

  async #recordAt(name: string, offset: number): Promise<StoredRecord | null> {
    const { responses } = await this.#engine.fetch(
      {
        clusterId: null,
        replicaId: -1,
        replicaState: { replicaId: -1, replicaEpoch: -1 },
        maxWaitMs: 0,
        minBytes: 1,
        maxBytes: FETCH_BYTES_MAX,
        isolationLevel: 0,
        sessionId: 0,
        sessionEpoch: -1,
        topics: [
          {
            topic: name,
            topicId: ZERO_UUID,
            partitions: [
              {
                partition: PARTITION,
                currentLeaderEpoch: -1,
                fetchOffset: offset,
                lastFetchedEpoch: -1,
                logStartOffset: -1,
                partitionMaxBytes: FETCH_BYTES_MAX,
                replicaDirectoryId: ZERO_UUID,
                highWatermark: Number.MAX_SAFE_INTEGER,
              },
            ],
          },
        ],
        forgottenTopicsData: [],
        rackId: '',
      },
      FETCH,
    );
    const partition = responses[0]?.partitions[0];
    check(`the end of topic ${name} cannot be read`, partition?.errorCode);
    return recordIn(partition!.records ?? null, offset);
  }
}

/** Null where the batch is compressed: the broker compresses none of its own. */
function recordIn(batches: Buffer | null, offset: number): StoredRecord | null {
  if (batches === null || batches.length < RECORD_BATCH_OVERHEAD) return null;
  if (batches.length < batchSizeBytes(batches, 0)) return null;
  if (compressionCodec(batches, 0) !== CompressionCodec.none) return null;
  let found: StoredRecord | null = null;
  for (const record of readRecords(batches, 0, recordsSection(batches, 0))) {
    if (record.offset <= offset) found = record;
  }
  return found;
}

function check(what: string, errorCode: number | undefined): void {
  if (errorCode === ErrorCode.NONE) return;
  throw new TopicLogError(what, errorCode ?? ErrorCode.UNKNOWN_SERVER_ERROR);
}
