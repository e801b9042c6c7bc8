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
import {
  AclOperation,
  CLUSTER_NAME,
  type Operation,
  ResourceType,
  type ResourceTypeName,
  SUPPORTED_OPERATIONS,
} from '../security/acl/operation.ts';
import type { TenantAcls } from '../security/acl/tenant-acls.ts';
import type { Authorizer } from '../security/authorizer.ts';
import type { FetchSessionCache } from './fetch-session.ts';
import type { Session } from './session.ts';
import type { TenantSecurity } from './tenant-security.ts';

/** What every handler may use beside its request. */
export interface ServerServices {
  readonly authorizer: Authorizer;
  readonly acls: TenantAcls;
  readonly audit: AuditLog;
  readonly changes: ChangeRecorder;
  readonly logger: Logger;
  readonly clock: Clock;
  readonly fetchSessions: FetchSessionCache;
  readonly security: TenantSecurity;
  readonly nodeId: number;
  /** The most record bytes in one Fetch answer, as memory stands now. */
  readonly fetchMaxBytes: number;
  /** Partitions in one DescribeTopicPartitions answer, whatever the client asks for. */
  readonly describedPartitionsMax: number;
  readonly autoCreateTopics: boolean;
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

export class RequestContext {
  readonly session: Session;
  readonly services: ServerServices;
  readonly apiName: string;
  readonly apiKey: number;
  readonly apiVersion: number;
  readonly clientId: string;
  /** Tells the connection that a later Produce may begin: this one has its place in the log. */
  readonly ordered: () => void;
  #denied = false;
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
      return true;
    }
    const result = authorizer.authorize(session.principal, session.host, {
      operation,
      resourceType,
      resourceName,
    });
    const allowed = result.allowed && audit.healthy;
    const event: AccessEvent = {
      api: this.apiName,
      apiVersion: this.apiVersion,
      clientId: this.clientId,
      operation,
      resourceType,
      resourceName,
      allowed,
      rule: result.rule,
      origin: result.origin,
      ...(result.tokenRole !== undefined && { tokenRole: result.tokenRole }),
    };
    audit.access(session.subject, event);
    if (allowed) session.remember(epoch, slot, event);
    else this.#denied = true;
    return allowed;
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
    audit.access(session.subject, {
      api: this.apiName,
      apiVersion: this.apiVersion,
      clientId: this.clientId,
      operation,
      resourceType,
      resourceName: '*',
      allowed,
      rule: result.rule,
      origin: result.origin,
      ...(result.tokenRole !== undefined && { tokenRole: result.tokenRole }),
    });
    if (!allowed) this.#denied = true;
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
    audit.access(this.session.subject, {
      api: this.apiName,
      apiVersion: this.apiVersion,
      clientId: this.clientId,
      operation,
      resourceType,
      resourceName: '*',
      allowed: true,
      rule: `listing filtered to what each rule allows`,
      origin: null,
    });
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

  /** True while an answer must not leave: a refusal or a change is not recorded yet. */
  get unrecorded(): boolean {
    return this.#changes.length > 0 || (this.#denied && this.services.audit.pending);
  }

  #slot(operation: Operation, resourceType: ResourceTypeName): number {
    return (this.apiKey << 8) | (ResourceType[resourceType] << 4) | AclOperation[operation];
  }
}
