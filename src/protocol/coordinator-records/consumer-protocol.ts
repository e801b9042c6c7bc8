/**
 * What consumers put into the metadata and the assignments of the classic protocol, after an int16
 * with the version. They are the clients' own: the broker reads the subscribed topics and no more.
 * Version 0 is the beginning of every version.
 */
import { array, bytes, type Infer, int32, message, string, struct, topicName } from '../schema.ts';

const ownedTopicPartition = struct({
  topic: topicName('1+'),
  partitions: array('1+', int32()),
});

export const consumerProtocolSubscription = message(
  'ConsumerProtocolSubscription',
  { versions: '0-3', flexible: 'none' },
  {
    topics: array('0+', string()),
    userData: bytes('0+', { nullable: '0+', default: null }),
    ownedPartitions: array('1+', ownedTopicPartition, { ignorable: true }),
    generationId: int32('2+', { default: -1, ignorable: true }),
    rackId: string('3+', { nullable: '3+', default: null, ignorable: true }),
  },
);
export interface ConsumerProtocolSubscription extends Infer<typeof consumerProtocolSubscription> {}

const assignedTopicPartition = struct({
  topic: topicName('0+'),
  partitions: array('0+', int32()),
});

export const consumerProtocolAssignment = message(
  'ConsumerProtocolAssignment',
  { versions: '0-3', flexible: 'none' },
  {
    assignedPartitions: array('0+', assignedTopicPartition),
    userData: bytes('0+', { nullable: '0+', default: null }),
  },
);
export interface ConsumerProtocolAssignment extends Infer<typeof consumerProtocolAssignment> {}
