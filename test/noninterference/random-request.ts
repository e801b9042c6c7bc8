/**
 * Random requests of one tenant's clients: every served API in every version, with values from small
 * pools, so that requests meet each other, and from what earlier answers told (ids of topics,
 * members, sessions, producers), of the own tenant and of the other one.
 */
import { ApiKey } from '../../src/protocol/api-keys.ts';
import { decodeResponse, encodeRequest } from '../../src/protocol/headers.ts';
import { buildRecordBatch } from '../../src/protocol/records/record-batch-builder.ts';
import { type Field, type Fields, ZERO_UUID } from '../../src/protocol/schema.ts';
import { apiSchema } from '../../src/protocol/schemas/index.ts';
import { inVersions } from '../../src/protocol/versions.ts';
import { servedApi } from '../../src/server/apis/index.ts';
import type { SeededRandom } from '../crash/power-cut-file-system.ts';

/** Ids that answers told, by the name of the field. */
export class Learned {
  readonly #values = new Map<string, unknown[]>();

  pick(field: string, random: SeededRandom): unknown {
    const known = this.#values.get(field) ?? [];
    return known[Math.floor(random() * known.length)];
  }

  add(field: string, value: unknown): void {
    const known = this.#values.get(field) ?? [];
    if (known.includes(value)) return;
    this.#values.set(field, [...known, value].slice(-KEPT_MAX));
  }

  /** Everything of interest in a decoded message. */
  read(message: unknown): void {
    if (Array.isArray(message)) for (const one of message) this.read(one);
    else if (typeof message === 'object' && message !== null && !Buffer.isBuffer(message)) {
      for (const [name, value] of Object.entries(message)) {
        if (LEARNED.has(name)) this.add(name, value);
        else this.read(value);
      }
    }
  }
}

const KEPT_MAX = 40;
const ATTEMPTS_MAX = 100;
const LEARNED: ReadonlySet<string> = new Set([
  'topicId',
  'memberId',
  'sessionId',
  'producerId',
  'generationId',
  'clusterId',
]);

const TOPICS = ['telemetry', 'orders', 'a', 'ab', 'device-1.own', 'acme.orders', 'globex.a', '__x'];
const GROUPS = ['svc-1', 'svc-2', 'g', 'acme.g', ''];
const WORDS = ['range', 'consumer', 'x', 'admin-1', 'device-1', ''];
const CONFIG_NAMES = ['retention.ms', 'cleanup.policy', 'max.message.bytes', 'nonsense'];
const CONFIG_VALUES = ['1000', 'compact', 'delete', '-1', 'x', null];
const PRINCIPALS = ['User:device-1', 'User:*', 'User:admin-1', 'Role:admin', 'nobody'];

/** Values for fields by name; what is not here follows from the kind. */
const POOLS: Readonly<Record<string, readonly unknown[]>> = {
  partitionIndex: [0, 0, 1, 2, -1],
  partition: [0, 0, 1, 2, -1],
  partitionId: [0, 0, 1, 7],
  partitions: [0, 1, 2],
  partitionIndexes: [0, 1],
  index: [0, 0, 1],
  acks: [-1, 1, 0, -1],
  timeoutMs: [0, 100, 30_000],
  maxWaitMs: [0, 0, 200, 5000],
  minBytes: [0, 1, 1000],
  maxBytes: [1, 1000, 1_000_000],
  partitionMaxBytes: [0, 1000, 1_000_000],
  replicaId: [-1, -1, -1, 1],
  sessionEpoch: [0, 0, 1, 2, -1],
  sessionTimeoutMs: [6000, 10_000, 1],
  rebalanceTimeoutMs: [100, 6000],
  protocolType: ['consumer', 'consumer', 'connect'],
  generationId: [1, 1, 2, -1],
  numPartitions: [1, 2, 3, -1, 0],
  count: [2, 3, 1],
  replicationFactor: [1, 1, -1, 3],
  brokerIds: [1, 2],
  fetchOffset: [0, 1, 5, -1],
  offset: [0, 1, 2, 100, -1],
  committedOffset: [0, 1, 5],
  timestamp: [-1, -2, -3, 0, 1_700_000_000_500],
  isolationLevel: [0, 1],
  currentLeaderEpoch: [-1, -1, 0, 5],
  leaderEpoch: [-1, 0],
  committedLeaderEpoch: [-1, 0],
  producerEpoch: [0, -1],
  transactionalId: [null, null, null, 'tx'],
  coordinatorKey: [...GROUPS, 'tx'],
  coordinatorKeys: [...GROUPS, 'tx'],
  key: [...GROUPS, 'tx', 'principal'],
  keyType: [0, 0, 1],
  resourceType: [2, 2, 3, 4, 32],
  resourceTypeFilter: [1, 2, 3],
  resourceName: [...TOPICS, ...GROUPS, '', '1', 'kafka-cluster', '*'],
  resourceNameFilter: [...TOPICS, null],
  patternType: [3, 3, 4],
  patternTypeFilter: [1, 2, 3, 4],
  resourcePatternType: [3, 3, 4],
  principal: PRINCIPALS,
  principalFilter: [...PRINCIPALS, null],
  host: ['*', '127.0.0.1'],
  hostFilter: ['*', null],
  operation: [3, 4, 8, 2, 10],
  permissionType: [3, 3, 2],
  configName: CONFIG_NAMES,
  configNames: CONFIG_NAMES,
  configurationKeys: CONFIG_NAMES,
  value: CONFIG_VALUES,
  configOperation: [0, 1, 2],
  validateOnly: [false, false, true],
  user: ['device-1', 'reader'],
  mechanism: [1, 2, 'SCRAM-SHA-256'],
  iterations: [4096, 1],
  entityType: ['user', 'client-id', 'ip'],
  entityName: ['device-1', null, 'c'],
  clientSoftwareName: ['fuzz'],
  clientSoftwareVersion: ['1.0'],
  groupInstanceId: [null, null, 'i1', 'i2'],
  statesFilter: ['Stable', 'Empty'],
  typesFilter: ['classic'],
  offsetsMs: [-1],
  retentionTimeMs: [-1],
};

export interface RandomRequest {
  readonly apiKey: ApiKey;
  readonly apiVersion: number;
  readonly frame: Buffer;
}

const SERVED: readonly ApiKey[] = Object.values(ApiKey).filter(
  (key) => servedApi(key) !== undefined,
);
/** Asked more often, so that there is something to see. */
const FAVOURITES: readonly ApiKey[] = [
  ApiKey.Produce,
  ApiKey.Produce,
  ApiKey.Fetch,
  ApiKey.Fetch,
  ApiKey.CreateTopics,
  ApiKey.JoinGroup,
  ApiKey.SyncGroup,
  ApiKey.OffsetCommit,
];

export class RequestSource {
  readonly #random: SeededRandom;
  readonly learned: Learned;
  /** What a spy of the other tenant has learnt. */
  readonly foreign: Learned;
  #correlationId = 0;

  constructor(random: SeededRandom, learned: Learned, foreign: Learned) {
    this.#random = random;
    this.learned = learned;
    this.foreign = foreign;
  }

  next(only?: ApiKey): RandomRequest {
    const apiKey = only ?? this.#pick(this.#random() < 0.35 ? FAVOURITES : SERVED);
    const { min, max } = servedApi(apiKey)!.versions;
    const apiVersion = min + this.#int(max - min + 1);
    this.#correlationId += 1;
    const header = { apiKey, apiVersion, correlationId: this.#correlationId };
    let failure: unknown = null;
    for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
      const { request } = apiSchema(apiKey)!;
      const body = this.#struct(request.fields, apiVersion) as never;
      try {
        const parts = encodeRequest({ ...header, clientId: 'c', body });
        return { apiKey, apiVersion, frame: Buffer.concat(parts).subarray(4) };
      } catch (error) {
        // A value that this version cannot carry: another one.
        failure = error;
      }
    }
    throw new Error(`no ${apiKey} version ${apiVersion} can be made`, { cause: failure });
  }

  /** Learns what an answer tells, and gives it decoded. */
  read({ apiKey, apiVersion }: RandomRequest, frame: Buffer): unknown {
    const { body } = decodeResponse({ apiKey, apiVersion, frame });
    this.learned.read(body);
    return body;
  }

  #struct(fields: Fields, version: number): Record<string, unknown> {
    const value: Record<string, unknown> = {};
    for (const [name, field] of Object.entries(fields)) {
      if (inVersions(field.versions, version)) value[name] = this.#value(name, field, version);
    }
    return value;
  }

  #value(name: string, field: Field, version: number): unknown {
    if (field.kind !== 'struct' && inVersions(field.nullable, version) && this.#random() < 0.15)
      return null;
    if (field.kind === 'array') {
      const element = field.element!;
      return Array.from({ length: this.#int(3) }, () => this.#value(name, element, version));
    }
    if (field.kind === 'struct') return this.#struct(field.fields!, version);
    if (field.kind === 'records') return this.#records();
    if (LEARNED.has(name) && this.#random() < 0.8) {
      const source = this.#random() < 0.2 ? this.foreign : this.learned;
      const known = source.pick(name, this.#random);
      if (known !== undefined && suits(known, field, version)) return known;
    }
    if (field.kind === 'uuid') {
      const known = this.learned.pick('topicId', this.#random);
      return this.#random() < 0.8 && known !== undefined ? known : ZERO_UUID;
    }
    if (field.entityType === 'topicName') return this.#pick(TOPICS);
    if (field.entityType === 'groupId') return this.#pick(GROUPS);
    const pool = POOLS[name]?.filter((value) => suits(value, field, version)) ?? [];
    return pool.length > 0 ? this.#pick(pool) : this.#scalar(name, field);
  }

  #scalar(name: string, field: Field): unknown {
    switch (field.kind) {
      case 'bool':
        return this.#random() < 0.5;
      case 'string':
        return this.#pick(name === 'name' ? [...TOPICS, ...CONFIG_NAMES, ...WORDS] : WORDS);
      case 'bytes':
        return Buffer.from(this.#pick(['', 'x', 'assignment']));
      case 'float64':
        return this.#pick([0, 1, 1024.5]);
      default:
        return this.#pick([-1, 0, 1, 1, 2]);
    }
  }

  #records(): Buffer {
    if (this.#random() < 0.05) return Buffer.from('no records at all');
    const records = Array.from({ length: 1 + this.#int(3) }, () => ({
      timestampMs: 1_700_000_000_000 + this.#int(1000),
      key: this.#random() < 0.5 ? null : Buffer.from('k'),
      value: Buffer.alloc(this.#int(60), 'v'),
    }));
    if (this.#random() < 0.6) return buildRecordBatch(records);
    const producerId = Number(this.learned.pick('producerId', this.#random) ?? 7);
    const producerEpoch = 0;
    return buildRecordBatch(records, { producerId, producerEpoch, baseSequence: this.#int(3) });
  }

  #pick<T>(values: readonly T[]): T {
    return values[this.#int(values.length)]!;
  }

  #int(below: number): number {
    return Math.floor(this.#random() * below);
  }
}

/** One name is a text here and a number there. */
function suits(value: unknown, field: Field, version: number): boolean {
  if (value === null) return inVersions(field.nullable, version);
  if (field.kind === 'string') return typeof value === 'string';
  if (field.kind === 'bool') return typeof value === 'boolean';
  if (field.kind === 'uuid') return typeof value === 'string';
  return typeof value === 'number' && field.kind !== 'bytes';
}
