/**
 * Owns what the `cluster_metadata` log says: the topics, the producer numbers taken, the key of
 * producer ids. Replaying the log's records, and applying each record once it is durable, give the
 * same state; `snapshot` writes that state as records again.
 */
import type { StateRecord } from '../../engine.ts';
import {
  type ClusterRecord,
  fromStateRecord,
  malformed,
  type TopicRecord,
  toStateRecord,
} from './cluster-records.ts';
import { PERMUTATION_KEY_BYTES } from './id-permutation.ts';
import { resolveTopicConfig, type TopicConfigTexts } from './topic-config.ts';
import { type PartitionLeader, type Topic, TopicsImage } from './topics-image.ts';

/** Every partition begins with it; a leadership that never moved keeps it. */
const FIRST_LEADER_EPOCH = 0;

export class ClusterState {
  readonly topics = new TopicsImage();
  readonly #topicDefaults: TopicConfigTexts;
  readonly #leaders = new Map<number, PartitionLeader>();
  #nextProducerNumber = 0;
  #producerIdKey: Buffer | null = null;

  constructor(topicDefaults: TopicConfigTexts) {
    this.#topicDefaults = topicDefaults;
  }

  /** Producer numbers below it are taken. */
  get nextProducerNumber(): number {
    return this.#nextProducerNumber;
  }

  /** null before the first start. */
  get producerIdKey(): Buffer | null {
    return this.#producerIdKey;
  }

  /** Throws a StorageError for a record that is unknown or contradicts the state. */
  replay(record: StateRecord): void {
    this.apply(fromStateRecord(record));
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
      case 'producer-numbers':
        if (record.next < this.#nextProducerNumber) throw malformed('producer numbers go back');
        this.#nextProducerNumber = record.next;
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
    records.push({ type: 'producer-numbers', next: this.#nextProducerNumber });
    for (const topic of this.topics.all()) records.push(topicRecord(topic));
    return records.map(toStateRecord);
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
      config: resolveTopicConfig(configs, this.#topicDefaults),
      leaders: this.leadersFor(leaders),
    });
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
