/**
 * ListPartitionReassignments (key 46): what is being moved between brokers.
 * - DESCRIBE on the cluster. Each partition has one replica and stays where it is, so nothing is
 *   ever under way: the true answer is an empty list. `kafka-topics --describe` asks.
 */
import { ApiKey } from '../../protocol/api-keys.ts';
import { cluster, defineApi } from '../define-api.ts';

export const listPartitionReassignmentsApi = defineApi({
  key: ApiKey.ListPartitionReassignments,
  versions: { min: 0, max: 0 },
  authorization: cluster('DESCRIBE'),
  handle: () => ({ topics: [], errorMessage: null }),
  fail: (_request, errorCode) => ({ errorCode, errorMessage: null }),
});
