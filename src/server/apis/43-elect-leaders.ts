/**
 * ElectLeaders (key 43): has preferred leaders elected, or from version 1 unclean ones.
 * - ALTER on the cluster, which is the tenant's own; null means all of its partitions.
 * - A partition has one replica, which leads it: ELECTION_NOT_NEEDED, or while its storage is
 *   offline PREFERRED_LEADER_NOT_AVAILABLE or ELIGIBLE_LEADERS_NOT_AVAILABLE. Nothing changes.
 */
import { KafkaError } from '../../base/errors.ts';
import { ApiKey } from '../../protocol/api-keys.ts';
import { ErrorCode } from '../../protocol/error-codes.ts';
import { cluster, defineApi } from '../define-api.ts';

const TOP_LEVEL_ERROR_SINCE = 1;

export const electLeadersApi = defineApi({
  key: ApiKey.ElectLeaders,
  versions: { min: 0, max: 2 },
  authorization: cluster('ALTER'),

  async handle(ctx, request) {
    const { tenant } = ctx.session.principal;
    const answer = await ctx.engine.electLeaders(tenant, request, ctx.call);
    const { errorCode } = answer;
    if (errorCode !== ErrorCode.NONE) throw new KafkaError(errorCode, 'the election is refused');
    return answer;
  },

  fail: failed,
});

function failed(
  { topicPartitions }: { topicPartitions: { topic: string; partitions: number[] }[] | null },
  errorCode: number,
  apiVersion: number,
) {
  return {
    errorCode: apiVersion >= TOP_LEVEL_ERROR_SINCE ? errorCode : 0,
    replicaElectionResults: (topicPartitions ?? []).map(({ topic, partitions }) => ({
      topic,
      partitionResult: partitions.map((partitionId) => ({
        partitionId,
        errorCode,
        errorMessage: null,
      })),
    })),
  };
}
