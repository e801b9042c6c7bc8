/**
 * Owns the membership of groups: JoinGroup, SyncGroup, Heartbeat and LeaveGroup in and out of the
 * state machines, the requests that are parked in them, and the time that passes.
 *
 * Invariant: a parked request is answered once: by its group, or when its connection goes.
 */
import { ErrorCode } from '../../../protocol/error-codes.ts';
import type {
  JoinGroupRequest,
  JoinGroupResponse,
} from '../../../protocol/schemas/11-join-group.ts';
import type {
  HeartbeatRequest,
  HeartbeatResponse,
} from '../../../protocol/schemas/12-heartbeat.ts';
import type {
  LeaveGroupRequest,
  LeaveGroupResponse,
} from '../../../protocol/schemas/13-leave-group.ts';
import type {
  SyncGroupRequest,
  SyncGroupResponse,
} from '../../../protocol/schemas/14-sync-group.ts';
import type { EngineCall } from '../../engine.ts';
import type { GroupEffect, JoinAnswer, LeaveResult, SyncAnswer } from './classic-group-messages.ts';
import { DeadlineQueue } from './deadline-queue.ts';
import { type GroupParts, groupIdError, outcomeError } from './group-parts.ts';
import { groupRecord } from './group-records.ts';
import type { Group } from './groups.ts';

const STATIC_ID_CHARS_MAX = 249;
/**
 * Of client ids, protocol types and protocol names. All members are told them, in strings of 32,767
 * bytes at most: one that does not fit there would take the answers of the whole group with it.
 */
const NAME_CHARS_MAX = 255;
/** Longer than any id that is given out. */
const MEMBER_ID_CHARS_MAX = 512;
const PROTOCOLS_MAX = 250;
/** The first versions that are asked for protocol type and name, and that may leave them null. */
const JOIN_NULL_PROTOCOL = 7;
const JOIN_KNOWN_ID = 4;
const JOIN_SKIP_ASSIGNMENT = 9;
const SYNC_NAMES_PROTOCOL = 5;
const LEAVE_BATCH = 3;

interface Waiting {
  readonly group: Group;
  readonly memberId: string;
  settle: (answer: JoinAnswer | SyncAnswer) => void;
}

/** Asks a group's state machine under a ticket. */
type Ask = (ticket: number) => readonly GroupEffect[];

export class Membership {
  readonly #parts: GroupParts;
  readonly #waiting = new Map<number, Waiting>();
  readonly #deadlines: DeadlineQueue<Group>;
  #nextTicket = 1;

  constructor(parts: GroupParts) {
    this.#parts = parts;
    this.#deadlines = new DeadlineQueue(parts.clock, (group) => {
      if (group.classic !== null) this.#apply(group, group.classic.advance(this.#nowMs()));
    });
    parts.groups.onRemoved = (group) => this.#deadlines.forget(group);
  }

  /** Groups that came back with members: their sessions run. */
  resume(groups: readonly Group[]): void {
    for (const group of groups) this.#deadlines.schedule(group, group.classic!.dueMs);
  }

  stop(): void {
    this.#deadlines.stop();
  }

  joinGroup(
    request: JoinGroupRequest,
    call: EngineCall,
  ): JoinGroupResponse | Promise<JoinGroupResponse> {
    const isNullable = call.apiVersion >= JOIN_NULL_PROTOCOL;
    const { memberId } = request;
    if (memberId.length > MEMBER_ID_CHARS_MAX) {
      return refusedJoin('', ErrorCode.UNKNOWN_MEMBER_ID, isNullable);
    }
    const group = this.#groupToJoin(request);
    if (typeof group === 'number') return refusedJoin(memberId, group, isNullable);
    const { settings, random } = this.#parts;
    const classic = group.awake(settings, this.#nowMs());
    const clientId = shortened(call.clientId ?? '');
    const stem = request.groupInstanceId ?? clientId;
    const newMemberId = `${stem}-${uuid(random.bytes(16))}`;
    const rebalanceTimeoutMs =
      call.apiVersion === 0 ? request.sessionTimeoutMs : Math.max(0, request.rebalanceTimeoutMs);
    const answer = this.#ask<JoinAnswer>(group, memberId || newMemberId, call, (ticket) =>
      classic.join(
        {
          ticket,
          memberId,
          newMemberId,
          protocolType: request.protocolType,
          facts: {
            groupInstanceId: request.groupInstanceId,
            clientId,
            clientHost: call.clientHost ?? '',
            sessionTimeoutMs: request.sessionTimeoutMs,
            rebalanceTimeoutMs,
            // Copies: the request's frame is let go.
            protocols: request.protocols.map(({ name, metadata }) => {
              return { name, metadata: Buffer.from(metadata) };
            }),
          },
          requiresKnownMemberId: call.apiVersion >= JOIN_KNOWN_ID,
          skipsAssignment: call.apiVersion >= JOIN_SKIP_ASSIGNMENT,
        },
        this.#nowMs(),
      ),
    );
    const respond = (done: JoinAnswer): JoinGroupResponse => joinResponse(done, isNullable);
    return answer instanceof Promise ? answer.then(respond) : respond(answer);
  }

  syncGroup(
    request: SyncGroupRequest,
    call: EngineCall,
  ): SyncGroupResponse | Promise<SyncGroupResponse> {
    const { groupId, memberId, protocolType, protocolName } = request;
    const group = this.#groupOfMember(groupId);
    if (typeof group === 'number') return refusedSync(group);
    const isUnnamed = protocolType === null || protocolName === null;
    if (call.apiVersion >= SYNC_NAMES_PROTOCOL && isUnnamed) {
      return refusedSync(ErrorCode.INCONSISTENT_GROUP_PROTOCOL);
    }
    const { classic } = group;
    if (classic === null) return refusedSync(ErrorCode.UNKNOWN_MEMBER_ID);
    if (!this.#parts.groups.hasRoom(groupId, assignmentBytes(request))) {
      return refusedSync(ErrorCode.POLICY_VIOLATION);
    }
    const answer = this.#ask<SyncAnswer>(group, memberId, call, (ticket) =>
      classic.sync(
        {
          ticket,
          memberId,
          groupInstanceId: request.groupInstanceId,
          generation: request.generationId,
          protocolType,
          protocolName,
          assignments: request.assignments.map((one) => [
            one.memberId,
            Buffer.from(one.assignment),
          ]),
        },
        this.#nowMs(),
      ),
    );
    const respond = (done: SyncAnswer): SyncGroupResponse => ({ throttleTimeMs: 0, ...done });
    return answer instanceof Promise ? answer.then(respond) : respond(answer);
  }

  heartbeat(request: HeartbeatRequest): HeartbeatResponse {
    const { groupId, memberId, groupInstanceId, generationId: generation } = request;
    const group = this.#groupOfMember(groupId);
    const errorCode =
      typeof group === 'number'
        ? group
        : (group.classic?.heartbeat({ memberId, groupInstanceId, generation }, this.#nowMs()) ??
          ErrorCode.UNKNOWN_MEMBER_ID);
    return { throttleTimeMs: 0, errorCode };
  }

  leaveGroup(request: LeaveGroupRequest, call: EngineCall): LeaveGroupResponse {
    const isBatch = call.apiVersion >= LEAVE_BATCH;
    const refused = (errorCode: number) => ({ throttleTimeMs: 0, errorCode, members: [] });
    const leaving = isBatch
      ? request.members
      : [{ memberId: request.memberId, groupInstanceId: null }];
    // No group has more members, and as many again that are expected.
    if (leaving.length > 2 * this.#parts.settings.membersMax) {
      return refused(ErrorCode.INVALID_REQUEST);
    }
    const group = this.#groupOfMember(request.groupId);
    if (typeof group === 'number' && group !== ErrorCode.UNKNOWN_MEMBER_ID) return refused(group);
    const classic = typeof group === 'number' ? null : group.classic;
    const left = leaving.map(({ memberId, groupInstanceId }) => ({ memberId, groupInstanceId }));
    let members: readonly LeaveResult[];
    if (typeof group === 'number' || classic === null) {
      members = left.map((member) => ({ ...member, errorCode: ErrorCode.UNKNOWN_MEMBER_ID }));
    } else {
      const { results, effects } = classic.leave(left, this.#nowMs());
      members = results;
      this.#apply(group, effects);
    }
    if (isBatch) return { throttleTimeMs: 0, errorCode: ErrorCode.NONE, members: [...members] };
    return refused(members[0]!.errorCode);
  }

  /** The group that a JoinGroup means, made where it may be, or why not. */
  #groupToJoin(request: JoinGroupRequest): Group | number {
    const { settings, groups } = this.#parts;
    const { groupId, sessionTimeoutMs, memberId, groupInstanceId } = request;
    const errorCode = groupIdError(this.#parts, groupId);
    if (errorCode !== ErrorCode.NONE) return errorCode;
    const { sessionTimeoutMsMin, sessionTimeoutMsMax } = settings;
    if (sessionTimeoutMs < sessionTimeoutMsMin || sessionTimeoutMs > sessionTimeoutMsMax) {
      return ErrorCode.INVALID_SESSION_TIMEOUT;
    }
    if ((groupInstanceId?.length ?? 0) > STATIC_ID_CHARS_MAX) return ErrorCode.INVALID_REQUEST;
    if (!isWithinBounds(request)) return ErrorCode.INVALID_REQUEST;
    const known = groups.get(groupId);
    if (known === undefined && memberId !== '') return ErrorCode.UNKNOWN_MEMBER_ID;
    if (!groups.hasRoom(groupId, requestBytes(request))) return ErrorCode.POLICY_VIOLATION;
    const group = known ?? groups.getOrAdd(groupId);
    if (group === undefined) return ErrorCode.POLICY_VIOLATION;
    return group.isBeingDeleted ? ErrorCode.COORDINATOR_NOT_AVAILABLE : group;
  }

  /** The group of someone who says that it is a member, or why not. */
  #groupOfMember(groupId: string): Group | number {
    const errorCode = groupIdError(this.#parts, groupId);
    if (errorCode !== ErrorCode.NONE) return errorCode;
    const group = this.#parts.groups.get(groupId);
    if (group === undefined) return ErrorCode.UNKNOWN_MEMBER_ID;
    return group.isBeingDeleted ? ErrorCode.COORDINATOR_NOT_AVAILABLE : group;
  }

  #ask<A extends JoinAnswer | SyncAnswer>(
    group: Group,
    memberId: string,
    { signal }: EngineCall,
    ask: Ask,
  ): A | Promise<A> {
    const ticket = this.#nextTicket++;
    let early: A | undefined;
    const waiting: Waiting = {
      group,
      memberId,
      settle: (answer) => {
        early = answer as A;
      },
    };
    this.#waiting.set(ticket, waiting);
    this.#apply(group, ask(ticket));
    if (early !== undefined) return early;
    return new Promise<A>((resolve) => {
      const onGone = (): void => this.#gone(ticket);
      waiting.settle = (answer) => {
        signal?.removeEventListener('abort', onGone);
        resolve(answer as A);
      };
      if (signal?.aborted) onGone();
      else signal?.addEventListener('abort', onGone, { once: true });
    });
  }

  #gone(ticket: number): void {
    const waiting = this.#waiting.get(ticket);
    if (waiting === undefined) return;
    const { group, memberId } = waiting;
    if (group.classic !== null) {
      this.#apply(group, group.classic.gone(memberId, ticket, this.#nowMs()));
    }
  }

  /** Carries out what a state machine asks for, and looks when it wants to be called next. */
  #apply(group: Group, effects: readonly GroupEffect[]): void {
    for (const effect of effects) {
      if (effect.kind === 'store') {
        this.#store(group, effect);
        continue;
      }
      const waiting = this.#waiting.get(effect.ticket);
      this.#waiting.delete(effect.ticket);
      waiting?.settle(effect.answer);
    }
    this.#parts.groups.settle(group);
    if (group.classic !== null) this.#deadlines.schedule(group, group.classic.dueMs);
    else this.#deadlines.forget(group);
  }

  #store(group: Group, { storeId, snapshot }: GroupEffect & { readonly kind: 'store' }): void {
    const { clock, logs } = this.#parts;
    const { classic } = group;
    const nowMs = clock.nowMs();
    const { protocolType, generation } = snapshot;
    group.resting = { protocolType, generation, emptySinceMs: nowMs };
    group.beginWrite();
    logs.append(group.id, [groupRecord(group.id, snapshot, nowMs)], (outcome) => {
      const errorCode = outcomeError(outcome);
      if (errorCode !== ErrorCode.NONE) {
        this.#parts.logger.warn({ errorCode }, 'a group could not be stored');
      }
      group.endWrite();
      if (classic !== null) this.#apply(group, classic.stored(storeId, errorCode, this.#nowMs()));
    });
  }

  #nowMs(): number {
    return this.#parts.clock.monotonicMs();
  }
}

function requestBytes({ protocols }: JoinGroupRequest): number {
  return protocols.reduce((sum, { name, metadata }) => sum + name.length + metadata.length, 0);
}

function assignmentBytes({ assignments }: SyncGroupRequest): number {
  return assignments.reduce((sum, { assignment }) => sum + assignment.length, 0);
}

function isWithinBounds({ protocolType, protocols }: JoinGroupRequest): boolean {
  return (
    protocolType.length <= NAME_CHARS_MAX &&
    protocols.length <= PROTOCOLS_MAX &&
    protocols.every(({ name }) => name.length <= NAME_CHARS_MAX)
  );
}

/** A copy: a slice would keep the whole of the text in memory. */
function shortened(clientId: string): string {
  if (clientId.length <= NAME_CHARS_MAX) return clientId;
  return Buffer.from(clientId.slice(0, NAME_CHARS_MAX)).toString();
}

function joinResponse(answer: JoinAnswer, isNullable: boolean): JoinGroupResponse {
  const { generation, protocolName, members, ...rest } = answer;
  return {
    throttleTimeMs: 0,
    ...rest,
    generationId: generation,
    protocolName: isNullable ? protocolName : (protocolName ?? ''),
    members: [...members],
  };
}

function refusedJoin(memberId: string, errorCode: number, isNullable: boolean): JoinGroupResponse {
  const none = { generation: -1, protocolType: null, protocolName: null, leader: '' };
  return joinResponse(
    { ...none, errorCode, memberId, skipAssignment: false, members: [] },
    isNullable,
  );
}

function refusedSync(errorCode: number): SyncGroupResponse {
  return {
    throttleTimeMs: 0,
    errorCode,
    protocolType: null,
    protocolName: null,
    assignment: Buffer.alloc(0),
  };
}

/** The hyphenated form, as Kafka's member ids have it. */
function uuid(bytes: Buffer): string {
  bytes[6] = (bytes[6]! & 0x0f) | 0x40;
  bytes[8] = (bytes[8]! & 0x3f) | 0x80;
  const hex = bytes.toString('hex');
  return [
    hex.slice(0, 8),
    hex.slice(8, 12),
    hex.slice(12, 16),
    hex.slice(16, 20),
    hex.slice(20),
  ].join('-');
}
