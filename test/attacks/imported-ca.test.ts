/**
 * Threat: a CA that is not ours, which an operator let in for one tenant, is used to get into another
 * one, to a role, to the admin listener, or in by a chain that nobody imported.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DAY_MS } from '../../src/pki/certificate-authority.ts';
import { pemOf } from '../../src/pki/pki-directory.ts';
import { admit, type PeerFacts } from '../../src/security/admission.ts';
import { Revocations } from '../../src/security/revocations.ts';
import {
  crossSigned,
  foreignCa,
  foreignClient,
  imported,
  opensslCa,
  subCa,
} from '../pki/foreign-ca.ts';
import { opensslLeaf } from '../pki/openssl-leaf.ts';
import {
  clientOf,
  clockAt,
  createTestPki,
  device,
  profileOf,
  TRUST_DOMAIN,
} from '../pki/test-pki.ts';
import {
  admissionOf,
  connectOnce,
  reasonOf,
  registryOf,
  SERVER_NAME_DOMAIN,
  startTestServer,
  type TestServer,
} from '../pki/test-tls-server.ts';
import { describeRequiring } from '../tools/tool-detection.ts';

const pki = createTestPki();
const vendor = foreignCa();

const peerWith = (certificate: PeerFacts['certificate'], serverName?: string): PeerFacts => ({
  certificate,
  authorized: false,
  authorizationError: 'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  serverName: serverName ?? null,
  resumed: false,
});

function registryWith(...imports: [string, ReturnType<typeof imported>][]) {
  const registry = registryOf(pki);
  for (const [tenant, settings] of imports) registry.importCa(tenant, settings);
  return registry;
}

describe('a certificate of an imported CA', () => {
  const registry = registryWith(['acme', imported(vendor)]);
  const decide = (certificate: PeerFacts['certificate'], serverName?: string) =>
    admit(
      peerWith(certificate, serverName),
      { registry, serverNameDomain: SERVER_NAME_DOMAIN },
      Date.now(),
    );

  it('is let in as the user that the rules name, in that tenant', () => {
    const result = decide(foreignClient(vendor, 'meter-7').chain[0]!);
    expect(result).toMatchObject({
      admitted: true,
      principal: {
        name: 'meter-7',
        tenant: 'acme',
        kind: 'user',
        fleet: null,
        // A deny by an attribute of the certificate applies to it as to any other.
        attributes: { 'cert.cn': 'meter-7', 'cert.serial': expect.stringMatching(/^[0-9A-F]+$/) },
      },
    });
  });

  it.each([
    'Role:admin',
    'Fleet:plant-a',
    'User:admin-1',
    'globex/device-1',
    'globex.device-1',
    '_operator',
    '*',
    'a b',
    'ümlaut',
    'ANONYMOUS',
    'a'.repeat(64),
  ])('whose subject makes the name %j is refused', (commonName) => {
    const certificate = foreignClient(vendor, commonName).chain[0]!;
    expect(reasonOf(decide(certificate))).toBe('name_not_allowed');
  });

  it.each([
    ['', 'name_not_mapped'],
    ['x,O=Vendor', 'name_not_allowed'],
    ['a'.repeat(600), 'malformed_identity'],
    ['a\nb', 'malformed_identity'],
  ])('whose common name is %j is refused: %s', (commonName, reason) => {
    expect(reasonOf(decide(foreignClient(vendor, commonName).chain[0]!))).toBe(reason);
  });

  it('is never what DEFAULT makes of it, a whole subject', () => {
    const lenient = registryWith([
      'acme',
      imported(vendor, { mappingRules: 'RULE:^CN=none$/x/,DEFAULT' }),
    ]);
    const certificate = foreignClient(vendor, 'meter-7').chain[0]!;
    expect(reasonOf(admit(peerWith(certificate), { registry: lenient }, Date.now()))).toBe(
      'name_not_allowed',
    );
  });

  it.each([
    `spiffe://globex.${TRUST_DOMAIN}/service/admin-1`,
    `spiffe://${TRUST_DOMAIN}/operator/root`,
  ])('is what the rules say even when it states to be %s', (uri) => {
    const result = decide(foreignClient(vendor, 'meter-7', { uri }).chain[0]!);
    expect(result).toMatchObject({ principal: { tenant: 'acme', kind: 'user', name: 'meter-7' } });
  });

  it('is refused where it asks for another tenant', () => {
    const certificate = foreignClient(vendor, 'meter-7').chain[0]!;
    expect(reasonOf(decide(certificate, `acme.${SERVER_NAME_DOMAIN}`))).toBe('admitted');
    expect(reasonOf(decide(certificate, `globex.${SERVER_NAME_DOMAIN}`))).toBe(
      'server_name_mismatch',
    );
  });

  it('is refused outside of its validity, and of its CA', () => {
    const certificate = foreignClient(vendor, 'meter-7').chain[0]!;
    const at = (offsetMs: number) =>
      reasonOf(admit(peerWith(certificate), { registry }, Date.now() + offsetMs));
    expect([at(-DAY_MS), at(0), at(31 * DAY_MS)]).toEqual(['not_yet_valid', 'admitted', 'expired']);
    const short = foreignCa(
      { organization: 'Vendor', commonName: 'Short' },
      {
        days: 1,
        clock: clockAt(0),
      },
    );
    const other = registryWith(['acme', imported(short)]);
    const leaf = foreignClient(short, 'meter-7').chain[0]!;
    const later = Date.now() + 2 * DAY_MS;
    expect(['expired', 'issuer_not_valid']).toContain(
      reasonOf(admit(peerWith(leaf), { registry: other }, later)),
    );
  });

  it('is refused once its serial, its name or its CA is out', () => {
    const certificate = foreignClient(vendor, 'meter-7').chain[0]!;
    const mine = registryWith(['acme', imported(vendor)]);
    const out = { revokedAtMs: Date.now(), reason: 'keyCompromise' } as const;
    const byName = new Revocations({
      certificates: new Map(),
      names: new Map([['meter-7', { name: 'meter-7', ...out }]]),
      suspensions: new Map(),
    });
    let revocations = Revocations.NONE;
    const rules = {
      registry: mine,
      revocationsOf: () => revocations,
      isRevoked: (_: string, serial: string) => serial === 'none',
    };
    const result = admit(peerWith(certificate), rules, Date.now());
    if (!result.admitted) throw new Error(result.reason);
    expect(result.recheck()).toBeNull();
    revocations = byName;
    expect(result.recheck()?.reason).toBe('revoked');
    revocations = Revocations.NONE;
    mine.importCa('acme', imported(vendor, { mappingRules: 'RULE:^CN=([^,]+),.*$/x-$1/' }));
    expect(result.recheck()?.reason).toBe('unknown_issuer');
    const bySerial = { ...rules, isRevoked: (_: string, serial: string) => serial !== 'none' };
    expect(reasonOf(admit(peerWith(certificate), bySerial, Date.now()))).toBe('revoked');
    mine.retain('acme', [pemOf(pki.tenants.acme.certificate)], []);
    expect(reasonOf(admit(peerWith(certificate), rules, Date.now()))).toBe('unknown_issuer');
  });
});

describe('names that are not proof', () => {
  it('a CA of the same subject with another key lets nobody in', () => {
    const registry = registryWith(['acme', imported(vendor)]);
    const twin = foreignCa();
    expect(twin.certificate.subject).toBe(vendor.certificate.subject);
    const certificate = foreignClient(twin, 'meter-7').chain[0]!;
    expect(reasonOf(admit(peerWith(certificate), { registry }, Date.now()))).toBe('unknown_issuer');
    // Both may be imported: the signature says whose a certificate is.
    registry.importCa('globex', imported(twin));
    const result = admit(peerWith(certificate), { registry }, Date.now());
    expect(result).toMatchObject({ principal: { tenant: 'globex' } });
  });

  it("a CA with the subject of another tenant's CA speaks for its own tenant alone", () => {
    const { subject } = profileOfAcmeCa();
    const twin = foreignCa(subject);
    expect(twin.certificate.subject).toBe(pki.tenants.acme.certificate.subject);
    const registry = registryWith(['globex', imported(twin)]);
    const uri = `spiffe://acme.${TRUST_DOMAIN}/fleet/plant-a/device/device-1`;
    const forged = foreignClient(twin, 'device-1', { uri }).chain[0]!;
    expect(admit(peerWith(forged), { registry }, Date.now())).toMatchObject({
      principal: { tenant: 'globex', kind: 'user' },
    });
    const real = clientOf(pki.tenants.acme, profileOf(device('acme'))).chain[0]!;
    const peer = { ...peerWith(real), authorized: true, authorizationError: null };
    expect(admit(peer, { registry }, Date.now())).toMatchObject({
      principal: { tenant: 'acme', kind: 'device' },
    });
  });

  it('many CAs of one subject are limited: each costs a signature check', () => {
    const registry = registryOf(pki);
    for (let n = 0; n < 8; n++) registry.importCa('acme', imported(foreignCa()));
    expect(() => registry.importCa('globex', imported(foreignCa()))).toThrow('8 CAs');
  });
});

const profileOfAcmeCa = () => ({
  subject: { organization: TRUST_DOMAIN, unit: 'acme', commonName: 'Breakwater tenant CA' },
});

describe('a CA that two tenants import', () => {
  it('is refused unless both say that it is shared', () => {
    const registry = registryWith(['acme', imported(vendor)]);
    expect(() => registry.importCa('globex', imported(vendor, { isShared: true }))).toThrow(
      'shared',
    );
    registry.importCa('acme', imported(vendor, { isShared: true }));
    expect(() => registry.importCa('globex', imported(vendor))).toThrow('shared');
    registry.importCa('globex', imported(vendor, { isShared: true }));
  });

  it('lets nobody in who does not name the tenant, and gives each its own rules', () => {
    const registry = registryWith(
      ['acme', imported(vendor, { isShared: true })],
      ['globex', imported(vendor, { isShared: true, mappingRules: 'RULE:^CN=g-(.*),O=.*$/$1/' })],
    );
    const decide = (commonName: string, server: string | undefined) =>
      admit(
        peerWith(foreignClient(vendor, commonName).chain[0]!, server),
        { registry, serverNameDomain: SERVER_NAME_DOMAIN },
        Date.now(),
      );
    const acme = `acme.${SERVER_NAME_DOMAIN}`;
    const globex = `globex.${SERVER_NAME_DOMAIN}`;
    expect(reasonOf(decide('g-meter', undefined))).toBe('tenant_not_named');
    expect(reasonOf(decide('g-meter', 'localhost'))).toBe('tenant_not_named');
    expect(reasonOf(decide('g-meter', `initech.${SERVER_NAME_DOMAIN}`))).toBe(
      'server_name_mismatch',
    );
    expect(decide('g-meter', acme)).toMatchObject({
      principal: { tenant: 'acme', name: 'g-meter' },
    });
    expect(decide('g-meter', globex)).toMatchObject({
      principal: { tenant: 'globex', name: 'meter' },
    });
    expect(reasonOf(decide('meter', globex))).toBe('name_not_mapped');
  });
});

describeRequiring(['openssl'], 'certificates that an imported CA should not have signed', () => {
  const registry = registryWith(['acme', imported(vendor)]);
  const ca = vendor;
  it.each([
    ['no extended key usage', { extendedKeyUsage: null }, 'wrong_key_usage'],
    ['for servers', { extendedKeyUsage: 'serverAuth' }, 'wrong_key_usage'],
    ['for anything', { extendedKeyUsage: 'anyExtendedKeyUsage' }, 'wrong_key_usage'],
    ['key usage', { keyUsage: 'critical,keyEncipherment' }, 'wrong_key_usage'],
    ['an unknown critical extension', { more: '1.2.3.4=critical,ASN1:NULL' }, 'unknown_extension'],
    ['name constraints', { more: 'nameConstraints=critical,permitted;DNS:x' }, 'unknown_extension'],
    ['two usages, one of them ours', { extendedKeyUsage: 'serverAuth,clientAuth' }, 'admitted'],
  ])('%s', (_, options, reason) => {
    const { certificate } = opensslLeaf(ca, { subject: '/O=Vendor/CN=meter-7', ...options });
    expect(reasonOf(admit(peerWith(certificate), { registry: reversed() }, Date.now()))).toBe(
      reason,
    );
  });

  const reversed = () => {
    registry.importCa('acme', imported(ca, { mappingRules: 'RULE:^CN=([^,]+).*$/$1/' }));
    return registry;
  };

  const CA_LINES = ['basicConstraints=critical,CA:TRUE', 'keyUsage=critical,keyCertSign'];
  it.each<[string, string[], string[], string]>([
    ['a CA in order', CA_LINES, [], ''],
    ['no CA', ['basicConstraints=critical,CA:FALSE', CA_LINES[1]!], [], 'not a CA'],
    ['no right to sign', [CA_LINES[0]!, 'keyUsage=critical,cRLSign'], [], 'key usage'],
    ['no key usage', [CA_LINES[0]!], [], 'key usage'],
    ['for servers', [...CA_LINES, 'extendedKeyUsage=serverAuth'], [], 'TLS clients'],
    ['constraints', [...CA_LINES, 'nameConstraints=permitted;DNS:x'], [], 'name constraints'],
    [
      'policy constraints',
      [...CA_LINES, 'policyConstraints=critical,requireExplicitPolicy:0'],
      [],
      '2.5.29.36',
    ],
    ['a weak key', CA_LINES, ['-newkey', 'rsa:1024'], 'RSA key of 1024'],
    [
      'an odd curve',
      CA_LINES,
      ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:secp256k1'],
      'secp256k1',
    ],
    ['SHA-1', CA_LINES, ['-sha1'], 'signature algorithm'],
  ])('an import: %s', (_, lines, more, problem) => {
    const registryOfTest = registryOf(pki);
    const settings = { ...imported(vendor), pem: opensslCa(lines, more) };
    if (problem === '') registryOfTest.importCa('acme', settings);
    else expect(() => registryOfTest.importCa('acme', settings)).toThrow(problem);
  });
});

describe('an import of what is ours', () => {
  it.each([
    ['the client root', pki.clientRoot],
    ["a tenant's CA", pki.tenants.globex],
    ['the operator CA', pki.operatorCa],
    ['the CA of the broker', pki.server],
  ])('%s is refused', (_, { certificate }) => {
    const registry = registryOf(pki, () => [pki.operatorCa.certificate, pki.broker.certificate]);
    expect(() => registry.importCa('acme', imported({ certificate }))).toThrow(
      'one of the CAs of this installation',
    );
  });

  it('a key that is imported does not become a CA of ours', () => {
    const registry = registryWith(['acme', imported(vendor)]);
    expect(() => registry.register('globex', pemOf(vendor.certificate))).toThrow('refused');
  });
});

describe('on real connections', () => {
  let server: TestServer;
  let admin: TestServer;
  beforeAll(async () => {
    [server, admin] = await Promise.all([startTestServer(pki), startTestServer(pki, 'admin')]);
    server.registry.importCa('acme', imported(vendor));
  });
  afterAll(async () => {
    await Promise.all([server.close(), admin.close()]);
  });

  it('an imported CA opens no admin listener', async () => {
    const credential = foreignClient(vendor, 'operator', {
      uri: `spiffe://${TRUST_DOMAIN}/operator/operator`,
    });
    expect(reasonOf((await admissionOf(pki, admin, { credential })).result)).toBe('unknown_issuer');
  });

  it('no chain that the client sends leads to an imported CA', async () => {
    const below = subCa(vendor, 'Below');
    const deep = foreignClient(below, 'meter-7');
    const chain = [...deep.chain, below.certificate, vendor.certificate];
    const { result } = await admissionOf(pki, server, { credential: { ...deep, chain } });
    expect(reasonOf(result)).toBe('unknown_issuer');
  });

  it('CAs that signed each other lead nowhere, and hold nobody up', async () => {
    const a = foreignCa({ organization: 'Vendor', commonName: 'Loop A' });
    const b = foreignCa({ organization: 'Vendor', commonName: 'Loop B' });
    const leaf = foreignClient(a, 'meter-7');
    const chain = [...leaf.chain, crossSigned(a, b), crossSigned(b, a), crossSigned(a, b)];
    const credential = { ...leaf, chain };
    expect(reasonOf((await admissionOf(pki, server, { credential })).result)).toBe(
      'unknown_issuer',
    );
    server.registry.importCa('globex', imported(b));
    expect(reasonOf((await admissionOf(pki, server, { credential })).result)).toBe(
      'unknown_issuer',
    );
    server.registry.importCa('globex', imported(a));
    expect((await admissionOf(pki, server, { credential })).result).toMatchObject({
      principal: { tenant: 'globex' },
    });
  });

  it.each(['TLSv1.2', 'TLSv1.3'] as const)(
    'the ticket of a CA that was taken out opens nothing, %s',
    async (version) => {
      const credential = foreignClient(vendor, 'meter-7');
      const options = { credential, minVersion: version, maxVersion: version };
      const first = await admissionOf(pki, server, options);
      expect(reasonOf(first.result)).toBe('admitted');
      const { session } = first.client;
      server.registry.retain('acme', [pemOf(pki.tenants.acme.certificate)], []);
      const resumed = await admissionOf(pki, server, { ...options, session });
      expect(resumed.peer.resumed).toBe(true);
      expect(reasonOf(resumed.result)).toBe('unknown_issuer');
      server.registry.importCa('acme', imported(vendor));
    },
  );

  it.each(['TLSv1.2', 'TLSv1.3'] as const)(
    'a ticket does not carry a shared CA into the tenant that another server name names, %s',
    async (version) => {
      const shared = foreignCa({ organization: 'Vendor', commonName: `Shared ${version}` });
      for (const tenant of ['acme', 'globex']) {
        server.registry.importCa(tenant, imported(shared, { isShared: true }));
      }
      const options = {
        credential: foreignClient(shared, 'meter-7'),
        minVersion: version,
        maxVersion: version,
        checkServerIdentity: () => undefined,
      };
      const acme = { ...options, servername: `acme.${SERVER_NAME_DOMAIN}` };
      const first = await admissionOf(pki, server, acme);
      expect(first.result).toMatchObject({ principal: { tenant: 'acme' } });
      const { session } = first.client;
      const elsewhere = { ...options, servername: `globex.${SERVER_NAME_DOMAIN}`, session };
      const { result } = await admissionOf(pki, server, elsewhere);
      if (result.admitted) expect(result.principal.tenant).toBe('globex');
      else expect(result.reason).toBe('tenant_not_named');
      const neutral = await admissionOf(pki, server, { ...options, session });
      expect(reasonOf(neutral.result)).toBe('tenant_not_named');
    },
  );

  it('who shows no certificate is not of an imported CA', async () => {
    const { welcomed } = await connectOnce(pki, server.port);
    expect(welcomed).toBe(false);
  });
});
