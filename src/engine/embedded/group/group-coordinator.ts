/**
 * Owns consumer groups of the classic protocol and their offsets on this node: opens and closes the
 * parts, and hands each request to the one that answers it. Requests and answers hold physical
 * names; only what members say of topics in their metadata is in their tenant's own names.
 */
import type { Clock } from '../../../base/clock.ts';
import type { FileSystem } from '../../../base/file-system.ts';
import type { Logger } from '../../../base/logger.ts';
import type { Random } from '../../../base/random.ts';
import type { OffsetCommitRequest } from '../../../protocol/schemas/08-offset-commit.ts';
import type { OffsetFetchRequest } from '../../../protocol/schemas/09-offset-fetch.ts';
import type { JoinGroupRequest } from '../../../protocol/schemas/11-join-group.ts';
import type { HeartbeatRequest } from '../../../protocol/schemas/12-heartbeat.ts';
import type { LeaveGroupRequest } from '../../../protocol/schemas/13-leave-group.ts';
import type { SyncGroupRequest } from '../../../protocol/schemas/14-sync-group.ts';
import type { DescribeGroupsRequest } from '../../../protocol/schemas/15-describe-groups.ts';
import type { ListGroupsRequest } from '../../../protocol/schemas/16-list-groups.ts';
import type { DeleteGroupsRequest } from '../../../protocol/schemas/42-delete-groups.ts';
import type { OffsetDeleteRequest } from '../../../protocol/schemas/47-offset-delete.ts';
import type { EngineCall, TopicIdentity } from '../../engine.ts';
import { CommittedOffsets } from './committed-offsets.ts';
import { GroupAdministration } from './group-administration.ts';
import { GroupLogs } from './group-logs.ts';
import type { GroupParts } from './group-parts.ts';
import type { GroupSettings } from './group-settings.ts';
import { type Group, Groups } from './groups.ts';
import { Membership } from './membership.ts';
import { OffsetExpiry } from './offset-expiry.ts';
import { OffsetFetch } from './offset-fetch.ts';

export interface GroupCoordinatorOptions {
  readonly files: FileSystem;
  /** The folder in which the logs of groups lie. */
  readonly directory: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly settings: GroupSettings;
  readonly topicByName: (name: string) => TopicIdentity | undefined;
  /** Bytes appended to a log after which its older part is rewritten. */
  readonly compactAfterBytes?: number;
}

export class GroupCoordinator {
  readonly #parts: GroupParts;
  readonly #membership: Membership;
  readonly #offsets: CommittedOffsets;
  readonly #offsetFetch: OffsetFetch;
  readonly #administration: GroupAdministration;
  readonly #expiry: OffsetExpiry;

  private constructor(parts: GroupParts) {
    this.#parts = parts;
    this.#membership = new Membership(parts);
    this.#offsets = new CommittedOffsets(parts);
    this.#offsetFetch = new OffsetFetch(parts);
    this.#administration = new GroupAdministration(parts);
    this.#expiry = new OffsetExpiry(parts);
  }

  /** Reads the logs: groups come back with their members, whose sessions begin anew. */
  static async open(options: GroupCoordinatorOptions): Promise<GroupCoordinator> {
    const { settings, clock, random, logger, topicByName } = options;
    const groups = new Groups(settings);
    const logs = await GroupLogs.open(options, groups);
    const parts = { settings, clock, random, logger, groups, logs, topicByName, isSubscribed };
    const coordinator = new GroupCoordinator(parts);
    coordinator.#membership.resume(groups.restored(clock.monotonicMs()));
    coordinator.#expiry.start();
    return coordinator;
  }

  /** Logs that are offline; their groups have no coordinator. */
  get offline(): readonly string[] {
    return this.#parts.logs.offline;
  }

  /** All groups of this node, in no particular order. */
  all(): Iterable<Group> {
    return this.#parts.groups.all();
  }

  joinGroup(request: JoinGroupRequest, call: EngineCall) {
    return this.#membership.joinGroup(request, call);
  }

  syncGroup(request: SyncGroupRequest, call: EngineCall) {
    return this.#membership.syncGroup(request, call);
  }

  heartbeat(request: HeartbeatRequest) {
    return this.#membership.heartbeat(request);
  }

  leaveGroup(request: LeaveGroupRequest, call: EngineCall) {
    return this.#membership.leaveGroup(request, call);
  }

  offsetCommit(request: OffsetCommitRequest, call: EngineCall) {
    return this.#offsets.commit(request, call);
  }

  offsetFetch(request: OffsetFetchRequest) {
    return this.#offsetFetch.fetch(request);
  }

  offsetDelete(request: OffsetDeleteRequest) {
    return this.#offsets.delete(request);
  }

  listGroups(namespace: string, request: ListGroupsRequest) {
    return this.#administration.list(namespace, request);
  }

  describeGroups(request: DescribeGroupsRequest, call: EngineCall) {
    return this.#administration.describe(request, call);
  }

  deleteGroups(request: DeleteGroupsRequest) {
    return this.#administration.delete(request);
  }

  /** The logs of groups and offsets, for a backup. */
  get cuts() {
    return this.#parts.logs.cuts;
  }

  groupsIn(namespace: string): Group[] {
    return [...this.#parts.groups.inNamespace(namespace)];
  }

  /** Removes the group with its members and offsets; NONE, or why it is still there. */
  purge(group: Group, compacts: boolean): Promise<number> {
    return this.#administration.purge(group, compacts);
  }

  /** Removes expired offsets and the groups that are left with nothing; it is done by time, too. */
  removeExpired(): Promise<void> {
    return this.#expiry.sweep();
  }

  /** The offsets of deleted topics go; a crash before leaves them to removeExpired. */
  topicsDeleted(topics: readonly string[]): Promise<void> {
    return this.#expiry.topicsDeleted(topics);
  }

  async close(): Promise<void> {
    this.#membership.stop();
    await this.#expiry.stop();
    await this.#parts.logs.close();
  }
}

/** Members name topics as their tenant does: without the namespace of the physical name. */
function isSubscribed(group: Group, topic: string): boolean {
  if (group.classic === null || group.state === 'Empty') return false;
  if (group.protocolType !== 'consumer') return false;
  const topics = group.classic.subscribedTopics;
  return topics === null || topics.has(topic.slice(topic.indexOf('.') + 1));
}
