/** CreatePartitions (key 37): raises the partition count of topics. */
import {
  array,
  bool,
  brokerId,
  type Infer,
  int16,
  int32,
  message,
  string,
  struct,
  topicName,
} from '../schema.ts';

const createPartitionsAssignment = struct({
  brokerIds: array('0+', brokerId()),
});
export interface CreatePartitionsAssignment extends Infer<typeof createPartitionsAssignment> {}

const createPartitionsTopic = struct({
  name: topicName('0+'),
  count: int32('0+'),
  assignments: array('0+', createPartitionsAssignment, { nullable: '0+' }),
});
export interface CreatePartitionsTopic extends Infer<typeof createPartitionsTopic> {}

export const createPartitionsRequest = message(
  'CreatePartitionsRequest',
  { versions: '0-3', flexible: '2+' },
  {
    topics: array('0+', createPartitionsTopic),
    timeoutMs: int32('0+'),
    validateOnly: bool('0+'),
  },
);
export interface CreatePartitionsRequest extends Infer<typeof createPartitionsRequest> {}

const createPartitionsTopicResult = struct({
  name: topicName('0+'),
  errorCode: int16('0+'),
  errorMessage: string('0+', { nullable: '0+', default: null }),
});
export interface CreatePartitionsTopicResult extends Infer<typeof createPartitionsTopicResult> {}

export const createPartitionsResponse = message(
  'CreatePartitionsResponse',
  { versions: '0-3', flexible: '2+' },
  {
    throttleTimeMs: int32('0+'),
    results: array('0+', createPartitionsTopicResult),
  },
);
export interface CreatePartitionsResponse extends Infer<typeof createPartitionsResponse> {}
