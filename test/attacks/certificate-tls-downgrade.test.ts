/**
 * Threat: a peer talks the connection down to an old protocol, a suite without AEAD or without
 * ephemeral keys, or renegotiates. Each is refused inside the handshake, with OpenSSL's reason.
 */
import { once } from 'node:events';
import { connect } from 'node:net';
import * as tls from 'node:tls';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { pemOf } from '../../src/pki/pki-directory.ts';
import { secureContextOptions } from '../../src/security/tls-context.ts';
import { clientOf, createTestPki, device, profileOf } from '../pki/test-pki.ts';
import {
  type ClientOptions,
  connectOnce,
  materialOf,
  startTestServer,
  type TestServer,
} from '../pki/test-tls-server.ts';

const pki = createTestPki();
const credential = clientOf(pki.tenants.acme, profileOf(device('acme')));
let server: TestServer;

beforeAll(async () => {
  server = await startTestServer(pki);
});
afterAll(() => server.close());

interface Case {
  readonly name: string;
  readonly options: ClientOptions;
  readonly reason: string;
}

const UNSAFE = '@SECLEVEL=0';
const CASES: Case[] = [
  {
    name: 'TLS 1.0',
    options: { minVersion: 'TLSv1', maxVersion: 'TLSv1', ciphers: `ALL:${UNSAFE}` },
    reason: 'ERR_SSL_UNSUPPORTED_PROTOCOL',
  },
  {
    name: 'TLS 1.1',
    options: { minVersion: 'TLSv1.1', maxVersion: 'TLSv1.1', ciphers: `ALL:${UNSAFE}` },
    reason: 'ERR_SSL_UNSUPPORTED_PROTOCOL',
  },
  {
    name: 'a CBC suite',
    options: { maxVersion: 'TLSv1.2', ciphers: `ECDHE-ECDSA-AES128-SHA256:${UNSAFE}` },
    reason: 'ERR_SSL_NO_SHARED_CIPHER',
  },
  {
    name: 'CCM with a short tag',
    options: { maxVersion: 'TLSv1.2', ciphers: `ECDHE-ECDSA-AES128-CCM8:${UNSAFE}` },
    reason: 'ERR_SSL_NO_SHARED_CIPHER',
  },
  {
    name: 'no ephemeral key',
    options: { maxVersion: 'TLSv1.2', ciphers: `AES128-GCM-SHA256:${UNSAFE}` },
    reason: 'ERR_SSL_NO_SHARED_CIPHER',
  },
  {
    name: 'anonymous key exchange',
    options: { maxVersion: 'TLSv1.2', ciphers: `aNULL:${UNSAFE}` },
    reason: 'ERR_SSL_NO_SHARED_CIPHER',
  },
  {
    name: 'a signature over SHA-224',
    options: { maxVersion: 'TLSv1.2', sigalgs: 'ECDSA+SHA224' },
    reason: 'ERR_SSL_NO_SHARED_SIGNATURE_ALGORITHMS',
  },
  {
    name: 'a curve that is not ours',
    options: { minVersion: 'TLSv1.3', ecdhCurve: 'P-521' },
    reason: 'ERR_SSL_NO_SUITABLE_KEY_SHARE',
  },
];

describe.each([
  ['at start', (): void => undefined],
  [
    'after a reload',
    (): void => server.server.setSecureContext(secureContextOptions(materialOf(pki, 'client'))),
  ],
] as const)('%s', (_when, prepare) => {
  it.each(CASES)('refuses $name: $reason', async ({ options, reason }) => {
    prepare();
    const admissions = server.admissions.length;
    const errors = server.handshakeErrors.length;
    const outcome = await connectOnce(pki, server.port, { credential, ...options });
    expect(outcome.welcomed).toBe(false);
    expect(server.handshakeErrors.slice(errors)).toEqual([reason]);
    expect(server.admissions.length).toBe(admissions);
  });

  it('prefers TLS 1.3, and still serves TLS 1.2', async () => {
    prepare();
    const modern = await connectOnce(pki, server.port, { credential });
    const older = await connectOnce(pki, server.port, { credential, maxVersion: 'TLSv1.2' });
    expect([modern.protocol, older.protocol]).toEqual(['TLSv1.3', 'TLSv1.2']);
    expect([modern.welcomed, older.welcomed]).toEqual([true, true]);
  });
});

it('refuses to renegotiate', async () => {
  const socket = tls.connect({
    host: '127.0.0.1',
    port: server.port,
    servername: 'localhost',
    ca: pemOf(pki.server.certificate),
    cert: credential.chain.map(pemOf).join(''),
    key: credential.privateKey.export({ format: 'pem', type: 'pkcs8' }),
    maxVersion: 'TLSv1.2',
  });
  await once(socket, 'data');
  const failure = once(socket, 'error') as Promise<[Error & { code?: string }]>;
  socket.renegotiate({}, () => undefined);
  const [error] = await failure;
  socket.destroy();
  expect(error.code).toMatch(/NO_RENEGOTIATION|ECONNRESET/);
});

it('closes a connection that speaks plaintext, without an admission', async () => {
  const admissions = server.admissions.length;
  const socket = connect(server.port, '127.0.0.1');
  socket.on('error', () => undefined);
  socket.write(Buffer.from('000000140012000300000001000b6b61666b612d636c69656e74', 'hex'));
  await once(socket, 'close');
  expect(server.admissions.length).toBe(admissions);
  expect(server.handshakeErrors.at(-1)).toBe('ERR_SSL_WRONG_VERSION_NUMBER');
});
