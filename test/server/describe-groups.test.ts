/** An answer to DescribeGroups is bounded; what has no room in it is asked for again. */
import { expect, it } from 'vitest';
import { systemClock } from '../../src/base/clock.ts';
import { ErrorCode } from '../../src/protocol/error-codes.ts';
import type {
  DescribeGroupsRequest,
  DescribeGroupsResponse,
} from '../../src/protocol/schemas/15-describe-groups.ts';
import { describeGroupsApi } from '../../src/server/apis/15-describe-groups.ts';
import type { RequestContext } from '../../src/server/request-context.ts';

const GROUPS = 40;
const METADATA = Buffer.alloc(1024 * 1024);

/** A caller who may do all, and groups of one member each that says a MiB of itself. */
function contextOfLargeGroups(): RequestContext {
  const member = {
    memberId: 'm',
    groupInstanceId: null,
    clientId: '',
    clientHost: '',
    memberMetadata: METADATA,
    memberAssignment: Buffer.alloc(0),
  };
  const describeGroups = ({ groups }: DescribeGroupsRequest): DescribeGroupsResponse => ({
    throttleTimeMs: 0,
    groups: groups.map((groupId) => ({
      errorCode: ErrorCode.NONE,
      errorMessage: null,
      groupId,
      groupState: 'Stable',
      protocolType: 'consumer',
      protocolData: 'range',
      members: [member],
      authorizedOperations: 0,
    })),
  });
  return {
    apiVersion: 6,
    policyEpoch: 1,
    services: { clock: systemClock },
    authorize: () => true,
    foresee: () => undefined,
    mark: () => 0,
    settle: () => undefined,
    lapsed: () => false,
    engine: { describeGroups },
    call: {},
  } as unknown as RequestContext;
}

it('describes what has room, and every group within a few requests', async () => {
  const ctx = contextOfLargeGroups();
  let left = Array.from({ length: GROUPS }, (_, index) => `g${index}`);
  const described = new Set<string>();
  for (let round = 0; left.length > 0; round++) {
    expect(round).toBeLessThan(4);
    const request = { groups: left, includeAuthorizedOperations: false };
    const { groups } = (await describeGroupsApi.handle(ctx, request)) as DescribeGroupsResponse;
    expect(groups.map(({ groupId }) => groupId)).toEqual(left);
    const shown = groups.filter(({ errorCode }) => errorCode === ErrorCode.NONE);
    expect(shown.length).toBeLessThan(18);
    for (const { groupId } of shown) described.add(groupId);
    const rest = groups.filter(({ errorCode }) => errorCode !== ErrorCode.NONE);
    for (const one of rest) {
      expect(one.errorCode).toBe(ErrorCode.COORDINATOR_LOAD_IN_PROGRESS);
      expect(one.members).toEqual([]);
    }
    left = rest.map(({ groupId }) => groupId);
  }
  expect(described.size).toBe(GROUPS);
});
