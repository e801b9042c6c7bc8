/**
 * Owns the groups that this node knows, by namespace and id, and what each of them is made of: its
 * members while there are any, what is remembered of it while there are none, and its offsets.
 *
 * Invariant: a group is here as long as somebody is in it or expected, something of it is stored,
 * or a write of it is under way. Groups at rest, which are most, cost no state machine.
 */
import { ClassicGroup } from './classic-group.ts';
import { namespaceOfGroup } from './group-id.ts';
import { GroupOffsets } from './group-offsets.ts';
import type { GroupState } from './group-rebalance.ts';
import type { CommittedOffset, OffsetName, RecordTarget, StoredGroup } from './group-records.ts';
import type { GroupSettings } from './group-settings.ts';

/** A group without members that once had some. */
export interface RestingGroup {
  readonly protocolType: string;
  readonly generation: number;
  /** Wall clock; -1 where an old record did not say. */
  readonly emptySinceMs: number;
}

export class Group {
  readonly id: string;
  /** Set while somebody is in it or expected. */
  classic: ClassicGroup | null = null;
  /** Meaningful while `classic` is not set. */
  resting: RestingGroup | null = null;
  offsets: GroupOffsets | null = null;
  /** It takes nothing more until its deletion is stored or has failed. */
  isBeingDeleted = false;
  /** What its namespace counts for it. */
  countedBytes = 0;
  /** When its state machine wants to be called, as far as the timer knows; see DeadlineQueue. */
  scheduledMs = Number.POSITIVE_INFINITY;
  heapIndex = 0;
  #writes = 0;
  #whenQuiet: (() => void)[] = [];

  constructor(id: string) {
    this.id = id;
  }

  get state(): GroupState {
    return this.classic?.state ?? 'Empty';
  }

  /** null for a group that only ever stored offsets. */
  get protocolType(): string | null {
    return (this.classic ?? this.resting)?.protocolType ?? null;
  }

  /** Records of it that are on their way to the disk. */
  get isWriting(): boolean {
    return this.#writes > 0;
  }

  beginWrite(): void {
    this.#writes += 1;
  }

  endWrite(): void {
    this.#writes -= 1;
    if (this.#writes > 0) return;
    const waiting = this.#whenQuiet;
    this.#whenQuiet = [];
    for (const wake of waiting) wake();
  }

  /** Resolves once no write is under way. */
  async quiet(): Promise<void> {
    while (this.#writes > 0) await new Promise<void>((wake) => this.#whenQuiet.push(wake));
  }

  /** The state machine, made anew from what is remembered where there is none. */
  awake(settings: GroupSettings, nowMs: number): ClassicGroup {
    this.classic ??= this.#restored(settings, nowMs);
    return this.classic;
  }

  setOffset({ topic, partition }: OffsetName, committed: CommittedOffset | null): void {
    if (committed !== null) {
      this.offsets ??= new GroupOffsets();
      this.offsets.set(topic, partition, committed);
      return;
    }
    this.offsets?.delete(topic, partition);
    if (this.offsets?.isEmpty) this.offsets = null;
  }

  #restored(settings: GroupSettings, nowMs: number): ClassicGroup {
    if (this.resting === null) return new ClassicGroup(settings);
    const { protocolType, generation } = this.resting;
    const stored = { protocolType, generation, protocolName: null, leader: null, members: [] };
    return ClassicGroup.restore(settings, stored, nowMs);
  }
}

interface Namespace {
  readonly groups: Map<string, Group>;
  /** What its groups hold in memory, as of their last `settle`. */
  heldBytes: number;
}

export class Groups implements RecordTarget {
  /** Told of every group that is here no more. */
  onRemoved: (group: Group) => void = () => undefined;
  readonly #settings: GroupSettings;
  readonly #namespaces = new Map<string, Namespace>();
  /** While the logs are read: groups that had members when they were stored. */
  #restoring = new Map<Group, StoredGroup>();

  constructor(settings: GroupSettings) {
    this.#settings = settings;
  }

  get(groupId: string): Group | undefined {
    return this.#namespaces.get(namespaceOfGroup(groupId))?.groups.get(groupId);
  }

  /** undefined when the namespace holds as many groups as it may. */
  getOrAdd(groupId: string): Group | undefined {
    const known = this.get(groupId);
    if (known !== undefined) return known;
    const held = this.#namespaces.get(namespaceOfGroup(groupId))?.groups.size ?? 0;
    return held >= this.#settings.groupsPerNamespaceMax ? undefined : this.#add(groupId);
  }

  inNamespace(namespace: string): Iterable<Group> {
    return this.#namespaces.get(namespace)?.groups.values() ?? [];
  }

  *all(): Generator<Group> {
    for (const { groups } of this.#namespaces.values()) yield* groups.values();
  }

  /** Whether the group's namespace may hold so many bytes more. */
  hasRoom(groupId: string, bytes: number): boolean {
    const held = this.#namespaces.get(namespaceOfGroup(groupId))?.heldBytes ?? 0;
    return held + bytes <= this.#settings.bytesPerNamespaceMax;
  }

  remove(group: Group): void {
    const name = namespaceOfGroup(group.id);
    const namespace = this.#namespaces.get(name);
    if (namespace === undefined || !namespace.groups.delete(group.id)) return;
    namespace.heldBytes -= group.countedBytes;
    group.countedBytes = 0;
    if (namespace.groups.size === 0) this.#namespaces.delete(name);
    this.onRemoved(group);
  }

  /**
   * To be called whenever a group has changed: counts what it holds, puts an idle state machine
   * away, and the group itself when there is nothing to remember.
   */
  settle(group: Group): void {
    if (group.isBeingDeleted) return;
    if (group.classic?.isIdle) group.classic = null;
    this.#count(group);
    const isVoid = group.classic === null && group.resting === null && group.offsets === null;
    if (isVoid && !group.isWriting && this.get(group.id) === group) this.remove(group);
  }

  /** A group's record, while the logs are read. */
  group(groupId: string, stored: StoredGroup | null): void {
    const group = this.get(groupId) ?? this.#add(groupId);
    this.#restoring.delete(group);
    group.resting = null;
    if (stored === null) {
      this.settle(group);
      return;
    }
    const { snapshot, storedAtMs } = stored;
    const { protocolType, generation, members } = snapshot;
    if (protocolType !== '') {
      group.resting = { protocolType, generation, emptySinceMs: storedAtMs };
    }
    if (members.length > 0) this.#restoring.set(group, stored);
  }

  /** An offset's record, while the logs are read. */
  offset(name: OffsetName, committed: CommittedOffset | null): void {
    const group = this.get(name.group) ?? this.#add(name.group);
    group.setOffset(name, committed);
    this.settle(group);
  }

  /** The logs are read: members come back to life. Gives the groups that have some. */
  restored(nowMs: number): readonly Group[] {
    const awake: Group[] = [];
    for (const [group, { snapshot }] of this.#restoring) {
      group.classic = ClassicGroup.restore(this.#settings, snapshot, nowMs);
      this.#count(group);
      awake.push(group);
    }
    this.#restoring = new Map();
    return awake;
  }

  #add(groupId: string): Group {
    const name = namespaceOfGroup(groupId);
    let namespace = this.#namespaces.get(name);
    if (namespace === undefined) {
      namespace = { groups: new Map(), heldBytes: 0 };
      this.#namespaces.set(name, namespace);
    }
    const group = new Group(groupId);
    namespace.groups.set(groupId, group);
    return group;
  }

  #count(group: Group): void {
    const heldBytes = (group.classic?.heldBytes ?? 0) + (group.offsets?.heldBytes ?? 0);
    const namespace = this.#namespaces.get(namespaceOfGroup(group.id));
    if (namespace?.groups.get(group.id) !== group) return;
    namespace.heldBytes += heldBytes - group.countedBytes;
    group.countedBytes = heldBytes;
  }
}
