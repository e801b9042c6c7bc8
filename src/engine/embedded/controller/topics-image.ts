/**
 * Owns the topics in memory, with the indexes that requests look up: by name, by id, by namespace.
 *
 * Invariant: a namespace's list is sorted, cached, and made from that namespace's topics alone, so
 * that the size of one tenant is no cost to another. Every partition's owner stands in the image;
 * nobody assumes it. Changed only by the controller, one change at a time.
 */

import type { TopicIdentity } from '../../engine.ts';
import type { TopicConfig, TopicConfigTexts } from './topic-config.ts';
import { collisionKey, namespaceOf } from './topic-names.ts';

/** The node that serves a partition, and the epoch of its leadership. */
export interface PartitionLeader {
  readonly nodeId: number;
  readonly leaderEpoch: number;
}

export interface Topic extends TopicIdentity {
  /** The configs that were set for this topic, as texts. */
  readonly configTexts: TopicConfigTexts;
  readonly config: TopicConfig;
  /** One for each partition. */
  readonly leaders: readonly PartitionLeader[];
}

interface Namespace {
  readonly topics: Map<string, Topic>;
  /** Topics by collision key. */
  readonly claims: Set<string>;
  sorted: readonly Topic[] | null;
  partitionCount: number;
}

const NO_TOPICS: readonly Topic[] = [];

export class TopicsImage {
  readonly #byName = new Map<string, Topic>();
  readonly #byId = new Map<string, Topic>();
  readonly #namespaces = new Map<string, Namespace>();
  #partitionCount = 0;

  /** Partitions of all topics. */
  get partitionCount(): number {
    return this.#partitionCount;
  }

  get topicCount(): number {
    return this.#byName.size;
  }

  byName(name: string): Topic | undefined {
    return this.#byName.get(name);
  }

  byId(topicId: string): Topic | undefined {
    return this.#byId.get(topicId);
  }

  /** The topics of a namespace, sorted by name. */
  inNamespace(namespace: string): readonly Topic[] {
    const found = this.#namespaces.get(namespace);
    if (found === undefined) return NO_TOPICS;
    found.sorted ??= [...found.topics.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
    return found.sorted;
  }

  partitionCountIn(namespace: string): number {
    return this.#namespaces.get(namespace)?.partitionCount ?? 0;
  }

  /** Whether a name like this one, but for '.' and '_', is taken in its namespace. */
  collides(name: string): boolean {
    const namespace = this.#namespaces.get(namespaceOf(name));
    return namespace?.claims.has(collisionKey(name)) ?? false;
  }

  /** Every topic, in no particular order: for snapshots and the start only. */
  all(): IterableIterator<Topic> {
    return this.#byName.values();
  }

  /** Adds a topic, or replaces the one of the same name. */
  put(topic: Topic): void {
    const before = this.#byName.get(topic.name);
    if (before !== undefined) this.remove(before);
    const key = namespaceOf(topic.name);
    let namespace = this.#namespaces.get(key);
    if (namespace === undefined) {
      namespace = { topics: new Map(), claims: new Set(), sorted: null, partitionCount: 0 };
      this.#namespaces.set(key, namespace);
    }
    this.#byName.set(topic.name, topic);
    this.#byId.set(topic.topicId, topic);
    namespace.topics.set(topic.name, topic);
    namespace.claims.add(collisionKey(topic.name));
    namespace.sorted = null;
    namespace.partitionCount += topic.partitionCount;
    this.#partitionCount += topic.partitionCount;
  }

  remove(topic: Topic): void {
    const key = namespaceOf(topic.name);
    const namespace = this.#namespaces.get(key);
    if (namespace === undefined || this.#byName.get(topic.name) !== topic) return;
    this.#byName.delete(topic.name);
    this.#byId.delete(topic.topicId);
    namespace.topics.delete(topic.name);
    namespace.claims.delete(collisionKey(topic.name));
    namespace.sorted = null;
    namespace.partitionCount -= topic.partitionCount;
    this.#partitionCount -= topic.partitionCount;
    if (namespace.topics.size === 0) this.#namespaces.delete(key);
  }
}
