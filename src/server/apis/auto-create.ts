/**
 * Auto-creation of topics named in a Metadata request: DESCRIBE was asked already, CREATE on the
 * cluster or on the topic is asked here, and the new topic appears from the next request on.
 */
import { ErrorCode } from '../../protocol/error-codes.ts';
import type { MetadataResponseTopic } from '../../protocol/schemas/03-metadata.ts';
import { CLUSTER_NAME } from '../../security/acl/operation.ts';
import type { RequestContext } from '../request-context.ts';
import { forEachInTurns } from './per-topic.ts';

const BROKER_DEFAULT = -1;
const CREATION_TIMEOUT_MS = 30_000;

/**
 * Creates what `topics` reports as unknown and the caller may create. Topics that it may not create
 * are taken out of `topics` and returned as refused.
 */
export async function createMissingTopics(
  ctx: RequestContext,
  topics: MetadataResponseTopic[],
  refuse: (name: string, errorCode: number) => MetadataResponseTopic,
): Promise<MetadataResponseTopic[]> {
  const missing = topics.filter(
    ({ errorCode, name }) => errorCode === ErrorCode.UNKNOWN_TOPIC_OR_PARTITION && name !== null,
  );
  if (missing.length === 0) return [];
  const everyTopic = ctx.permits('CREATE', 'CLUSTER', CLUSTER_NAME);
  const refused: MetadataResponseTopic[] = [];
  const withheld = new Set<MetadataResponseTopic>();
  const granted: string[] = [];
  await forEachInTurns(ctx, missing, (topic) => {
    const name = topic.name!;
    const allowed = everyTopic
      ? ctx.authorizeCluster('CREATE')
      : ctx.authorize('CREATE', 'TOPIC', name);
    if (allowed) granted.push(name);
    else {
      withheld.add(topic);
      refused.push(refuse(name, ErrorCode.TOPIC_AUTHORIZATION_FAILED));
    }
  });
  if (withheld.size > 0) {
    const kept = topics.filter((topic) => !withheld.has(topic));
    topics.length = 0;
    for (const topic of kept) topics.push(topic);
  }
  if (granted.length === 0) return refused;
  for (const topic of granted) ctx.administration('topic-auto-create', { topic });
  await ctx.recorded();
  await ctx.engine.createTopics(
    {
      topics: granted.map((name) => ({
        name,
        numPartitions: BROKER_DEFAULT,
        replicationFactor: BROKER_DEFAULT,
        assignments: [],
        configs: [],
      })),
      timeoutMs: CREATION_TIMEOUT_MS,
      validateOnly: false,
    },
    { ...ctx.call, apiVersion: 7 },
  );
  return refused;
}
