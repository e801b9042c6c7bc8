/**
 * The server of one client listener: admits connections by their certificate or lets them log in by
 * SASL, gives each its session and its tenant's view of the engine, and keeps watch over them
 * (idleness, expiry, suspension, shutdown).
 *
 * Invariants: nothing but the login is served before the authentication is recorded durably; a
 * session ends when its credential expires or its tenant is suspended; every refusal is recorded
 * with its reason.
 */
import type { TLSSocket } from 'node:tls';
import type { AuditSubject, SecurityEvent } from '../audit/audit-event.ts';
import type { Timer } from '../base/clock.ts';
import type { Random } from '../base/random.ts';
import type { Engine } from '../engine/engine.ts';
import { type CloseReason, Connection, type ConnectionLimits } from '../network/connection.ts';
import { Listener, type ListenerLimits } from '../network/listener.ts';
import type { PeerAddress, ProxyProtocol } from '../network/proxy-protocol.ts';
import type { TenantShares } from '../network/tenant-shares.ts';
import { workInTurns } from '../protocol/records/event-loop-slices.ts';
import { formatPrincipal, type KafkaPrincipal } from '../security/principal.ts';
import type { SaslIdentity } from '../security/sasl/sasl-mechanism.ts';
import { AbuseGate, type AbuseRules } from './abuse-gate.ts';
import type { FleetWatch } from './fleet-watch.ts';
import {
  claimFacts,
  factsOf,
  type Identification,
  type Identified,
  type LoggedIn,
  lifetimeOf,
  Reception,
  type ShutOut,
  userPrincipal,
  whyOut,
} from './reception.ts';
import type { ServerServices } from './request-context.ts';
import { RequestPipeline } from './request-pipeline.ts';
import { SaslReauthentication } from './sasl-reauthentication.ts';
import { type Endpoint, Session } from './session.ts';

/** How often connections are looked at for idleness. */
const SWEEP_INTERVAL_MS = 1000;
/** A wait for a handshake that an operator should know of. */
const LONG_WAIT_MS = 1000;
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
  /** What connections share, by tenant; one for all listeners. */
  readonly shares: TenantShares;
  /** In which lane of its address a handshake waits, by the server name that it asks for. */
  readonly laneOf: (serverName: string | null) => string;
  readonly liveness: Liveness | null;
  readonly fleet: FleetWatch;
  readonly idleMs: number;
  readonly failedAuthenticationDelayMs: number;
  readonly abuse: AbuseRules;
  /** Null: nobody speaks the PROXY protocol here. */
  readonly proxy: ProxyProtocol | null;
  readonly shutdownGraceMs: number;
  /** How a connection whose handshake is done gets its identity. */
  readonly identify: Identification;
  /** The tenant's view, always the same object; undefined when there is no such active tenant. */
  readonly viewOf: (tenant: string) => TenantView | undefined;
}

/** Told of every connection that is served, at its begin and at its end. */
export interface Liveness {
  opened(subject: AuditSubject, principal: KafkaPrincipal): void;
  closed(subject: AuditSubject, principal: KafkaPrincipal): void;
}

interface Live {
  readonly connection: Connection;
  readonly session: Session;
  recheck: () => ShutOut | null;
  expiry: Timer | null;
  /** Tells the guard and the fleet view that the connection is gone. */
  readonly gone: (reason: CloseReason) => void;
}

export class Server {
  readonly #options: ServerOptions;
  readonly #services: ServerServices;
  readonly #pipeline: RequestPipeline;
  readonly #listener: Listener;
  readonly #gate: AbuseGate;
  readonly #reception: Reception;
  readonly #live = new Set<Live>();
  #advertised: Endpoint = { host: '', port: 0 };
  #sweeper: NodeJS.Timeout | null = null;
  #closing = false;

  constructor(options: ServerOptions) {
    this.#options = options;
    this.#services = options.services;
    this.#pipeline = new RequestPipeline(options.services);
    const { abuse, failedAuthenticationDelayMs } = options;
    this.#gate = new AbuseGate(abuse, options.services.audit, failedAuthenticationDelayMs);
    this.#reception = new Reception({ ...options, gate: this.#gate });
    const hooks: ConstructorParameters<typeof Listener>[2] = {
      onSecure: (socket, peer, asked) => void this.#onSecure(socket, peer, asked),
      laneOf: options.laneOf,
      handshakes: options.services.metrics.handshakes(this.#listenerName),
      turnsAway: (remoteAddress, remotePort) =>
        this.#gate.turnsAway(remoteAddress, () => this.#unknownPeer(remoteAddress, remotePort)),
      onRefused: (refusal, remoteAddress, remotePort, detail) => {
        if (this.#closing) return;
        const subject = this.#unknownPeer(remoteAddress, remotePort);
        const type = refusal.startsWith('handshake') ? 'authentication' : 'connection';
        if (refusal === 'handshake-failed') this.#gate.handshakeFailed(subject, detail);
        this.#services.audit.security(subject, {
          type,
          outcome: 'failure',
          reason: refusal,
          detail,
        });
      },
    };
    this.#listener = new Listener(options.tls, options.listener, hooks, options.proxy);
  }

  /** The TLS server whose secure context a reload replaces. */
  get tlsServer(): Listener['tlsServer'] {
    return this.#listener.tlsServer;
  }

  get connectionCount(): number {
    return this.#live.size;
  }

  /** New connections are accepted. */
  get isListening(): boolean {
    return this.#listener.isListening;
  }

  /** Connections that wait for their TLS handshake. */
  get handshakesWaiting(): number {
    return this.#listener.handshakesWaiting;
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

  /**
   * Closes the connections whose principal or certificate is shut out by now: those of `tenant`, or
   * all when it is null. In turns, since there may be tens of thousands.
   */
  recheck(tenant: string | null): Promise<number> {
    return workInTurns(this.#services.clock, this.#recheck(tenant));
  }

  *#recheck(tenant: string | null): Generator<void, number> {
    let count = 0;
    for (const live of [...this.#live]) {
      yield;
      if (tenant !== null && live.session.principal.tenant !== tenant) continue;
      const shutOut = live.recheck();
      if (shutOut === null) continue;
      live.connection.close('revoked', `${shutOut.reason}: ${shutOut.detail}`);
      count++;
    }
    return count;
  }

  /** Answers what was begun, within the grace time, then closes everything. */
  async close(): Promise<void> {
    this.#closing = true;
    if (this.#sweeper !== null) clearInterval(this.#sweeper);
    this.#listener.stopAccepting();
    this.#reception.close();
    // Parked fetches end now, with what there is: their clients are answered, not cut off.
    for (const { session, connection } of [...this.#live]) {
      connection.drain();
      session.drain();
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

  async #onSecure(
    socket: TLSSocket,
    { address, port }: PeerAddress,
    askedServerName: string | null,
  ): Promise<void> {
    // Until it is a Connection, errors only end it.
    const drop = (): void => void socket.destroy();
    socket.on('error', drop);
    const subject = this.#unknownPeer(address, port);
    try {
      const found = await this.#reception.identify(socket, askedServerName, subject);
      if (found === null) return;
      const recheck = (): ShutOut | null => this.#gate.banOfAddress(address) ?? found.recheck();
      const identified = { ...found, recheck };
      const { principal, login } = identified;
      const view = this.#options.viewOf(principal.tenant);
      if (view === undefined) {
        const detail = 'there is no such active tenant';
        const delayMs = this.#gate.certificateRefused(subject, 'tenant_inactive');
        await this.#reception.refuse(socket, subject, {
          reason: 'tenant_inactive',
          detail,
          delayMs,
        });
        login?.login.refuse();
        return;
      }
      const place = this.#services.quotas.connections.enter(
        principal,
        address,
        this.#services.clock.monotonicMs(),
      );
      if (typeof place !== 'function') {
        await this.#reception.refuse(socket, this.#subjectOf(subject, principal), place);
        login?.login.refuse();
        return;
      }
      const known = this.#subjectOf(subject, principal);
      let isServed = false;
      try {
        isServed = await this.#admitted(socket, drop, known, { ...identified, place }, view);
      } finally {
        if (!isServed) place();
      }
    } catch (error) {
      this.#services.logger.error(
        { err: error, remoteAddress: address },
        'a connection could not be admitted',
      );
      socket.destroy();
    }
  }

  async #admitted(
    socket: TLSSocket,
    drop: () => void,
    subject: AuditSubject,
    { principal, login, recheck, place }: Identified & { readonly place: () => void },
    view: TenantView,
  ): Promise<boolean> {
    const { audit, clock } = this.#services;
    audit.security(subject, {
      type: 'authentication',
      outcome: 'success',
      reason: login === null ? 'mutual-tls' : login.mechanism.name,
      facts: {
        protocol: socket.getProtocol(),
        resumed: socket.isSessionReused(),
        ...(principal.tokenId !== undefined && { delegationToken: principal.tokenId }),
        ...login?.identity.facts,
      },
    });
    await audit.durable();
    // While the record was written the tenant may have been suspended, the user removed, or the
    // certificate revoked.
    const stillThere = this.#options.viewOf(principal.tenant) === view && recheck() === null;
    if (socket.destroyed || this.#closing || !stillThere) {
      socket.destroy();
      return false;
    }
    const session = new Session({
      principal,
      subject,
      engine: view.engine,
      clusterId: view.clusterId,
      advertised: this.#advertised,
    });
    if (login !== null) session.deviceMeter.adopt(login.login.meter);
    const { remoteAddress } = subject;
    const counted = this.#options.fleet.connected(
      principal,
      remoteAddress,
      socket,
      session.deviceMeter,
    );
    const left = this.#gate.connected(subject, principal, login !== null);
    const gone = (reason: CloseReason): void => {
      left();
      counted.closed(reason);
      place();
    };
    const live: { -readonly [K in keyof Live]?: Live[K] } = { session, recheck, gone };
    const connection = new Connection(
      socket,
      (frame, ordered) => this.#pipeline.handle(session, frame, ordered),
      { ...this.#options.connection, shares: this.#options.shares.join(principal.tenant) },
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
        requests: this.#services.metrics.requestsOf(session),
      },
    );
    socket.off('error', drop);
    live.connection = connection;
    live.expiry = null;
    this.#live.add(live as Live);
    this.#options.liveness?.opened(subject, principal);
    this.#services.metrics.opened(session);
    if (login === null) this.#expireIn(live as Live, (principal.expiresAtMs ?? 0) - clock.nowMs());
    else this.#welcome(live as Live, login);
    return true;
  }

  /** The last answer of the login; from here on requests are served. */
  #welcome(live: Live, { login, mechanism, identity, peer }: LoggedIn): void {
    const { identify } = this.#options;
    const { clock } = this.#services;
    if (identify.by !== 'sasl') return;
    const { mechanisms, reauthMs } = identify.sasl;
    const lifetimeMs = (of: SaslIdentity): number => lifetimeOf(of, reauthMs, clock.nowMs());
    const endsInMs = lifetimeMs(identity);
    live.session.reauthentication = new SaslReauthentication({
      mechanism,
      mechanismNames: mechanisms.map(({ name }) => name),
      peer,
      identity,
      lifetimeMs,
      clock,
      onRenewed: async (renewed, lastsMs) => {
        const reason = `${mechanism.name} renewed`;
        await this.#recordLogin(live, { outcome: 'success', reason, ...factsOf(renewed) });
        live.recheck = () =>
          this.#gate.banOfAddress(live.session.host) ?? whyOut(renewed, identify.sasl);
        live.session.renew(userPrincipal(renewed, mechanism.name));
        this.#expireIn(live, lastsMs);
      },
      onRefused: async ({ reason, detail, claimed }) => {
        if (reason !== 'sasl_busy') this.#gate.loginRefused(live.session.subject, claimed);
        const facts = claimFacts(claimed, mechanism.name);
        await this.#recordLogin(live, { outcome: 'failure', reason, detail, facts });
        // No longer than this: until then the connection is served as before.
        const delayMs = this.#options.failedAuthenticationDelayMs;
        clock.setTimer(delayMs, () => live.connection.close('expired', detail));
      },
    });
    this.#expireIn(live, endsInMs);
    login.welcome(endsInMs);
  }

  async #recordLogin({ session }: Live, event: Omit<SecurityEvent, 'type'>): Promise<void> {
    const { audit } = this.#services;
    audit.security(session.subject, { type: 'authentication', ...event });
    await audit.durable();
  }

  /** The session ends then, unless it is renewed; 0: it does not. */
  #expireIn(live: Live, lifetimeMs: number): void {
    live.expiry?.cancel();
    const isEndless = live.session.principal.expiresAtMs === null && lifetimeMs === 0;
    live.expiry = isEndless
      ? null
      : this.#services.clock.setTimer(lifetimeMs, () => live.connection.close('expired'));
  }

  #onClose(live: Live, reason: CloseReason, detail: string | null): void {
    live.expiry?.cancel();
    live.gone(reason);
    live.session.close();
    this.#live.delete(live);
    const { subject, principal } = live.session;
    this.#options.liveness?.closed(subject, principal);
    this.#services.metrics.closed(live.session, reason);
    if (ORDINARY_ENDS.has(reason) || reason === 'socket-error') return;
    this.#services.audit.security(live.session.subject, {
      type: reason === 'protocol-error' ? 'protocol' : 'connection',
      outcome: 'failure',
      reason,
      ...(detail === null ? {} : { detail }),
    });
  }

  /** Closes what is expired or has been idle too long, and peers that leave their answers untaken as long. */
  #sweep(): void {
    const { clock } = this.#services;
    const limitMs = clock.monotonicMs() - this.#options.idleMs;
    const nowMs = clock.nowMs();
    for (const { connection, session, recheck } of [...this.#live]) {
      // The timer of a credential's end knows nothing of a clock that was set, or a machine's sleep.
      const { expiresAtMs, tokenId } = session.principal;
      const isOver = expiresAtMs !== null && expiresAtMs < nowMs;
      // Nor is a token's end known when a session begins: it may be made to end sooner.
      if (isOver || (tokenId !== undefined && recheck() !== null)) {
        connection.close('expired');
        continue;
      }
      const working = connection.busy && !connection.unsent;
      if (working || connection.lastActiveMs >= limitMs) continue;
      connection.close(connection.unsent ? 'slow-reader' : 'idle');
    }
    this.#relieve();
    this.#reportHandshakes();
  }

  /** At most one line a second, and only while somebody is kept waiting or turned away. */
  #reportHandshakes(): void {
    const figures = this.#listener.takeHandshakeFigures();
    if (figures.refused === 0 && figures.longestWaitMs < LONG_WAIT_MS) return;
    this.#services.logger.warn({ ...figures }, 'connections wait long for their TLS handshake');
  }

  /**
   * When untaken answers fill half their memory: cuts off who stalls, of the tenant that holds most
   * first, and there the largest first.
   */
  #relieve(): void {
    const { unsent } = this.#options.shares;
    if (!unsent.pressed) return;
    const stalledSinceMs = this.#services.clock.monotonicMs() - STALLED_MS;
    const stalled = [...this.#live]
      .map(({ connection }) => connection)
      .filter(({ unsent, lastActiveMs }) => unsent && lastActiveMs < stalledSinceMs)
      .sort((a, b) => b.tenantUnsentBytes - a.tenantUnsentBytes || b.unsentBytes - a.unsentBytes);
    for (const connection of stalled) {
      if (!unsent.pressed) return;
      connection.close('slow-reader');
    }
  }

  get #listenerName(): 'sasl' | 'mtls' {
    return this.#options.identify.by === 'sasl' ? 'sasl' : 'mtls';
  }

  #unknownPeer(remoteAddress: string, remotePort: number): AuditSubject {
    return {
      connectionId: this.#options.random.bytes(9).toString('base64url'),
      listener: this.#listenerName,
      remoteAddress,
      remotePort,
      tenant: null,
      principal: null,
      fleet: null,
      certificateSerial: null,
    };
  }

  #subjectOf(unknown: AuditSubject, principal: KafkaPrincipal): AuditSubject {
    return {
      ...unknown,
      tenant: principal.tenant,
      principal: formatPrincipal(principal),
      fleet: principal.fleet,
      certificateSerial: principal.certificateSerial,
    };
  }
}
