/**
 * A group coordinator on a disk in memory with a clock that is driven by hand, and short forms of
 * the requests. Group `g` is `acme.g`, topic `t` is `acme.t`, as the engine sees them.
 */
import { type Logger, silentLogger } from '../../../../src/base/logger.ts';
import { GroupCoordinator } from '../../../../src/engine/embedded/group/group-coordinator.ts';
import {
  DEFAULT_GROUP_SETTINGS,
  type GroupSettings,
} from '../../../../src/engine/embedded/group/group-settings.ts';
import type { EngineCall, TopicIdentity } from '../../../../src/engine/engine.ts';
import { ZERO_UUID } from '../../../../src/protocol/schema.ts';
import { PowerCutFileSystem, seededRandom } from '../../../crash/power-cut-file-system.ts';
import { ManualClock } from '../log/manual-clock.ts';

export interface CommitOptions {
  readonly version?: number;
  readonly memberId?: string;
  readonly generation?: number;
  readonly metadata?: string | null;
  readonly retentionMs?: number;
  readonly leaderEpoch?: number;
  readonly topicId?: string;
}

export class CoordinatorFixture {
  readonly clock = new ManualClock();
  readonly topics = new Map<string, TopicIdentity>();
  readonly settings: GroupSettings;
  readonly logger: Logger = silentLogger;
  files = new PowerCutFileSystem(seededRandom(7));
  coordinator!: GroupCoordinator;
  compactAfterBytes: number | undefined;
  #nextTopic = 1;
  #nextRandom = 1;

  constructor(settings: Partial<GroupSettings> = {}) {
    this.settings = { ...DEFAULT_GROUP_SETTINGS, initialRebalanceDelayMs: 0, ...settings };
  }

  static async open(settings: Partial<GroupSettings> = {}): Promise<CoordinatorFixture> {
    const fixture = new CoordinatorFixture(settings);
    for (const topic of ['t', 'u']) fixture.makeTopic(topic, 4);
    await fixture.start();
    return fixture;
  }

  async start(): Promise<void> {
    const { files, clock, logger, settings, compactAfterBytes } = this;
    this.coordinator = await GroupCoordinator.open({
      files,
      directory: '/data/metadata',
      clock,
      random: {
        bytes: (length) => {
          const bytes = Buffer.alloc(length);
          bytes.writeUInt32BE(this.#nextRandom++, length - 4);
          return bytes;
        },
      },
      logger,
      settings,
      topicByName: (name) => this.topics.get(name),
      ...(compactAfterBytes === undefined ? {} : { compactAfterBytes }),
    });
  }

  /** A clean end and a new start. */
  async restart(): Promise<void> {
    await this.coordinator.close();
    await this.start();
  }

  /** kill -9, then a new start. */
  async crash(how: 'kill' | 'cut' = 'kill'): Promise<void> {
    this.files = how === 'kill' ? this.files.kill() : this.files.cut();
    await this.start();
  }

  makeTopic(name: string, partitionCount = 1): TopicIdentity {
    const number = String(this.#nextTopic++).padStart(4, '0');
    const topicId = `topic${number}AAAAAAAAAAAAA`;
    const topic = { name: `acme.${name}`, topicId, partitionCount };
    this.topics.set(topic.name, topic);
    return topic;
  }

  call(apiVersion: number, signal: AbortSignal | null = null): EngineCall {
    return { apiVersion, signal, clientId: 'client', clientHost: '/10.0.0.1' };
  }

  /** The error code at the partition. */
  async commit(
    group: string,
    topic: string,
    partition: number,
    offset: number,
    options: CommitOptions = {},
  ): Promise<number> {
    const { version = 9, memberId = '', generation = -1, metadata = '' } = options;
    const answer = await this.coordinator.offsetCommit(
      {
        groupId: `acme.${group}`,
        generationIdOrMemberEpoch: generation,
        memberId,
        groupInstanceId: null,
        retentionTimeMs: options.retentionMs ?? -1,
        topics: [
          {
            name: `acme.${topic}`,
            topicId: options.topicId ?? ZERO_UUID,
            partitions: [
              {
                partitionIndex: partition,
                committedOffset: offset,
                committedLeaderEpoch: options.leaderEpoch ?? -1,
                committedMetadata: metadata,
              },
            ],
          },
        ],
      },
      this.call(version),
    );
    return answer.topics[0]!.partitions[0]!.errorCode;
  }

  fetchGroup(group: string, topics: Readonly<Record<string, readonly number[]>> | null) {
    const asked =
      topics === null
        ? null
        : Object.entries(topics).map(([name, partitionIndexes]) => ({
            name: `acme.${name}`,
            topicId: ZERO_UUID,
            partitionIndexes: [...partitionIndexes],
          }));
    const answer = this.coordinator.offsetFetch({
      groupId: '',
      topics: [],
      groups: [{ groupId: `acme.${group}`, memberId: null, memberEpoch: -1, topics: asked }],
      requireStable: true,
    });
    // The clock of these tests stands still: nothing takes more than a turn.
    if (answer instanceof Promise) throw new Error('an OffsetFetch took more than one turn');
    return answer.groups[0]!;
  }

  /** The committed offset, -1 for none. */
  fetch(group: string, topic: string, partition: number): number {
    const { topics } = this.fetchGroup(group, { [topic]: [partition] });
    return topics[0]!.partitions[0]!.committedOffset;
  }

  /** All offsets of a group as `topic-partition` to offset. */
  fetchAll(group: string): Record<string, number> {
    const offsets: Record<string, number> = {};
    for (const { name, partitions } of this.fetchGroup(group, null).topics) {
      for (const { partitionIndex, committedOffset } of partitions) {
        offsets[`${name.slice('acme.'.length)}-${partitionIndex}`] = committedOffset;
      }
    }
    return offsets;
  }

  async deleteGroup(group: string): Promise<number> {
    const { results } = await this.coordinator.deleteGroups({ groupsNames: [`acme.${group}`] });
    return results[0]!.errorCode;
  }

  /** The top error code, then those of the partitions. */
  async deleteOffsets(group: string, topic: string, ...partitions: number[]): Promise<number[]> {
    const answer = await this.coordinator.offsetDelete({
      groupId: `acme.${group}`,
      topics: [
        {
          name: `acme.${topic}`,
          partitions: partitions.map((partitionIndex) => ({ partitionIndex })),
        },
      ],
    });
    const codes = answer.topics.flatMap((one) => one.partitions.map(({ errorCode }) => errorCode));
    return [answer.errorCode, ...codes];
  }

  async deleteTopic(topic: string): Promise<void> {
    this.topics.delete(`acme.${topic}`);
    await this.coordinator.topicsDeleted([`acme.${topic}`]);
  }

  list(request: { states?: string[]; types?: string[]; namespace?: string } = {}) {
    const { states = [], types = [], namespace = 'acme' } = request;
    const answer = this.coordinator.listGroups(namespace, {
      statesFilter: states,
      typesFilter: types,
    });
    if (answer instanceof Promise) throw new Error('a ListGroups took more than one turn');
    return answer.groups.sort((a, b) => (a.groupId < b.groupId ? -1 : 1));
  }

  describe(group: string, version = 6) {
    const request = { groups: [`acme.${group}`], includeAuthorizedOperations: false };
    return this.coordinator.describeGroups(request, this.call(version)).groups[0]!;
  }

  join(
    group: string,
    options: {
      readonly memberId?: string;
      readonly version?: number;
      readonly metadata?: Buffer;
      readonly sessionMs?: number;
      readonly protocolType?: string;
      readonly signal?: AbortSignal;
      readonly instance?: string;
    } = {},
  ) {
    const { version = 9, memberId = '', signal = null, instance = null } = options;
    const metadata = options.metadata ?? subscription('t');
    return this.coordinator.joinGroup(
      {
        groupId: `acme.${group}`,
        sessionTimeoutMs: options.sessionMs ?? 10_000,
        rebalanceTimeoutMs: 60_000,
        memberId,
        groupInstanceId: instance,
        protocolType: options.protocolType ?? 'consumer',
        protocols: [{ name: 'range', metadata }],
        reason: null,
      },
      this.call(version, signal),
    );
  }

  /** A Stable group of one member that is assigned everything. */
  async stable(
    group: string,
    options: { readonly metadata?: Buffer; readonly protocolType?: string } = {},
  ) {
    const { memberId } = await this.join(group, options);
    const joining = this.join(group, { ...options, memberId });
    this.clock.advance(0);
    const { generationId: generation } = await joining;
    await this.sync(group, memberId, generation, { [memberId]: 'everything' });
    return { memberId, generation };
  }

  sync(
    group: string,
    memberId: string,
    generationId: number,
    assignments: Readonly<Record<string, string>> = {},
    signal: AbortSignal | null = null,
  ) {
    return this.coordinator.syncGroup(
      {
        groupId: `acme.${group}`,
        generationId,
        memberId,
        groupInstanceId: null,
        protocolType: null,
        protocolName: null,
        assignments: Object.entries(assignments).map(([id, text]) => {
          return { memberId: id, assignment: Buffer.from(text) };
        }),
      },
      this.call(4, signal),
    );
  }

  heartbeat(group: string, memberId: string, generationId: number): number {
    const request = { groupId: `acme.${group}`, generationId, memberId, groupInstanceId: null };
    return this.coordinator.heartbeat(request).errorCode;
  }

  leave(group: string, memberId: string, version = 5) {
    const member = { memberId, groupInstanceId: null, reason: null };
    const request = { groupId: `acme.${group}`, memberId, members: [member] };
    return this.coordinator.leaveGroup(request, this.call(version));
  }

  /** Lets writes end that nobody waits for. */
  async settle(): Promise<void> {
    for (let turn = 0; turn < 50; turn++) await new Promise((resolve) => setImmediate(resolve));
  }
}

/** What a consumer says that it subscribes to. */
export function subscription(...topics: string[]): Buffer {
  const parts = [Buffer.from([0, 0, 0, 0, 0, topics.length])];
  for (const topic of topics) parts.push(Buffer.from([0, topic.length]), Buffer.from(topic));
  return Buffer.concat([...parts, Buffer.from([255, 255, 255, 255])]);
}
