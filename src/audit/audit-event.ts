/**
 * What the access log holds: one event for each decision and each authentication. Values here are
 * names and codes only; secrets, SASL bytes and record contents have no field to stand in.
 */
import type { Operation, ResourceTypeName } from '../security/acl/operation.ts';

/** Who acts, fixed for the life of a connection. */
export interface AuditSubject {
  /** Random id of the connection, the same in every event of it. */
  readonly connectionId: string;
  readonly listener: 'mtls' | 'sasl' | 'admin';
  readonly remoteAddress: string;
  readonly remotePort: number;
  readonly tenant: string | null;
  /** `User:device-1`; null while unknown. */
  readonly principal: string | null;
  /** The fleet of a device: with it, what a policy would have said can be asked again. */
  readonly fleet: string | null;
  readonly certificateSerial: string | null;
  /** The `iss` of the token by which an operator came; absent for everybody else. */
  readonly tokenIssuer?: string;
}

/** An access decided by the Authorizer. */
export interface AccessEvent {
  /** Kafka's API name (`Produce`) or the admin route (`GET /v1/topics`). */
  readonly api: string;
  readonly apiVersion: number;
  readonly clientId: string | null;
  readonly operation: Operation;
  readonly resourceType: ResourceTypeName;
  readonly resourceName: string;
  readonly allowed: boolean;
  readonly rule: string | null;
  readonly origin: string | null;
  /** The role behind the decision, where it came from the session's token and not from the policy. */
  readonly tokenRole?: string;
  /** How the caller came under a rule of a role: `User:ada`, `Role:lead`, `Role:reader`. */
  readonly rolePath?: readonly string[];
}

/** Anything else of security's concern; `reason` is a stable code, `detail` one plain sentence. */
export interface SecurityEvent {
  readonly type:
    | 'authentication'
    | 'connection'
    | 'protocol'
    | 'administration'
    | 'policy'
    | 'certificate'
    | 'quota'
    | 'server';
  readonly outcome: 'success' | 'failure';
  readonly reason: string;
  readonly detail?: string;
  /** Extra plain facts, e.g. {topic, partitions} of an administrative change. */
  readonly facts?: Readonly<Record<string, string | number | boolean | null>>;
}
