/** Owns ListGroups, DescribeGroups and DeleteGroups. */
import { ErrorCode } from '../../../protocol/error-codes.ts';
import type {
  DescribedGroup,
  DescribeGroupsRequest,
  DescribeGroupsResponse,
} from '../../../protocol/schemas/15-describe-groups.ts';
import type {
  ListGroupsRequest,
  ListGroupsResponse,
} from '../../../protocol/schemas/16-list-groups.ts';
import type {
  DeleteGroupsRequest,
  DeleteGroupsResponse,
} from '../../../protocol/schemas/42-delete-groups.ts';
import type { EngineCall } from '../../engine.ts';
import { type GroupParts, legacyGroupIdError, outcomeError } from './group-parts.ts';
import { groupTombstone, type OffsetName, offsetTombstone } from './group-records.ts';
import type { Group } from './groups.ts';
import { inTurns, type Steps } from './turns.ts';

const CLASSIC = 'classic';
const GROUPS_PER_STEP = 256;
/** From this version on an unknown group is an error; before, it is Dead. */
const DESCRIBE_KNOWS_UNKNOWN_GROUPS = 6;
const OPERATIONS_NOT_ASKED = -(2 ** 31);

export class GroupAdministration {
  readonly #parts: GroupParts;

  constructor(parts: GroupParts) {
    this.#parts = parts;
  }

  list(
    namespace: string,
    request: ListGroupsRequest,
  ): ListGroupsResponse | Promise<ListGroupsResponse> {
    return inTurns(this.#parts.clock, this.#list(namespace, request));
  }

  *#list(namespace: string, request: ListGroupsRequest): Steps<ListGroupsResponse> {
    const states = new Set(request.statesFilter.map((state) => state.toLowerCase()));
    const types = new Set(request.typesFilter.map((type) => type.toLowerCase()));
    const groups: ListGroupsResponse['groups'] = [];
    let seenCount = 0;
    if (types.size === 0 || types.has(CLASSIC)) {
      for (const group of this.#parts.groups.inNamespace(namespace)) {
        seenCount += 1;
        if (seenCount % GROUPS_PER_STEP === 0) yield;
        if (states.size > 0 && !states.has(group.state.toLowerCase())) continue;
        if (this.#parts.logs.failureFor(group.id) !== null) continue;
        groups.push({
          groupId: group.id,
          protocolType: group.protocolType ?? '',
          groupState: group.state,
          groupType: CLASSIC,
        });
      }
    }
    return { throttleTimeMs: 0, errorCode: ErrorCode.NONE, groups };
  }

  describe(request: DescribeGroupsRequest, call: EngineCall): DescribeGroupsResponse {
    return {
      throttleTimeMs: 0,
      groups: request.groups.map((groupId) => {
        const errorCode = legacyGroupIdError(this.#parts, groupId);
        if (errorCode !== ErrorCode.NONE) return nothingKnown(groupId, errorCode);
        const group = this.#parts.groups.get(groupId);
        return group === undefined ? unknown(groupId, call.apiVersion) : described(group);
      }),
    };
  }

  async delete(request: DeleteGroupsRequest): Promise<DeleteGroupsResponse> {
    const names = [...new Set(request.groupsNames)];
    const results = await Promise.all(
      names.map(async (groupId) => ({ groupId, errorCode: await this.#delete(groupId) })),
    );
    return { throttleTimeMs: 0, results };
  }

  async #delete(groupId: string): Promise<number> {
    const errorCode = legacyGroupIdError(this.#parts, groupId);
    if (errorCode !== ErrorCode.NONE) return errorCode;
    const group = this.#parts.groups.get(groupId);
    if (group === undefined) return ErrorCode.GROUP_ID_NOT_FOUND;
    if (group.isBeingDeleted) return ErrorCode.COORDINATOR_NOT_AVAILABLE;
    if (group.state !== 'Empty') return ErrorCode.NON_EMPTY_GROUP;
    // From here on it takes nothing more; what it took before is stored first.
    group.isBeingDeleted = true;
    await group.quiet();
    const deleted = await this.#bury(group);
    group.isBeingDeleted = false;
    if (deleted === ErrorCode.NONE) {
      group.classic = null;
      this.#parts.groups.remove(group);
    } else this.#parts.groups.settle(group);
    return deleted;
  }

  /**
   * Removes a group whoever is in it: its namespace goes, and its members are connected no more.
   * NONE, or why it is still there. `compacts`: its log is rewritten afterwards.
   */
  async purge(group: Group, compacts: boolean): Promise<number> {
    const failure = this.#parts.logs.failureFor(group.id);
    if (failure !== null) return ErrorCode.NOT_COORDINATOR;
    group.isBeingDeleted = true;
    await group.quiet();
    if (compacts) this.#parts.logs.compactSoon(group.id);
    const buried = await this.#bury(group);
    group.isBeingDeleted = false;
    if (buried !== ErrorCode.NONE) return buried;
    group.classic = null;
    group.resting = null;
    group.offsets = null;
    this.#parts.groups.remove(group);
    return ErrorCode.NONE;
  }

  /** Tombstones for the group and all that it committed: all of them, or none. */
  #bury(group: Group): Promise<number> {
    const { clock, logs } = this.#parts;
    const nowMs = clock.nowMs();
    const names: OffsetName[] = [];
    for (const [topic, partitions] of group.offsets?.topics() ?? []) {
      for (const partition of partitions.keys()) names.push({ group: group.id, topic, partition });
    }
    const records = names.map((name) => offsetTombstone(name, nowMs));
    records.push(groupTombstone(group.id, nowMs));
    return new Promise((resolve) => {
      logs.append(group.id, records, (outcome) => resolve(outcomeError(outcome)));
    });
  }
}

function described(group: Group): DescribedGroup {
  const { classic } = group;
  const isStable = group.state === 'Stable';
  return {
    errorCode: ErrorCode.NONE,
    errorMessage: null,
    groupId: group.id,
    groupState: group.state,
    protocolType: group.protocolType ?? '',
    protocolData: isStable ? (classic?.protocolName ?? '') : '',
    members: Array.from(classic?.members ?? [], (member) => ({
      memberId: member.memberId,
      groupInstanceId: member.facts.groupInstanceId,
      clientId: member.facts.clientId,
      clientHost: member.facts.clientHost,
      memberMetadata: classic!.metadataOf(member),
      memberAssignment: classic!.assignmentOf(member),
    })),
    authorizedOperations: OPERATIONS_NOT_ASKED,
  };
}

/** A group that is not there; what it is called in a text is for the caller to translate. */
function unknown(groupId: string, apiVersion: number): DescribedGroup {
  const isError = apiVersion >= DESCRIBE_KNOWS_UNKNOWN_GROUPS;
  return {
    ...nothingKnown(groupId, isError ? ErrorCode.GROUP_ID_NOT_FOUND : ErrorCode.NONE),
    errorMessage: isError ? `Group '${groupId}' not found.` : null,
    groupState: 'Dead',
  };
}

function nothingKnown(groupId: string, errorCode: number): DescribedGroup {
  return {
    errorCode,
    errorMessage: null,
    groupId,
    groupState: '',
    protocolType: '',
    protocolData: '',
    members: [],
    authorizedOperations: OPERATIONS_NOT_ASKED,
  };
}
