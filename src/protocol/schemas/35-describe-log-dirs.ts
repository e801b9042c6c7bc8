/** DescribeLogDirs (key 35): the log directories of a broker and the replicas in them. */
import {
  array,
  bool,
  type Infer,
  int16,
  int32,
  int64,
  message,
  string,
  struct,
  topicName,
} from '../schema.ts';

const describableLogDirTopic = struct({
  topic: topicName('0+'),
  partitions: array('0+', int32()),
});
export interface DescribableLogDirTopic extends Infer<typeof describableLogDirTopic> {}

export const describeLogDirsRequest = message(
  'DescribeLogDirsRequest',
  { versions: '1-5', flexible: '2+' },
  {
    topics: array('0+', describableLogDirTopic, { nullable: '0+' }),
  },
);
export interface DescribeLogDirsRequest extends Infer<typeof describeLogDirsRequest> {}

const describeLogDirsPartition = struct({
  partitionIndex: int32('0+'),
  partitionSize: int64('0+'),
  offsetLag: int64('0+'),
  isFutureKey: bool('0+'),
});
export interface DescribeLogDirsPartition extends Infer<typeof describeLogDirsPartition> {}

const describeLogDirsTopic = struct({
  name: topicName('0+'),
  partitions: array('0+', describeLogDirsPartition),
});
export interface DescribeLogDirsTopic extends Infer<typeof describeLogDirsTopic> {}

const describeLogDirsResult = struct({
  errorCode: int16('0+'),
  logDir: string('0+'),
  topics: array('0+', describeLogDirsTopic),
  totalBytes: int64('4+', { default: -1, ignorable: true }),
  usableBytes: int64('4+', { default: -1, ignorable: true }),
  isCordoned: bool('5+', { ignorable: true }),
});
export interface DescribeLogDirsResult extends Infer<typeof describeLogDirsResult> {}

export const describeLogDirsResponse = message(
  'DescribeLogDirsResponse',
  { versions: '1-5', flexible: '2+' },
  {
    throttleTimeMs: int32('0+'),
    errorCode: int16('3+', { ignorable: true }),
    results: array('0+', describeLogDirsResult),
  },
);
export interface DescribeLogDirsResponse extends Infer<typeof describeLogDirsResponse> {}
