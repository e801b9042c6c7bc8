/**
 * Threat: TLS session resumption skips the checks of a full handshake. OpenSSL resumes a ticket
 * under another server name, after revocation and expiry, and (TLS 1.3) even for a client that
 * never showed a certificate, whom it then calls authorized. Admission must decide as on a full
 * handshake. These tests first show that the connection IS resumed, else they would prove nothing.
 */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createRoot, DAY_MS } from '../../src/pki/certificate-authority.ts';
import { clientRootProfile } from '../../src/pki/certificate-profile.ts';
import { secureContextOptions } from '../../src/security/tls-context.ts';
import { clientOf, createTestPki, device, profileOf } from '../pki/test-pki.ts';
import {
  admissionOf,
  type ClientOptions,
  type ClientOutcome,
  materialOf,
  reasonOf,
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
beforeEach(() => {
  server.registry.setActive('acme', true);
  server.revoked.clear();
  server.setClockOffset(0);
});

const TLS_1_2: ClientOptions = { maxVersion: 'TLSv1.2' };
const TLS_1_3: ClientOptions = { minVersion: 'TLSv1.3' };
const anyName = { checkServerIdentity: () => undefined };

/** A full handshake as acme's device, and the session that it leaves. */
async function firstSession(options: ClientOptions): Promise<Buffer> {
  const first = await admissionOf(pki, server, { credential, ...options });
  expect(reasonOf(first.result)).toBe('admitted');
  return sessionOf(first.client);
}

function sessionOf(client: ClientOutcome): Buffer {
  if (client.session === undefined) throw new Error('the server offered no session');
  return client.session;
}

describe.each([
  ['TLS 1.2', TLS_1_2],
  ['TLS 1.3', TLS_1_3],
] as const)('a resumed connection, %s', (_name, version) => {
  it('is admitted as the same principal', async () => {
    const session = await firstSession(version);
    const again = await admissionOf(pki, server, { ...version, session });
    expect(again.peer.resumed).toBe(true);
    expect(again.result).toMatchObject({ principal: { name: 'device-1', tenant: 'acme' } });
  });

  it('is refused once its serial is revoked: revoked', async () => {
    const session = await firstSession(version);
    server.revoked.add(credential.chain[0]!.serialNumber);
    const again = await admissionOf(pki, server, { ...version, session });
    expect(again.peer).toMatchObject({ resumed: true, authorized: true });
    expect(reasonOf(again.result)).toBe('revoked');
  });

  it('is refused once its tenant is suspended: tenant_inactive', async () => {
    const session = await firstSession(version);
    server.registry.setActive('acme', false);
    const again = await admissionOf(pki, server, { ...version, session });
    expect(again.peer).toMatchObject({ resumed: true, authorized: true });
    expect(reasonOf(again.result)).toBe('tenant_inactive');
  });

  it('is refused once its certificate has expired: expired', async () => {
    const session = await firstSession(version);
    server.setClockOffset(91 * DAY_MS);
    const again = await admissionOf(pki, server, { ...version, session });
    expect(again.peer).toMatchObject({ resumed: true, authorized: true });
    expect(reasonOf(again.result)).toBe('expired');
  });

  it('that was refused at first is refused again, for the same reason', async () => {
    const foreign = clientOf(pki.tenants.globex, profileOf(device('acme')));
    const first = await admissionOf(pki, server, { credential: foreign, ...version });
    expect(reasonOf(first.result)).toBe('tenant_mismatch');
    const session = sessionOf(first.client);
    const again = await admissionOf(pki, server, { ...version, session });
    expect(again.peer.resumed).toBe(true);
    expect(reasonOf(again.result)).toBe('tenant_mismatch');
    expect(again.client.welcomed).toBe(false);
  });

  it('under a wrong root is refused again, for the same reason', async () => {
    const root = createRoot({ ...clientRootProfile('elsewhere.test'), pathLength: 0 });
    const stranger = clientOf(root, profileOf(device('acme')));
    const first = await admissionOf(pki, server, { credential: stranger, ...version });
    const session = sessionOf(first.client);
    const again = await admissionOf(pki, server, { ...version, session });
    expect(again.peer.resumed).toBe(true);
    expect(reasonOf(again.result)).toBe('unknown_issuer');
  });

  it('without any certificate is refused again: no_certificate', async () => {
    const first = await admissionOf(pki, server, version);
    expect(reasonOf(first.result)).toBe('no_certificate');
    const session = sessionOf(first.client);
    const again = await admissionOf(pki, server, { ...version, session });
    expect(again.peer.resumed).toBe(true);
    // On TLS 1.3 this is the trap: nobody showed a certificate, and Node says "authorized".
    expect(again.peer.authorized).toBe(version === TLS_1_3);
    expect(reasonOf(again.result)).toBe('no_certificate');
    expect(again.client.welcomed).toBe(false);
  });

  it('does not carry over to the admin listener', async () => {
    const admin = await startTestServer(pki, 'admin');
    const session = await firstSession(version);
    const there = await admissionOf(pki, admin, { ...version, session });
    await admin.close();
    expect(there.peer.resumed).toBe(false);
    expect(reasonOf(there.result)).toBe('no_certificate');
  });

  it('does not outlive a change of the context: tickets of before are void', async () => {
    const session = await firstSession(version);
    server.server.setSecureContext(secureContextOptions(materialOf(pki, 'client')));
    const again = await admissionOf(pki, server, { credential, ...version, session });
    expect(again.peer.resumed).toBe(false);
    expect(reasonOf(again.result)).toBe('admitted');
  });
});

describe('a ticket under another server name', () => {
  it('TLS 1.3: server_name_mismatch, although OpenSSL resumes it', async () => {
    const session = await firstSession({
      ...TLS_1_3,
      ...anyName,
      servername: 'acme.kafka.example',
    });
    const again = await admissionOf(pki, server, {
      ...TLS_1_3,
      ...anyName,
      session,
      servername: 'globex.kafka.example',
    });
    expect(again.peer).toMatchObject({ resumed: true, authorized: true });
    expect(reasonOf(again.result)).toBe('server_name_mismatch');
  });

  it("TLS 1.2: OpenSSL hides the new name, and the tenant stays the certificate's", async () => {
    const session = await firstSession({
      ...TLS_1_2,
      ...anyName,
      servername: 'acme.kafka.example',
    });
    const again = await admissionOf(pki, server, {
      ...TLS_1_2,
      ...anyName,
      session,
      servername: 'globex.kafka.example',
    });
    expect(again.peer).toMatchObject({ resumed: true, serverName: null });
    expect(again.result).toMatchObject({ principal: { tenant: 'acme' } });
  });
});
