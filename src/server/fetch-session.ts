/**
 * Incremental fetch sessions (KIP-227): a consumer names its partitions once, later requests carry
 * only what changed, and answers only what is new.
 *
 * Invariants: a session belongs to one principal of one tenant, and is unknown to everybody else;
 * its epoch is bumped when a request is accepted, not when it is answered; the cache is bounded in
 * sessions and in partitions, and refusing a slot only means a sessionless answer; a partition that
 * a request names more than once counts once, as last named.
 *
 * Fairness: while there is room anybody may have it. When there is none, a tenant that holds less
 * than its share (all of it, over the tenants that hold any) takes it from the tenant that holds
 * most; a tenant at its share may replace sessions of its own, and those that idle too long.
 *
 *   (id 0, epoch 0) full, create      (id X, epoch 0) close X, full, create
 *   (id 0, epoch -1) sessionless      (id X, epoch -1) close X, sessionless
 *   (id X, epoch N > 0) incremental; the epoch after 2^31-1 is 1
 */
import type { Clock } from '../base/clock.ts';
import type { Random } from '../base/random.ts';
import { ErrorCode } from '../protocol/error-codes.ts';
import type { FetchRequest, FetchResponse, FetchTopic } from '../protocol/schemas/01-fetch.ts';
import {
  addPartitions,
  type CachedPartition,
  changedSince,
  eachOnce,
  groupByTopic,
  partitionKey,
  remember,
} from './fetch-session-partitions.ts';

/** A slot may be taken from a session that was idle this long (Kafka's MinIncrementalFetchSession). */
const EVICTION_IDLE_MS = 120_000;
/** Partitions that all sessions together remember, and that one may. */
const PARTITIONS_MAX = 400_000;
const SESSION_PARTITIONS_MAX = 40_000;
const INITIAL_EPOCH = 0;
const FINAL_EPOCH = -1;
const EPOCH_MAX = 2 ** 31 - 1;

interface CachedSession {
  readonly id: number;
  readonly owner: string;
  readonly tenant: string;
  readonly usesTopicIds: boolean;
  /** In serving order: what returned data goes to the end. */
  readonly partitions: Map<string, CachedPartition>;
  nextEpoch: number;
  lastUsedMs: number;
}

/** What a tenant's sessions take together. */
interface Holding {
  sessions: number;
  partitions: number;
}

const NO_HOLDING: Holding = { sessions: 0, partitions: 0 };

/** What a request asks for once its session is taken into account. */
export interface FetchContext {
  readonly topics: FetchTopic[];
  /** Turns the whole answer into what goes over the wire: session id set, unchanged parts left out. */
  finish(response: FetchResponse): FetchResponse;
  /** The answer where a quota leaves none: nothing is told, and nothing of the session changes. */
  heldBack(): FetchResponse;
}

export class FetchSessionCache {
  readonly #sessions = new Map<number, CachedSession>();
  /** Of each tenant that has a session. */
  readonly #holdings = new Map<string, Holding>();
  readonly #slots: number;
  readonly #clock: Clock;
  readonly #random: Random;
  #partitionCount = 0;

  constructor(slots: number, clock: Clock, random: Random) {
    this.#slots = slots;
    this.#clock = clock;
    this.#random = random;
  }

  get size(): number {
    return this.#sessions.size;
  }

  /** Partitions that all sessions together remember. */
  get partitionCount(): number {
    return this.#partitionCount;
  }

  /**
   * Opens the context of a request, or answers the error code of KIP-227. The owner is a principal
   * as `<tenant>/<name>`.
   */
  open(request: FetchRequest, owner: string, apiVersion: number): FetchContext | number {
    const { sessionId, sessionEpoch } = request;
    request.topics = eachOnce(request.topics);
    if (apiVersion < 7) return sessionless(request);
    if (sessionEpoch === INITIAL_EPOCH || sessionEpoch === FINAL_EPOCH) {
      if (sessionId !== 0) this.#close(sessionId, owner);
      if (sessionEpoch === FINAL_EPOCH) return sessionless(request);
      return this.#create(request, owner, apiVersion >= 13);
    }
    return this.#continue(request, owner, apiVersion >= 13);
  }

  #close(id: number, owner: string): void {
    if (this.#sessions.get(id)?.owner === owner) this.#remove(id);
  }

  #remove(id: number): boolean {
    const session = this.#sessions.get(id);
    if (session === undefined) return false;
    this.#hold(session.tenant, -1, -session.partitions.size);
    return this.#sessions.delete(id);
  }

  #hold(tenant: string, sessions: number, partitions: number): void {
    const before = this.#holdings.get(tenant) ?? NO_HOLDING;
    const after = {
      sessions: before.sessions + sessions,
      partitions: before.partitions + partitions,
    };
    this.#partitionCount += partitions;
    if (after.sessions === 0) this.#holdings.delete(tenant);
    else this.#holdings.set(tenant, after);
  }

  #create(request: FetchRequest, owner: string, usesTopicIds: boolean): FetchContext {
    const partitions = new Map<string, CachedPartition>();
    addPartitions(partitions, request.topics);
    const tenant = owner.slice(0, owner.indexOf('/'));
    const id = partitions.size > 0 ? this.#freeSlot(tenant, partitions.size) : 0;
    if (id === 0) return sessionless(request);
    const lastUsedMs = this.#clock.monotonicMs();
    const session = { id, owner, tenant, usesTopicIds, partitions, nextEpoch: 1, lastUsedMs };
    this.#sessions.set(id, session);
    this.#hold(tenant, 1, partitions.size);
    return {
      topics: request.topics,
      finish(response) {
        for (const topic of response.responses) {
          for (const partition of topic.partitions) remember(session, topic, partition);
        }
        response.sessionId = id;
        return response;
      },
      // As in Kafka the client learns of no session then, and makes another one.
      heldBack: () => {
        this.#remove(id);
        return emptyAnswer(0);
      },
    };
  }

  #continue(request: FetchRequest, owner: string, usesTopicIds: boolean): FetchContext | number {
    const session = this.#sessions.get(request.sessionId);
    if (session === undefined || session.owner !== owner) {
      return ErrorCode.FETCH_SESSION_ID_NOT_FOUND;
    }
    if (session.nextEpoch !== request.sessionEpoch) return ErrorCode.INVALID_FETCH_SESSION_EPOCH;
    if (session.usesTopicIds !== usesTopicIds) return ErrorCode.FETCH_SESSION_TOPIC_ID_ERROR;
    const sizeBefore = session.partitions.size;
    for (const topic of request.forgottenTopicsData) {
      for (const partition of topic.partitions) {
        session.partitions.delete(partitionKey(topic, partition));
      }
    }
    addPartitions(session.partitions, request.topics);
    this.#hold(session.tenant, 0, session.partitions.size - sizeBefore);
    session.lastUsedMs = this.#clock.monotonicMs();
    const hasGrown = session.partitions.size > sizeBefore;
    if (hasGrown && !this.#hasRoomFor(session.tenant, session.partitions.size, 0)) {
      // The client answers this with a full fetch, which needs no session.
      this.#remove(session.id);
      return ErrorCode.FETCH_SESSION_ID_NOT_FOUND;
    }
    session.nextEpoch = session.nextEpoch === EPOCH_MAX ? 1 : session.nextEpoch + 1;
    if (session.partitions.size === 0) {
      this.#remove(session.id);
      return sessionless({ ...request, topics: [] });
    }
    return {
      topics: groupByTopic(session.partitions),
      finish(response) {
        response.sessionId = session.id;
        response.responses = changedSince(session, response.responses);
        return response;
      },
      heldBack: () => emptyAnswer(session.id),
    };
  }

  /** Makes room for `added` more partitions of the tenant, if that is fair; false if not. */
  #hasRoomFor(tenant: string, sessionPartitions: number, added: number): boolean {
    if (sessionPartitions > SESSION_PARTITIONS_MAX) return false;
    while (this.#partitionCount + added > PARTITIONS_MAX) {
      const wanted = this.#held(tenant).partitions + added;
      if (wanted > this.#share(PARTITIONS_MAX, tenant)) return false;
      if (!this.#evictFromLargest('partitions', tenant)) return false;
    }
    return true;
  }

  /** A new session id, or 0 when the cache keeps what it has. */
  #freeSlot(tenant: string, partitionCount: number): number {
    if (!this.#hasRoomFor(tenant, partitionCount, partitionCount)) return 0;
    if (this.#sessions.size >= this.#slots && !this.#evictOne(tenant, partitionCount)) return 0;
    for (;;) {
      const id = this.#random.bytes(4).readUInt32BE() >>> 1;
      if (id !== 0 && !this.#sessions.has(id)) return id;
    }
  }

  #evictOne(tenant: string, partitionCount: number): boolean {
    const oldest = this.#longestIdle();
    if (oldest === undefined) return false;
    if (this.#clock.monotonicMs() - oldest.lastUsedMs > EVICTION_IDLE_MS) {
      return this.#remove(oldest.id);
    }
    if (this.#held(tenant).sessions + 1 <= this.#share(this.#slots, tenant)) {
      return this.#evictFromLargest('sessions', tenant);
    }
    // At its share: a smaller one of its own, as Kafka has it among all.
    const own = this.#longestIdle(tenant);
    if (own === undefined || own.partitions.size >= partitionCount) return false;
    return this.#remove(own.id);
  }

  /** Ends the longest idle session of the tenant that holds most, if that is another one. */
  #evictFromLargest(what: keyof Holding, forTenant: string): boolean {
    let largest = forTenant;
    for (const [tenant, holding] of this.#holdings) {
      if (holding[what] > this.#held(largest)[what]) largest = tenant;
    }
    const victim = largest === forTenant ? undefined : this.#longestIdle(largest);
    return victim !== undefined && this.#remove(victim.id);
  }

  #longestIdle(tenant?: string): CachedSession | undefined {
    let found: CachedSession | undefined;
    for (const session of this.#sessions.values()) {
      if (tenant !== undefined && session.tenant !== tenant) continue;
      if (found === undefined || session.lastUsedMs < found.lastUsedMs) found = session;
    }
    return found;
  }

  #held(tenant: string): Holding {
    return this.#holdings.get(tenant) ?? NO_HOLDING;
  }

  #share(whole: number, tenant: string): number {
    const others = this.#holdings.size - (this.#holdings.has(tenant) ? 1 : 0);
    return Math.floor(whole / (others + 1));
  }
}

function sessionless(request: FetchRequest): FetchContext {
  const finish = (response: FetchResponse): FetchResponse => response;
  return { topics: request.topics, finish, heldBack: () => emptyAnswer(0) };
}

function emptyAnswer(sessionId: number): FetchResponse {
  return { throttleTimeMs: 0, errorCode: 0, sessionId, responses: [], nodeEndpoints: [] };
}
