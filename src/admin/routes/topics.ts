/**
 * /v1/tenants/:tenant/topics: list (DESCRIBE on the tenant's virtual cluster; shows the topics that
 * the operator may DESCRIBE), create (CREATE on the topic), describe and delete (DESCRIBE, DELETE).
 */
import {
  type AdminRoute,
  created,
  defineRoute,
  gone,
  ok,
  tenantCluster,
  topicOf,
} from '../admin-route.ts';
import { Grammars, type RequestFields } from '../request-fields.ts';
import { requireTenant } from './tenants.ts';

const PARTITIONS_MAX = 1_000_000;

const tenantOf = (fields: RequestFields) => ({ tenant: fields.text('tenant', Grammars.tenant) });
const topicIn = (fields: RequestFields) => ({
  ...tenantOf(fields),
  topic: fields.text('topic', Grammars.topic),
});

const list = defineRoute({
  method: 'GET',
  path: '/v1/tenants/:tenant/topics',
  authorization: tenantCluster('DESCRIBE'),
  change: null,
  input: tenantOf,
  handle: ({ tenant }, context) => {
    requireTenant(tenant, context);
    const topics = context.deps.topics.list(tenant).filter(({ name }) =>
      context.permits({
        operation: 'DESCRIBE',
        resourceType: 'TOPIC',
        tenant,
        resourceName: name,
      }),
    );
    return ok({ topics });
  },
});

const create = defineRoute({
  method: 'POST',
  path: '/v1/tenants/:tenant/topics',
  authorization: topicOf('CREATE'),
  change: 'topic-create',
  input: (fields) => ({
    ...tenantOf(fields),
    topic: fields.text('name', Grammars.topic),
    partitions: fields.optionalInteger('partitions', 1, PARTITIONS_MAX),
    configs: fields.configs('configs'),
  }),
  facts: ({ tenant, topic, partitions }) => ({ tenant, topic, partitions }),
  handle: async ({ tenant, topic, partitions, configs }, context) => {
    requireTenant(tenant, context);
    return created(await context.deps.topics.create(tenant, { name: topic, partitions, configs }));
  },
});

const describe = defineRoute({
  method: 'GET',
  path: '/v1/tenants/:tenant/topics/:topic',
  authorization: topicOf('DESCRIBE'),
  change: null,
  input: topicIn,
  handle: async ({ tenant, topic }, context) => {
    requireTenant(tenant, context);
    return ok(await context.deps.topics.describe(tenant, topic));
  },
});

const remove = defineRoute({
  method: 'DELETE',
  path: '/v1/tenants/:tenant/topics/:topic',
  authorization: topicOf('DELETE'),
  change: 'topic-delete',
  input: topicIn,
  facts: ({ tenant, topic }) => ({ tenant, topic }),
  handle: async ({ tenant, topic }, context) => {
    requireTenant(tenant, context);
    await context.deps.topics.delete(tenant, topic);
    return gone();
  },
});

export const topicRoutes: readonly AdminRoute[] = [list, create, describe, remove];
