/**
 * Produce (key 0).
 * - WRITE on each topic; a refused or unknown partition fails alone, the others are appended.
 * - acks=0 never has an answer: when anything failed the connection is closed instead, so that the
 *   client notices.
 * - Version 13 names topics by id; an id of another tenant is an unknown id.
 * - More than 20,000 partitions in one request: INVALID_REQUEST, nothing is appended.
 * - Versions 0-2 are advertised and closed upon: librdkafka before 2.11.1 drops compression otherwise.
 */

import { ApiKey } from '../../protocol/api-keys.ts';
import { ErrorCode } from '../../protocol/error-codes.ts';
import { isTransactional, RECORD_BATCH_OVERHEAD } from '../../protocol/records/record-batch.ts';
import type {
  PartitionProduceData,
  PartitionProduceResponse,
  ProduceRequest,
  ProduceResponse,
  TopicProduceData,
  TopicProduceResponse,
} from '../../protocol/schemas/00-produce.ts';
import { defineApi, perResource } from '../define-api.ts';
import type { RequestContext } from '../request-context.ts';
import { decideInTurns, whenReady } from './per-topic.ts';

/** Batches that one request may carry. */
const PARTITIONS_MAX = 20_000;

export const produceApi = defineApi({
  key: ApiKey.Produce,
  versions: { min: 3, max: 13 },
  advertisedMin: 0,
  authorization: perResource,

  handle(ctx, request) {
    const refusal = refuseWhole(ctx, request);
    if (refusal !== 0) return answerTo(request, refuseAll(request, refusal));

    return whenReady(splitAuthorised(ctx, request.topicData), ({ accepted, refused }) => {
      if (accepted.length === 0) {
        ctx.ordered();
        return answerTo(request, response(refused));
      }
      request.topicData = accepted;
      const appended = ctx.engine.produce(request, ctx.call);

      return whenReady(appended, (answer) => answerTo(request, merge(answer, refused)));
    });
  },

  fail: (request, errorCode) => answerTo(request, refuseAll(request, errorCode)),
});

/** The error code of a request that is wrong as a whole; 0 when there is none. */
function refuseWhole(ctx: RequestContext, request: ProduceRequest): number {
  if (request.acks < -1 || request.acks > 1) return ErrorCode.INVALID_REQUIRED_ACKS;
  // All of them take their place in the log in one turn of the event loop.
  let partitionCount = 0;
  for (const { partitionData } of request.topicData) partitionCount += partitionData.length;
  if (partitionCount > PARTITIONS_MAX) return ErrorCode.INVALID_REQUEST;
  const { transactionalId } = request;
  if (transactionalId !== null) {
    if (!ctx.authorize('WRITE', 'TRANSACTIONAL_ID', transactionalId)) {
      return ErrorCode.TRANSACTIONAL_ID_AUTHORIZATION_FAILED;
    }
    // No transactional producer can have been initialised: transactions are not served.
    return ErrorCode.INVALID_TXN_STATE;
  }
  const transactional = request.topicData.some((topic) =>
    topic.partitionData.some(
      ({ records }) =>
        records !== null &&
        records.length >= RECORD_BATCH_OVERHEAD &&
        records[16] === 2 &&
        isTransactional(records, 0),
    ),
  );
  return transactional ? ErrorCode.TRANSACTIONAL_ID_AUTHORIZATION_FAILED : 0;
}

function splitAuthorised(ctx: RequestContext, topics: TopicProduceData[]) {
  return decideInTurns(ctx, topics, () => {
    const accepted: TopicProduceData[] = [];
    const refused: TopicProduceResponse[] = [];
    const decide = (topic: TopicProduceData): void => {
      const errorCode = refusal(ctx, topic);
      if (errorCode === ErrorCode.NONE) accepted.push(topic);
      else refused.push(refuseTopic(topic, errorCode));
    };
    return { decide, outcome: { accepted, refused } };
  });
}

function refusal(ctx: RequestContext, topic: TopicProduceData): number {
  if (ctx.apiVersion >= 13) {
    const known = ctx.engine.topicById(topic.topicId);
    if (known === undefined) return ErrorCode.UNKNOWN_TOPIC_ID;
    topic.name = known.name;
  }
  return ctx.authorize('WRITE', 'TOPIC', topic.name)
    ? ErrorCode.NONE
    : ErrorCode.TOPIC_AUTHORIZATION_FAILED;
}

function merge(answer: ProduceResponse, refused: TopicProduceResponse[]): ProduceResponse {
  for (const topic of refused) answer.responses.push(topic);
  return answer;
}

/** acks=0 turns the answer into silence, or into a closed connection where something failed. */
function answerTo(
  request: ProduceRequest,
  answer: ProduceResponse,
): ProduceResponse | null | 'close' {
  if (request.acks !== 0) return answer;
  const failed = answer.responses.some((topic) =>
    topic.partitionResponses.some(({ errorCode }) => errorCode !== ErrorCode.NONE),
  );
  return failed ? 'close' : null;
}

function response(responses: TopicProduceResponse[]): ProduceResponse {
  return { responses, throttleTimeMs: 0, nodeEndpoints: [] };
}

function refuseAll(request: ProduceRequest, errorCode: number): ProduceResponse {
  return response(request.topicData.map((topic) => refuseTopic(topic, errorCode)));
}

function refuseTopic(topic: TopicProduceData, errorCode: number): TopicProduceResponse {
  return {
    name: topic.name,
    topicId: topic.topicId,
    partitionResponses: topic.partitionData.map((partition) => refuse(partition, errorCode)),
  };
}

function refuse(partition: PartitionProduceData, errorCode: number): PartitionProduceResponse {
  return {
    index: partition.index,
    errorCode,
    baseOffset: -1,
    logAppendTimeMs: -1,
    logStartOffset: -1,
    recordErrors: [],
    errorMessage: null,
    currentLeader: { leaderId: -1, leaderEpoch: -1 },
  };
}
