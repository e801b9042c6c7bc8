/**
 * DescribeLogDirs (key 35): the size of each partition on disk.
 * - DESCRIBE on the cluster, which is the tenant's own: it sees its own topics. The directory has a
 *   name that is not its path, and the disk's size is not told (-1): it would tell of other tenants.
 * - Unknown topics and partitions are left out. An offline directory: KAFKA_STORAGE_ERROR for it.
 */
import { ApiKey } from '../../protocol/api-keys.ts';
import { cluster, defineApi } from '../define-api.ts';

export const describeLogDirsApi = defineApi({
  key: ApiKey.DescribeLogDirs,
  versions: { min: 1, max: 5 },
  authorization: cluster('DESCRIBE'),
  handle: (ctx, request) =>
    ctx.engine.describeLogDirs(ctx.session.principal.tenant, request, ctx.call),
  // Before version 3 no field tells why, and no result means that nothing may be seen, as in Kafka.
  fail: (_request, errorCode) => ({ errorCode, results: [] }),
});
