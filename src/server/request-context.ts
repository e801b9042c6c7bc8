/**
 * One request on its way through a handler: who asks, with which version, and the one call that
 * both asks the Authorizer and writes the audit event.
 *
 * Invariant: `authorize` is the only way from a handler to a decision, so no decision goes without
 * its record; when the audit log cannot be written nothing is allowed.
 */
import type { AccessEvent, SecurityEvent } from '../audit/audit-event.ts';
import type { AuditLog } from '../audit/audit-log.ts';
import type { ChangeRecorder } from '../audit/change-recorder.ts';
import type { Clock } from '../base/clock.ts';
import type { Logger } from '../base/logger.ts';
import type { Engine, EngineCall } from '../engine/engine.ts';
import type { Telemetry } from '../fleet/telemetry/telemetry.ts';
import { workInTurns } from '../protocol/records/event-loop-slices.ts';
import {
  AclOperation,
  CLUSTER_NAME,
  type Operation,
  ResourceType,
  type ResourceTypeName,
  SUPPORTED_OPERATIONS,
} from '../security/acl/operation.ts';
import type { TenantAcls } from '../security/acl/tenant-acls.ts';
import type { Action, AuthorizationResult, Authorizer } from '../security/authorizer.ts';
import type { FetchSessionCache } from './fetch-session.ts';
import type { RefusalPace } from './refusal-pace.ts';
import type { RequestQuotas, Throttle } from './request-quotas.ts';
import type { ServerMetrics } from './server-metrics.ts';
import type { Session } from './session.ts';
import type { TenantSecurity } from './tenant-security.ts';
import { WorkTime } from './work-time.ts';

/** What every handler may use beside its request. */
export interface ServerServices {
  readonly authorizer: Authorizer;
  readonly acls: TenantAcls;
  readonly audit: AuditLog;
  readonly changes: ChangeRecorder;
  readonly logger: Logger;
  readonly metrics: ServerMetrics;
  readonly clock: Clock;
  readonly fetchSessions: FetchSessionCache;
  readonly refusalPace: RefusalPace;
  readonly security: TenantSecurity;
  /** Null: switched off. */
  readonly telemetry: Telemetry | null;
  readonly quotas: RequestQuotas;
  readonly nodeId: number;
  /** The most record bytes in one Fetch answer, as memory stands now. */
  fetchBytesMax(tenant: string): number;
  /** Partitions in one DescribeTopicPartitions answer, whatever the client asks for. */
  readonly describedPartitionsMax: number;
  readonly autoCreateTopics: boolean;
  /** Partitions of a topic that names no number. */
  readonly defaultPartitions: number;
  /** What ApiVersions answers. */
  readonly advertisedApis: readonly {
    readonly apiKey: number;
    readonly minVersion: number;
    readonly maxVersion: number;
  }[];
}

export interface RequestIdentity {
  readonly apiName: string;
  readonly apiKey: number;
  readonly apiVersion: number;
  readonly clientId: string;
}

const LISTING = { rule: 'listing filtered to what each rule allows', origin: null };

export class RequestContext {
  readonly session: Session;
  readonly services: ServerServices;
  readonly apiName: string;
  readonly apiKey: number;
  readonly apiVersion: number;
  readonly clientId: string;
  /** Tells the connection that a later Produce may begin: this one has its place in the log. */
  readonly ordered: () => void;
  /** How long it has had the event loop. */
  work: WorkTime;
  /** What a quota has made of it so far. */
  throttle: Throttle | null = null;
  /** What this request was refused, so far. */
  #refusals = 0;
  /** What the request was let in for, and under which policy the first of it was decided. */
  #grants: AccessEvent[] = [];
  #grantedEpoch = -1;
  #changes: SecurityEvent[] = [];

  constructor(
    session: Session,
    services: ServerServices,
    identity: RequestIdentity,
    ordered: () => void,
  ) {
    this.session = session;
    this.services = services;
    this.apiName = identity.apiName;
    this.apiKey = identity.apiKey;
    this.apiVersion = identity.apiVersion;
    this.clientId = identity.clientId;
    this.ordered = ordered;
    this.work = new WorkTime(services.clock);
  }

  /** The tenant's view of the engine. */
  get engine(): Engine {
    return this.session.engine;
  }

  get call(): EngineCall {
    const { session, apiVersion, clientId, ordered } = this;
    return {
      apiVersion,
      signal: session.closing,
      clientId,
      clientHost: `/${session.host}`,
      ordered,
      isStillPermitted: () => this.isStillPermitted(),
      appended: (sizeBytes, recordCount) => {
        const meter = this.services.metrics.meterOf(this.session);
        meter.producedBytes.inc(sizeBytes);
        meter.producedRecords.inc(recordCount);
      },
      worked: (ms) => this.work.add(ms),
      onLimit: (key, limit) => {
        const { alarms } = this.services.quotas;
        const bite = { key, scope: 'tenant', limit, effect: 'refused' } as const;
        alarms.bit(session.subject, bite, this.services.clock.monotonicMs());
      },
    };
  }

  get policyEpoch(): number {
    return this.services.authorizer.epochIn(this.session.principal.tenant);
  }

  /** Decides and records one access. */
  authorize(operation: Operation, resourceType: ResourceTypeName, resourceName: string): boolean {
    const { authorizer, audit } = this.services;
    const { session } = this;
    const epoch = authorizer.epochIn(session.principal.tenant);
    const slot = this.#slot(operation, resourceType);
    const known = session.recall(epoch, slot, resourceName);
    if (known !== undefined && known.clientId === this.clientId && audit.healthy) {
      audit.access(session.subject, known);
      this.services.metrics.decided(session, true, 'session');
      this.granted(epoch, known);
      return true;
    }
    const result = authorizer.authorize(session.principal, session.host, {
      operation,
      resourceType,
      resourceName,
    });
    const allowed = result.allowed && audit.healthy;
    const what = { operation, resourceType, resourceName };
    const event = this.eventOf(what, allowed, result);
    this.note(event);
    if (allowed) {
      session.remember(epoch, slot, event);
      this.granted(epoch, event);
    }
    return allowed;
  }

  /**
   * Asked when a change has waited: is the connection still there, and may its principal still do
   * all that this request was let in for? Decided again, in turns, and recorded where the policy has
   * changed; and once more where it changed meanwhile.
   */
  isStillPermitted(): boolean | Promise<boolean> {
    if (this.session.isGone) return false;
    return this.policyEpoch === this.#grantedEpoch || this.#decideAgain();
  }

  /** The epoch of what the request was let in for; -1: it must be decided again. */
  protected get grantedEpoch(): number {
    return this.#grantedEpoch;
  }

  /** What the request was let in for, to be decided again: what is allowed is `granted` anew. */
  protected takeGrants(): readonly AccessEvent[] {
    const grants = this.#grants;
    this.#grants = [];
    this.#grantedEpoch = -1;
    return grants;
  }

  /** They were refused: asked again, all of them are decided again. */
  protected restoreGrants(grants: readonly AccessEvent[]): void {
    this.#grants = [...grants];
    this.#grantedEpoch = -1;
  }

  async #decideAgain(): Promise<boolean> {
    const grants = this.takeGrants();
    for (;;) {
      const epoch = this.policyEpoch;
      this.#grants = [];
      const isPermitted = await workInTurns(this.services.clock, this.#authorizeAll(grants));
      if (!isPermitted || this.session.isGone) {
        this.restoreGrants(grants);
        return false;
      }
      if (this.policyEpoch === epoch) return true;
    }
  }

  *#authorizeAll(grants: readonly AccessEvent[]): Generator<void, boolean> {
    for (const { operation, resourceType, resourceName } of grants) {
      if (!this.authorize(operation, resourceType, resourceName)) return false;
      yield;
    }
    return true;
  }

  /** Notes an allow: a change that waits asks for it again. */
  protected granted(epoch: number, event: AccessEvent): void {
    if (this.#grants.length === 0) this.#grantedEpoch = epoch;
    this.#grants.push(event);
  }

  authorizeCluster(operation: Operation): boolean {
    return this.authorize(operation, 'CLUSTER', CLUSTER_NAME);
  }

  /** May the caller do this to at least one resource of the type (KIP-679)? Recorded as `*`. */
  authorizeByResourceType(operation: Operation, resourceType: ResourceTypeName): boolean {
    const { authorizer, audit } = this.services;
    const { session } = this;
    const result = authorizer.authorizeByResourceType(
      session.principal,
      session.host,
      operation,
      resourceType,
    );
    const allowed = result.allowed && audit.healthy;
    const what = { operation, resourceType, resourceName: '*' };
    this.note(this.eventOf(what, allowed, result));
    return allowed;
  }

  /**
   * Keeps what the caller may see of a listing. What is dropped was never asked for by name, so it
   * is no denial; the listing itself is recorded once, with the number of names shown.
   */
  visible<T>(
    operation: Operation,
    resourceType: ResourceTypeName,
    items: readonly T[],
    nameOf: (item: T) => string,
  ): T[] {
    if (!this.listed(operation, resourceType)) return [];
    return items.filter((item) => this.permits(operation, resourceType, nameOf(item)));
  }

  /** Records that a listing was shown; false when it must not be, since nothing can be recorded. */
  listed(operation: Operation, resourceType: ResourceTypeName): boolean {
    const { audit } = this.services;
    if (!audit.healthy) return false;
    const what: Action = { operation, resourceType, resourceName: '*' };
    this.note(this.eventOf(what, true, LISTING));
    return true;
  }

  /** Asks without recording: for what an answer describes, never for what a request does. */
  permits(operation: Operation, resourceType: ResourceTypeName, resourceName: string): boolean {
    const { principal, host } = this.session;
    const action = { operation, resourceType, resourceName };
    return this.services.authorizer.authorize(principal, host, action).allowed;
  }

  /** The bit field of KIP-430: bit n is the operation with code n; 0 when nothing is permitted. */
  authorizedOperations(resourceType: ResourceTypeName, resourceName: string): number {
    let bits = 0;
    for (const operation of SUPPORTED_OPERATIONS[resourceType]) {
      if (this.permits(operation, resourceType, resourceName)) bits |= 1 << AclOperation[operation];
    }
    return bits;
  }

  /** Notes an administrative change; `recorded` must resolve before it is acted upon. */
  administration(reason: string, facts: NonNullable<SecurityEvent['facts']>): void {
    this.#changes.push({
      type: 'administration',
      outcome: 'success',
      reason,
      facts: { api: this.apiName, ...facts },
    });
  }

  /** A change that was asked for, or recorded before, and did not come about. */
  administrationFailed(
    reason: string,
    detail: string,
    facts: NonNullable<SecurityEvent['facts']>,
  ): void {
    this.services.audit.security(this.session.subject, {
      type: 'administration',
      outcome: 'failure',
      reason,
      detail,
      facts: { api: this.apiName, ...facts },
    });
  }

  /** Resolves once every denial and change so far is recorded and on stable storage. */
  async recorded(): Promise<void> {
    const { audit, changes } = this.services;
    const noted = this.#changes;
    this.#changes = [];
    if (noted.length > 0) await changes.record(this.session.subject, noted);
    await audit.durable();
  }

  /** Counts the refusals; for how long the connection is not to be read from after the answer. */
  paceMs(): number {
    if (this.#refusals === 0) return 0;
    return this.services.refusalPace.muteMs(this.session.principal.tenant, this.#refusals);
  }

  /** True while an answer must not leave: a refusal or a change is not recorded yet. */
  get unrecorded(): boolean {
    return this.#changes.length > 0 || (this.#refusals > 0 && this.services.audit.pending);
  }

  /**
   * Where the deciding begins of a list that is gone through as a whole; see `settle`. Decisions
   * that are taken here are there at once, so nothing is ever open.
   */
  mark(): number {
    return 0;
  }

  /**
   * Ends what `mark` began. Undefined: all of it is decided. Else, once the promise has resolved,
   * true means that the list must be gone through again.
   */
  settle(_mark: number): Promise<boolean> | undefined {
    return undefined;
  }

  /** Ends what `mark` began, as if it had not been gone through. */
  rewind(_mark: number): void {}

  /** A decision that the answer needs after the deed, when nothing can be waited for any more. */
  foresee(_operation: Operation, _resourceType: ResourceTypeName, _resourceName: string): void {}

  /** True when what was decided under `epoch` does not count any more and must be decided again. */
  lapsed(epoch: number): boolean {
    return this.policyEpoch !== epoch;
  }

  /** For what a handler does without the engine, such as a change to a session. */
  beforeActing(): void {}

  /** The outcome of the handler counts: what it decided is recorded by now. */
  conclude(): Promise<void> | undefined {
    return undefined;
  }

  /** True while the outcome of the handler is a draft: decisions in it are still open. */
  get undecided(): boolean {
    return false;
  }

  /** Asks for what is open; the handler may run again then. */
  async askMissing(): Promise<void> {}

  protected eventOf(
    { operation, resourceType, resourceName }: Action,
    allowed: boolean,
    { rule, origin, tokenRole, rolePath }: Omit<AuthorizationResult, 'allowed'>,
  ): AccessEvent {
    const { apiName: api, apiVersion, clientId } = this;
    return {
      api,
      apiVersion,
      clientId,
      operation,
      resourceType,
      resourceName,
      allowed,
      rule,
      origin,
      ...(tokenRole !== undefined && { tokenRole }),
      ...(rolePath !== undefined && { rolePath }),
    };
  }

  /** Records an access. */
  protected note(event: AccessEvent): void {
    this.services.audit.access(this.session.subject, event);
    const by = event.origin?.startsWith('external:') === true ? 'external' : 'policy';
    this.services.metrics.decided(this.session, event.allowed, by);
    if (event.allowed) return;
    this.#refusals += 1;
    this.session.deviceMeter.denials++;
  }

  #slot(operation: Operation, resourceType: ResourceTypeName): number {
    return (this.apiKey << 8) | (ResourceType[resourceType] << 4) | AclOperation[operation];
  }
}
