/**
 * A small TLS server over real sockets that does what a listener must: Breakwater's context, then
 * admission on every connection. It says "welcome" to whom it admits, "refused" to the others.
 */
import type { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import * as tls from 'node:tls';
import { pemOf } from '../../src/pki/pki-directory.ts';
import {
  type AdmissionResult,
  type AdmissionRules,
  admit,
  admitOperator,
  operatorRulesOf,
  type PeerFacts,
  peerFactsOf,
} from '../../src/security/admission.ts';
import { TenantCaRegistry } from '../../src/security/tenant-ca-registry.ts';
import { type TlsMaterial, tlsServerOptions } from '../../src/security/tls-context.ts';
import { type ClientCredential, type TestPki, TRUST_DOMAIN } from './test-pki.ts';

export interface Admission {
  readonly peer: PeerFacts;
  readonly result: AdmissionResult;
}

export interface TestServer {
  readonly port: number;
  readonly server: tls.Server;
  readonly registry: TenantCaRegistry;
  /** Every admission so far; a connection adds one. */
  readonly admissions: Admission[];
  /** Errors of handshakes that failed, before any admission. */
  readonly handshakeErrors: string[];
  readonly revoked: Set<string>;
  /** How far the clock of admission is ahead of the real one. */
  setClockOffset(offsetMs: number): void;
  close(): Promise<void>;
}

export type Listener = 'client' | 'admin';

const WELCOME = 'welcome';
export const SERVER_NAME_DOMAIN = 'kafka.example';

export function materialOf(pki: TestPki, listener: Listener): TlsMaterial {
  const clientCa = (listener === 'client' ? pki.clientRoot : pki.operatorCa).certificate;
  return {
    certificatePem: pemOf(pki.broker.certificate),
    keyPem: pki.broker.privateKey.export({ format: 'pem', type: 'pkcs8' }).toString(),
    clientCaPem: pemOf(clientCa),
    certificate: pki.broker.certificate,
    clientCas: [clientCa],
    expiresAtMs: Date.parse(pki.broker.certificate.validTo),
  };
}

export function registryOf(
  pki: TestPki,
  otherRoots: () => readonly X509Certificate[] = () => [],
): TenantCaRegistry {
  const registry = new TenantCaRegistry({
    clientRootPem: pemOf(pki.clientRoot.certificate),
    trustDomain: TRUST_DOMAIN,
    otherRoots,
  });
  for (const [tenant, ca] of Object.entries(pki.tenants)) {
    registry.register(tenant, pemOf(ca.certificate));
    registry.setActive(tenant, true);
  }
  return registry;
}

export async function startTestServer(
  pki: TestPki,
  listener: Listener = 'client',
): Promise<TestServer> {
  const registry = registryOf(pki);
  const revoked = new Set<string>();
  const isRevoked = (_issuer: string, serial: string): boolean => revoked.has(serial);
  const rules: AdmissionRules = { registry, serverNameDomain: SERVER_NAME_DOMAIN, isRevoked };
  const operatorRules = operatorRulesOf([pki.operatorCa.certificate], TRUST_DOMAIN, isRevoked);
  const admissions: Admission[] = [];
  const handshakeErrors: string[] = [];
  let clockOffsetMs = 0;
  const sockets = new Set<tls.TLSSocket>();
  const options = tlsServerOptions(materialOf(pki, listener), 5_000);
  const server = tls.createServer(options, (socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    socket.on('error', () => undefined);
    const peer = peerFactsOf(socket);
    const nowMs = Date.now() + clockOffsetMs;
    const result =
      listener === 'client' ? admit(peer, rules, nowMs) : admitOperator(peer, operatorRules, nowMs);
    admissions.push({ peer, result });
    // A word before the end lets the tickets of the handshake reach the client, who may resume.
    if (result.admitted) socket.write(WELCOME);
    else socket.end('refused');
  });
  server.on('tlsClientError', (error: Error & { code?: string }) =>
    handshakeErrors.push(error.code ?? error.message),
  );
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const close = async (): Promise<void> => {
    for (const socket of sockets) socket.destroy();
    server.close();
    await once(server, 'close');
  };
  const setClockOffset = (offsetMs: number): void => {
    clockOffsetMs = offsetMs;
  };
  return { port, server, registry, admissions, handshakeErrors, revoked, setClockOffset, close };
}

export interface ClientOptions extends tls.ConnectionOptions {
  readonly credential?: ClientCredential;
}

export interface ClientOutcome {
  /** The server said "welcome". */
  readonly welcomed: boolean;
  readonly resumed: boolean;
  readonly protocol: string | null;
  /** The last session that the server offered, to resume with. */
  readonly session: Buffer | undefined;
  readonly error: string | null;
}

/** Connects, waits for the welcome or the end, and hangs up. */
export function connectOnce(
  pki: TestPki,
  port: number,
  options: ClientOptions = {},
): Promise<ClientOutcome> {
  const { credential, ...rest } = options;
  return new Promise((resolve) => {
    let session: Buffer | undefined;
    let welcomed = false;
    let resumed = false;
    let protocol: string | null = null;
    let error: string | null = null;
    const socket = tls.connect({
      host: '127.0.0.1',
      port,
      ca: pemOf(pki.server.certificate),
      servername: 'localhost',
      ...(credential === undefined
        ? {}
        : {
            cert: credential.chain.map(pemOf).join(''),
            key: credential.privateKey.export({ format: 'pem', type: 'pkcs8' }),
          }),
      ...rest,
    });
    socket.on('secureConnect', () => {
      resumed = socket.isSessionReused();
      protocol = socket.getProtocol();
      if (protocol === 'TLSv1.2') session = socket.getSession();
    });
    socket.on('session', (offered: Buffer) => {
      session = offered;
    });
    socket.on('data', (said: Buffer) => {
      welcomed = said.toString() === WELCOME;
      socket.end();
    });
    socket.on('error', (cause: Error & { code?: string }) => {
      error = cause.code ?? cause.message;
    });
    socket.on('close', () => resolve({ welcomed, resumed, protocol, session, error }));
  });
}

/** Connects once and returns what admission decided. Fails when the handshake itself failed. */
export async function admissionOf(
  pki: TestPki,
  server: TestServer,
  options: ClientOptions = {},
): Promise<Admission & { readonly client: ClientOutcome }> {
  const before = server.admissions.length;
  const client = await connectOnce(pki, server.port, options);
  const admission = server.admissions[before];
  if (admission === undefined)
    throw new Error(`no admission: the handshake failed, ${client.error}`);
  return { ...admission, client };
}

/** The reason of a refusal, or 'admitted'. */
export const reasonOf = (result: AdmissionResult): string =>
  result.admitted ? 'admitted' : result.reason;
