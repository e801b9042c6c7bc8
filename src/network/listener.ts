/**
 * The TLS listener of devices and services: accepts TCP, limits connections, admits TLS handshakes
 * a few at a time, runs admission on every connection (resumed ones too), and hands what was
 * admitted to the server as a Connection.
 *
 * Invariant: nothing of a peer is parsed as Kafka before `admit` said yes, and every refusal is
 * reported with its reason. Handshakes run on the event loop and cost milliseconds, so only
 * `handshakesMax` are worked on at once; the rest wait, in turn by address. One that takes long is
 * waiting for its peer, not for us: it goes on, and its place is another's. The time-out runs once
 * for the wait and anew for the handshake.
 */
import { createServer, type Server, type Socket } from 'node:net';
import type { TlsOptions } from 'node:tls';
import {
  createServer as createTlsServer,
  type TLSSocket,
  type Server as TlsServer,
} from 'node:tls';
import { type PeerAddress, type ProxyProtocol, readProxyHeader } from './proxy-protocol.ts';

export type ConnectionRefusal =
  | 'banned'
  | 'backed_off'
  | 'proxy-header'
  | 'max-connections'
  | 'max-connections-per-ip'
  | 'handshake-queue-full'
  | 'handshake-timeout'
  | 'handshake-failed';

export interface ListenerLimits {
  readonly connectionsMax: number;
  readonly connectionsPerIpMax: number;
  readonly handshakesMax: number;
  readonly handshakeTimeoutMs: number;
  /** Accepted sockets that may wait for their handshake. */
  readonly handshakeQueueMax: number;
  /** Connections that the kernel keeps for us until they are accepted. */
  readonly backlog: number;
}

export interface ListenerHooks {
  /** A handshake is done: admission and everything after it is the caller's. */
  onSecure(socket: TLSSocket, peer: PeerAddress): void;
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
}

/** How long a handshake counts as being worked on. */
const HANDSHAKE_TURN_MS = 250;

interface Pending {
  readonly socket: Socket;
  readonly remoteAddress: string;
  readonly remotePort: number;
  timer: NodeJS.Timeout | null;
  /** Ends its turn among the handshakes that are worked on. */
  turn: NodeJS.Timeout | null;
}

export class Listener {
  readonly #tcp: Server;
  readonly #tls: TlsServer;
  readonly #limits: ListenerLimits;
  readonly #hooks: ListenerHooks;
  readonly #proxy: ProxyProtocol | null;
  readonly #perIp = new Map<string, number>();
  /** Waiting handshakes by address; served round robin so that one address starves no other. */
  readonly #queues = new Map<string, Pending[]>();
  readonly #handshaking = new Map<Socket, Pending>();
  /** Those of `#handshaking` that count. */
  readonly #inTurn = new Set<Pending>();
  readonly #sockets = new Set<Socket>();
  #queued = 0;

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
    this.#tcp = createServer({ noDelay: true, keepAlive: true }, (socket) =>
      this.#onAccepted(socket),
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

  /** Stops accepting; handshakes under way and waiting sockets are dropped. */
  stopAccepting(): void {
    this.#tcp.close();
    for (const queue of this.#queues.values()) for (const p of queue) p.socket.destroy();
    this.#queues.clear();
    for (const pending of this.#handshaking.values()) pending.socket.destroy();
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
    if (this.#sockets.size >= this.#limits.connectionsMax) {
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
    const pending: Pending = { socket, remoteAddress, remotePort, timer: null, turn: null };
    const refusal = this.#refusalFor(remoteAddress, remotePort);
    if (refusal !== null) {
      socket.destroy();
      this.#hooks.onRefused(refusal.reason, remoteAddress, remotePort, refusal.detail);
      return;
    }
    this.#sockets.add(socket);
    this.#perIp.set(remoteAddress, (this.#perIp.get(remoteAddress) ?? 0) + 1);
    socket.once('close', () => this.#onSocketClosed(pending));
    const queue = this.#queues.get(remoteAddress);
    if (queue === undefined) this.#queues.set(remoteAddress, [pending]);
    else queue.push(pending);
    this.#queued++;
    pending.timer = setTimeout(() => this.#expire(pending), this.#limits.handshakeTimeoutMs);
    this.#startHandshakes();
  }

  #refusalFor(
    remoteAddress: string,
    remotePort: number,
  ): { reason: ConnectionRefusal; detail: string } | null {
    const limit = this.#limitFor(remoteAddress);
    if (limit !== null) return { reason: limit, detail: 'limit reached' };
    return this.#hooks.turnsAway(remoteAddress, remotePort);
  }

  #limitFor(remoteAddress: string): ConnectionRefusal | null {
    if (this.#sockets.size >= this.#limits.connectionsMax) return 'max-connections';
    const perIp = this.#perIp.get(remoteAddress) ?? 0;
    if (perIp >= this.#limits.connectionsPerIpMax) return 'max-connections-per-ip';
    if (this.#queued >= this.#limits.handshakeQueueMax) return 'handshake-queue-full';
    return null;
  }

  #expire(pending: Pending): void {
    pending.timer = null;
    pending.socket.destroy();
    const { remoteAddress, remotePort } = pending;
    this.#hooks.onRefused('handshake-timeout', remoteAddress, remotePort, 'no handshake in time');
  }

  #startHandshakes(): void {
    while (this.#inTurn.size < this.#limits.handshakesMax && this.#queued > 0) {
      const pending = this.#takeNext();
      if (pending === null) return;
      this.#handshaking.set(pending.socket, pending);
      this.#inTurn.add(pending);
      pending.turn = setTimeout(() => {
        this.#endTurn(pending);
        this.#startHandshakes();
      }, HANDSHAKE_TURN_MS);
      // Its turn comes when others time out: what is left of its wait may be too short for it.
      pending.timer?.refresh();
      this.#tls.emit('connection', pending.socket);
    }
  }

  #endTurn(pending: Pending): void {
    if (pending.turn !== null) clearTimeout(pending.turn);
    pending.turn = null;
    this.#inTurn.delete(pending);
  }

  /** The oldest socket of the address whose turn it is; that address then goes to the end. */
  #takeNext(): Pending | null {
    for (const [address, queue] of this.#queues) {
      this.#queues.delete(address);
      const pending = queue.shift();
      if (queue.length > 0) this.#queues.set(address, queue);
      if (pending === undefined) continue;
      this.#queued--;
      if (!pending.socket.destroyed) return pending;
    }
    return null;
  }

  #onSecure(socket: TLSSocket): void {
    const pending = this.#handshakeDone(socket);
    // Without its books a connection's address is not known for sure: it went away meanwhile.
    if (pending === null) socket.destroy();
    else {
      const { remoteAddress: address, remotePort: port } = pending;
      this.#hooks.onSecure(socket, { address, port });
    }
    this.#startHandshakes();
  }

  #onTlsError(error: Error, socket: TLSSocket): void {
    const pending = this.#handshakeDone(socket);
    socket.destroy();
    if (pending !== null) {
      const { remoteAddress, remotePort } = pending;
      this.#hooks.onRefused('handshake-failed', remoteAddress, remotePort, errorCode(error));
    }
    this.#startHandshakes();
  }

  /**
   * Ends the handshake's bookkeeping. Node keeps the raw socket that a TLSSocket was wrapped around
   * as `_parent`; it is the only pairing that survives a failed handshake, where the address is
   * gone already. Were it missing, the raw socket's `close` still settles the books.
   */
  #handshakeDone(tlsSocket: TLSSocket): Pending | null {
    const raw = (tlsSocket as TLSSocket & { _parent?: Socket })._parent;
    const pending = raw === undefined ? undefined : this.#handshaking.get(raw);
    if (raw === undefined || pending === undefined) return null;
    this.#handshaking.delete(raw);
    this.#endTurn(pending);
    if (pending.timer !== null) clearTimeout(pending.timer);
    pending.timer = null;
    return pending;
  }

  #onSocketClosed(pending: Pending): void {
    this.#sockets.delete(pending.socket);
    if (pending.timer !== null) clearTimeout(pending.timer);
    pending.timer = null;
    const left = (this.#perIp.get(pending.remoteAddress) ?? 1) - 1;
    if (left > 0) this.#perIp.set(pending.remoteAddress, left);
    else this.#perIp.delete(pending.remoteAddress);
    const queue = this.#queues.get(pending.remoteAddress);
    const at = queue?.indexOf(pending) ?? -1;
    if (queue !== undefined && at >= 0) {
      queue.splice(at, 1);
      this.#queued--;
      if (queue.length === 0) this.#queues.delete(pending.remoteAddress);
    }
    this.#endTurn(pending);
    if (this.#handshaking.delete(pending.socket)) this.#startHandshakes();
  }
}

/** `::ffff:10.0.0.1` is 10.0.0.1: one peer has one name, in limits, policies and the log. */
export function plainAddress(address: string): string {
  return address.startsWith('::ffff:') && address.includes('.') ? address.slice(7) : address;
}

function errorCode(error: Error): string {
  const { code } = error as Error & { code?: string };
  return code ?? 'TLS handshake failed';
}
