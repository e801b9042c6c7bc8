/**
 * DescribeCluster (key 60): cluster id, controller and brokers. From version 1 it may ask a
 * controller for the controllers.
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
} from '../schema.ts';

export const describeClusterRequest = message(
  'DescribeClusterRequest',
  { versions: '0-2', flexible: '0+' },
  {
    includeClusterAuthorizedOperations: bool('0+'),
    endpointType: int8('1+', { default: 1 }),
    includeFencedBrokers: bool('2+'),
  },
);
export interface DescribeClusterRequest extends Infer<typeof describeClusterRequest> {}

const describeClusterBroker = struct({
  brokerId: brokerId('0+'),
  host: string('0+'),
  port: int32('0+'),
  rack: string('0+', { nullable: '0+', default: null }),
  isFenced: bool('2+'),
});
export interface DescribeClusterBroker extends Infer<typeof describeClusterBroker> {}

export const describeClusterResponse = message(
  'DescribeClusterResponse',
  { versions: '0-2', flexible: '0+' },
  {
    throttleTimeMs: int32('0+'),
    errorCode: int16('0+'),
    errorMessage: string('0+', { nullable: '0+', default: null }),
    endpointType: int8('1+', { default: 1 }),
    clusterId: string('0+'),
    controllerId: brokerId('0+', { default: -1 }),
    brokers: array('0+', describeClusterBroker),
    clusterAuthorizedOperations: int32('0+', { default: -2147483648 }),
  },
);
export interface DescribeClusterResponse extends Infer<typeof describeClusterResponse> {}
