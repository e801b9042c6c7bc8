/**
 * ListGroups (key 16).
 * - DESCRIBE on the cluster shows all groups of the tenant; without it those on which the caller
 *   holds DESCRIBE, silently.
 * - Filters by state (4+) and by type (5+), whatever their case.
 */
import { ApiKey } from '../../protocol/api-keys.ts';
import { CLUSTER_NAME } from '../../security/acl/operation.ts';
import { defineApi, perResource } from '../define-api.ts';
import { visibleInTurns, whenReady } from './per-topic.ts';

export const listGroupsApi = defineApi({
  key: ApiKey.ListGroups,
  versions: { min: 0, max: 5 },
  authorization: perResource,

  handle(ctx, request) {
    const everyGroup =
      ctx.permits('DESCRIBE', 'CLUSTER', CLUSTER_NAME) && ctx.authorizeCluster('DESCRIBE');
    return whenReady(ctx.engine.listGroups('', request, ctx.call), (answer) => {
      if (everyGroup) return answer;
      const seen = visibleInTurns(ctx, 'DESCRIBE', 'GROUP', answer.groups, (one) => one.groupId);
      return whenReady(seen, (groups) => ({ ...answer, groups }));
    });
  },

  fail: (_request, errorCode) => ({ errorCode }),
});
