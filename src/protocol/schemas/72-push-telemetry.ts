/** PushTelemetry (key 72): client metrics, in OpenTelemetry's form (KIP-714). */
import { bool, bytes, type Infer, int8, int16, int32, message, uuid } from '../schema.ts';

export const pushTelemetryRequest = message(
  'PushTelemetryRequest',
  { versions: '0', flexible: '0+' },
  {
    clientInstanceId: uuid('0+'),
    subscriptionId: int32('0+'),
    terminating: bool('0+'),
    compressionType: int8('0+'),
    metrics: bytes('0+'),
  },
);
export interface PushTelemetryRequest extends Infer<typeof pushTelemetryRequest> {}

export const pushTelemetryResponse = message(
  'PushTelemetryResponse',
  { versions: '0', flexible: '0+' },
  {
    throttleTimeMs: int32('0+'),
    errorCode: int16('0+'),
  },
);
export interface PushTelemetryResponse extends Infer<typeof pushTelemetryResponse> {}
