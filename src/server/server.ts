/**
 * The client-facing server: admits connections, gives each its session and its tenant's view of
 * the engine, and keeps watch over them (idleness, expiry, suspension, shutdown).
 *
 * Invariants: no byte of Kafka is read before the authentication is recorded durably; a session
 * ends when its certificate expires or its tenant is suspended; every refusal is recorded with its
 * reason.
 */
import type { TLSSocket } from 'node:tls';
import type { AuditSubject } from '../audit/audit-event.ts';
import type { Timer } from '../base/clock.ts';
import type { Random } from '../base/random.ts';
import type { Engine } from '../engine/engine.ts';
import { type CloseReason, Connection, type ConnectionLimits } from '../network/connection.ts';
import { Listener, type ListenerLimits, plainAddress } from '../network/listener.ts';
import type { AdmissionResult } from '../security/admission.ts';
import { formatPrincipal, type KafkaPrincipal } from '../security/principal.ts';
import type { ServerServices } from './request-context.ts';
import { RequestPipeline } from './request-pipeline.ts';
import { type Endpoint, Session } from './session.ts';

/** How often connections are looked at for idleness. */
const SWEEP_INTERVAL_MS = 1000;
/** A peer that took nothing for so long is cut off when memory for untaken answers is short. */
const STALLED_MS = 5000;
/** After these the connection was not cut short by anybody's fault worth an alarm. */
const ORDINARY_ENDS: ReadonlySet<CloseReason> = new Set(['peer-closed', 'idle', 'shutdown']);

export interface TenantView {
  readonly engine: Engine;
  readonly clusterId: string;
}

export interface ServerOptions {
  readonly services: ServerServices;
  readonly random: Random;
  readonly tls: ConstructorParameters<typeof Listener>[0];
  readonly listener: ListenerLimits;
  readonly connection: ConnectionLimits;
  readonly idleMs: number;
  readonly failedAuthenticationDelayMs: number;
  readonly shutdownGraceMs: number;
  /** Decides on a connection whose handshake is done. */
  readonly admit: (socket: TLSSocket) => AdmissionResult;
  /** The tenant's view, always the same object; undefined when there is no such active tenant. */
  readonly viewOf: (tenant: string) => TenantView | undefined;
}

interface Live {
  readonly connection: Connection;
  readonly session: Session;
  readonly expiry: Timer;
}

export class Server {
  readonly #options: ServerOptions;
  readonly #services: ServerServices;
  readonly #pipeline: RequestPipeline;
  readonly #listener: Listener;
  readonly #live = new Set<Live>();
  #advertised: Endpoint = { host: '', port: 0 };
  #sweeper: NodeJS.Timeout | null = null;
  #closing = false;

  constructor(options: ServerOptions) {
    this.#options = options;
    this.#services = options.services;
    this.#pipeline = new RequestPipeline(options.services);
    this.#listener = new Listener(options.tls, options.listener, {
      onSecure: (socket) => void this.#onSecure(socket),
      onRefused: (refusal, remoteAddress, remotePort, detail) => {
        if (this.#closing) return;
        const subject = this.#unknownPeer(remoteAddress, remotePort);
        const type = refusal.startsWith('handshake') ? 'authentication' : 'connection';
        this.#services.audit.security(subject, {
          type,
          outcome: 'failure',
          reason: refusal,
          detail,
        });
      },
    });
  }

  /** The TLS server whose secure context a reload replaces. */
  get tlsServer(): Listener['tlsServer'] {
    return this.#listener.tlsServer;
  }

  get connectionCount(): number {
    return this.#live.size;
  }

  /** Binds; resolves with the port. `advertise` tells the endpoint for the port that was bound. */
  async listen(
    host: string,
    port: number,
    advertise: (boundPort: number) => Endpoint,
  ): Promise<number> {
    const bound = await this.#listener.listen(host, port);
    this.#advertised = advertise(bound);
    this.#sweeper = setInterval(() => this.#sweep(), SWEEP_INTERVAL_MS);
    this.#sweeper.unref();
    return bound;
  }

  /** Closes the connections of principals that `match`, e.g. of a suspended tenant. */
  disconnect(match: (principal: KafkaPrincipal) => boolean): number {
    let count = 0;
    for (const { connection, session } of [...this.#live]) {
      if (!match(session.principal)) continue;
      connection.close('revoked');
      count++;
    }
    return count;
  }

  /** Answers what was begun, within the grace time, then closes everything. */
  async close(): Promise<void> {
    this.#closing = true;
    if (this.#sweeper !== null) clearInterval(this.#sweeper);
    this.#listener.stopAccepting();
    // Parked fetches end now, with what there is: their clients are answered, not cut off.
    for (const { session, connection } of [...this.#live]) {
      connection.drain();
      session.close();
    }
    const deadlineMs = this.#services.clock.monotonicMs() + this.#options.shutdownGraceMs;
    while (this.#live.size > 0 && this.#services.clock.monotonicMs() < deadlineMs) {
      await new Promise<void>((resolve) => {
        this.#services.clock.setTimer(5, resolve);
      });
    }
    for (const { connection } of [...this.#live]) connection.close('shutdown');
    this.#listener.destroyAll();
  }

  async #onSecure(socket: TLSSocket): Promise<void> {
    // Until it is a Connection, errors only end it.
    const drop = (): void => void socket.destroy();
    socket.on('error', drop);
    const remoteAddress = plainAddress(socket.remoteAddress ?? '');
    const remotePort = socket.remotePort ?? 0;
    const subject = this.#unknownPeer(remoteAddress, remotePort);
    try {
      const result = this.#options.admit(socket);
      if (!result.admitted) return await this.#refuse(socket, subject, result);
      const { principal } = result;
      const view = this.#options.viewOf(principal.tenant);
      if (view === undefined) {
        const detail = 'the tenant does not exist';
        return await this.#refuse(socket, subject, { reason: 'tenant_inactive', detail });
      }
      await this.#admitted(socket, drop, this.#subjectOf(subject, principal), principal, view);
    } catch (error) {
      this.#services.logger.error(
        { err: error, remoteAddress },
        'a connection could not be admitted',
      );
      socket.destroy();
    }
  }

  async #refuse(
    socket: TLSSocket,
    subject: AuditSubject,
    { reason, detail }: { reason: string; detail: string },
  ): Promise<void> {
    const { audit, clock } = this.#services;
    audit.security(subject, { type: 'authentication', outcome: 'failure', reason, detail });
    clock.setTimer(this.#options.failedAuthenticationDelayMs, () => socket.destroy());
    await audit.durable();
  }

  async #admitted(
    socket: TLSSocket,
    drop: () => void,
    subject: AuditSubject,
    principal: KafkaPrincipal,
    view: TenantView,
  ): Promise<void> {
    const { audit, clock } = this.#services;
    audit.security(subject, {
      type: 'authentication',
      outcome: 'success',
      reason: 'mutual-tls',
      facts: { protocol: socket.getProtocol(), resumed: socket.isSessionReused() },
    });
    await audit.durable();
    // The tenant may have been suspended while the record was written.
    const stillThere = this.#options.viewOf(principal.tenant) === view;
    if (socket.destroyed || this.#closing || !stillThere) {
      socket.destroy();
      return;
    }
    const session = new Session({
      principal,
      subject,
      engine: view.engine,
      clusterId: view.clusterId,
      advertised: this.#advertised,
    });
    const live: { -readonly [K in keyof Live]?: Live[K] } = { session };
    const connection = new Connection(
      socket,
      (frame, ordered) => this.#pipeline.handle(session, frame, ordered),
      this.#options.connection,
      {
        onClose: (reason, detail) => this.#onClose(live as Live, reason, detail),
        onInternalError: (error) => {
          const { tenant, principal, connectionId } = subject;
          const fields = { err: error, tenant, principal, connectionId };
          this.#services.logger.error(
            fields,
            'a request failed in a way that closes its connection',
          );
        },
        nowMs: () => clock.monotonicMs(),
      },
    );
    socket.off('error', drop);
    live.connection = connection;
    live.expiry = clock.setTimer(principal.certificateExpiresAtMs - clock.nowMs(), () =>
      connection.close('expired'),
    );
    this.#live.add(live as Live);
  }

  #onClose(live: Live, reason: CloseReason, detail: string | null): void {
    live.expiry.cancel();
    live.session.close();
    this.#live.delete(live);
    if (ORDINARY_ENDS.has(reason) || reason === 'socket-error') return;
    this.#services.audit.security(live.session.subject, {
      type: reason === 'protocol-error' ? 'protocol' : 'connection',
      outcome: 'failure',
      reason,
      ...(detail === null ? {} : { detail }),
    });
  }

  /** Closes what has been idle too long, and peers that leave their answers untaken as long. */
  #sweep(): void {
    const limitMs = this.#services.clock.monotonicMs() - this.#options.idleMs;
    for (const { connection } of [...this.#live]) {
      const working = connection.busy && !connection.unsent;
      if (working || connection.lastActiveMs >= limitMs) continue;
      connection.close(connection.unsent ? 'slow-reader' : 'idle');
    }
    this.#relieve();
  }

  /** When untaken answers fill half their memory: cuts off who stalls, the largest first. */
  #relieve(): void {
    const { unsentBudget } = this.#options.connection;
    if (!unsentBudget.pressed) return;
    const stalledSinceMs = this.#services.clock.monotonicMs() - STALLED_MS;
    const stalled = [...this.#live]
      .map(({ connection }) => connection)
      .filter(({ unsent, lastActiveMs }) => unsent && lastActiveMs < stalledSinceMs)
      .sort((a, b) => b.unsentBytes - a.unsentBytes);
    for (const connection of stalled) {
      if (!unsentBudget.pressed) return;
      connection.close('slow-reader');
    }
  }

  #unknownPeer(remoteAddress: string, remotePort: number): AuditSubject {
    return {
      connectionId: this.#options.random.bytes(9).toString('base64url'),
      listener: 'mtls',
      remoteAddress,
      remotePort,
      tenant: null,
      principal: null,
      certificateSerial: null,
    };
  }

  #subjectOf(unknown: AuditSubject, principal: KafkaPrincipal): AuditSubject {
    return {
      ...unknown,
      tenant: principal.tenant,
      principal: formatPrincipal(principal),
      certificateSerial: principal.certificateSerial,
    };
  }
}
