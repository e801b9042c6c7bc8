/**
 * IncrementalAlterConfigs (key 44): sets, deletes, appends to and subtracts from single configs of
 * topics, groups and the tenant's brokers.
 * - ALTER_CONFIGS on each topic and group, on the cluster for brokers.
 * - A resource's change is taken whole or refused whole; it is in the audit log, durably, before it
 *   is made.
 */
import { ApiKey } from '../../protocol/api-keys.ts';
import type { AlterConfigsResource } from '../../protocol/schemas/44-incremental-alter-configs.ts';
import { defineApi, perResource } from '../define-api.ts';
import { alterResources, type ChangedConfig } from './config-changes.ts';
import { refuse } from './config-resources.ts';

/** By the code of the operation. */
const VERBS = ['set', 'delete', 'append', 'subtract'] as const;

export const incrementalAlterConfigsApi = defineApi({
  key: ApiKey.IncrementalAlterConfigs,
  versions: { min: 0, max: 1 },
  authorization: perResource,

  handle: (ctx, request) =>
    alterResources(ctx, request, {
      act: (body) => ctx.engine.incrementalAlterConfigs(body, ctx.call),
      changes: changesOf,
    }),

  fail: (request, errorCode) => ({
    throttleTimeMs: 0,
    responses: request.resources.map((resource) => refuse(resource, errorCode)),
  }),
});

function changesOf({ configs }: AlterConfigsResource): ChangedConfig[] {
  return configs.map(({ name, configOperation, value }) => {
    const verb = VERBS[configOperation] ?? `operation ${configOperation} on`;
    // The value of a deletion is not looked at by anybody.
    return { name, verb, value: verb === 'delete' ? null : value };
  });
}
