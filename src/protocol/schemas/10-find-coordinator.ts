/**
 * FindCoordinator (key 10): finds the broker that coordinates a group, a transaction or a share
 * partition. Versions 0-3 ask for one key, versions 4 and later for a list.
 */
import {
  array,
  brokerId,
  type Infer,
  int8,
  int16,
  int32,
  message,
  string,
  struct,
} from '../schema.ts';

export const findCoordinatorRequest = message(
  'FindCoordinatorRequest',
  { versions: '0-6', flexible: '3+' },
  {
    key: string('0-3'),
    keyType: int8('1+'),
    coordinatorKeys: array('4+', string()),
  },
);
export interface FindCoordinatorRequest extends Infer<typeof findCoordinatorRequest> {}

const coordinator = struct({
  key: string('4+'),
  nodeId: brokerId('4+'),
  host: string('4+'),
  port: int32('4+'),
  errorCode: int16('4+'),
  errorMessage: string('4+', { nullable: '4+', ignorable: true }),
});
export interface Coordinator extends Infer<typeof coordinator> {}

export const findCoordinatorResponse = message(
  'FindCoordinatorResponse',
  { versions: '0-6', flexible: '3+' },
  {
    throttleTimeMs: int32('1+', { ignorable: true }),
    errorCode: int16('0-3'),
    errorMessage: string('1-3', { nullable: '1-3', ignorable: true }),
    nodeId: brokerId('0-3'),
    host: string('0-3'),
    port: int32('0-3'),
    coordinators: array('4+', coordinator),
  },
);
export interface FindCoordinatorResponse extends Infer<typeof findCoordinatorResponse> {}
