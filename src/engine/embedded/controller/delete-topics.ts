/**
 * Owns which topics DeleteTopics means: by name up to version 5, by name or id in version 6, each
 * topic once. One verdict for each entry of the request, in its order.
 */
import { ErrorCode } from '../../../protocol/error-codes.ts';
import { ZERO_UUID } from '../../../protocol/schema.ts';
import type {
  DeletableTopicResult,
  DeleteTopicsRequest,
} from '../../../protocol/schemas/20-delete-topics.ts';
import type { Topic, TopicsImage } from './topics-image.ts';

export interface DeletionPlan {
  readonly results: DeletableTopicResult[];
  /** The topics to delete, each with its place in `results`. */
  readonly topics: { readonly topic: Topic; readonly resultIndex: number }[];
}

/** A name, or null and an id; the other is null or zero. */
interface Asked {
  readonly name: string | null;
  readonly topicId: string;
}

export function planDeletions(request: DeleteTopicsRequest, image: TopicsImage): DeletionPlan {
  const asked: Asked[] = [
    ...request.topics,
    ...request.topicNames.map((name) => ({ name, topicId: ZERO_UUID })),
  ];
  const found = asked.map((entry) => find(entry, image));
  const mentions = new Map<Topic, number>();
  for (const topic of found) {
    if (topic !== undefined) mentions.set(topic, (mentions.get(topic) ?? 0) + 1);
  }
  const plan: DeletionPlan = { results: [], topics: [] };
  for (const [index, entry] of asked.entries()) {
    const topic = found[index];
    if (topic !== undefined && mentions.get(topic) === 1 && isEither(entry)) {
      plan.topics.push({ topic, resultIndex: plan.results.length });
    }
    plan.results.push(verdict(entry, topic, (topic && mentions.get(topic)) ?? 0));
  }
  return plan;
}

/** Exactly one of name and id is given. */
function isEither({ name, topicId }: Asked): boolean {
  return (name === null) !== (topicId === ZERO_UUID);
}

function find({ name, topicId }: Asked, image: TopicsImage): Topic | undefined {
  return name === null ? image.byId(topicId) : image.byName(name);
}

function verdict(asked: Asked, topic: Topic | undefined, mentions: number): DeletableTopicResult {
  if (!isEither(asked)) {
    const message = 'Each topic must be named by its name or by its id, not both.';
    return { ...asked, errorCode: ErrorCode.INVALID_REQUEST, errorMessage: message };
  }
  if (topic === undefined) {
    const byId = asked.name === null;
    return {
      ...asked,
      errorCode: byId ? ErrorCode.UNKNOWN_TOPIC_ID : ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
      errorMessage: 'This server does not host this topic.',
    };
  }
  if (mentions > 1) {
    const message = 'The topic stands in the request more than once.';
    return { ...asked, errorCode: ErrorCode.INVALID_REQUEST, errorMessage: message };
  }
  const { name, topicId } = topic;
  return { name, topicId, errorCode: ErrorCode.NONE, errorMessage: null };
}
