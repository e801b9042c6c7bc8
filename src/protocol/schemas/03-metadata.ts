/**
 * Metadata (key 3): brokers, topics, partitions and their leaders. Version 0 asks for all topics
 * with an empty list, later versions with null; topic ids came with version 10, and asking by id
 * works from version 12.
 */
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
  uuid,
} from '../schema.ts';

const metadataRequestTopic = struct({
  topicId: uuid('10+', { ignorable: true }),
  name: topicName('0+', { nullable: '10+' }),
});
export interface MetadataRequestTopic extends Infer<typeof metadataRequestTopic> {}

export const metadataRequest = message(
  'MetadataRequest',
  { versions: '0-13', flexible: '9+' },
  {
    topics: array('0+', metadataRequestTopic, { nullable: '1+' }),
    allowAutoTopicCreation: bool('4+', { default: true }),
    includeClusterAuthorizedOperations: bool('8-10'),
    includeTopicAuthorizedOperations: bool('8+'),
  },
);
export interface MetadataRequest extends Infer<typeof metadataRequest> {}

const metadataResponseBroker = struct({
  nodeId: brokerId('0+'),
  host: string('0+'),
  port: int32('0+'),
  rack: string('1+', { nullable: '1+', default: null, ignorable: true }),
});
export interface MetadataResponseBroker extends Infer<typeof metadataResponseBroker> {}

const metadataResponsePartition = struct({
  errorCode: int16('0+'),
  partitionIndex: int32('0+'),
  leaderId: brokerId('0+'),
  leaderEpoch: int32('7+', { default: -1, ignorable: true }),
  replicaNodes: array('0+', brokerId()),
  isrNodes: array('0+', brokerId()),
  offlineReplicas: array('5+', brokerId(), { ignorable: true }),
});
export interface MetadataResponsePartition extends Infer<typeof metadataResponsePartition> {}

const metadataResponseTopic = struct({
  errorCode: int16('0+'),
  name: topicName('0+', { nullable: '12+' }),
  topicId: uuid('10+', { ignorable: true }),
  isInternal: bool('1+', { ignorable: true }),
  partitions: array('0+', metadataResponsePartition),
  topicAuthorizedOperations: int32('8+', { default: -2147483648 }),
});
export interface MetadataResponseTopic extends Infer<typeof metadataResponseTopic> {}

export const metadataResponse = message(
  'MetadataResponse',
  { versions: '0-13', flexible: '9+' },
  {
    throttleTimeMs: int32('3+', { ignorable: true }),
    brokers: array('0+', metadataResponseBroker),
    clusterId: string('2+', { nullable: '2+', default: null, ignorable: true }),
    controllerId: brokerId('1+', { default: -1, ignorable: true }),
    topics: array('0+', metadataResponseTopic),
    clusterAuthorizedOperations: int32('8-10', { default: -2147483648 }),
    errorCode: int16('13+', { ignorable: true }),
  },
);
export interface MetadataResponse extends Infer<typeof metadataResponse> {}
