/** AlterReplicaLogDirs (key 34): moves replicas between the log directories of a broker. */
import { array, type Infer, int16, int32, message, string, struct, topicName } from '../schema.ts';

const alterReplicaLogDirTopic = struct({
  name: topicName('0+'),
  partitions: array('0+', int32()),
});
export interface AlterReplicaLogDirTopic extends Infer<typeof alterReplicaLogDirTopic> {}

const alterReplicaLogDir = struct({
  path: string('0+'),
  topics: array('0+', alterReplicaLogDirTopic),
});
export interface AlterReplicaLogDir extends Infer<typeof alterReplicaLogDir> {}

export const alterReplicaLogDirsRequest = message(
  'AlterReplicaLogDirsRequest',
  { versions: '1-2', flexible: '2+' },
  {
    dirs: array('0+', alterReplicaLogDir),
  },
);
export interface AlterReplicaLogDirsRequest extends Infer<typeof alterReplicaLogDirsRequest> {}

const alterReplicaLogDirPartitionResult = struct({
  partitionIndex: int32('0+'),
  errorCode: int16('0+'),
});
export interface AlterReplicaLogDirPartitionResult
  extends Infer<typeof alterReplicaLogDirPartitionResult> {}

const alterReplicaLogDirTopicResult = struct({
  topicName: topicName('0+'),
  partitions: array('0+', alterReplicaLogDirPartitionResult),
});
export interface AlterReplicaLogDirTopicResult
  extends Infer<typeof alterReplicaLogDirTopicResult> {}

export const alterReplicaLogDirsResponse = message(
  'AlterReplicaLogDirsResponse',
  { versions: '1-2', flexible: '2+' },
  {
    throttleTimeMs: int32('0+'),
    results: array('0+', alterReplicaLogDirTopicResult),
  },
);
export interface AlterReplicaLogDirsResponse extends Infer<typeof alterReplicaLogDirsResponse> {}
