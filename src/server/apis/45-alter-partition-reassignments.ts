/**
 * AlterPartitionReassignments (key 45): moves partitions to other brokers, or cancels that.
 * - ALTER on the cluster, which is the tenant's own.
 * - There is one broker. A reassignment to it changes nothing and is no error; any other is
 *   INVALID_REPLICA_ASSIGNMENT; to cancel one (null) is NO_REASSIGNMENT_IN_PROGRESS.
 */
import { ApiKey } from '../../protocol/api-keys.ts';
import { cluster, defineApi } from '../define-api.ts';

export const alterPartitionReassignmentsApi = defineApi({
  key: ApiKey.AlterPartitionReassignments,
  versions: { min: 0, max: 1 },
  authorization: cluster('ALTER'),
  handle: (ctx, request) => ctx.engine.alterPartitionReassignments(request, ctx.call),
  fail: (_request, errorCode) => ({ errorCode, errorMessage: null, responses: [] }),
});
