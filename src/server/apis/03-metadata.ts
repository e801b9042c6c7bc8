/**
 * Metadata (key 3).
 * - DESCRIBE on each topic. Asking for all shows what may be seen; a topic asked for by name and
 *   refused answers TOPIC_AUTHORIZATION_FAILED whether it exists or not, with a zero topic id; a
 *   topic asked for by id and refused has no name.
 * - Auto-creation only where the operator switched it on and a policy grants CREATE (on the cluster
 *   or the topic); the answer is then UNKNOWN_TOPIC_OR_PARTITION once, as Kafka's is.
 * - The broker and its address are those of the listener that the request came in on.
 * - Version 0 asks for all topics with an empty list, later ones with null; ids work from 12 on.
 */
import { ApiKey } from '../../protocol/api-keys.ts';
import { ErrorCode } from '../../protocol/error-codes.ts';
import { ZERO_UUID } from '../../protocol/schema.ts';
import type {
  MetadataRequest,
  MetadataRequestTopic,
  MetadataResponse,
  MetadataResponseTopic,
} from '../../protocol/schemas/03-metadata.ts';
import { CLUSTER_NAME } from '../../security/acl/operation.ts';
import { defineApi, perResource } from '../define-api.ts';
import type { RequestContext } from '../request-context.ts';
import { createMissingTopics } from './auto-create.ts';
import { decideInTurns, forEachInTurns } from './per-topic.ts';

/** The bit field of KIP-430 where nobody asked for it. */
const NOT_ASKED = -(2 ** 31);

export const metadataApi = defineApi({
  key: ApiKey.Metadata,
  versions: { min: 0, max: 13 },
  authorization: perResource,

  async handle(ctx, request) {
    const { apiVersion } = ctx;
    const byId = request.topics?.some((topic) => topic.topicId !== ZERO_UUID) ?? false;
    const nameless = request.topics?.some((topic) => topic.name === null) ?? false;
    if (apiVersion < 12 && (byId || nameless))
      return failed(ctx, request, ErrorCode.INVALID_REQUEST);

    const all = request.topics === null || (apiVersion === 0 && request.topics.length === 0);
    const { names, refused } = await (all ? everyVisible(ctx) : asked(ctx, request));

    const topics = await described(ctx, names);
    if (request.allowAutoTopicCreation && ctx.services.autoCreateTopics) {
      const withheld = await createMissingTopics(ctx, topics, refusedTopic);
      for (const topic of withheld) refused.push(topic);
    }
    for (const topic of refused) topics.push(topic);
    if (apiVersion >= 8 && request.includeTopicAuthorizedOperations) {
      await forEachInTurns(ctx, topics, (topic) => {
        if (topic.errorCode !== ErrorCode.NONE || topic.name === null) return;
        topic.topicAuthorizedOperations = ctx.authorizedOperations('TOPIC', topic.name);
      });
    }
    return answer(ctx, request, topics);
  },

  fail: (request, errorCode): Partial<MetadataResponse> => ({
    topics: (request.topics ?? []).map(({ name, topicId }) =>
      refusedTopic(name ?? '', errorCode, topicId),
    ),
    errorCode,
  }),
});

interface Asked {
  readonly names: string[];
  readonly refused: MetadataResponseTopic[];
}

async function everyVisible(ctx: RequestContext): Promise<Asked> {
  if (!ctx.listed('DESCRIBE', 'TOPIC')) return { names: [], refused: [] };
  const names = await decideInTurns(ctx, ctx.engine.topicsIn(''), () => {
    const outcome: string[] = [];
    const decide = ({ name }: { readonly name: string }): void => {
      if (ctx.permits('DESCRIBE', 'TOPIC', name)) outcome.push(name);
    };
    return { outcome, decide };
  });
  return { names, refused: [] };
}

async function asked(ctx: RequestContext, request: MetadataRequest): Promise<Asked> {
  const { names, refused } = await decideInTurns(ctx, request.topics ?? [], () => {
    const outcome = { names: new Set<string>(), refused: [] as MetadataResponseTopic[] };
    return { outcome, decide: (topic) => decide(ctx, topic, outcome.names, outcome.refused) };
  });
  return { names: [...names], refused };
}

function decide(
  ctx: RequestContext,
  { name, topicId }: MetadataRequestTopic,
  names: Set<string>,
  refused: MetadataResponseTopic[],
): void {
  if (name !== null && topicId === ZERO_UUID) {
    if (ctx.authorize('DESCRIBE', 'TOPIC', name)) names.add(name);
    else refused.push(refusedTopic(name, ErrorCode.TOPIC_AUTHORIZATION_FAILED));
    return;
  }
  const known = ctx.engine.topicById(topicId);
  if (known === undefined) {
    refused.push(refusedTopic(null, ErrorCode.UNKNOWN_TOPIC_ID, topicId));
  } else if (ctx.authorize('DESCRIBE', 'TOPIC', known.name)) {
    names.add(known.name);
  } else {
    refused.push(refusedTopic(null, ErrorCode.TOPIC_AUTHORIZATION_FAILED, topicId));
  }
}

async function described(
  ctx: RequestContext,
  names: readonly string[],
): Promise<MetadataResponseTopic[]> {
  const request: MetadataRequest = {
    topics: names.map((name) => ({ name, topicId: ZERO_UUID })),
    allowAutoTopicCreation: false,
    includeClusterAuthorizedOperations: false,
    includeTopicAuthorizedOperations: false,
  };
  return (await ctx.engine.metadata(request, ctx.call)).topics;
}

function answer(
  ctx: RequestContext,
  request: MetadataRequest,
  topics: MetadataResponseTopic[],
): MetadataResponse {
  const { session, services, apiVersion } = ctx;
  const { host, port } = session.advertised;
  const clusterOperations = request.includeClusterAuthorizedOperations && apiVersion >= 8;
  return {
    throttleTimeMs: 0,
    brokers: [{ nodeId: services.nodeId, host, port, rack: null }],
    clusterId: session.clusterId,
    controllerId: services.nodeId,
    topics,
    clusterAuthorizedOperations: clusterOperations ? clusterOperationBits(ctx) : NOT_ASKED,
    errorCode: ErrorCode.NONE,
  };
}

/** 0 for who may not DESCRIBE the cluster, as Kafka answers. */
export function clusterOperationBits(ctx: RequestContext): number {
  if (!ctx.permits('DESCRIBE', 'CLUSTER', CLUSTER_NAME)) return 0;
  return ctx.authorizedOperations('CLUSTER', CLUSTER_NAME);
}

function failed(
  ctx: RequestContext,
  request: MetadataRequest,
  errorCode: number,
): MetadataResponse {
  const topics = (request.topics ?? []).map(({ name, topicId }) =>
    refusedTopic(name ?? '', errorCode, topicId),
  );
  return answer(ctx, request, topics);
}

function refusedTopic(
  name: string | null,
  errorCode: number,
  topicId = ZERO_UUID,
): MetadataResponseTopic {
  return {
    errorCode,
    name,
    topicId,
    isInternal: false,
    partitions: [],
    topicAuthorizedOperations: NOT_ASKED,
  };
}
