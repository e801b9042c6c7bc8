/**
 * Owns CreateTopics, CreatePartitions and DeleteTopics: what of each request is made, and how.
 *
 * Invariants: a topic exists once its record is on stable storage, and its folders were there before;
 * what cannot be stored leaves nothing behind. All changes of a request are one append.
 *
 * Concurrency: each runs in its turn of the ChangeQueue.
 */
import type { ChangeQueue, NotBegun, Turn } from '../../../base/change-queue.ts';
import { type Random, randomUuid } from '../../../base/random.ts';
import { ErrorCode } from '../../../protocol/error-codes.ts';
import type {
  CreatableTopic,
  CreateTopicsRequest,
  CreateTopicsResponse,
} from '../../../protocol/schemas/19-create-topics.ts';
import type {
  DeleteTopicsRequest,
  DeleteTopicsResponse,
} from '../../../protocol/schemas/20-delete-topics.ts';
import type {
  CreatePartitionsRequest,
  CreatePartitionsResponse,
} from '../../../protocol/schemas/37-create-partitions.ts';
import type { EngineCall } from '../../engine.ts';
import type { ClusterRecord } from './cluster-records.ts';
import { type ClusterState, topicRecord } from './cluster-state.ts';
import type { ControllerSettings } from './controller-settings.ts';
import {
  CreationPlanner,
  createdResult,
  isRefusal,
  type Refusal,
  refusedResult,
} from './create-topics.ts';
import { planDeletions } from './delete-topics.ts';
import type { PartitionFolders } from './partition-folders.ts';
import { NOT_STORED, notBegun } from './refusals.ts';
import { namespaceOf } from './topic-names.ts';
import type { Topic } from './topics-image.ts';

/** What a change needs to know of who asks for it. */
export type ChangeCall = Pick<EngineCall, 'isStillPermitted'>;

const TOO_MANY: Refusal = {
  errorCode: ErrorCode.INVALID_REQUEST,
  errorMessage: 'The request names too many topics.',
};
const NAMED_TWICE: Refusal = {
  errorCode: ErrorCode.INVALID_REQUEST,
  errorMessage: 'The topic stands in the request more than once.',
};

export interface TopicChangesParts {
  readonly state: ClusterState;
  readonly folders: PartitionFolders;
  readonly changes: ChangeQueue;
  readonly random: Random;
  readonly settings: ControllerSettings;
  /** Makes the records durable, then applies them to `state`; false when that failed. */
  readonly store: (records: readonly ClusterRecord[]) => Promise<boolean>;
}

/** How topics of a request are made, or made larger. */
interface Making<T> {
  /** How often each name stands in the request. */
  readonly names: ReadonlyMap<string, number>;
  readonly plan: (planner: CreationPlanner, asked: T) => Topic | Refusal;
  readonly toRecord: (topic: Topic) => ClusterRecord;
}

export class TopicChanges {
  readonly #parts: TopicChangesParts;

  constructor(parts: TopicChangesParts) {
    this.#parts = parts;
  }

  async createTopics(
    request: CreateTopicsRequest,
    call: ChangeCall = {},
  ): Promise<CreateTopicsResponse> {
    const names = namesOf(request.topics);
    const refuseAll = (refusal: Refusal): CreateTopicsResponse => ({
      throttleTimeMs: 0,
      topics: [...names.keys()].map((name) => refusedResult(name, refusal)),
    });
    if (names.size > this.#parts.settings.limits.topicsPerRequestMax) return refuseAll(TOO_MANY);
    const plan = (planner: CreationPlanner, asked: CreatableTopic) => planner.planTopic(asked);
    const turn = await this.#make(request, call, { names, plan, toRecord: topicRecord });
    if ('refused' in turn) return refuseAll(notBegunTopics(turn.refused));
    const verdicts = turn.outcome;
    return {
      throttleTimeMs: 0,
      topics: Array.from(verdicts, ([name, verdict]) =>
        isRefusal(verdict)
          ? refusedResult(name, verdict)
          : createdResult(verdict, this.#parts.state.inheritedBy(verdict.name)),
      ),
    };
  }

  async createPartitions(
    request: CreatePartitionsRequest,
    call: ChangeCall = {},
  ): Promise<CreatePartitionsResponse> {
    const names = namesOf(request.topics);
    const turn = await this.#make(request, call, {
      names,
      plan: (planner, asked) => planner.planPartitions(asked),
      toRecord: (topic) => this.#partitionsAdded(topic),
    });
    return {
      throttleTimeMs: 0,
      results: [...names.keys()].map((name) => {
        const verdict = 'refused' in turn ? notBegunTopics(turn.refused) : turn.outcome.get(name)!;
        if (isRefusal(verdict)) return { name, ...verdict };
        return { name, errorCode: ErrorCode.NONE, errorMessage: null };
      }),
    };
  }

  /** Results stand in the request's order; the caller shuffles them where order would tell. */
  async deleteTopics(
    request: DeleteTopicsRequest,
    call: ChangeCall = {},
  ): Promise<DeleteTopicsResponse> {
    const turn = await this.#parts.changes.run(
      this.#namespaceOfDeletion(request),
      async () => {
        const plan = planDeletions(request, this.#parts.state.topics);
        const topics = plan.topics.map(({ topic }) => topic);
        const isStored = await this.#parts.store(
          topics.map(({ topicId }) => ({ type: 'topic-removed', topicId })),
        );
        if (!isStored) {
          for (const { resultIndex } of plan.topics) {
            Object.assign(plan.results[resultIndex]!, NOT_STORED);
          }
          return plan.results;
        }
        for (const topic of topics) await this.#parts.folders.remove(topic, 0);
        return plan.results;
      },
      { timeoutMs: request.timeoutMs, isPermitted: call.isStillPermitted },
    );
    if ('outcome' in turn) return { throttleTimeMs: 0, responses: turn.outcome };
    const refusal = notBegunTopics(turn.refused);
    const { results } = planDeletions(request, this.#parts.state.topics);
    return { throttleTimeMs: 0, responses: results.map((r) => ({ ...r, ...refusal })) };
  }

  /** Plans each topic, unless it is named twice, and unless it is a dry run makes what is in order. */
  #make<T extends { readonly name: string }>(
    request: {
      readonly topics: readonly T[];
      readonly timeoutMs: number;
      readonly validateOnly: boolean;
    },
    { isStillPermitted }: ChangeCall,
    { names, plan, toRecord }: Making<T>,
  ): Promise<Turn<Map<string, Topic | Refusal>>> {
    const { topics, timeoutMs, validateOnly } = request;
    const make = async (): Promise<Map<string, Topic | Refusal>> => {
      const planner = this.#planner(validateOnly);
      const verdicts = new Map<string, Topic | Refusal>();
      for (const asked of topics) {
        const isTwice = names.get(asked.name)! > 1;
        verdicts.set(asked.name, isTwice ? NAMED_TWICE : plan(planner, asked));
      }
      if (!validateOnly) await this.#carryOut(verdicts, toRecord);
      return verdicts;
    };
    const options = { timeoutMs, isPermitted: isStillPermitted };
    return this.#parts.changes.run(namespaceOfFirst(topics), make, options);
  }

  #planner(isDryRun: boolean): CreationPlanner {
    const { nodeId } = this.#parts.settings;
    return new CreationPlanner({
      image: this.#parts.state.topics,
      settings: this.#parts.settings,
      inheritedBy: (name) => this.#parts.state.inheritedBy(name),
      isDryRun,
      newTopicId: () => randomUuid(this.#parts.random),
      newLeaders: (count) => this.#parts.state.leadersFor(new Array<number>(count).fill(nodeId)),
    });
  }

  /**
   * Makes the folders of the planned topics, then the records durable: all of them at once. A topic
   * whose folders or record cannot be stored becomes a refusal, and its new folders go again.
   */
  async #carryOut(
    verdicts: Map<string, Topic | Refusal>,
    toRecord: (topic: Topic) => ClusterRecord,
  ): Promise<void> {
    const made: Topic[] = [];
    for (const [name, topic] of verdicts) {
      if (isRefusal(topic)) continue;
      if (await this.#parts.folders.tryMake(topic, this.#partitionCountNow(name))) made.push(topic);
      else verdicts.set(name, NOT_STORED);
    }
    if (await this.#parts.store(made.map(toRecord))) return;
    for (const topic of made) {
      await this.#parts.folders.remove(topic, this.#partitionCountNow(topic.name));
      verdicts.set(topic.name, NOT_STORED);
    }
  }

  #partitionCountNow(name: string): number {
    return this.#parts.state.topics.byName(name)?.partitionCount ?? 0;
  }

  #partitionsAdded(topic: Topic): ClusterRecord {
    const added = topic.leaders.slice(this.#partitionCountNow(topic.name));
    const leaders = added.map(({ nodeId }) => nodeId);
    return { type: 'partitions-added', topicId: topic.topicId, leaders };
  }

  #namespaceOfDeletion({ topics, topicNames }: DeleteTopicsRequest): string {
    const [first] = topics;
    const byId = first === undefined ? undefined : this.#parts.state.topics.byId(first.topicId);
    return namespaceOf(first?.name ?? topicNames[0] ?? byId?.name ?? '');
  }
}

const notBegunTopics = (reason: NotBegun): Refusal =>
  notBegun(reason, ErrorCode.TOPIC_AUTHORIZATION_FAILED);

/** Whose request it is: all names in one are of one namespace. */
function namespaceOfFirst(topics: readonly { readonly name: string | null }[]): string {
  return namespaceOf(topics[0]?.name ?? '');
}

/** How often each name stands in a request, in the order of first mention. */
function namesOf(topics: readonly { readonly name: string }[]): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  for (const { name } of topics) counts.set(name, (counts.get(name) ?? 0) + 1);
  return counts;
}
