/**
 * /v1/tenants/:tenant/topics: list (DESCRIBE on the tenant's virtual cluster; shows the topics that
 * the caller may DESCRIBE), create (CREATE on the topic), describe and delete (DESCRIBE, DELETE).
 */
import {
  type AdminRoute,
  created,
  defineRoute,
  gone,
  nothing,
  ok,
  tenantCluster,
  topicOf,
} from '../admin-route.ts';
import type { TopicView } from '../admin-services.ts';
import {
  anyInteger,
  anyText,
  flag,
  integer,
  list as listShape,
  mapOf,
  nullable,
  object,
  text,
} from '../json-shape.ts';
import { pageOf, pageQuery, pageShape } from '../listing-page.ts';
import { from, Grammars, optional } from '../request-fields.ts';
import { inTenant, requireTenant } from './tenants.ts';

const PARTITIONS_MAX = 1_000_000;
const CONFIG_NAME = { pattern: /^[a-z0-9.]{1,100}$/, allowed: 'a name of a setting' };
const CONFIG_VALUE = { pattern: /^\P{C}{0,1000}$/u, allowed: 'at most 1000 printable characters' };
const CONFIGS_MAX = 100;

const inTopic = { ...inTenant, topic: text(Grammars.topic) } as const;

const TOPIC = object({ name: anyText, topicId: anyText, partitions: anyInteger });
const TOPIC_DETAILS = object({
  name: anyText,
  topicId: anyText,
  partitions: anyInteger,
  partitionStates: listShape(
    object({ partition: anyInteger, leader: anyInteger, leaderEpoch: anyInteger, online: flag }),
  ),
  configs: listShape(object({ name: anyText, value: nullable(anyText), isDefault: flag })),
});

const list = defineRoute({
  method: 'GET',
  path: '/v1/tenants/:tenant/topics',
  id: 'listTopics',
  tag: 'topics',
  summary: 'The topics of a tenant that the caller may describe, in order of name',
  authorization: tenantCluster('DESCRIBE'),
  change: null,
  input: from({ path: inTenant, query: pageQuery }),
  answers: { 200: pageShape('topics', TOPIC) },
  handle: async ({ tenant, ...page }, context) => {
    requireTenant(tenant, context);
    const { deps } = context;
    const all = deps.topics.list(tenant);
    const { items, next } = await pageOf('topics', all, ({ name }) => name, page, deps.clock);
    const topics: TopicView[] = [];
    for (const topic of items) {
      const access = { operation: 'DESCRIBE', resourceType: 'TOPIC', tenant } as const;
      if (await context.permits({ ...access, resourceName: topic.name })) topics.push(topic);
    }
    return ok({ topics, next });
  },
});

const create = defineRoute({
  method: 'POST',
  path: '/v1/tenants/:tenant/topics',
  id: 'createTopic',
  tag: 'topics',
  summary: 'Create a topic',
  authorization: topicOf('CREATE'),
  change: 'topic-create',
  input: from(
    {
      path: inTenant,
      body: {
        name: text(Grammars.topic),
        partitions: optional(integer(1, PARTITIONS_MAX)),
        configs: optional(mapOf(CONFIG_NAME, CONFIG_VALUE, CONFIGS_MAX)),
      },
    },
    ({ name, configs, ...rest }) => ({
      ...rest,
      topic: name,
      configs: new Map(Object.entries(configs ?? {})),
    }),
  ),
  answers: { 201: TOPIC },
  facts: ({ tenant, topic, partitions }) => ({ tenant, topic, partitions }),
  handle: async ({ tenant, topic, partitions, configs }, context) => {
    requireTenant(tenant, context);
    return created(await context.deps.topics.create(tenant, { name: topic, partitions, configs }));
  },
});

const describe = defineRoute({
  method: 'GET',
  path: '/v1/tenants/:tenant/topics/:topic',
  id: 'describeTopic',
  tag: 'topics',
  summary: 'One topic with its partitions and settings',
  authorization: topicOf('DESCRIBE'),
  change: null,
  input: from({ path: inTopic }),
  answers: { 200: TOPIC_DETAILS },
  handle: async ({ tenant, topic }, context) => {
    requireTenant(tenant, context);
    return ok(await context.deps.topics.describe(tenant, topic));
  },
});

const remove = defineRoute({
  method: 'DELETE',
  path: '/v1/tenants/:tenant/topics/:topic',
  id: 'deleteTopic',
  tag: 'topics',
  summary: 'Delete a topic with all its records',
  authorization: topicOf('DELETE'),
  change: 'topic-delete',
  input: from({ path: inTopic }),
  answers: { 204: nothing },
  facts: ({ tenant, topic }) => ({ tenant, topic }),
  handle: async ({ tenant, topic }, context) => {
    requireTenant(tenant, context);
    await context.deps.topics.delete(tenant, topic);
    return gone();
  },
});

export const topicRoutes: readonly AdminRoute[] = [list, create, describe, remove];
