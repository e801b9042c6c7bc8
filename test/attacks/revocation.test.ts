/**
 * Threat: a stolen device stays connected, comes back with the ticket of a session from before, with
 * another certificate of its own, by another tenant's name or without any certificate.
 */
import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { ConnectionOptions } from 'node:tls';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { systemClock } from '../../src/base/clock.ts';
import { DAY_MS, issueCredential } from '../../src/pki/certificate-authority.ts';
import { identityProfile } from '../../src/pki/certificate-profile.ts';
import { loadTenantCa, openPki, pemOf } from '../../src/pki/pki-directory.ts';
import { ApiKey } from '../../src/protocol/api-keys.ts';
import { runInProcess } from '../cli/run-cli.ts';
import { adminRequest } from '../tools/admin-request.ts';
import { type AuditLine, useBroker } from '../tools/broker-fixture.ts';
import type { ClientIdentity } from '../tools/client-identity.ts';
import { scramLogin } from '../tools/scram-login.ts';
import { upsertScramUser } from '../tools/scram-users.ts';
import { describeRequiring } from '../tools/tool-detection.ts';
import { WireClient } from '../tools/wire-client.ts';

/** The promise: from the answer to the revocation on. */
const WITHIN_MS = 1000;
/** How long the certificate that ends has left. */
const LEFT_MS = 2500;
const PASSWORD = 'correct horse battery staple';
const TLS_1_2: ConnectionOptions = { maxVersion: 'TLSv1.2' };
const TLS_1_3: ConnectionOptions = { minVersion: 'TLSv1.3' };
const NO_CERTIFICATE = { cert: undefined, key: undefined };

describeRequiring(['built-broker'], 'who was shut out', () => {
  const fixture = useBroker({ env: { BREAKWATER_TENANT_DOMAIN: 'kafka.example' } });
  beforeAll(() => {
    vi.stubEnv('BREAKWATER_ADMIN_URL', `https://127.0.0.1:${fixture.broker.adminPort}`);
    vi.stubEnv('BREAKWATER_CERTS_DIR', fixture.broker.certsDir);
  });
  afterAll(() => {
    vi.unstubAllEnvs();
  });

  const run = async (line: string): Promise<string> => {
    const { code, stdout, stderr } = await runInProcess(line.split(' '));
    expect([code, stderr], line).toEqual([0, '']);
    return stdout;
  };
  const issued = async (name: string, fleet = 'dev'): Promise<ClientIdentity> => {
    await run(`cert issue --tenant acme --device ${name} --fleet ${fleet} --force`);
    return fixture.who('acme', name);
  };
  const open = (who: ClientIdentity, options: ConnectionOptions = {}): Promise<WireClient> =>
    WireClient.connect(fixture.broker.port, who, options);
  const isServed = async (client: WireClient): Promise<boolean> =>
    client.call(ApiKey.ApiVersions, 0, {}).then(
      ({ errorCode }) => errorCode === 0,
      () => false,
    );
  /** The reasons of the refusals since `before` lines. */
  const refusals = (before: number): (string | undefined)[] =>
    fixture
      .audit('security')
      .slice(before)
      .filter(({ type, outcome }) => type === 'authentication' && outcome === 'failure')
      .map(({ reason }) => reason);
  const lineCount = (): number => fixture.audit('security').length;

  /** A connection that is served, and the ticket that it got. */
  async function withTicket(
    who: ClientIdentity,
    options: ConnectionOptions,
  ): Promise<{ client: WireClient; session: Buffer }> {
    const client = await open(who, options);
    const offered = new Promise<Buffer>((resolve) => client.socket.once('session', resolve));
    expect(await isServed(client)).toBe(true);
    const session = options.maxVersion === 'TLSv1.2' ? client.socket.getSession()! : await offered;
    return { client, session };
  }

  /** A connection without a certificate, and the ticket that it got all the same. */
  async function refusedWithTicket(
    who: ClientIdentity,
    version: ConnectionOptions,
    port = fixture.broker.port,
  ): Promise<{ client: WireClient; session: Buffer }> {
    const client = await WireClient.connect(port, who, { ...version, ...NO_CERTIFICATE });
    if (version.maxVersion === 'TLSv1.2') return { client, session: client.socket.getSession()! };
    const session = await new Promise<Buffer>((resolve) => client.socket.once('session', resolve));
    return { client, session };
  }

  it.each([
    ['TLS 1.2', TLS_1_2, 'pump-1'],
    ['TLS 1.3', TLS_1_3, 'pump-2'],
  ] as const)(
    'a revoked device is closed, and neither resumed nor let in anew, %s',
    async (_, version, name) => {
      const who = await issued(name);
      const { client, session } = await withTicket(who, version);
      const other = await withTicket(fixture.who('acme', 'device-1'), version);
      await run(`cert revoke --tenant acme --device ${name} --reason keyCompromise`);
      expect(await client.isClosed(WITHIN_MS)).toBe(true);
      expect(await isServed(other.client)).toBe(true);
      const before = lineCount();
      const resumed = await open(who, { ...version, session });
      expect(resumed.socket.isSessionReused()).toBe(true);
      expect(await isServed(resumed)).toBe(false);
      expect(await isServed(await open(who, version))).toBe(false);
      expect(refusals(before)).toEqual(['revoked', 'revoked']);
      const told = fixture.audit('security').filter(({ reason }) => reason === 'revoked');
      const whose = { tenant: 'acme', principal: `User:${name}`, certificate: expect.any(String) };
      expect(told.at(-1)).toMatchObject(whose);
      // A new certificate is a new start; it begins in the next second.
      const renewed = await issued(name);
      await expect.poll(async () => isServed(await open(renewed, version))).toBe(true);
      other.client.close();
    },
  );

  it('a certificate of the name that the PKI folder does not know of is revoked too', async () => {
    await issued('pump-3');
    const earlier = ['cert', 'key'].map((part) =>
      readFileSync(fixture.who('acme', 'pump-3')[`${part}File` as 'certFile']),
    );
    const who = await issued('pump-3');
    const client = await open(who, { cert: earlier[0], key: earlier[1] });
    expect(await isServed(client)).toBe(true);
    const path = '/v1/tenants/acme/revocations';
    expect((await adminRequest(fixture.broker, 'POST', path, { name: 'pump-3' })).status).toBe(200);
    expect(await client.isClosed(WITHIN_MS)).toBe(true);
    expect(await isServed(await open(who, { cert: earlier[0], key: earlier[1] }))).toBe(false);
  });

  it('a revoked serial shuts out that certificate and no other of the name', async () => {
    const who = await issued('pump-4');
    const { serialNumber } = new X509Certificate(readFileSync(who.certFile));
    const client = await open(who);
    expect(await isServed(client)).toBe(true);
    await run(`cert revoke --tenant acme --serial ${serialNumber.toLowerCase()}`);
    expect(await client.isClosed(WITHIN_MS)).toBe(true);
    expect(await isServed(await open(who))).toBe(false);
    expect(await isServed(await open(await issued('pump-4')))).toBe(true);
    expect(await run('cert revocations --tenant acme')).toContain(serialNumber);
    expect(await run('cert revocations --tenant globex')).toBe('nothing is revoked\n');
  });

  it("a serial of one tenant says nothing of another's, nor a name", async () => {
    const globex = fixture.who('globex', 'device-1');
    const { serialNumber } = new X509Certificate(readFileSync(globex.certFile));
    const client = await open(globex);
    await run(`cert revoke --tenant acme --serial ${serialNumber}`);
    await run('device suspend --tenant acme device-1');
    expect(await isServed(client)).toBe(true);
    expect(await isServed(await open(globex))).toBe(true);
    await run('device resume --tenant acme device-1');
  });

  it.each([
    ['device', 'pump-5'],
    ['fleet', 'plant-a'],
  ])(
    'a suspended %s is closed, refused, not resumed, and served again later',
    async (kind, name) => {
      const who = await issued('pump-5', 'plant-a');
      const { client, session } = await withTicket(who, TLS_1_3);
      await run(`${kind} suspend --tenant acme ${name}`);
      expect(await client.isClosed(WITHIN_MS)).toBe(true);
      expect(await run(`${kind} suspended --tenant acme`)).toContain(name);
      const before = lineCount();
      const resumed = await open(who, { ...TLS_1_3, session });
      expect(resumed.socket.isSessionReused()).toBe(true);
      expect(await isServed(resumed)).toBe(false);
      expect(await isServed(await open(await issued('pump-5', 'plant-a')))).toBe(false);
      expect(refusals(before)).toEqual(['suspended', 'suspended']);
      await run(`${kind} resume --tenant acme ${name}`);
      expect(await isServed(await open(fixture.who('acme', 'pump-5')))).toBe(true);
    },
  );

  it('a suspended name is shut out of the SASL listener too, with the answer of any refusal', async () => {
    const admin = await fixture.connect('acme', 'admin-1');
    await upsertScramUser(admin, 'service-1', PASSWORD);
    const connect = (): Promise<WireClient> =>
      WireClient.connect(fixture.broker.saslPort, fixture.who('acme', 'device-1'), NO_CERTIFICATE);
    const login = await connect();
    expect((await scramLogin(login, 'acme/service-1', PASSWORD)).errorCode).toBe(0);
    const wrong = await scramLogin(await connect(), 'acme/service-1', 'not this one');
    await run('device suspend --tenant acme service-1');
    expect(await login.isClosed(WITHIN_MS)).toBe(true);
    const refused = await scramLogin(await connect(), 'acme/service-1', PASSWORD);
    expect(refused).toEqual(wrong);
    const line = await fixture.audited('security', (one) => one.reason === 'suspended');
    expect(line).toMatchObject({ type: 'authentication', outcome: 'failure' });
    await run('device resume --tenant acme service-1');
    expect((await scramLogin(await connect(), 'acme/service-1', PASSWORD)).errorCode).toBe(0);
  });

  it('a certificate that ends takes its session along, and its ticket is worth nothing then', async () => {
    const pki = openPki(fixture.broker.certsDir);
    const ca = loadTenantCa(pki, 'acme');
    const identity = { kind: 'device', tenant: 'acme', fleet: 'dev', name: 'pump-6' } as const;
    const clock = { ...systemClock, nowMs: () => Date.now() + LEFT_MS - DAY_MS };
    const profile = identityProfile(identity, pki.trustDomain);
    const made = issueCredential(ca, profile, { days: 1, clock });
    const endsAtMs = Date.parse(made.certificate.validTo);
    const own = {
      cert: pemOf(made.certificate) + pemOf(ca.certificate),
      key: made.privateKey.export({ format: 'pem', type: 'pkcs8' }),
    };
    const who = fixture.who('acme', 'device-1');
    const { client, session } = await withTicket(who, { ...TLS_1_3, ...own });
    const older = await withTicket(who, { ...TLS_1_2, ...own });
    await Promise.all([client.closed, older.client.closed]);
    expect(Date.now()).toBeGreaterThanOrEqual(endsAtMs);
    expect(Date.now()).toBeLessThan(endsAtMs + WITHIN_MS);
    const before = lineCount();
    // The last second of a certificate is still its own.
    const wait = endsAtMs + 1000 - Date.now();
    await new Promise((resolve) => systemClock.setTimer(wait, () => resolve(null)));
    const tickets = [
      { ...TLS_1_3, session },
      { ...TLS_1_2, session: older.session },
    ];
    for (const ticket of tickets) {
      const resumed = await open(who, { ...own, ...ticket });
      expect(resumed.socket.isSessionReused()).toBe(true);
      expect(await isServed(resumed)).toBe(false);
    }
    expect(refusals(before)).toEqual(['expired', 'expired']);
  });

  it("a ticket carried to another tenant's server name is refused", async () => {
    const who = fixture.who('acme', 'device-2');
    const any = { ...TLS_1_3, checkServerIdentity: () => undefined };
    const { session } = await withTicket(who, { ...any, servername: 'acme.kafka.example' });
    const before = lineCount();
    const there = await open(who, { ...any, session, servername: 'globex.kafka.example' });
    expect(there.socket.isSessionReused()).toBe(true);
    expect(await isServed(there)).toBe(false);
    expect(refusals(before)).toEqual(['server_name_mismatch']);
  });

  it("TLS 1.2: a ticket carried to another tenant's server name is refused, though OpenSSL hides the name", async () => {
    const who = fixture.who('acme', 'device-2');
    const any = { ...TLS_1_2, checkServerIdentity: () => undefined };
    const { session } = await withTicket(who, { ...any, servername: 'acme.kafka.example' });
    const before = lineCount();
    const there = await open(who, { ...any, session, servername: 'globex.kafka.example' });
    expect(there.socket.isSessionReused()).toBe(true);
    expect(await isServed(there)).toBe(false);
    expect(refusals(before)).toEqual(['server_name_mismatch']);
  });

  it.each([
    ['TLS 1.2', TLS_1_2],
    ['TLS 1.3', TLS_1_3],
  ] as const)(
    'a client without a certificate never gets in, not with a ticket either, %s',
    async (_, version) => {
      const who = fixture.who('acme', 'device-1');
      const before = lineCount();
      const { client: first, session } = await refusedWithTicket(who, version);
      expect(await isServed(first)).toBe(false);
      const again = await open(who, { ...version, ...NO_CERTIFICATE, session });
      expect(again.socket.isSessionReused()).toBe(true);
      expect(await isServed(again)).toBe(false);
      expect(refusals(before)).toEqual(['no_certificate', 'no_certificate']);
    },
  );

  it.each([
    ['TLS 1.2', TLS_1_2],
    ['TLS 1.3', TLS_1_3],
  ] as const)('a ticket of one listener opens nothing on the other, %s', async (_, version) => {
    const who = fixture.who('acme', 'device-1');
    const sasl = fixture.broker.saslPort;
    const { session: withCertificate } = await withTicket(who, version);
    const there = await WireClient.connect(sasl, who, {
      ...version,
      ...NO_CERTIFICATE,
      session: withCertificate,
    });
    expect(there.socket.isSessionReused()).toBe(false);
    // Before a login it is told what may be asked, and nothing else.
    await expect(there.call(ApiKey.Metadata, 12, { topics: null })).rejects.toThrow('closed');
    const { session: without } = await refusedWithTicket(who, version, sasl);
    const before = lineCount();
    const here = await open(who, { ...version, ...NO_CERTIFICATE, session: without });
    expect(here.socket.isSessionReused()).toBe(false);
    expect(await isServed(here)).toBe(false);
    expect(refusals(before)).toEqual(['no_certificate']);
  });

  it('is in the security log before it acted, with who did it and why', async () => {
    const lines = fixture.audit('security');
    const at = (matches: (line: AuditLine) => boolean): number => lines.findIndex(matches);
    const recorded = at(({ reason }) => reason === 'certificate-revoke');
    const closed = at(({ type, reason }) => type === 'connection' && reason === 'revoked');
    expect(recorded).toBeGreaterThanOrEqual(0);
    expect(closed).toBeGreaterThan(recorded);
    expect(lines[recorded]).toMatchObject({ type: 'administration', outcome: 'success' });
    expect(JSON.stringify(lines[recorded])).toContain('keyCompromise');
    expect(lines[closed]).toMatchObject({
      tenant: 'acme',
      detail: expect.stringMatching(/^revoked: /),
    });
  });
});
