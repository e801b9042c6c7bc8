/**
 * The TLS listener of devices and services: accepts TCP, limits connections, leaves the order of the
 * handshakes to `handshake-admission`, runs admission on every connection (resumed ones too), and
 * hands what was admitted to the server as a Connection.
 *
 * Invariant: nothing of a peer is parsed as Kafka before `admit` said yes, and every refusal is
 * reported with its reason. The handshake's time-out runs once for the wait and anew from its turn
 * on.
 */
import { createServer, type Server, type Socket } from 'node:net';
import type { TlsOptions } from 'node:tls';
import {
  createServer as createTlsServer,
  type TLSSocket,
  type Server as TlsServer,
} from 'node:tls';
import {
  HandshakeAdmission,
  type HandshakeFigures,
  type HandshakeLimits,
  type HandshakePeer,
  type HandshakeRefusal,
} from './handshake-admission.ts';

export type ConnectionRefusal = 'max-connections' | 'max-connections-per-ip' | HandshakeRefusal;

export interface ListenerLimits extends HandshakeLimits {
  readonly connectionsMax: number;
  readonly connectionsPerIpMax: number;
  /** Connections that the kernel keeps for us until they are accepted. */
  readonly backlog: number;
}

export interface ListenerHooks {
  /** A handshake is done: admission and everything after it is the caller's. */
  onSecure(socket: TLSSocket, askedServerName: string | null): void;
  onRefused(
    refusal: ConnectionRefusal,
    remoteAddress: string,
    remotePort: number,
    detail: string,
  ): void;
  /** In which lane of its address a handshake waits; absent: one for all. */
  laneOf?(serverName: string | null): string;
}

export class Listener {
  readonly #tcp: Server;
  readonly #tls: TlsServer;
  readonly #limits: ListenerLimits;
  readonly #hooks: ListenerHooks;
  readonly #perIp = new Map<string, number>();
  readonly #handshakes: HandshakeAdmission;
  readonly #sockets = new Set<Socket>();

  constructor(tls: TlsOptions, limits: ListenerLimits, hooks: ListenerHooks) {
    this.#limits = limits;
    this.#hooks = hooks;
    this.#tls = createTlsServer({ ...tls, handshakeTimeout: limits.handshakeTimeoutMs });
    this.#tls.on('secureConnection', (socket) => this.#onSecure(socket));
    this.#tls.on('tlsClientError', (error, socket) => this.#onTlsError(error, socket));
    this.#handshakes = new HandshakeAdmission(limits, {
      start: (socket) => void this.#tls.emit('connection', socket),
      refused: (refusal, peer, detail) => this.#refuse(refusal, peer, detail),
      laneOf: (serverName) => hooks.laneOf?.(serverName) ?? '',
    });
    this.#tcp = createServer({ noDelay: true, keepAlive: true }, (socket) =>
      this.#onSocket(socket),
    );
  }

  /** The server whose secure context is swapped on reload (setSecureContext). */
  get tlsServer(): TlsServer {
    return this.#tls;
  }

  get connectionCount(): number {
    return this.#sockets.size;
  }

  /** Resolves with the bound port. */
  listen(host: string, port: number): Promise<number> {
    return new Promise((resolve, reject) => {
      this.#tcp.once('error', reject);
      this.#tcp.listen({ host, port, backlog: this.#limits.backlog }, () => {
        this.#tcp.off('error', reject);
        // Out of descriptors and the like: accepting resumes by itself, the process stays up.
        this.#tcp.on('error', (error) =>
          this.#hooks.onRefused('handshake-failed', '', 0, error.message),
        );
        const address = this.#tcp.address();
        resolve(typeof address === 'object' && address !== null ? address.port : port);
      });
    });
  }

  /** Handshakes since the last call. */
  takeHandshakeFigures(): HandshakeFigures {
    return this.#handshakes.takeFigures();
  }

  /** Stops accepting; handshakes under way and waiting sockets are dropped. */
  stopAccepting(): void {
    this.#tcp.close();
    this.#handshakes.stop();
  }

  /** Drops every socket that is still open. */
  destroyAll(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  #onSocket(socket: Socket): void {
    const remoteAddress = plainAddress(socket.remoteAddress ?? '');
    const peer: HandshakePeer = { remoteAddress, remotePort: socket.remotePort ?? 0 };
    socket.on('error', () => socket.destroy());
    const refusal = this.#refusalFor(remoteAddress);
    if (refusal !== null) {
      socket.destroy();
      this.#refuse(refusal, peer, 'limit reached');
      return;
    }
    this.#sockets.add(socket);
    this.#perIp.set(remoteAddress, (this.#perIp.get(remoteAddress) ?? 0) + 1);
    socket.once('close', () => this.#onSocketClosed(socket, remoteAddress));
    this.#handshakes.add(socket, peer);
  }

  #refusalFor(remoteAddress: string): ConnectionRefusal | null {
    const perIp = this.#perIp.get(remoteAddress) ?? 0;
    if (perIp >= this.#limits.connectionsPerIpMax) return 'max-connections-per-ip';
    if (this.#sockets.size < this.#limits.connectionsMax) return null;
    return this.#handshakes.makeRoomFor(remoteAddress) ? null : 'max-connections';
  }

  #refuse(refusal: ConnectionRefusal, peer: HandshakePeer, detail: string): void {
    this.#hooks.onRefused(refusal, peer.remoteAddress, peer.remotePort, detail);
  }

  #onSecure(socket: TLSSocket): void {
    const finished = this.#handshakes.finished(rawSocketOf(socket));
    this.#hooks.onSecure(socket, finished?.serverName ?? null);
    this.#handshakes.startNext();
  }

  #onTlsError(error: Error, socket: TLSSocket): void {
    const peer = this.#handshakes.finished(rawSocketOf(socket));
    socket.destroy();
    if (peer !== null) this.#refuse('handshake-failed', peer, errorCode(error));
    this.#handshakes.startNext();
  }

  #onSocketClosed(socket: Socket, remoteAddress: string): void {
    this.#sockets.delete(socket);
    const left = (this.#perIp.get(remoteAddress) ?? 1) - 1;
    if (left > 0) this.#perIp.set(remoteAddress, left);
    else this.#perIp.delete(remoteAddress);
    this.#handshakes.closed(socket);
  }
}

/**
 * Node keeps the raw socket that a TLSSocket was wrapped around as `_parent`; it is the only pairing
 * that survives a failed handshake, where the address is gone already. Were it missing, the raw
 * socket's `close` still settles the books.
 */
function rawSocketOf(tlsSocket: TLSSocket): Socket | undefined {
  return (tlsSocket as TLSSocket & { _parent?: Socket })._parent;
}

/** `::ffff:10.0.0.1` is 10.0.0.1: one peer has one name, in limits, policies and the log. */
export function plainAddress(address: string): string {
  return address.startsWith('::ffff:') && address.includes('.') ? address.slice(7) : address;
}

function errorCode(error: Error): string {
  const { code } = error as Error & { code?: string };
  return code ?? 'TLS handshake failed';
}
