/**
 * What the server knows of one admitted connection: who it is, whose view of the engine it has, and
 * the decisions already taken for it.
 *
 * Invariant: who the session is never changes after construction; what a renewed login brings with
 * it (its end, the roles of its token) is replaced as a whole. A cached decision is an ALLOW taken
 * under the Authorizer's current epoch, for exactly this principal, host, API and resource.
 */
import type { AccessEvent, AuditSubject } from '../audit/audit-event.ts';
import type { Engine } from '../engine/engine.ts';
import { ConnectionMeter } from '../fleet/connection-meter.ts';
import type { KafkaPrincipal } from '../security/principal.ts';
import type { ClientStanding } from './client-standing.ts';
import type { SaslReauthentication } from './sasl-reauthentication.ts';
import type { TenantMeter } from './tenant-meters.ts';

/** Resources remembered for a connection before its memory starts afresh. */
const CACHED_DECISIONS_MAX = 8192;

export interface Endpoint {
  readonly host: string;
  readonly port: number;
}

export class Session {
  #principal: KafkaPrincipal;
  readonly subject: AuditSubject;
  /** The tenant's view: visible names only. */
  readonly engine: Engine;
  /** The tenant's own cluster id. */
  readonly clusterId: string;
  /** Where this listener tells clients to connect. */
  readonly advertised: Endpoint;
  /** How a login is renewed; null where a certificate was the proof. */
  reauthentication: SaslReauthentication | null = null;
  /** The figures of its tenant; resolved at their first use. */
  meter: TenantMeter | null = null;
  /** What it counts for the fleet view. */
  readonly deviceMeter = new ConnectionMeter();
  /** What limits it, as found last; see request-quotas.ts. */
  standing: ClientStanding | null = null;
  readonly #closing = new AbortController();
  #isGone = false;
  #epoch = -1;
  #cached = 0;
  readonly #allowed = new Map<number, Map<string, AccessEvent>>();

  constructor(init: {
    principal: KafkaPrincipal;
    subject: AuditSubject;
    engine: Engine;
    clusterId: string;
    advertised: Endpoint;
  }) {
    this.#principal = init.principal;
    this.subject = init.subject;
    this.engine = init.engine;
    this.clusterId = init.clusterId;
    this.advertised = init.advertised;
  }

  get principal(): KafkaPrincipal {
    return this.#principal;
  }

  /** The login was renewed, as the same name of the same tenant: what was decided before is void. */
  renew(principal: KafkaPrincipal): void {
    this.#principal = principal;
    this.#forget();
  }

  get host(): string {
    return this.subject.remoteAddress;
  }

  /** Aborted when the connection is gone, or about to be: parked calls end early. */
  get closing(): AbortSignal {
    return this.#closing.signal;
  }

  /** The connection is gone: what was asked for over it has nobody's authority any more. */
  get isGone(): boolean {
    return this.#isGone;
  }

  /** Ends parked calls; what was begun goes on, and is answered. */
  drain(): void {
    this.#closing.abort();
  }

  close(): void {
    this.#isGone = true;
    this.#closing.abort();
  }

  /** The event of an allow taken earlier under `epoch`; undefined when it must be decided. */
  recall(epoch: number, slot: number, resourceName: string): AccessEvent | undefined {
    if (epoch !== this.#epoch) {
      this.#forget();
      this.#epoch = epoch;
      return undefined;
    }
    return this.#allowed.get(slot)?.get(resourceName);
  }

  /** Remembers an allow under `epoch` (dropped when the epoch has moved on meanwhile). */
  remember(epoch: number, slot: number, event: AccessEvent): void {
    if (epoch !== this.#epoch) return;
    if (this.#cached >= CACHED_DECISIONS_MAX) this.#forget();
    let byName = this.#allowed.get(slot);
    if (byName === undefined) {
      byName = new Map();
      this.#allowed.set(slot, byName);
    }
    byName.set(event.resourceName, event);
    this.#cached++;
  }

  #forget(): void {
    this.#allowed.clear();
    this.#cached = 0;
  }
}
