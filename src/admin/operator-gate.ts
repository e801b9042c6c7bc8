/**
 * Owns who is on the admin listener: bounds its connections, admits operators by their certificate
 * or, request by request, by their token, and knows the audit subject of each.
 *
 * Invariants: a connection that admission refused never reaches the HTTP parser; one without a
 * certificate reaches it only where tokens are taken, and gets no further than a refusal until a
 * token was verified. A request that carries a token acts as who it names, never as the certificate.
 * Connections without a proven operator are bounded on their own, the oldest making room, so that
 * strangers who hold sockets open cannot lock the operators out.
 *
 *   accepted (pending) -> handshake done -> admitted -> requests -> closed
 *                      |        \-> no certificate, tokens taken: nameless -> token -> admitted
 *                      \-> pushed out, timed out, failed, refused -> closed
 *   drain: pending and idle -> closed, busy -> answered -> closed
 */
import type { Server } from 'node:https';
import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import type { AuditSubject } from '../audit/audit-event.ts';
import { randomUuid } from '../base/random.ts';
import { formatPrincipal, type KafkaPrincipal, OPERATOR_TENANT } from '../security/principal.ts';
import type { AdminDeps } from './admin-services.ts';
import {
  authorizationsIn,
  BAD_TOKEN,
  bearerToken,
  ENDED,
  MALFORMED,
  NO_CREDENTIALS,
  problemFor,
  shutOut,
  TOKENS_NOT_TAKEN,
  TOO_MANY,
  type TokenProblem,
} from './bearer-token.ts';
import { AdminError, auditOffline } from './problem.ts';

export interface OperatorConnection {
  readonly principal: KafkaPrincipal;
  readonly subject: AuditSubject;
  /** When its token ends; null for a certificate. */
  readonly usableUntilMs: number | null;
}

type GateDeps = Pick<
  AdminDeps,
  'admit' | 'tokens' | 'exclusionOf' | 'abuse' | 'audit' | 'clock' | 'random' | 'limits'
>;

interface Peer {
  readonly id: string;
  readonly address: string;
  readonly port: number;
  /** Whose token was recorded last, so that a login is recorded once and not with each request. */
  lastToken: string | null;
  /** Whose administrator made the last request; null: an operator, or nobody yet. */
  tenant: string | null;
  /** Of the last request: the log counts what is equal by it. */
  subject: AuditSubject | null;
}

/** What may be a guess: it shows nothing that anybody trusted has signed. */
const UNPROVEN: ReadonlySet<string> = new Set(
  [NO_CREDENTIALS, TOKENS_NOT_TAKEN, MALFORMED, BAD_TOKEN].map(({ reason }) => reason),
);

/** Of admin.max.connections: what all tenants' administrators, and those of one, may take. */
const TENANTS_SHARE = 1 / 2;
const TENANT_SHARE = 1 / 8;

/** Requests under way on a connection: the connections of a caller bound what it may ask at a time. */
const PIPELINED_MAX = 64;

export class OperatorGate {
  readonly #deps: GateDeps;
  /** In order of arrival: handshakes under way. */
  readonly #pending = new Set<Socket>();
  readonly #admitted = new Map<TLSSocket, Peer>();
  /** In order of arrival: handshake done without a certificate, and no token verified yet. */
  readonly #nameless = new Map<TLSSocket, Peer>();
  readonly #raw = new Set<Socket>();
  /** How many requests were begun and not answered, where there are any. */
  readonly #busy = new Map<Socket, number>();
  #draining = false;

  constructor(deps: GateDeps) {
    this.#deps = deps;
  }

  /** Puts itself before the HTTP parser of `server`. */
  guard(server: Server): void {
    server.on('connection', (socket: Socket) => this.#onConnection(socket));
    // Before the listener that hands the socket to the HTTP parser.
    server.prependListener('secureConnection', (socket: TLSSocket) => this.#onSecure(socket));
    server.on('tlsClientError', (error: Error, socket: TLSSocket) => this.#onFailed(error, socket));
  }

  /**
   * Who makes a request, from what is in its headers; null when the connection is refused (and
   * closed) by now. Throws AdminError, recorded durably, where a token is missing or not taken.
   */
  async identify(
    socket: TLSSocket,
    rawHeaders: readonly string[],
  ): Promise<OperatorConnection | null> {
    const peer = this.#admitted.get(socket) ?? this.#nameless.get(socket);
    if (peer === undefined) return null;
    const byCertificate = this.#judge(socket, peer);
    if (byCertificate === 'refused') return null;
    const authorizations = authorizationsIn(rawHeaders);
    if (authorizations.length > 0) return this.#byToken(socket, peer, authorizations);
    return byCertificate ?? this.#deny(peer, NO_CREDENTIALS);
  }

  /** The same operator once more, after its body arrived: a credential may have gone meanwhile. */
  async stillIs(
    operator: OperatorConnection,
    socket: TLSSocket,
  ): Promise<OperatorConnection | null> {
    const peer = this.#admitted.get(socket);
    if (peer === undefined) return null;
    const byCertificate = this.#judge(socket, peer);
    if (byCertificate === 'refused') return null;
    const { usableUntilMs } = operator;
    if (usableUntilMs === null) return byCertificate;
    if (this.#deps.clock.nowMs() >= usableUntilMs) return this.#deny(peer, ENDED);
    return this.#notShutOut(operator, peer);
  }

  /** By the certificate of the connection, judged afresh; null when there is none to judge. */
  #judge(socket: TLSSocket, peer: Peer): OperatorConnection | 'refused' | null {
    const result = this.#deps.admit(socket);
    if (result.admitted) {
      const { principal } = result;
      return { principal, subject: subjectOf(peer, principal), usableUntilMs: null };
    }
    if (this.#takesNameless(result.reason)) return null;
    this.#refuse(socket, peer, result.reason, result.detail);
    return 'refused';
  }

  #takesNameless(reason: string): boolean {
    return reason === 'no_certificate' && this.#deps.tokens !== null;
  }

  async #byToken(
    socket: TLSSocket,
    peer: Peer,
    authorizations: readonly string[],
  ): Promise<OperatorConnection> {
    const { tokens, audit } = this.#deps;
    if (tokens === null) return this.#deny(peer, TOKENS_NOT_TAKEN);
    const token = bearerToken(authorizations);
    if (token === null) return this.#deny(peer, MALFORMED);
    const verdict = await tokens.verify(token);
    if ('reason' in verdict) return this.#deny(peer, problemFor(verdict));
    const { principal, issuer, usableUntilMs } = verdict;
    const subject = subjectOf(peer, principal, issuer);
    const operator = { principal, subject, usableUntilMs };
    await this.#notShutOut(operator, peer);
    if (!this.#prove(socket, peer, operator)) return this.#deny(peer, TOO_MANY);
    const { tenant, name, roles, expiresAtMs } = principal;
    const login = JSON.stringify([issuer, tenant, name, expiresAtMs, ...roles]);
    if (login !== peer.lastToken) {
      peer.lastToken = login;
      audit.security(subject, {
        type: 'authentication',
        outcome: 'success',
        reason: 'operator-token',
        facts: { issuer, tokenRoles: roles.join(' ') },
      });
    }
    return operator;
  }

  /** Somebody of a tenant, once more each time: the tenant may have been suspended meanwhile. */
  async #notShutOut(operator: OperatorConnection, peer: Peer): Promise<OperatorConnection> {
    const { tenant, name } = operator.principal;
    if (tenant === OPERATOR_TENANT) return operator;
    const exclusion = this.#deps.exclusionOf(tenant, name);
    return exclusion === null ? operator : this.#deny(peer, shutOut(exclusion), operator);
  }

  /** Counts the connection among the proven ones from now on; false when there are too many. */
  #prove(socket: TLSSocket, peer: Peer, operator: OperatorConnection): boolean {
    const tenant = tenantOf(operator.principal);
    if (!this.#hasRoomFor(tenant, socket)) return false;
    peer.tenant = tenant;
    if (this.#admitted.has(socket)) return true;
    this.#nameless.delete(socket);
    if (socket.destroyed) return true;
    this.#admitted.set(socket, peer);
    const { principal, subject } = operator;
    const { name } = principal;
    socket.once('close', this.#deps.abuse.connected(subject, { tenant, name }, true));
    return true;
  }

  /** Tenants' administrators leave room for each other, and for operators. */
  #hasRoomFor(tenant: string | null, socket: TLSSocket): boolean {
    const { connectionsMax } = this.#deps.limits;
    const others = [...this.#admitted].filter(([one]) => one !== socket);
    if (others.length >= connectionsMax) return false;
    if (tenant === null) return true;
    const ofTenants = others.filter(([, peer]) => peer.tenant !== null);
    const ofTenant = ofTenants.filter(([, peer]) => peer.tenant === tenant);
    return (
      ofTenants.length < Math.max(1, Math.floor(connectionsMax * TENANTS_SHARE)) &&
      ofTenant.length < Math.max(1, Math.floor(connectionsMax * TENANT_SHARE))
    );
  }

  async #deny(
    peer: Peer,
    { reason, detail, error }: TokenProblem,
    who: OperatorConnection | null = null,
  ): Promise<never> {
    const { audit } = this.#deps;
    const event = { type: 'authentication', outcome: 'failure', reason, detail } as const;
    const subject = who?.subject ?? subjectOf(peer, null);
    const delayMs = UNPROVEN.has(reason) ? this.#deps.abuse.loginRefused(subject, null) : 0;
    audit.security(subject, event);
    await audit.durableForOperators().catch((cause: unknown) => {
      throw auditOffline(cause);
    });
    if (delayMs > 0) {
      await new Promise<void>((resolve) => {
        this.#deps.clock.setTimer(delayMs, resolve);
      });
    }
    throw error;
  }

  get connectionCount(): number {
    return this.#admitted.size;
  }

  /** Throws AdminError where more were sent ahead of their answers than anybody needs. */
  requestBegun(socket: Socket): void {
    const begun = (this.#busy.get(socket) ?? 0) + 1;
    this.#busy.set(socket, begun);
    if (begun <= PIPELINED_MAX) return;
    const detail = `A connection may have ${PIPELINED_MAX} requests under way: wait for an answer.`;
    throw new AdminError(429, 'too-many-requests', detail);
  }

  requestAnswered(socket: Socket): void {
    const left = (this.#busy.get(socket) ?? 0) - 1;
    if (left > 0) {
      this.#busy.set(socket, left);
      return;
    }
    this.#busy.delete(socket);
    if (this.#draining) socket.end();
  }

  /** Ends every connection that has no request under way; the others end with their answer. */
  drain(): void {
    this.#draining = true;
    for (const socket of this.#pending) socket.destroy();
    for (const socket of [...this.#admitted.keys(), ...this.#nameless.keys()]) {
      if (!this.#busy.has(socket)) socket.destroy();
    }
  }

  destroyAll(): void {
    for (const socket of this.#raw) socket.destroy();
  }

  #onConnection(socket: Socket): void {
    const { connectionsMax } = this.#deps.limits;
    this.#raw.add(socket);
    this.#pending.add(socket);
    socket.once('close', () => {
      this.#raw.delete(socket);
      this.#pending.delete(socket);
    });
    socket.on('error', () => socket.destroy());
    const subject = subjectOf(this.#peerOf(socket), null);
    const turnedAway = this.#deps.abuse.turnsAway(subject);
    if (turnedAway !== null) {
      this.#deps.audit.security(subject, { type: 'connection', outcome: 'failure', ...turnedAway });
      socket.destroy();
      return;
    }
    if (this.#pending.size <= connectionsMax) return;
    const [oldest] = this.#pending;
    oldest?.destroy();
  }

  #onSecure(socket: TLSSocket): void {
    const peer = this.#peerOf(socket);
    this.#forgetPending(peer);
    const result = this.#deps.admit(socket);
    if (!result.admitted) {
      if (this.#takesNameless(result.reason)) this.#awaitToken(socket, peer);
      else this.#refuse(socket, peer, result.reason, result.detail);
    } else if (this.#admitted.size >= this.#deps.limits.connectionsMax) {
      this.#refuse(socket, peer, TOO_MANY.reason, TOO_MANY.detail);
    } else {
      this.#admitted.set(socket, peer);
      const { name } = result.principal;
      const subject = subjectOf(peer, result.principal);
      const gone = this.#deps.abuse.connected(subject, { tenant: null, name }, false);
      socket.once('close', () => {
        gone();
        this.#forget(socket);
      });
      this.#deps.audit.security(subject, {
        type: 'authentication',
        outcome: 'success',
        reason: 'operator-admitted',
      });
    }
  }

  #awaitToken(socket: TLSSocket, peer: Peer): void {
    this.#nameless.set(socket, peer);
    socket.once('close', () => this.#forget(socket));
    if (this.#nameless.size <= this.#deps.limits.connectionsMax) return;
    const [oldest] = this.#nameless.keys();
    oldest?.destroy();
  }

  #forget(socket: TLSSocket): void {
    this.#admitted.delete(socket);
    this.#nameless.delete(socket);
    this.#busy.delete(socket);
  }

  #refuse(socket: TLSSocket, peer: Peer, reason: string, detail: string): void {
    this.#forget(socket);
    const subject = subjectOf(peer, null);
    const event = { type: 'authentication', outcome: 'failure', reason, detail } as const;
    this.#deps.audit.security(subject, event);
    // At once, since a certificate is no guess: the HTTP parser must not see it.
    if (reason !== TOO_MANY.reason) this.#deps.abuse.certificateRefused(subject, reason);
    socket.destroy();
  }

  #onFailed(error: Error, socket: TLSSocket): void {
    const peer = this.#peerOf(socket);
    const code = 'code' in error && typeof error.code === 'string' ? error.code : 'unknown';
    socket.destroy();
    // A probe that connects and leaves without a byte has asked for nothing.
    if (code === 'ECONNRESET' && socket.bytesRead === 0) return;
    const subject = subjectOf(peer, null);
    this.#deps.abuse.handshakeFailed(subject, code);
    this.#deps.audit.security(subject, {
      type: 'authentication',
      outcome: 'failure',
      reason: 'handshake-failed',
      detail: code,
    });
  }

  #peerOf(socket: Socket): Peer {
    return {
      id: randomUuid(this.#deps.random),
      address: plainAddress(socket.remoteAddress ?? ''),
      port: socket.remotePort ?? 0,
      lastToken: null,
      tenant: null,
      subject: null,
    };
  }

  /** A TLSSocket does not show the socket beneath it; its remote end names it. */
  #forgetPending(peer: Peer): void {
    for (const socket of this.#pending) {
      const isSame =
        socket.remotePort === peer.port &&
        plainAddress(socket.remoteAddress ?? '') === peer.address;
      if (!isSame) continue;
      this.#pending.delete(socket);
      return;
    }
  }
}

/** Null for an operator, who belongs to none. */
const tenantOf = ({ tenant }: KafkaPrincipal): string | null =>
  tenant === OPERATOR_TENANT ? null : tenant;

/**
 * The same object as for the request before, where it is the same caller: repeats are counted by it,
 * and one for each request would use up what is kept for counting those of everybody.
 */
function subjectOf(
  peer: Peer,
  principal: KafkaPrincipal | null,
  tokenIssuer?: string,
): AuditSubject {
  const tenant = principal === null ? null : tenantOf(principal);
  const name = principal === null ? null : formatPrincipal(principal);
  const certificateSerial = principal?.certificateSerial ?? null;
  const last = peer.subject;
  const isSame =
    last !== null &&
    last.tenant === tenant &&
    last.principal === name &&
    last.certificateSerial === certificateSerial &&
    last.tokenIssuer === tokenIssuer;
  if (isSame) return last;
  peer.subject = {
    connectionId: peer.id,
    listener: 'admin',
    remoteAddress: peer.address,
    remotePort: peer.port,
    tenant,
    principal: name,
    fleet: null,
    certificateSerial,
    ...(tokenIssuer !== undefined && { tokenIssuer }),
  };
  return peer.subject;
}

/** Dual-stack sockets report IPv4 peers as `::ffff:a.b.c.d`. */
function plainAddress(address: string): string {
  return address.startsWith('::ffff:') ? address.slice('::ffff:'.length) : address;
}
