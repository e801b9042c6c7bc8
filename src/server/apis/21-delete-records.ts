/**
 * DeleteRecords (key 21): deletes the records of partitions before an offset; -1 means all that
 * consumers can see.
 * - DELETE on each topic.
 * - The deletion is in the audit log, durably and with all its offsets, before it is made.
 * - An offset below 0 (other than -1) or above the high watermark: OFFSET_OUT_OF_RANGE.
 */
import { ApiKey } from '../../protocol/api-keys.ts';
import { ErrorCode } from '../../protocol/error-codes.ts';
import type {
  DeleteRecordsRequest,
  DeleteRecordsResponse,
  DeleteRecordsTopic,
  DeleteRecordsTopicResult,
} from '../../protocol/schemas/21-delete-records.ts';
import { defineApi, perResource } from '../define-api.ts';
import { changeLines } from './change-lines.ts';
import { forEachInTurns, splitByTopic } from './per-topic.ts';

export const deleteRecordsApi = defineApi({
  key: ApiKey.DeleteRecords,
  versions: { min: 0, max: 2 },
  authorization: perResource,

  async handle(ctx, request) {
    const split = await splitByTopic(ctx, 'DELETE', request.topics, ({ name }) => name);
    const refused = split.refused.map((topic) =>
      refuse(topic, ErrorCode.TOPIC_AUTHORIZATION_FAILED),
    );
    if (split.accepted.length === 0) return { throttleTimeMs: 0, topics: refused };

    await forEachInTurns(ctx, split.accepted, ({ name, partitions }) => {
      const items = partitions.map(({ partitionIndex, offset }) => `${partitionIndex}:${offset}`);
      for (const before of changeLines(items)) {
        ctx.administration('records-delete', { topic: name, before });
      }
    });
    await ctx.recorded();
    if (!(await ctx.isStillPermitted())) {
      return refuseAll(request, ErrorCode.TOPIC_AUTHORIZATION_FAILED);
    }

    request.topics = split.accepted;
    const answer = await ctx.engine.deleteRecords(request, ctx.call);
    answer.topics.push(...refused);
    return answer;
  },

  fail: refuseAll,
});

function refuseAll({ topics }: DeleteRecordsRequest, errorCode: number): DeleteRecordsResponse {
  return { throttleTimeMs: 0, topics: topics.map((topic) => refuse(topic, errorCode)) };
}

function refuse({ name, partitions }: DeleteRecordsTopic, errorCode: number) {
  const result: DeleteRecordsTopicResult = {
    name,
    partitions: partitions.map(({ partitionIndex }) => ({
      partitionIndex,
      lowWatermark: -1,
      errorCode,
    })),
  };
  return result;
}
