/** UnregisterBroker (key 64): removes a broker's registration from the cluster. */
import { brokerId, type Infer, int16, int32, message, string } from '../schema.ts';

export const unregisterBrokerRequest = message(
  'UnregisterBrokerRequest',
  { versions: '0', flexible: '0+' },
  {
    brokerId: brokerId('0+'),
  },
);
export interface UnregisterBrokerRequest extends Infer<typeof unregisterBrokerRequest> {}

export const unregisterBrokerResponse = message(
  'UnregisterBrokerResponse',
  { versions: '0', flexible: '0+' },
  {
    throttleTimeMs: int32('0+'),
    errorCode: int16('0+'),
    errorMessage: string('0+', { nullable: '0+' }),
  },
);
export interface UnregisterBrokerResponse extends Infer<typeof unregisterBrokerResponse> {}
