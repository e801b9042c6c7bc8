/**
 * Owns AlterConfigs, IncrementalAlterConfigs and ListConfigResources: changes of what is set for
 * topics, brokers and groups.
 *
 * Invariants: a resource's change is taken whole or refused whole. It is in force when it is on
 * stable storage: then the image has it, then the partitions' logs. A broker's configs are the
 * defaults of its namespace's topics and of no other's.
 *
 * Concurrency: runs in the turn of the ChangeQueue, so topics neither come nor go meanwhile; what is
 * long is cut into turns of the event loop and into several appends, in the request's order.
 */
import type { ChangeQueue, TurnOptions } from '../../../base/change-queue.ts';
import type { Clock } from '../../../base/clock.ts';
import { ConfigResourceType } from '../../../protocol/config-resource-type.ts';
import { ErrorCode } from '../../../protocol/error-codes.ts';
import type {
  AlterConfigsRequest,
  AlterConfigsResponse,
} from '../../../protocol/schemas/33-alter-configs.ts';
import type {
  IncrementalAlterConfigsRequest,
  IncrementalAlterConfigsResponse,
} from '../../../protocol/schemas/44-incremental-alter-configs.ts';
import type {
  ConfigResource,
  ListConfigResourcesRequest,
  ListConfigResourcesResponse,
} from '../../../protocol/schemas/74-list-config-resources.ts';
import type { BrokerConfigs } from './broker-configs.ts';
import type {
  BrokerConfigsRecord,
  ClientMetricsRecord,
  ClusterRecord,
  GroupConfigsRecord,
  TopicConfigsRecord,
} from './cluster-records.ts';
import type { ClusterState } from './cluster-state.ts';
import {
  brokerKind,
  CLIENT_METRICS_KIND,
  type ConfigChange,
  type ConfigKind,
  ConfigOperation,
  GROUP_KIND,
  planChanges,
  TOPIC_KIND,
} from './config-changes.ts';
import { type ConfigTarget, configTarget, type ResourceName } from './config-resources.ts';
import { isEmpty } from './configs-image.ts';
import type { ControllerSettings } from './controller-settings.ts';
import { isRefusal, type Refusal } from './create-topics.ts';
import type { PartitionLogs } from './partition-logs.ts';
import { NOT_STORED, notBegun } from './refusals.ts';
import { limitProblem, type TopicConfigTexts } from './topic-config.ts';
import { namespaceOf } from './topic-names.ts';
import type { Topic } from './topics-image.ts';
import { inTurns } from './turns.ts';

/** Changes that are made durable by one append. */
const RECORDS_PER_APPEND = 256;
/** Subscriptions to client metrics of a namespace. */
const SUBSCRIPTIONS_MAX = 64;

const NAMED_TWICE: Refusal = {
  errorCode: ErrorCode.INVALID_REQUEST,
  errorMessage: 'Each resource must appear at most once.',
};
const UNKNOWN_TYPE = ErrorCode.UNSUPPORTED_VERSION;

type IsPermitted = TurnOptions['isPermitted'];
type ConfigsRecord =
  | TopicConfigsRecord
  | BrokerConfigsRecord
  | GroupConfigsRecord
  | ClientMetricsRecord;

/** What is asked for one resource. */
interface Asked extends ResourceName {
  readonly changes: readonly ConfigChange[];
  /** The changes are all that is to be set. */
  readonly isWhole: boolean;
}

/** A refusal, a record to be stored, or null: nothing changes. */
type Verdict = Refusal | ConfigsRecord | null;

export interface ConfigAltererParts {
  readonly state: ClusterState;
  readonly brokers: BrokerConfigs;
  readonly logs: PartitionLogs;
  readonly changes: ChangeQueue;
  readonly clock: Clock;
  readonly settings: ControllerSettings;
  /** Makes the records durable, then applies them to `state`; false when that failed. */
  readonly store: (records: readonly ClusterRecord[]) => Promise<boolean>;
}

export class ConfigAlterer {
  readonly #parts: ConfigAltererParts;
  readonly #brokerKind: ConfigKind<TopicConfigTexts>;

  constructor(parts: ConfigAltererParts) {
    this.#parts = parts;
    this.#brokerKind = brokerKind(parts.brokers);
  }

  alter(
    { resources, validateOnly }: AlterConfigsRequest,
    isPermitted: IsPermitted,
  ): Promise<AlterConfigsResponse> {
    const asked = resources.map(({ configs, ...resource }) => ({
      ...resource,
      changes: configs.map((set) => ({ ...set, configOperation: ConfigOperation.SET })),
      isWhole: true,
    }));
    return this.#alter(asked, validateOnly, isPermitted);
  }

  alterIncrementally(
    { resources, validateOnly }: IncrementalAlterConfigsRequest,
    isPermitted: IsPermitted,
  ): Promise<IncrementalAlterConfigsResponse> {
    const asked = resources.map(({ configs, ...resource }) => ({
      ...resource,
      changes: configs,
      isWhole: false,
    }));
    return this.#alter(asked, validateOnly, isPermitted);
  }

  /** The names in a namespace that configs can be asked for; version 0 lists client metrics only. */
  list(
    namespace: string,
    { resourceTypes }: ListConfigResourcesRequest,
    apiVersion: number,
  ): ListConfigResourcesResponse {
    const asked = apiVersion === 0 ? [ConfigResourceType.CLIENT_METRICS] : resourceTypes;
    const types = new Set(asked.length === 0 ? LISTED_TYPES : asked);
    const configResources: ConfigResource[] = [];
    const answer = { throttleTimeMs: 0, errorCode: ErrorCode.NONE, configResources };
    for (const resourceType of types) {
      const names = this.#namesOf(resourceType, namespace);
      if (names === undefined) return { ...answer, errorCode: UNKNOWN_TYPE, configResources: [] };
      for (const resourceName of names) configResources.push({ resourceName, resourceType });
    }
    return answer;
  }

  #namesOf(resourceType: number, namespace: string): readonly string[] | undefined {
    const { state, settings } = this.#parts;
    switch (resourceType) {
      case ConfigResourceType.TOPIC:
        return state.topics.inNamespace(namespace).map(({ name }) => name);
      case ConfigResourceType.GROUP:
        return state.configs.groupsIn(namespace);
      case ConfigResourceType.BROKER:
        return [`${namespace}.${settings.nodeId}`];
      case ConfigResourceType.CLIENT_METRICS:
        return state.configs.clientMetrics.namesIn(namespace);
      case ConfigResourceType.BROKER_LOGGER:
        return [];
      default:
        return undefined;
    }
  }

  async #alter(asked: readonly Asked[], validateOnly: boolean, isPermitted: IsPermitted) {
    const namespace = namespaceOf(asked[0]?.resourceName ?? '');
    const work = async (): Promise<Verdict[]> => {
      const verdicts: Verdict[] = [];
      await inTurns(this.#parts.clock, this.#plan(asked, verdicts));
      if (!validateOnly) await this.#carryOut(verdicts);
      return verdicts;
    };
    const turn = await this.#parts.changes.run(namespace, work, { isPermitted });
    const responses = asked.map(({ resourceType, resourceName }, index) => {
      const verdict =
        'refused' in turn ? notBegun(turn.refused, deniedCode(resourceType)) : turn.outcome[index]!;
      const { errorCode, errorMessage } =
        verdict !== null && isRefusal(verdict)
          ? verdict
          : { errorCode: ErrorCode.NONE, errorMessage: null };
      return { errorCode, errorMessage, resourceType, resourceName };
    });
    return { throttleTimeMs: 0, responses };
  }

  *#plan(asked: readonly Asked[], verdicts: Verdict[]): Generator<void> {
    const mentions = new Map<string, number>();
    for (const one of asked) {
      const key = `${one.resourceType}:${one.resourceName}`;
      mentions.set(key, (mentions.get(key) ?? 0) + 1);
      yield;
    }
    const newNames = new Map<string, number>();
    for (const one of asked) {
      const isTwice = mentions.get(`${one.resourceType}:${one.resourceName}`)! > 1;
      verdicts.push(isTwice ? NAMED_TWICE : this.#planOne(one, newNames));
      yield;
    }
  }

  #planOne(asked: Asked, newNames: Map<string, number>): Verdict {
    const { state, settings } = this.#parts;
    const target = configTarget(asked, state.topics, settings.nodeId);
    if (isRefusal(target)) return target;
    const record = this.#planTarget(target, asked);
    if (record === null || isRefusal(record)) return record;
    if (record.type === 'client-metrics') {
      return this.#subscriptionRefusal(record, newNames) ?? record;
    }
    if (record.type !== 'group-configs') return record;
    return this.#groupRefusal(record, newNames) ?? record;
  }

  #planTarget(target: ConfigTarget, asked: Asked): Verdict {
    const { configs } = this.#parts.state;
    switch (target.kind) {
      case 'topic': {
        const { topicId, configTexts } = target.topic;
        const planned = this.#planTopicTexts(TOPIC_KIND, configTexts, asked);
        return (
          planned && (isRefusal(planned) ? planned : { type: 'topic-configs', topicId, ...planned })
        );
      }
      case 'broker': {
        const { namespace, brokerId } = target;
        const current = configs.brokerTexts(namespace, brokerId);
        const planned = this.#planTopicTexts(this.#brokerKind, current, asked);
        if (planned === null || isRefusal(planned)) return planned;
        return { type: 'broker-configs', namespace, brokerId, ...planned };
      }
      case 'group': {
        const { group } = target;
        const planned = plan(GROUP_KIND, configs.groupTexts(group), asked);
        return (
          planned && (isRefusal(planned) ? planned : { type: 'group-configs', group, ...planned })
        );
      }
      case 'client-metrics': {
        const { subscription } = target;
        const current = configs.clientMetrics.textsOf(subscription);
        const planned = plan(CLIENT_METRICS_KIND, current, asked);
        if (planned === null || isRefusal(planned)) return planned;
        return { type: 'client-metrics', subscription, ...planned };
      }
    }
  }

  #planTopicTexts(kind: ConfigKind<TopicConfigTexts>, current: TopicConfigTexts, asked: Asked) {
    const planned = plan(kind, current, asked);
    if (planned === null || isRefusal(planned)) return planned;
    const { topicDefaults } = this.#parts.settings;
    const errorMessage = limitProblem(planned.configs, current, topicDefaults);
    return errorMessage === null ? planned : { errorCode: kind.errorCode, errorMessage };
  }

  /** Counts the groups that get their first configs against the namespace's limit. */
  #groupRefusal(record: GroupConfigsRecord, newGroups: Map<string, number>): Refusal | null {
    const { state, settings } = this.#parts;
    if (isEmpty(record.configs) || !isEmpty(state.configs.groupTexts(record.group))) return null;
    const namespace = namespaceOf(record.group);
    const count = (newGroups.get(namespace) ?? 0) + 1;
    const groupsMax = settings.limits.configuredGroupsPerNamespaceMax;
    if (state.configs.groupCountIn(namespace) + count > groupsMax) {
      const errorMessage = `At most ${groupsMax} groups may have configs of their own.`;
      return { errorCode: ErrorCode.POLICY_VIOLATION, errorMessage };
    }
    newGroups.set(namespace, count);
    return null;
  }

  /** Clients are matched against all of a namespace's subscriptions: there are few. */
  #subscriptionRefusal(
    { subscription, configs }: ClientMetricsRecord,
    newNames: Map<string, number>,
  ): Refusal | null {
    const { clientMetrics } = this.#parts.state.configs;
    if (isEmpty(configs) || !isEmpty(clientMetrics.textsOf(subscription))) return null;
    const key = `client-metrics ${namespaceOf(subscription)}`;
    const count = (newNames.get(key) ?? 0) + 1;
    if (clientMetrics.countIn(namespaceOf(subscription)) + count > SUBSCRIPTIONS_MAX) {
      const errorMessage = `There may be at most ${SUBSCRIPTIONS_MAX} subscriptions to client metrics.`;
      return { errorCode: ErrorCode.POLICY_VIOLATION, errorMessage };
    }
    newNames.set(key, count);
    return null;
  }

  /** Stores the planned records, some at a time; from the first that cannot be stored on, none. */
  async #carryOut(verdicts: Verdict[]): Promise<void> {
    const planned: { readonly record: ConfigsRecord; readonly index: number }[] = [];
    for (const [index, verdict] of verdicts.entries()) {
      if (verdict !== null && !isRefusal(verdict)) planned.push({ record: verdict, index });
    }
    for (let from = 0; from < planned.length; from += RECORDS_PER_APPEND) {
      const some = planned.slice(from, from + RECORDS_PER_APPEND);
      if (!(await this.#parts.store(some.map(({ record }) => record)))) {
        for (const { index } of planned.slice(from)) verdicts[index] = NOT_STORED;
        return;
      }
      await inTurns(this.#parts.clock, this.#takeForce(some.map(({ record }) => record)));
    }
  }

  /** Brings durable changes to the topics that inherit them and to the partitions' logs. */
  *#takeForce(records: readonly ConfigsRecord[]): Generator<void> {
    const { topics } = this.#parts.state;
    for (const record of records) {
      if (record.type === 'topic-configs') {
        const topic = topics.byId(record.topicId);
        if (topic !== undefined) yield* this.#updateLogs(topic);
      } else if (record.type === 'broker-configs') {
        for (const { name } of topics.inNamespace(record.namespace)) {
          const topic = this.#parts.state.inheritAgain(name);
          if (topic !== undefined) yield* this.#updateLogs(topic);
        }
      }
      yield;
    }
  }

  *#updateLogs({ name, partitionCount, config }: Topic): Generator<void> {
    for (let partition = 0; partition < partitionCount; partition++) {
      this.#parts.logs.updateConfig(name, partition, config);
      yield;
    }
  }
}

function deniedCode(resourceType: number): number {
  switch (resourceType) {
    case ConfigResourceType.TOPIC:
      return ErrorCode.TOPIC_AUTHORIZATION_FAILED;
    case ConfigResourceType.GROUP:
      return ErrorCode.GROUP_AUTHORIZATION_FAILED;
    default:
      return ErrorCode.CLUSTER_AUTHORIZATION_FAILED;
  }
}

/** What ListConfigResources lists when no type is named, in the order of Kafka's codes. */
const LISTED_TYPES: readonly number[] = [
  ConfigResourceType.TOPIC,
  ConfigResourceType.BROKER,
  ConfigResourceType.BROKER_LOGGER,
  ConfigResourceType.CLIENT_METRICS,
  ConfigResourceType.GROUP,
];

/** The texts that are new, null when they are those that are set. */
function plan<T extends object>(
  kind: ConfigKind<T>,
  current: T,
  { changes, isWhole }: Asked,
): { readonly configs: T } | Refusal | null {
  const configs = planChanges(kind, isWhole ? ({} as T) : current, changes);
  if (isRefusal(configs)) return configs;
  return isSame(configs, current) ? null : { configs };
}

function isSame(a: object, b: object): boolean {
  const texts = new Map<string, unknown>(Object.entries(a));
  const others = Object.entries(b);
  return others.length === texts.size && others.every(([name, text]) => texts.get(name) === text);
}
