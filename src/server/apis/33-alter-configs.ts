/**
 * AlterConfigs (key 33): replaces all that is set for a topic, a group or the tenant's brokers;
 * superseded by IncrementalAlterConfigs.
 * - ALTER_CONFIGS on each topic and group, on the cluster for brokers.
 * - The change is in the audit log, durably, before it is made.
 */
import { ApiKey } from '../../protocol/api-keys.ts';
import type { AlterConfigsResource } from '../../protocol/schemas/33-alter-configs.ts';
import { defineApi, perResource } from '../define-api.ts';
import { alterResources, type ChangedConfig } from './config-changes.ts';
import { refuse } from './config-resources.ts';

export const alterConfigsApi = defineApi({
  key: ApiKey.AlterConfigs,
  versions: { min: 0, max: 2 },
  authorization: perResource,

  handle: (ctx, request) =>
    alterResources(ctx, request, {
      act: (body) => ctx.engine.alterConfigs(body, ctx.call),
      changes: changesOf,
    }),

  fail: (request, errorCode) => ({
    throttleTimeMs: 0,
    responses: request.resources.map((resource) => refuse(resource, errorCode)),
  }),
});

/** What is not named is deleted: that is told too. */
function changesOf({ configs }: AlterConfigsResource): ChangedConfig[] {
  const set = configs.map(({ name, value }) => ({ name, verb: 'set', value }));
  return [...set, { verb: 'delete', name: 'all others', value: null }];
}
