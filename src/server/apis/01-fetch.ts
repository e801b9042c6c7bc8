/**
 * Fetch (key 1).
 * - READ on each topic; a partition that may not be read fails alone, and then nothing is waited
 *   for. Sessions of KIP-227 are in fetch-session.ts.
 * - A fetch that was parked is checked again before it is answered: rights and topic id may have
 *   changed while it waited.
 * - Version 13 and later name topics by id; an id of another tenant is an unknown id.
 * - An answer that passes a quota is held back: it is empty, with the time to wait, and the client
 *   asks again then.
 * - Nobody is a follower here: a replica id needs CLUSTER_ACTION, and reads no further than others.
 */
import { ApiKey } from '../../protocol/api-keys.ts';
import { ErrorCode } from '../../protocol/error-codes.ts';
import { EMPTY_BYTES, ZERO_UUID } from '../../protocol/schema.ts';
import type {
  FetchableTopicResponse,
  FetchRequest,
  FetchResponse,
  FetchTopic,
  PartitionData,
} from '../../protocol/schemas/01-fetch.ts';
import { defineApi, perResource } from '../define-api.ts';
import type { FetchContext } from '../fetch-session.ts';
import type { RequestContext } from '../request-context.ts';
import { decideInTurns, whenReady } from './per-topic.ts';

const ANSWER_OVERHEAD_BYTES = 24;
const PARTITION_OVERHEAD_BYTES = 40;

export const fetchApi = defineApi({
  key: ApiKey.Fetch,
  versions: { min: 4, max: 18 },
  authorization: perResource,

  handle(ctx, request) {
    const { principal, clusterId } = ctx.session;
    if (request.clusterId !== null && request.clusterId !== clusterId) {
      return failed(ErrorCode.INCONSISTENT_CLUSTER_ID);
    }
    const replicaId = ctx.apiVersion >= 15 ? request.replicaState.replicaId : request.replicaId;
    const mayRead = replicaId < 0 || ctx.authorizeCluster('CLUSTER_ACTION');
    ctx.beforeActing();
    const owner = `${principal.tenant}/${principal.name}`;
    const context = ctx.services.fetchSessions.open(request, owner, ctx.apiVersion);
    if (typeof context === 'number') return failed(context);

    return whenReady(splitAuthorised(ctx, mayRead, context.topics), (split) =>
      fetchAuthorised(ctx, request, context, split),
    );
  },

  fail: (_request, errorCode) => failed(errorCode),
});

function fetchAuthorised(
  ctx: RequestContext,
  request: FetchRequest,
  context: FetchContext,
  { accepted, refused }: Split,
): FetchResponse | Promise<FetchResponse> {
  request.topics = accepted;
  const { services, session } = ctx;
  const { quotas } = services;
  request.maxBytes = Math.min(
    request.maxBytes,
    services.fetchBytesMax(session.principal.tenant),
    quotas.fetchBytesMax(ctx),
  );
  request.minBytes = Math.min(request.minBytes, request.maxBytes);
  if (refused.length > 0) request.maxWaitMs = 0;
  const epoch = ctx.policyEpoch;
  // Taken before the call: the tenant's view renames the request in place.
  const read: Waited[] = accepted.map(({ topic }) => ({
    topic,
    topicId: ctx.engine.topicByName(topic)?.topicId,
  }));
  const fetched = ctx.engine.fetch(request, ctx.call);

  const merge = (answer: FetchResponse): FetchResponse => {
    for (const topic of refused) answer.responses.push(topic);
    // Nothing of it is told, so that the session still has it to tell.
    if (quotas.holdsBack(ctx, sizeOf(answer))) return context.heldBack();
    answer.errorCode = ErrorCode.NONE;
    answer.sessionId = 0;
    countFetched(ctx, answer);
    return context.finish(answer);
  };
  if (!(fetched instanceof Promise)) return merge(fetched);
  return fetched.then(async (answer) => {
    refuseIn(answer, await recheck(ctx, read, epoch));
    return merge(answer);
  });
}

function countFetched(ctx: RequestContext, { responses }: FetchResponse): void {
  let sizeBytes = 0;
  for (const { partitions } of responses) {
    for (const { records } of partitions) sizeBytes += records?.length ?? 0;
  }
  ctx.services.metrics.meterOf(ctx.session).fetchedBytes.inc(sizeBytes);
}

/** About what the answer takes on the wire: its records are nearly all of it. */
function sizeOf({ responses }: FetchResponse): number {
  let bytes = ANSWER_OVERHEAD_BYTES;
  for (const { topic, partitions } of responses) {
    bytes += topic.length;
    for (const { records } of partitions) {
      bytes += PARTITION_OVERHEAD_BYTES + (records?.length ?? 0);
    }
  }
  return bytes;
}

/** A topic that is being read, as it was when the read began. */
interface Waited {
  readonly topic: string;
  readonly topicId: string | undefined;
}

interface Split {
  readonly accepted: FetchTopic[];
  readonly refused: FetchableTopicResponse[];
}

function splitAuthorised(
  ctx: RequestContext,
  mayRead: boolean,
  topics: FetchTopic[],
): Split | Promise<Split> {
  return decideInTurns(ctx, topics, () => {
    const split: Split = { accepted: [], refused: [] };
    const decide = (topic: FetchTopic): void => {
      const errorCode = mayRead
        ? resolve(ctx, topic) || authorised(ctx, topic.topic)
        : ErrorCode.TOPIC_AUTHORIZATION_FAILED;
      if (errorCode === ErrorCode.NONE) split.accepted.push(topic);
      else split.refused.push(refuseTopic(topic, errorCode));
    };
    return { decide, outcome: split };
  });
}

/** Fills in the name of a topic that was asked for by id. */
function resolve(ctx: RequestContext, topic: FetchTopic): number {
  if (ctx.apiVersion < 13) return ErrorCode.NONE;
  const known = topic.topicId === ZERO_UUID ? undefined : ctx.engine.topicById(topic.topicId);
  if (known === undefined) return ErrorCode.UNKNOWN_TOPIC_ID;
  topic.topic = known.name;
  return ErrorCode.NONE;
}

function authorised(ctx: RequestContext, name: string): number {
  return ctx.authorize('READ', 'TOPIC', name)
    ? ErrorCode.NONE
    : ErrorCode.TOPIC_AUTHORIZATION_FAILED;
}

/** After a wait: the error codes of what may no longer be read, or is another topic by now. */
function recheck(
  ctx: RequestContext,
  read: readonly Waited[],
  epoch: number,
): Map<string, number> | Promise<Map<string, number>> {
  const lapsed = ctx.lapsed(epoch);
  return decideInTurns(ctx, read, () => {
    const outcome = new Map<string, number>();
    const decide = ({ topic, topicId }: Waited): void => {
      if (lapsed && authorised(ctx, topic) !== ErrorCode.NONE) {
        outcome.set(topic, ErrorCode.TOPIC_AUTHORIZATION_FAILED);
      } else if (ctx.engine.topicByName(topic)?.topicId !== topicId) {
        const byId = ctx.apiVersion >= 13;
        const gone = byId ? ErrorCode.UNKNOWN_TOPIC_ID : ErrorCode.UNKNOWN_TOPIC_OR_PARTITION;
        outcome.set(topic, gone);
      }
    };
    return { decide, outcome };
  });
}

/** Such topics give nothing. */
function refuseIn(answer: FetchResponse, refusals: ReadonlyMap<string, number>): void {
  if (refusals.size === 0) return;
  for (const topic of answer.responses) {
    const errorCode = refusals.get(topic.topic);
    if (errorCode === undefined) continue;
    topic.partitions = topic.partitions.map(({ partitionIndex }) =>
      refuse(partitionIndex, errorCode),
    );
  }
}

function refuseTopic(topic: FetchTopic, errorCode: number): FetchableTopicResponse {
  return {
    topic: topic.topic,
    topicId: topic.topicId,
    partitions: topic.partitions.map(({ partition }) => refuse(partition, errorCode)),
  };
}

function refuse(partitionIndex: number, errorCode: number): PartitionData {
  return {
    partitionIndex,
    errorCode,
    highWatermark: -1,
    lastStableOffset: -1,
    logStartOffset: -1,
    divergingEpoch: { epoch: -1, endOffset: -1 },
    currentLeader: { leaderId: -1, leaderEpoch: -1 },
    snapshotId: { endOffset: -1, epoch: -1 },
    abortedTransactions: null,
    preferredReadReplica: -1,
    records: EMPTY_BYTES,
  };
}

function failed(errorCode: number): FetchResponse {
  return { throttleTimeMs: 0, errorCode, sessionId: 0, responses: [], nodeEndpoints: [] };
}
