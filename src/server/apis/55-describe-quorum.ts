/**
 * DescribeQuorum (key 55): who keeps the metadata. Tools ask for `__cluster_metadata`, partition 0;
 * anything else is UNKNOWN_TOPIC_OR_PARTITION.
 * - DESCRIBE on the cluster, which is the tenant's own: it learns who leads, and no offsets (-1),
 *   which would count the changes of other tenants.
 */
import { ApiKey } from '../../protocol/api-keys.ts';
import { cluster, defineApi } from '../define-api.ts';

export const describeQuorumApi = defineApi({
  key: ApiKey.DescribeQuorum,
  versions: { min: 0, max: 2 },
  authorization: cluster('DESCRIBE'),
  handle: (ctx, request) => ctx.engine.describeQuorum(request, ctx.call),
  fail: (_request, errorCode) => ({ errorCode, topics: [], nodes: [] }),
});
