/**
 * AlterReplicaLogDirs (key 34): moves replicas between log directories. There is one directory, so
 * nothing ever moves.
 * - ALTER on the cluster, which is the tenant's own.
 * - The directory that DescribeLogDirs shows: no error. Any other: LOG_DIR_NOT_FOUND. An unknown
 *   partition: UNKNOWN_TOPIC_OR_PARTITION.
 */
import { ApiKey } from '../../protocol/api-keys.ts';
import { cluster, defineApi } from '../define-api.ts';

export const alterReplicaLogDirsApi = defineApi({
  key: ApiKey.AlterReplicaLogDirs,
  versions: { min: 1, max: 2 },
  authorization: cluster('ALTER'),
  handle: (ctx, request) => ctx.engine.alterReplicaLogDirs(request, ctx.call),

  fail: (request, errorCode) => ({
    results: request.dirs.flatMap(({ topics }) =>
      topics.map(({ name, partitions }) => ({
        topicName: name,
        partitions: partitions.map((partitionIndex) => ({ partitionIndex, errorCode })),
      })),
    ),
  }),
});
