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
  type HandshakeMeter,
  type HandshakePeer,
  type HandshakeRefusal,
} from './handshake-admission.ts';
import { type PeerAddress, type ProxyProtocol, readProxyHeader } from './proxy-protocol.ts';

export type ConnectionRefusal =
  | 'banned'
  | 'backed_off'
  | 'proxy-header'
  | 'max-connections'
  | 'max-connections-per-ip'
  | HandshakeRefusal;

export interface ListenerLimits extends HandshakeLimits {
  readonly connectionsMax: number;
  readonly connectionsPerIpMax: number;
  /** Connections that the kernel keeps for us until they are accepted. */
  readonly backlog: number;
}

export interface ListenerHooks {
  /** A handshake is done: admission and everything after it is the caller's. */
  onSecure(socket: TLSSocket, peer: PeerAddress, askedServerName: string | null): void;
  /** Why nothing is wanted from this address, not even a handshake; null: it may go on. */
  turnsAway(
    remoteAddress: string,
    remotePort: number,
  ): { readonly reason: 'banned' | 'backed_off'; readonly detail: string } | null;
  onRefused(
    refusal: ConnectionRefusal,
    remoteAddress: string,
    remotePort: number,
    detail: string,
  ): void;
  /** In which lane of its address a handshake waits; absent: one for all. */
  laneOf?(serverName: string | null): string;
  readonly handshakes?: HandshakeMeter;
}

export class Listener {
  readonly #tcp: Server;
  readonly #tls: TlsServer;
  readonly #limits: ListenerLimits;
  readonly #hooks: ListenerHooks;
  readonly #proxy: ProxyProtocol | null;
  readonly #perIp = new Map<string, number>();
  readonly #handshakes: HandshakeAdmission;
  readonly #sockets = new Set<Socket>();

  constructor(
    tls: TlsOptions,
    limits: ListenerLimits,
    hooks: ListenerHooks,
    proxy: ProxyProtocol | null = null,
  ) {
    this.#limits = limits;
    this.#hooks = hooks;
    this.#proxy = proxy;
    this.#tls = createTlsServer({ ...tls, handshakeTimeout: limits.handshakeTimeoutMs });
    this.#tls.on('secureConnection', (socket) => this.#onSecure(socket));
    this.#tls.on('tlsClientError', (error, socket) => this.#onTlsError(error, socket));
    this.#handshakes = new HandshakeAdmission(limits, {
      start: (socket) => {
        socket.setNoDelay(true);
        socket.setKeepAlive(true);
        this.#tls.emit('connection', socket);
      },
      refused: (refusal, peer, detail) => {
        hooks.handshakes?.failed(refusal === 'handshake-failed' ? 'malformed' : refusal);
        this.#refuse(refusal, peer, detail);
      },
      begun: (waitedMs) => hooks.handshakes?.begun(waitedMs),
      laneOf: (serverName) => hooks.laneOf?.(serverName) ?? '',
    });
    // libuv accepts one connection a round of the loop: what is not needed yet is not done yet. Only
    // a proxy's header is read at once.
    const pauseOnConnect = proxy === null;
    this.#tcp = createServer({ pauseOnConnect }, (socket) => this.#onAccepted(socket));
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

  get isListening(): boolean {
    return this.#tcp.listening;
  }

  get handshakesWaiting(): number {
    return this.#handshakes.waiting;
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

  #onAccepted(socket: Socket): void {
    socket.on('error', () => socket.destroy());
    const address = plainAddress(socket.remoteAddress ?? '');
    const peer = { address, port: socket.remotePort ?? 0 };
    if (this.#proxy?.isProxy(address) === true) void this.#onProxy(socket, peer, this.#proxy);
    else this.#onSocket(socket, peer);
  }

  /** A proxy says who its client is; from then on that is the peer. */
  async #onProxy(socket: Socket, proxy: PeerAddress, protocol: ProxyProtocol): Promise<void> {
    const refuse = (refusal: ConnectionRefusal, detail: string): void => {
      socket.destroy();
      this.#hooks.onRefused(refusal, proxy.address, proxy.port, detail);
    };
    // As for who comes without a proxy: a crowd that waits makes room.
    const isFull = this.#sockets.size >= this.#limits.connectionsMax;
    if (isFull && !this.#handshakes.makeRoomFor(proxy.address)) {
      refuse('max-connections', 'limit reached');
      return;
    }
    this.#sockets.add(socket);
    socket.once('close', () => this.#sockets.delete(socket));
    const header = await readProxyHeader(socket, protocol);
    this.#sockets.delete(socket);
    if (header === null || socket.destroyed || !this.#tcp.listening) socket.destroy();
    else if (header.kind === 'malformed') refuse('proxy-header', header.detail);
    else this.#onSocket(socket, header.client ?? proxy);
  }

  #onSocket(socket: Socket, { address: remoteAddress, port: remotePort }: PeerAddress): void {
    const peer: HandshakePeer = { remoteAddress, remotePort };
    const refusal = this.#refusalFor(peer);
    if (refusal !== null) {
      socket.destroy();
      this.#refuse(refusal.reason, peer, refusal.detail);
      return;
    }
    this.#sockets.add(socket);
    this.#perIp.set(remoteAddress, (this.#perIp.get(remoteAddress) ?? 0) + 1);
    socket.once('close', () => this.#onSocketClosed(socket, remoteAddress));
    this.#handshakes.add(socket, peer);
  }

  #refusalFor({
    remoteAddress,
    remotePort,
  }: HandshakePeer): { reason: ConnectionRefusal; detail: string } | null {
    // Whoever is unwanted costs nobody else a place.
    const unwanted = this.#hooks.turnsAway(remoteAddress, remotePort);
    if (unwanted !== null) return unwanted;
    const limit = this.#limitFor(remoteAddress);
    return limit === null ? null : { reason: limit, detail: 'limit reached' };
  }

  #limitFor(remoteAddress: string): ConnectionRefusal | null {
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
    // Without its books a connection's address is not known for sure: it went away meanwhile.
    if (finished === null) socket.destroy();
    else {
      const { remoteAddress: address, remotePort: port, serverName } = finished;
      this.#hooks.handshakes?.succeeded(finished.tookMs, socket.isSessionReused());
      this.#hooks.onSecure(socket, { address, port }, serverName);
    }
    this.#handshakes.startNext();
  }

  #onTlsError(error: Error, socket: TLSSocket): void {
    const peer = this.#handshakes.finished(rawSocketOf(socket));
    socket.destroy();
    if (peer !== null) {
      this.#hooks.handshakes?.failed(failureOf(errorCode(error)));
      this.#refuse('handshake-failed', peer, errorCode(error));
    }
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

/** What OpenSSL and the socket call a failure, and what it comes to. */
const FAILURES: readonly (readonly [RegExp, string])[] = [
  [/HTTP_REQUEST|WRONG_VERSION_NUMBER/, 'malformed'],
  [/PROTOCOL|VERSION/, 'protocol-version'],
  [/CIPHER|SIGNATURE_ALGORITHM|GROUP|CURVE/, 'no-shared-algorithm'],
  [/CERT|VERIFY|UNKNOWN_CA|SIGNATURE/, 'certificate'],
  [/RECORD|LENGTH|UNEXPECTED|DECODE/, 'malformed'],
  [/^E[A-Z]+$/, 'peer-gone'],
];

/** One of few codes for the reason why a handshake failed. */
export function failureOf(code: string): string {
  return FAILURES.find(([pattern]) => pattern.test(code))?.[1] ?? 'other';
}
