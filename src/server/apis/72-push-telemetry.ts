/**
 * PushTelemetry (key 72): metrics of a client, as OpenTelemetry has them (KIP-714). The newest of them
 * are shown to the operator, in the fleet view.
 * - Needs no right, as in Kafka. Too early: THROTTLING_QUOTA_EXCEEDED; with an id of an older
 *   subscription: UNKNOWN_SUBSCRIPTION_ID, and the client asks again; after a push that said it was
 *   the last one: INVALID_REQUEST; what cannot be read: INVALID_RECORD.
 */
import { ApiKey } from '../../protocol/api-keys.ts';
import { ErrorCode } from '../../protocol/error-codes.ts';
import { defineApi, none } from '../define-api.ts';
import { telemetryClient, telemetryOf } from './71-get-telemetry-subscriptions.ts';
import { whenReady } from './per-topic.ts';

export const pushTelemetryApi = defineApi({
  key: ApiKey.PushTelemetry,
  versions: { min: 0, max: 0 },
  authorization: none('a client may tell the operator how it fares, as in Kafka'),

  handle(ctx, request) {
    const telemetry = telemetryOf(ctx);
    ctx.beforeActing();
    return whenReady(telemetry.push(telemetryClient(ctx), request), (errorCode) => {
      if (errorCode === ErrorCode.NONE) {
        ctx.session.deviceMeter.telemetryMs = ctx.services.clock.nowMs();
      }
      return { throttleTimeMs: 0, errorCode };
    });
  },

  fail: (_request, errorCode) => ({ throttleTimeMs: 0, errorCode }),
});
