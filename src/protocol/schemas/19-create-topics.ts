/**
 * CreateTopics (key 19): creates topics. From version 5 the answer holds the new topic's
 * configuration.
 */
import {
  array,
  bool,
  brokerId,
  type Infer,
  int8,
  int16,
  int32,
  message,
  string,
  struct,
  topicName,
  uuid,
} from '../schema.ts';

const creatableReplicaAssignment = struct({
  partitionIndex: int32('0+'),
  brokerIds: array('0+', brokerId()),
});
export interface CreatableReplicaAssignment extends Infer<typeof creatableReplicaAssignment> {}

const creatableTopicConfig = struct({
  name: string('0+'),
  value: string('0+', { nullable: '0+' }),
});
export interface CreatableTopicConfig extends Infer<typeof creatableTopicConfig> {}

const creatableTopic = struct({
  name: topicName('0+'),
  numPartitions: int32('0+'),
  replicationFactor: int16('0+'),
  assignments: array('0+', creatableReplicaAssignment),
  configs: array('0+', creatableTopicConfig),
});
export interface CreatableTopic extends Infer<typeof creatableTopic> {}

export const createTopicsRequest = message(
  'CreateTopicsRequest',
  { versions: '2-7', flexible: '5+' },
  {
    topics: array('0+', creatableTopic),
    timeoutMs: int32('0+', { default: 60000 }),
    validateOnly: bool('1+'),
  },
);
export interface CreateTopicsRequest extends Infer<typeof createTopicsRequest> {}

const creatableTopicConfigs = struct({
  name: string('5+'),
  value: string('5+', { nullable: '5+' }),
  readOnly: bool('5+'),
  configSource: int8('5+', { default: -1, ignorable: true }),
  isSensitive: bool('5+'),
});
export interface CreatableTopicConfigs extends Infer<typeof creatableTopicConfigs> {}

const creatableTopicResult = struct({
  name: topicName('0+'),
  topicId: uuid('7+', { ignorable: true }),
  errorCode: int16('0+'),
  errorMessage: string('1+', { nullable: '0+', ignorable: true }),
  topicConfigErrorCode: int16('5+', { tag: 0, ignorable: true }),
  numPartitions: int32('5+', { default: -1, ignorable: true }),
  replicationFactor: int16('5+', { default: -1, ignorable: true }),
  configs: array('5+', creatableTopicConfigs, { nullable: '5+', ignorable: true }),
});
export interface CreatableTopicResult extends Infer<typeof creatableTopicResult> {}

export const createTopicsResponse = message(
  'CreateTopicsResponse',
  { versions: '2-7', flexible: '5+' },
  {
    throttleTimeMs: int32('2+', { ignorable: true }),
    topics: array('0+', creatableTopicResult),
  },
);
export interface CreateTopicsResponse extends Infer<typeof createTopicsResponse> {}
