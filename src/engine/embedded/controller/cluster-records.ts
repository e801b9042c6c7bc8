/**
 * Owns the record types of the `cluster_metadata` state log and their reading: topics, the
 * configs of topics, brokers, groups and client metrics, and the producer id counter. Invariant: a record that is unknown, newer or malformed stops the start,
 * because going on without it would undo what it says.
 */

import { StorageError } from '../../../base/errors.ts';
import type { StateRecord } from '../../engine.ts';
import { type ClientMetricsTexts, judgeClientMetricsConfigs } from './client-metrics-config.ts';
import { type GroupConfigTexts, judgeGroupConfigs } from './group-config.ts';
import { judgeTopicConfigs, type TopicConfigTexts } from './topic-config.ts';

export const CLUSTER_METADATA_LOG = 'cluster_metadata';

/** A topic and all there is to know about it; partitions begin with leader epoch 0. */
export interface TopicRecord {
  readonly type: 'topic';
  readonly name: string;
  readonly topicId: string;
  /** The node that owns each partition. */
  readonly leaders: readonly number[];
  readonly configs: TopicConfigTexts;
}

export interface PartitionsAddedRecord {
  readonly type: 'partitions-added';
  readonly topicId: string;
  /** The owners of the new partitions, which follow the existing ones. */
  readonly leaders: readonly number[];
}

export interface TopicRemovedRecord {
  readonly type: 'topic-removed';
  readonly topicId: string;
}

/** The whole of what is set for a topic, in place of what was. */
export interface TopicConfigsRecord {
  readonly type: 'topic-configs';
  readonly topicId: string;
  readonly configs: TopicConfigTexts;
}

/** The whole of what a namespace has set for a broker of it, or, brokerId '', for all of them. */
export interface BrokerConfigsRecord {
  readonly type: 'broker-configs';
  readonly namespace: string;
  readonly brokerId: string;
  /** By the topics' config names. */
  readonly configs: TopicConfigTexts;
}

/** The whole of what is set for a group. */
export interface GroupConfigsRecord {
  readonly type: 'group-configs';
  readonly group: string;
  readonly configs: GroupConfigTexts;
}

/** The whole of what a subscription to client metrics has set. */
export interface ClientMetricsRecord {
  readonly type: 'client-metrics';
  /** Physical: `acme.latency`. */
  readonly subscription: string;
  readonly configs: ClientMetricsTexts;
}

/** Producer numbers of the namespace below `next` are used or given up. */
export interface ProducerNumbersRecord {
  readonly type: 'producer-numbers';
  /** '': of every namespace; written before each had its own. */
  readonly namespace: string;
  readonly next: number;
}

/** Keys the permutation from producer numbers to producer ids; written once. */
export interface ProducerIdKeyRecord {
  readonly type: 'producer-id-key';
  readonly keyBase64: string;
}

export type ClusterRecord =
  | TopicRecord
  | PartitionsAddedRecord
  | TopicRemovedRecord
  | TopicConfigsRecord
  | BrokerConfigsRecord
  | GroupConfigsRecord
  | ClientMetricsRecord
  | ProducerNumbersRecord
  | ProducerIdKeyRecord;

const VERSION = 1;

export function toStateRecord(record: ClusterRecord): StateRecord {
  const { type, ...data } = record;
  return { type, version: VERSION, data };
}

/** Throws a StorageError for a record that this release does not understand. */
export function fromStateRecord({ type, version, data }: StateRecord): ClusterRecord {
  if (version !== VERSION) throw notUnderstood(type, version);
  switch (type) {
    case 'topic':
      return {
        type,
        name: text(data, 'name'),
        topicId: text(data, 'topicId'),
        leaders: nodeIds(data),
        configs: configTexts(data),
      };
    case 'partitions-added':
      return { type, topicId: text(data, 'topicId'), leaders: nodeIds(data) };
    case 'topic-removed':
      return { type, topicId: text(data, 'topicId') };
    case 'topic-configs':
      return { type, topicId: text(data, 'topicId'), configs: configTexts(data) };
    case 'broker-configs':
      return {
        type,
        namespace: textOrNothing(data, 'namespace'),
        brokerId: textOrNothing(data, 'brokerId'),
        configs: configTexts(data),
      };
    case 'group-configs':
      return { type, group: text(data, 'group'), configs: groupConfigTexts(data) };
    case 'client-metrics': {
      const configs = believed(judgeClientMetricsConfigs(namedTexts(data)));
      return { type, subscription: text(data, 'subscription'), configs };
    }
    case 'producer-numbers':
      return {
        type,
        namespace: data.namespace === undefined ? '' : textOrNothing(data, 'namespace'),
        next: count(data, 'next'),
      };
    case 'producer-id-key':
      return { type, keyBase64: text(data, 'keyBase64') };
    default:
      throw notUnderstood(type, version);
  }
}

function notUnderstood(type: string, version: number): StorageError {
  return new StorageError(
    `The ${CLUSTER_METADATA_LOG} log holds a record that this release does not know ` +
      `(${type}, version ${version}): start the release that wrote it, or a newer one.`,
  );
}

export function malformed(what: string): StorageError {
  return new StorageError(
    `The ${CLUSTER_METADATA_LOG} log holds a record that makes no sense (${what}): ` +
      'restore the data folder from a backup.',
  );
}

type Data = StateRecord['data'];

function text(data: Data, field: string): string {
  const value = data[field];
  if (typeof value !== 'string' || value === '') throw malformed(`${field} is no text`);
  return value;
}

function textOrNothing(data: Data, field: string): string {
  return data[field] === '' ? '' : text(data, field);
}

function count(data: Data, field: string): number {
  const value = data[field];
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0) {
    throw malformed(`${field} is no count`);
  }
  return value;
}

function nodeIds(data: Data): readonly number[] {
  const value = data.leaders;
  if (!Array.isArray(value) || value.length === 0) throw malformed('leaders is no list');
  if (!value.every((id) => Number.isSafeInteger(id) && id >= 0)) {
    throw malformed('leaders holds no node ids');
  }
  return value as readonly number[];
}

/** The texts were judged when they were set; a release that refuses them must not guess. */
function configTexts(data: Data): TopicConfigTexts {
  return believed(judgeTopicConfigs(namedTexts(data)));
}

function groupConfigTexts(data: Data): GroupConfigTexts {
  return believed(judgeGroupConfigs(namedTexts(data)));
}

function namedTexts(data: Data): { name: string; value: string }[] {
  const value = data.configs;
  if (typeof value !== 'object' || value === null) throw malformed('configs is no object');
  return Object.entries(value).map(([name, configText]) => ({ name, value: String(configText) }));
}

function believed<T>(judged: { readonly texts: T } | { readonly problem: string }): T {
  if ('problem' in judged) throw malformed(judged.problem);
  return judged.texts;
}
