/**
 * ListConfigResources (key 74): the names that configs can be asked for: topics, groups with configs,
 * the broker, subscriptions to client metrics. Of loggers, which nobody has here, none.
 * - DESCRIBE_CONFIGS on the cluster; it shows all names of the tenant, as in Kafka.
 * - Version 0 lists client metrics only. An unknown type: UNSUPPORTED_VERSION.
 */
import { ApiKey } from '../../protocol/api-keys.ts';
import { cluster, defineApi } from '../define-api.ts';

export const listConfigResourcesApi = defineApi({
  key: ApiKey.ListConfigResources,
  versions: { min: 0, max: 1 },
  authorization: cluster('DESCRIBE_CONFIGS'),

  handle: (ctx, request) => ctx.engine.listConfigResources('', request, ctx.call),

  fail: (_request, errorCode) => ({ throttleTimeMs: 0, errorCode, configResources: [] }),
});
