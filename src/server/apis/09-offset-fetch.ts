/**
 * OffsetFetch (key 9): reads the stored offsets of groups.
 * - DESCRIBE on the group first, then DESCRIBE on each topic. All topics of a group (null, 2+): those
 *   that may be seen, silently.
 * - A group named again in the same request: INVALID_REQUEST.
 * - An unknown group, or an offset that was never stored: -1 and no error.
 * - Up to version 7 one group in the top-level fields; in version 1 a group's error stands at every
 *   partition. Version 10 names topics by id.
 */
import { ApiKey } from '../../protocol/api-keys.ts';
import { ErrorCode } from '../../protocol/error-codes.ts';
import { ZERO_UUID } from '../../protocol/schema.ts';
import type {
  OffsetFetchRequest,
  OffsetFetchRequestGroup,
  OffsetFetchRequestTopics,
  OffsetFetchResponse,
  OffsetFetchResponseGroup,
  OffsetFetchResponseTopics,
} from '../../protocol/schemas/09-offset-fetch.ts';
import { defineApi, perResource } from '../define-api.ts';
import type { RequestContext } from '../request-context.ts';
import { decideInTurns, forEachInTurns } from './per-topic.ts';
import { type ById, resolveTopic } from './topic-by-id.ts';

const BY_ID: ById = { sinceVersion: 10 };
/** The first versions with a list of groups, and with an error of the group. */
const MANY_GROUPS = 8;
const GROUP_ERRORS = 2;

export const offsetFetchApi = defineApi({
  key: ApiKey.OffsetFetch,
  versions: { min: 1, max: 10 },
  authorization: perResource,

  async handle(ctx, request) {
    const { apiVersion } = ctx;
    const asked = groupsOf(request, apiVersion);
    const plans = await plansFor(ctx, asked);
    const groups = plans.flatMap((one) => (one.ask === null ? [] : [one.ask]));
    if (groups.length === 0) {
      return respond(
        asked,
        plans.map((one) => one.refused!),
        apiVersion,
      );
    }
    const { requireStable } = request;
    const wanted = { groupId: '', topics: [], groups, requireStable };
    const answer = await ctx.engine.offsetFetch(wanted, ctx.call);
    const fetched = answer.groups.values();
    const merged: OffsetFetchResponseGroup[] = [];
    await forEachInTurns(ctx, plans, (one) => {
      merged.push(one.ask === null ? one.refused! : merge(ctx, one, fetched.next().value!));
    });
    return respond(asked, merged, apiVersion);
  },

  fail(request, errorCode, apiVersion) {
    const asked = groupsOf(request, apiVersion);
    const failed = asked.map(({ groupId }) => refusal(groupId, errorCode));
    return respond(asked, failed, apiVersion);
  },
});

/** What a request asks for, in the form of version 8. */
function groupsOf(request: OffsetFetchRequest, apiVersion: number): OffsetFetchRequestGroup[] {
  if (apiVersion >= MANY_GROUPS) return request.groups;
  const { groupId, topics } = request;
  const named = topics?.map((topic) => ({ ...topic, topicId: ZERO_UUID })) ?? null;
  return [{ groupId, memberId: null, memberEpoch: -1, topics: named }];
}

interface Plan {
  /** What the engine is asked for; null when the group is refused as a whole. */
  readonly ask: OffsetFetchRequestGroup | null;
  readonly refused: OffsetFetchResponseGroup | null;
  readonly refusedTopics: OffsetFetchResponseTopics[];
}

/** One decision: a group, or (once its group is decided) one of the topics asked for in it. */
interface Question {
  readonly at: number;
  readonly group: OffsetFetchRequestGroup;
  readonly topic: OffsetFetchRequestTopics | null;
}

function plansFor(ctx: RequestContext, asked: readonly OffsetFetchRequestGroup[]) {
  const questions = asked.flatMap((group, at): Question[] => [
    { at, group, topic: null },
    ...(group.topics ?? []).map((topic) => ({ at, group, topic })),
  ]);
  return decideInTurns(ctx, questions, () => {
    const plans: Plan[] = [];
    const mentioned = new Set<string>();
    const decide = ({ at, group, topic }: Question): void => {
      if (topic === null) {
        const isAgain = mentioned.has(group.groupId);
        mentioned.add(group.groupId);
        const twice = ErrorCode.INVALID_REQUEST;
        plans.push(isAgain ? refusedPlan(group, twice) : planGroup(ctx, group));
      } else planTopic(ctx, plans[at]!, topic);
    };
    return { decide, outcome: plans };
  });
}

function refusedPlan({ groupId }: OffsetFetchRequestGroup, errorCode: number): Plan {
  return { ask: null, refused: refusal(groupId, errorCode), refusedTopics: [] };
}

function planGroup(ctx: RequestContext, group: OffsetFetchRequestGroup): Plan {
  if (!ctx.authorize('DESCRIBE', 'GROUP', group.groupId)) {
    return refusedPlan(group, ErrorCode.GROUP_AUTHORIZATION_FAILED);
  }
  const topics = group.topics === null ? null : [];
  return { ask: { ...group, topics }, refused: null, refusedTopics: [] };
}

/** Of a refused group no topic is looked at. */
function planTopic(ctx: RequestContext, plan: Plan, topic: OffsetFetchRequestTopics): void {
  if (plan.ask === null) return;
  const resolved = { ...topic };
  const errorCode = resolveTopic(ctx, resolved, 'DESCRIBE', BY_ID);
  if (errorCode === ErrorCode.NONE) plan.ask.topics!.push(resolved);
  else plan.refusedTopics.push(refuseTopic(topic, errorCode));
}

function merge(
  ctx: RequestContext,
  { ask, refusedTopics }: Plan,
  fetched: OffsetFetchResponseGroup,
): OffsetFetchResponseGroup {
  if (ask?.topics === null) {
    fetched.topics = ctx.visible('DESCRIBE', 'TOPIC', fetched.topics, ({ name }) => name);
  }
  for (const topic of refusedTopics) fetched.topics.push(topic);
  return fetched;
}

function respond(
  asked: readonly OffsetFetchRequestGroup[],
  groups: OffsetFetchResponseGroup[],
  apiVersion: number,
): Partial<OffsetFetchResponse> {
  if (apiVersion >= MANY_GROUPS) return { groups };
  const { topics, errorCode } = groups[0]!;
  if (apiVersion >= GROUP_ERRORS || errorCode === ErrorCode.NONE) return { topics, errorCode };
  const wanted = asked[0]!.topics ?? [];
  return { topics: wanted.map((topic) => refuseTopic(topic, errorCode)) };
}

function refusal(groupId: string, errorCode: number): OffsetFetchResponseGroup {
  return { groupId, topics: [], errorCode };
}

function refuseTopic(
  { name, topicId, partitionIndexes }: OffsetFetchRequestTopics,
  errorCode: number,
): OffsetFetchResponseTopics {
  return {
    name,
    topicId,
    partitions: partitionIndexes.map((partitionIndex) => ({
      partitionIndex,
      committedOffset: -1,
      committedLeaderEpoch: -1,
      metadata: '',
      errorCode,
    })),
  };
}
