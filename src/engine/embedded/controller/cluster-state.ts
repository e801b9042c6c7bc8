/**
 * Owns what the `cluster_metadata` log says: the topics, the configs of topics, brokers and groups,
 * the producer numbers taken, the key of producer ids. Replaying the log's records, and applying each record once it is durable, give the
 * same state; `snapshot` writes that state as records again.
 *
 * What a namespace sets for its brokers changes what its topics inherit: whoever applies such a
 * record calls `inheritAgain` for those topics, a few at a time, since they may be many.
 */
import type { StateRecord } from '../../engine.ts';
import {
  type ClusterRecord,
  fromStateRecord,
  malformed,
  type TopicRecord,
  toStateRecord,
} from './cluster-records.ts';
import { ConfigsImage, type InheritedConfigs } from './configs-image.ts';
import { PERMUTATION_KEY_BYTES } from './id-permutation.ts';
import { resolveTopicConfig, type TopicConfig, type TopicConfigTexts } from './topic-config.ts';
import { namespaceOf } from './topic-names.ts';
import { type PartitionLeader, type Topic, TopicsImage } from './topics-image.ts';

/** Every partition begins with it; a leadership that never moved keeps it. */
const FIRST_LEADER_EPOCH = 0;

export class ClusterState {
  readonly topics = new TopicsImage();
  readonly configs: ConfigsImage;
  readonly #nodeId: number;
  /** Those whose brokers' configs changed during the replay. */
  readonly #namespacesToRenew = new Set<string>();
  readonly #leaders = new Map<number, PartitionLeader>();
  /** By namespace; '' holds for all of them. */
  readonly #nextProducerNumbers = new Map<string, number>([['', 0]]);
  #producerIdKey: Buffer | null = null;

  /** `topicDefaults`: what the operator sets for all topics, checked. */
  constructor(topicDefaults: TopicConfigTexts, nodeId: number) {
    this.configs = new ConfigsImage(topicDefaults);
    this.#nodeId = nodeId;
  }

  /** Producer numbers of the namespace below it are taken. */
  nextProducerNumber(namespace: string): number {
    const numbers = this.#nextProducerNumbers;
    return Math.max(numbers.get('')!, numbers.get(namespace) ?? 0);
  }

  /** null before the first start. */
  get producerIdKey(): Buffer | null {
    return this.#producerIdKey;
  }

  /** Throws a StorageError for a record that is unknown or contradicts the state. */
  replay(record: StateRecord): void {
    const read = fromStateRecord(record);
    this.apply(read);
    if (read.type === 'broker-configs') this.#namespacesToRenew.add(read.namespace);
  }

  /** After the last record: each topic inherits what was set last. */
  replayed(): void {
    for (const namespace of this.#namespacesToRenew) {
      for (const { name } of this.topics.inNamespace(namespace)) this.inheritAgain(name);
    }
    this.#namespacesToRenew.clear();
  }

  apply(record: ClusterRecord): void {
    switch (record.type) {
      case 'topic':
        this.#addTopic(record);
        break;
      case 'partitions-added': {
        const topic = this.#topic(record.topicId);
        const leaders = [...topic.leaders, ...this.leadersFor(record.leaders)];
        this.topics.put({ ...topic, leaders, partitionCount: leaders.length });
        break;
      }
      case 'topic-removed':
        this.topics.remove(this.#topic(record.topicId));
        break;
      case 'topic-configs': {
        const topic = this.#topic(record.topicId);
        const config = this.#resolve(topic.name, record.configs);
        this.topics.put({ ...topic, configTexts: record.configs, config });
        break;
      }
      case 'broker-configs':
        this.configs.setBroker(record.namespace, record.brokerId, record.configs);
        break;
      case 'group-configs':
        this.configs.setGroup(record.group, record.configs);
        break;
      case 'client-metrics':
        this.configs.clientMetrics.set(record.subscription, record.configs);
        break;
      case 'producer-numbers':
        if (record.next < this.nextProducerNumber(record.namespace)) {
          throw malformed('producer numbers go back');
        }
        this.#nextProducerNumbers.set(record.namespace, record.next);
        break;
      case 'producer-id-key': {
        const key = Buffer.from(record.keyBase64, 'base64');
        if (key.length !== PERMUTATION_KEY_BYTES) throw malformed('the producer id key is cut');
        this.#producerIdKey = key;
      }
    }
  }

  /** The whole state, as records. */
  snapshot(): StateRecord[] {
    const records: ClusterRecord[] = [];
    if (this.#producerIdKey !== null) {
      const keyBase64 = this.#producerIdKey.toString('base64');
      records.push({ type: 'producer-id-key', keyBase64 });
    }
    for (const [namespace, next] of this.#nextProducerNumbers) {
      records.push({ type: 'producer-numbers', namespace, next });
    }
    for (const configs of this.configs.allBrokers()) {
      records.push({ type: 'broker-configs', ...configs });
    }
    for (const topic of this.topics.all()) records.push(topicRecord(topic));
    for (const [group, configs] of this.configs.allGroups()) {
      records.push({ type: 'group-configs', group, configs });
    }
    for (const [subscription, configs] of this.configs.clientMetrics.all()) {
      records.push({ type: 'client-metrics', subscription, configs });
    }
    return records.map(toStateRecord);
  }

  /** What a topic of this name has without configs of its own. */
  inheritedBy(topicName: string): InheritedConfigs {
    return this.configs.inheritedBy(namespaceOf(topicName), String(this.#nodeId));
  }

  /** The topic with what it inherits now. */
  inheritAgain(name: string): Topic | undefined {
    const topic = this.topics.byName(name);
    if (topic === undefined) return undefined;
    const renewed = { ...topic, config: this.#resolve(name, topic.configTexts) };
    this.topics.put(renewed);
    return renewed;
  }

  leadersFor(nodeIds: readonly number[]): readonly PartitionLeader[] {
    return nodeIds.map((nodeId) => {
      let leader = this.#leaders.get(nodeId);
      if (leader === undefined) {
        leader = { nodeId, leaderEpoch: FIRST_LEADER_EPOCH };
        this.#leaders.set(nodeId, leader);
      }
      return leader;
    });
  }

  #addTopic({ name, topicId, leaders, configs }: TopicRecord): void {
    if (this.topics.byName(name) !== undefined || this.topics.byId(topicId) !== undefined) {
      throw malformed('a topic is there twice');
    }
    this.topics.put({
      name,
      topicId,
      partitionCount: leaders.length,
      configTexts: configs,
      config: this.#resolve(name, configs),
      leaders: this.leadersFor(leaders),
    });
  }

  #resolve(name: string, configs: TopicConfigTexts): TopicConfig {
    return resolveTopicConfig(configs, this.inheritedBy(name).texts);
  }

  #topic(topicId: string): Topic {
    const topic = this.topics.byId(topicId);
    if (topic === undefined) throw malformed('it changes a topic that is not there');
    return topic;
  }
}

export function topicRecord(topic: Topic): TopicRecord {
  return {
    type: 'topic',
    name: topic.name,
    topicId: topic.topicId,
    leaders: topic.leaders.map(({ nodeId }) => nodeId),
    configs: topic.configTexts,
  };
}
