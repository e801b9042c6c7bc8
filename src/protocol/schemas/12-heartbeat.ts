/** Heartbeat (key 12): tells the coordinator that a member of a classic group is alive. */
import { groupId, type Infer, int16, int32, message, string } from '../schema.ts';

export const heartbeatRequest = message(
  'HeartbeatRequest',
  { versions: '0-4', flexible: '4+' },
  {
    groupId: groupId('0+'),
    generationId: int32('0+'),
    memberId: string('0+'),
    groupInstanceId: string('3+', { nullable: '3+', default: null }),
  },
);
export interface HeartbeatRequest extends Infer<typeof heartbeatRequest> {}

export const heartbeatResponse = message(
  'HeartbeatResponse',
  { versions: '0-4', flexible: '4+' },
  {
    throttleTimeMs: int32('1+', { ignorable: true }),
    errorCode: int16('0+'),
  },
);
export interface HeartbeatResponse extends Infer<typeof heartbeatResponse> {}
