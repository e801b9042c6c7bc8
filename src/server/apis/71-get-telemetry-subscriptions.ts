/**
 * GetTelemetrySubscriptions (key 71): which of its metrics a client is to push, and how often
 * (KIP-714). What is wanted the tenant says itself, in its client-metrics configs.
 * - Needs no right, as in Kafka. Asked again before the interval is over: THROTTLING_QUOTA_EXCEEDED,
 *   unless the last push told the client to ask again.
 */
import { ProtocolError } from '../../base/errors.ts';
import { refusedSubscription, type TelemetryClient } from '../../fleet/telemetry/telemetry.ts';
import { ApiKey } from '../../protocol/api-keys.ts';
import { defineApi, none } from '../define-api.ts';
import type { RequestContext } from '../request-context.ts';

export const getTelemetrySubscriptionsApi = defineApi({
  key: ApiKey.GetTelemetrySubscriptions,
  versions: { min: 0, max: 0 },
  authorization: none('a client may tell the operator how it fares, as in Kafka'),

  handle(ctx, { clientInstanceId }) {
    const telemetry = telemetryOf(ctx);
    ctx.beforeActing();
    const answer = telemetry.subscription(telemetryClient(ctx), clientInstanceId);
    return { throttleTimeMs: 0, ...answer };
  },

  fail: (_request, errorCode) => ({ throttleTimeMs: 0, ...refusedSubscription(errorCode) }),
});

/** Where telemetry is switched off nobody is told of these APIs. */
export function telemetryOf({ services, apiName }: RequestContext) {
  if (services.telemetry !== null) return services.telemetry;
  throw new ProtocolError(`${apiName} is switched off (telemetry.enable)`);
}

export function telemetryClient(ctx: RequestContext): TelemetryClient {
  const { session, clientId } = ctx;
  const { softwareName, softwareVersion } = session.deviceMeter;
  return {
    tenant: session.principal.tenant,
    principal: session.principal.name,
    attributes: {
      client_id: clientId,
      client_software_name: softwareName ?? '',
      client_software_version: softwareVersion ?? '',
      client_source_address: session.host,
      client_source_port: String(session.subject.remotePort),
    },
    subscriptions: ctx.engine.clientMetricsSubscriptions(''),
  };
}
