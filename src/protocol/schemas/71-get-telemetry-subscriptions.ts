/** GetTelemetrySubscriptions (key 71): which client metrics to push, and how often (KIP-714). */
import { array, bool, type Infer, int8, int16, int32, message, string, uuid } from '../schema.ts';

export const getTelemetrySubscriptionsRequest = message(
  'GetTelemetrySubscriptionsRequest',
  { versions: '0', flexible: '0+' },
  {
    clientInstanceId: uuid('0+'),
  },
);
export interface GetTelemetrySubscriptionsRequest
  extends Infer<typeof getTelemetrySubscriptionsRequest> {}

export const getTelemetrySubscriptionsResponse = message(
  'GetTelemetrySubscriptionsResponse',
  { versions: '0', flexible: '0+' },
  {
    throttleTimeMs: int32('0+'),
    errorCode: int16('0+'),
    clientInstanceId: uuid('0+'),
    subscriptionId: int32('0+'),
    acceptedCompressionTypes: array('0+', int8()),
    pushIntervalMs: int32('0+'),
    telemetryMaxBytes: int32('0+'),
    deltaTemporality: bool('0+'),
    requestedMetrics: array('0+', string()),
  },
);
export interface GetTelemetrySubscriptionsResponse
  extends Infer<typeof getTelemetrySubscriptionsResponse> {}
