/**
 * Owns who is on the admin listener: bounds its connections, admits operators, and knows the
 * audit subject of each connection.
 *
 * Invariant: a connection that admission refused never reaches the HTTP parser. Connections without
 * an admitted operator are bounded on their own, the oldest making room, so that strangers who hold
 * sockets open cannot lock the operators out.
 *
 *   accepted (pending) -> handshake done -> admitted -> requests -> closed
 *                      \-> pushed out, timed out, failed, refused -> closed
 *   drain: pending and idle -> closed, busy -> answered -> closed
 */
import type { Server } from 'node:https';
import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import type { AuditSubject } from '../audit/audit-event.ts';
import { randomUuid } from '../base/random.ts';
import { formatPrincipal, type KafkaPrincipal } from '../security/principal.ts';
import type { AdminDeps } from './admin-services.ts';

export interface OperatorConnection {
  readonly principal: KafkaPrincipal;
  readonly subject: AuditSubject;
}

type GateDeps = Pick<AdminDeps, 'admit' | 'audit' | 'random' | 'limits'>;

interface Peer {
  readonly id: string;
  readonly address: string;
  readonly port: number;
}

export class OperatorGate {
  readonly #deps: GateDeps;
  /** In order of arrival: handshakes under way. */
  readonly #pending = new Set<Socket>();
  readonly #admitted = new Map<TLSSocket, Peer>();
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

  /** The operator behind a socket, judged afresh; null when it is refused (and closed) by now. */
  operatorOf(socket: TLSSocket): OperatorConnection | null {
    const peer = this.#admitted.get(socket);
    if (peer === undefined) return null;
    const result = this.#deps.admit(socket);
    if (!result.admitted) {
      this.#refuse(socket, peer, result.reason, result.detail);
      return null;
    }
    const { principal } = result;
    return { principal, subject: subjectOf(peer, principal) };
  }

  get connectionCount(): number {
    return this.#admitted.size;
  }

  requestBegun(socket: Socket): void {
    this.#busy.set(socket, (this.#busy.get(socket) ?? 0) + 1);
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
    for (const socket of this.#admitted.keys()) {
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
    if (this.#pending.size <= connectionsMax) return;
    const [oldest] = this.#pending;
    oldest?.destroy();
  }

  #onSecure(socket: TLSSocket): void {
    const peer = this.#peerOf(socket);
    this.#forgetPending(peer);
    const result = this.#deps.admit(socket);
    if (!result.admitted) {
      this.#refuse(socket, peer, result.reason, result.detail);
    } else if (this.#admitted.size >= this.#deps.limits.connectionsMax) {
      this.#refuse(socket, peer, 'max-connections', 'admin.max.connections is reached');
    } else {
      this.#admitted.set(socket, peer);
      socket.once('close', () => {
        this.#admitted.delete(socket);
        this.#busy.delete(socket);
      });
      this.#deps.audit.security(subjectOf(peer, result.principal), {
        type: 'authentication',
        outcome: 'success',
        reason: 'operator-admitted',
      });
    }
  }

  #refuse(socket: TLSSocket, peer: Peer, reason: string, detail: string): void {
    this.#admitted.delete(socket);
    const subject = subjectOf(peer, null);
    const event = { type: 'authentication', outcome: 'failure', reason, detail } as const;
    this.#deps.audit.security(subject, event);
    socket.destroy();
  }

  #onFailed(error: Error, socket: TLSSocket): void {
    const peer = this.#peerOf(socket);
    const code = 'code' in error && typeof error.code === 'string' ? error.code : 'unknown';
    socket.destroy();
    // A probe that connects and leaves without a byte has asked for nothing.
    if (code === 'ECONNRESET' && socket.bytesRead === 0) return;
    this.#deps.audit.security(subjectOf(peer, null), {
      type: 'authentication',
      outcome: 'failure',
      reason: 'handshake-failed',
      detail: code,
    });
  }

  #peerOf(socket: TLSSocket): Peer {
    return {
      id: randomUuid(this.#deps.random),
      address: plainAddress(socket.remoteAddress ?? ''),
      port: socket.remotePort ?? 0,
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

function subjectOf(peer: Peer, principal: KafkaPrincipal | null): AuditSubject {
  return {
    connectionId: peer.id,
    listener: 'admin',
    remoteAddress: peer.address,
    remotePort: peer.port,
    tenant: null,
    principal: principal === null ? null : formatPrincipal(principal),
    fleet: null,
    certificateSerial: principal?.certificateSerial ?? null,
  };
}

/** Dual-stack sockets report IPv4 peers as `::ffff:a.b.c.d`. */
function plainAddress(address: string): string {
  return address.startsWith('::ffff:') ? address.slice('::ffff:'.length) : address;
}
