/**
 * What the admin API needs of the rest of the broker: narrow interfaces, filled in by the
 * composition root. Names are a tenant's own (visible) names.
 */
import type { TLSSocket, TlsOptions } from 'node:tls';
import type { AuditSubject } from '../audit/audit-event.ts';
import type { AuditLog } from '../audit/audit-log.ts';
import type { AuditFilter, QueryOrder } from '../audit/audit-query.ts';
import type { Clock } from '../base/clock.ts';
import type { Logger, LogLevel } from '../base/logger.ts';
import type { MetricRegistry } from '../base/metrics.ts';
import type { Random } from '../base/random.ts';
import type { BanId } from '../security/abuse/bans.ts';
import type { AclBinding } from '../security/acl/acl-binding.ts';
import type { AclFilter } from '../security/acl/acl-filter.ts';
import type { AdmissionResult } from '../security/admission.ts';
import type { Action, Authorizer, OutsideDecisions } from '../security/authorizer.ts';
import type {
  RevocationReason,
  RevokedCertificate,
  RevokedName,
  SuspendedId,
  Suspension,
} from '../security/revocations.ts';
import type { ScramCredential } from '../security/scram/scram-credentials.ts';
import type { ScramMechanismName } from '../security/scram/scram-mechanism.ts';
import type { OperatorTokens } from '../security/token/operator-tokens.ts';
import type { AdminFleet } from './fleet-devices.ts';

export interface TenantView {
  readonly name: string;
  readonly state: 'active' | 'suspended' | 'deleting';
  readonly createdAtMs: number;
  /** SHA-256 of the tenant's CA certificate, as openssl prints it. */
  readonly caFingerprint: string;
  readonly caExpiresAtMs: number;
  /** A restore shut it out: what was revoked or deleted after the backup may be lost. */
  readonly isUnproven: boolean;
}

/** Methods that change something resolve once the change is durable and in force. */
export interface AdminTenants {
  /** In no order. */
  list(): Iterable<TenantView>;
  get(name: string): TenantView | undefined;
  /**
   * Again with the same CA it is the tenant that is there. Throws AdminError when it exists with
   * another one, or the certificate is not a CA under the client root.
   */
  create(name: string, caCertificatePem: string): Promise<TenantView>;
  /**
   * A suspended tenant's connections are closed and new ones refused. One that a restore shut out for
   * want of proof is resumed only with `isRestoredAccepted`.
   */
  setState(
    name: string,
    state: 'active' | 'suspended',
    isRestoredAccepted: boolean,
  ): Promise<TenantView>;
}

/** A tenant on its way out, or one that is gone and whose name is free. */
export interface DeletionView {
  readonly tenant: string;
  readonly state: 'deleting' | 'deleted';
  readonly begunAtMs: number | null;
  readonly deletedAtMs: number | null;
  /** What there was when the deletion began. */
  readonly counts: Readonly<Record<string, number>>;
  /** Why the last attempt to purge its data failed; it is tried again. */
  readonly failure: string | null;
}

export interface AdminDeletions {
  /**
   * Resolves once the deletion is durable: nobody of the tenant is connected any more, and its data
   * goes in the background. AdminError for what is refused.
   */
  begin(tenant: string): Promise<DeletionView>;
  /** Undefined when there is no such deletion. */
  view(tenant: string): DeletionView | undefined;
}

export interface BackupReport {
  readonly name: string;
  readonly state: 'running' | 'complete' | 'failed';
  readonly startedAtMs: number;
  readonly finishedAtMs: number | null;
  readonly parts: number;
  readonly files: number;
  readonly bytes: number;
  /** Parts that are offline, and so not in it. */
  readonly skipped: readonly string[];
  /** SHA-256 of its manifest. */
  readonly sha256: string | null;
  readonly failure: string | null;
}

export interface WantedBackup {
  readonly name: string;
  /** Null: what the configuration allows. */
  readonly bytesPerSecond: number | null;
  /** An earlier backup, with which the new one shares what cannot have changed. */
  readonly since: string | null;
}

/** Backups in the one folder that the configuration names. */
export interface AdminBackups {
  /** Null: none are taken. */
  readonly directory: string | null;
  list(): Promise<readonly string[]>;
  /** Resolves when it has begun. AdminError for what is refused. */
  start(wanted: WantedBackup): Promise<BackupReport>;
  /** Of the one under way, or the last one since the start. */
  view(name: string): BackupReport | undefined;
}

export interface CaView {
  /** `own`: under the client root; `imported`: not ours. */
  readonly kind: 'own' | 'imported';
  /** SHA-256 of the certificate, as openssl prints it. */
  readonly fingerprint: string;
  readonly serial: string;
  /** In the form of RFC 2253. */
  readonly subject: string;
  readonly expiresAtMs: number;
  /** Null for one of our own. */
  readonly mappingRules: string | null;
  readonly isAnnounced: boolean;
  readonly isShared: boolean;
}

export interface WantedImport {
  readonly caCertificate: string;
  readonly mappingRules: string;
  readonly isAnnounced: boolean;
  readonly isShared: boolean;
}

/** Changes resolve once they are durable and in force; AdminError for what is refused. */
export interface AdminCas {
  /** Undefined when there is no such tenant. */
  list(tenant: string): readonly CaView[] | undefined;
  add(tenant: string, caCertificatePem: string): Promise<CaView>;
  /** Again with other rules it replaces what was said of that CA. */
  import(tenant: string, wanted: WantedImport): Promise<CaView>;
  remove(tenant: string, fingerprint: string): Promise<void>;
}

export interface UserView {
  readonly name: string;
  readonly credentials: readonly {
    readonly mechanism: ScramMechanismName;
    readonly iterations: number;
  }[];
}

/** Changes resolve once they are durable and in force; AdminError for what is refused. */
export interface AdminUsers {
  /** Those behind the name `after`, in no order; undefined when there is no such tenant. */
  list(tenant: string, after: string | null): Iterable<UserView> | undefined;
  /** True when the user had none before. */
  set(tenant: string, credential: ScramCredential): Promise<boolean>;
  /** How many credentials were removed; null stands for every mechanism. */
  remove(tenant: string, user: string, mechanism: ScramMechanismName | null): Promise<number>;
}

export interface TopicView {
  readonly name: string;
  readonly topicId: string;
  readonly partitions: number;
}

export interface TopicDetails extends TopicView {
  readonly partitionStates: readonly {
    readonly partition: number;
    readonly leader: number;
    readonly leaderEpoch: number;
    readonly online: boolean;
  }[];
  readonly configs: readonly {
    readonly name: string;
    readonly value: string | null;
    readonly isDefault: boolean;
  }[];
}

export interface NewTopic {
  readonly name: string;
  /** Null: the broker's num.partitions. */
  readonly partitions: number | null;
  readonly configs: ReadonlyMap<string, string>;
}

/** Every method throws AdminError for what the engine refuses. */
export interface AdminTopics {
  list(tenant: string): readonly TopicView[];
  describe(tenant: string, topic: string): Promise<TopicDetails>;
  create(tenant: string, topic: NewTopic): Promise<TopicView>;
  delete(tenant: string, topic: string): Promise<void>;
}

export interface AclView extends AclBinding {
  /** A tenant, or `*` for every tenant. */
  readonly domain: string;
  /** `acme.csv:12` or `dynamic`; only dynamic ones can be removed here. */
  readonly origin: string;
  /** The rule as a line of a policy file, with its time window. */
  readonly text: string;
}

/** Who is asked about in `explain`: a principal that need not be connected. */
export interface AskedPrincipal {
  readonly name: string;
  readonly fleet: string | null;
  /** `Role:<name>`, as a token of the principal might bring them. */
  readonly roles: readonly string[];
}

export interface AclExplanation {
  readonly allowed: boolean;
  readonly sentence: string;
  readonly considered: readonly {
    readonly rule: string;
    readonly origin: string;
    readonly effect: 'allow' | 'deny';
    readonly via: string;
    readonly hostMatches: boolean;
    /** False when the rule has a time window that is closed now. */
    readonly inWindow: boolean;
  }[];
  /** What the tenant's policy decision point says; null where the policy decides alone. */
  readonly external: {
    readonly mode: string;
    readonly pdp: string | null;
    readonly answer: { readonly decision: string; readonly words: string } | null;
  } | null;
}

export interface AdminAcls {
  /** In no order; null stands for a rule that is passed over. */
  list(tenant: string, filter: AclFilter): Iterable<AclView | null>;
  /** Null when the binding is in order, else a sentence that says what is wrong with it. */
  problem(tenant: string, binding: AclBinding): string | null;
  /** False when that rule is there already. */
  add(tenant: string, binding: AclBinding): Promise<boolean>;
  /** How many dynamic rules were removed: 0 or 1. */
  remove(tenant: string, binding: AclBinding): Promise<number>;
  explain(
    tenant: string,
    who: AskedPrincipal,
    host: string,
    action: Action,
  ): Promise<AclExplanation>;
}

/** Which word counts for a tenant, and how asking goes. */
export interface AuthorizerView {
  readonly tenant: string;
  readonly mode: string;
  readonly pdp: string;
  readonly [figure: string]: string | number | null;
}

/** The external authorizer; every call throws AdminError where there is none. */
export interface AdminAuthorizer {
  /** The tenants for which a PDP was asked since the start. */
  status(): readonly AuthorizerView[];
  /** How many decisions were forgotten. */
  invalidate(tenant: string): number;
}

export interface WantedRevocation {
  /** All certificates of this name so far; null: only the serials. */
  readonly name: string | null;
  /** Hexadecimal. */
  readonly serials: readonly string[];
  /** SHA-256 of the CA certificate, as openssl prints it; null: whichever of the tenant's signed. */
  readonly caFingerprint: string | null;
  readonly reason: RevocationReason;
}

export interface RevocationAnswer {
  readonly name: string | null;
  readonly serials: readonly string[];
  /** Certificates of the name that begin later are not revoked; null without a name. */
  readonly nameRevokedAtMs: number | null;
}

export interface RevocationList {
  readonly names: Iterable<RevokedName>;
  readonly certificates: Iterable<
    Omit<RevokedCertificate, 'issuerKeyId'> & {
      /** SHA-256 over the CA's public key, hexadecimal. */
      readonly caKeyId: string;
      /** Null when the tenant has no such CA any more. */
      readonly caFingerprint: string | null;
    }
  >;
}

export type SuspensionView = Suspension;

/** Changes resolve once they are durable and in force; AdminError for what is refused. */
export interface AdminRevocations {
  /** Undefined when there is no such tenant. */
  list(tenant: string): RevocationList | undefined;
  suspensions(tenant: string): Iterable<SuspensionView> | undefined;
  revoke(tenant: string, wanted: WantedRevocation): Promise<RevocationAnswer>;
  setSuspended(tenant: string, id: SuspendedId, isSuspended: boolean): Promise<void>;
}

/** Whose quota: a user and client id, or an address, of the tenant's own; else the operator's limit. */
export interface QuotaScope {
  /** Null: the broker as a whole. */
  readonly tenant: string | null;
  /** Null in these three is the default of all. */
  readonly user?: string | null;
  readonly clientId?: string | null;
  readonly ip?: string | null;
  readonly fleet?: string;
  readonly device?: string;
}

export interface QuotaView {
  readonly scope: QuotaScope;
  readonly values: Readonly<Record<string, number>>;
  /** By the same names: what is used now. Null where it was not asked for. */
  readonly usage: Readonly<Record<string, number>> | null;
}

/** Changes resolve once they are durable and in force; AdminError for what is refused. */
export interface AdminQuotas {
  /** Undefined when there is no such tenant; tenant null: the broker as a whole. */
  list(tenant: string | null): readonly QuotaView[] | undefined;
  /** The same views, which are the tenant's, with what is used of each now. */
  withUsage(tenant: string | null, views: readonly QuotaView[]): Promise<readonly QuotaView[]>;
  set(scope: QuotaScope, values: Readonly<Record<string, number | null>>): Promise<void>;
}

export interface BanView {
  /** An address or a network; null where a name of a tenant is banned. */
  readonly network: string | null;
  readonly tenant: string | null;
  readonly name: string | null;
  readonly sinceMs: number;
  readonly untilMs: number;
  readonly reason: string;
  /** Made by the broker, and kept in memory. */
  readonly automatic: boolean;
}

/** Changes resolve once they are durable and in force; AdminError for what is refused. */
export interface AdminBans {
  /** Those in force: of a tenant's names, or all when it is null. */
  list(tenant: string | null): Iterable<BanView>;
  add(id: BanId, durationMs: number, reason: string): Promise<BanView>;
  /** False when there is no such ban. */
  remove(id: BanId): Promise<boolean>;
}

/** What is asked of the audit log, and by whom. */
export interface AuditQuestion {
  readonly filter: AuditFilter;
  readonly order: QueryOrder;
  /** Cursors are good for this reader only. */
  readonly reader: string;
  /** Whose administrator or auditor the reader is; null: an operator. */
  readonly readerTenant: string | null;
}

export interface AuditAnswer {
  /**
   * As they stand in the log, with `id` (`security:12`) and `stream` before; for a tenant's reader
   * without what is not the tenant's, and with an `id` that counts nothing.
   */
  readonly records: readonly Readonly<Record<string, unknown>>[];
  /** For the next page; null: there is none. A page may be empty and have a next one. */
  readonly next: string | null;
  /** Lines met that are no records: "audit verify" names them. */
  readonly badLines: number;
}

/** Throws AdminError where the log cannot be read, or the cursor is not of the question. */
export interface AdminAuditRecords {
  check(question: AuditQuestion, cursor: string | null): void;
  page(question: AuditQuestion, cursor: string | null, limit: number): Promise<AuditAnswer>;
  /** Waits for records behind the cursor; without one it begins at the newest, or at `sinceMs`. */
  follow(
    question: AuditQuestion,
    cursor: string | null,
    limit: number,
    waitMs: number,
  ): Promise<AuditAnswer>;
}

/** `degraded`: works, but an operator has to look; `failed`: send no clients here. */
export interface HealthCheck {
  readonly name: string;
  readonly state: 'ok' | 'degraded' | 'failed';
  /** One plain sentence; null when ok. */
  readonly reason: string | null;
}

export interface ListenerStatus {
  readonly host: string;
  readonly port: number;
  readonly connections: number;
}

export interface ShadowVerdict {
  readonly allowed: boolean;
  readonly rule: string | null;
  readonly origin: string | null;
}

/** What a candidate policy would decide otherwise; see ShadowAuthorizer. */
export interface ShadowReport {
  readonly asked: number;
  readonly differing: number;
  /** True when there were more kinds than are kept. */
  readonly isCut: boolean;
  readonly policy: StatusReport['policy'];
  readonly differences: readonly {
    readonly tenant: string | null;
    readonly principal: string;
    readonly fleet: string | null;
    readonly host: string;
    readonly operation: string;
    readonly resourceType: string;
    readonly resource: string;
    readonly live: ShadowVerdict;
    readonly candidate: ShadowVerdict;
    readonly count: number;
    readonly firstMs: number;
    readonly lastMs: number;
  }[];
}

export interface StatusReport {
  readonly version: string;
  readonly nodeVersion: string;
  readonly nodeId: number;
  readonly startedAtMs: number;
  readonly mtls: ListenerStatus;
  /** Null when no SASL mechanism is enabled. */
  readonly sasl: ListenerStatus | null;
  readonly policy: {
    readonly healthy: boolean;
    readonly epoch: number;
    readonly files: readonly string[];
    readonly fileRules: number;
    readonly dynamicRules: number;
    readonly loadedAtMs: number;
    readonly refusal: {
      readonly file: string;
      readonly line: number;
      readonly reason: string;
      readonly atMs: number;
    } | null;
  };
  readonly certificates: {
    readonly loadedAtMs: number;
    /** Why the newest files are refused; null when they are in use. */
    readonly refusal: string | null;
    readonly serverExpiresAtMs: number;
  };
}

/** `reason` is a stable code for the audit log; `detail` is for the log alone. */
export interface Exclusion {
  readonly reason: string;
  readonly detail: string;
}

/** Guessing and bans; `AbuseGate` says more. A failure is counted in the turn in which it is known. */
export interface AdminAbuse {
  /** Why a connection is dropped before its handshake; null: it is not. */
  turnsAway(subject: AuditSubject): Exclusion | null;
  handshakeFailed(subject: AuditSubject, code: string): void;
  /** How long to wait before the peer is told, in milliseconds. */
  certificateRefused(subject: AuditSubject, reason: string): number;
  /** Null: a token that is not taken claims nothing. */
  loginRefused(subject: AuditSubject, claim: null): number;
  /** Somebody is proven, until what is answered is called. */
  connected(
    subject: AuditSubject,
    who: { readonly tenant: string | null; readonly name: string | null },
    isLogin: boolean,
  ): () => void;
}

export interface LogLevelView {
  readonly level: LogLevel;
  readonly configured: LogLevel;
  /** When the configured level comes back; null where it is in force. */
  readonly untilMs: number | null;
}

/** The level of the broker's own log. */
export interface AdminLogLevel {
  get(): LogLevelView;
  set(level: LogLevel, durationMs: number): LogLevelView;
}

export interface AdminLimits {
  readonly bodyMaxBytes: number;
  readonly requestTimeoutMs: number;
  readonly handshakeTimeoutMs: number;
  readonly connectionsMax: number;
}

export interface AdminDeps {
  readonly host: string;
  readonly port: number;
  /** tlsServerOptions of the operator CA: a client certificate is asked for, `admit` judges it. */
  readonly tls: TlsOptions;
  /** admitOperator; asked on every connection, resumed ones too, and again on every request. */
  readonly admit: (socket: TLSSocket) => AdmissionResult;
  /** Null: operators come with certificates only, and a connection without one is refused. */
  readonly tokens: Pick<OperatorTokens, 'verify'> | null;
  /** Why somebody of a tenant is shut out by now: the tenant is not active, or the name is. */
  readonly exclusionOf: (tenant: string, name: string) => Exclusion | null;
  readonly abuse: AdminAbuse;
  readonly authorizer: Pick<Authorizer, 'authorizeIn'>;
  /** Where decisions on what tenants' own administrators do are not, or not only, taken here. */
  readonly outside: OutsideDecisions | null;
  readonly audit: AuditLog;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly limits: AdminLimits;
  readonly tenants: AdminTenants;
  readonly deletions: AdminDeletions;
  readonly backups: AdminBackups;
  readonly cas: AdminCas;
  readonly users: AdminUsers;
  readonly topics: AdminTopics;
  readonly acls: AdminAcls;
  readonly external: AdminAuthorizer;
  readonly revocations: AdminRevocations;
  readonly bans: AdminBans;
  readonly fleet: AdminFleet;
  readonly records: AdminAuditRecords;
  readonly quotas: AdminQuotas;
  readonly health: () => readonly HealthCheck[];
  readonly status: () => StatusReport;
  readonly logLevel: AdminLogLevel;
  readonly metrics: Pick<MetricRegistry, 'contentType' | 'render'>;
  /** Null while no candidate policy is on trial. */
  readonly shadow: () => ShadowReport | null;
}
