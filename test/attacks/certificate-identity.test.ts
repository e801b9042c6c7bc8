/**
 * Threat: a client presents a certificate that it should not have, or one that says too much.
 * Every case goes over a real TLS socket and asserts the reason that the audit will show.
 */
import { once } from 'node:events';
import { type AddressInfo, connect, createServer } from 'node:net';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createRoot, DAY_MS, issueCredential } from '../../src/pki/certificate-authority.ts';
import {
  type AlternativeNames,
  brokerProfile,
  type CertificateProfile,
  clientRootProfile,
  tenantCaProfile,
} from '../../src/pki/certificate-profile.ts';
import type { RefusalReason } from '../../src/security/admission.ts';
import {
  type ClientCredential,
  clientOf,
  clockAt,
  createTestPki,
  device,
  profileOf,
  type TestPki,
  TRUST_DOMAIN,
} from '../pki/test-pki.ts';
import {
  admissionOf,
  connectOnce,
  reasonOf,
  startTestServer,
  type TestServer,
} from '../pki/test-tls-server.ts';

const pki = createTestPki();
const { acme, globex } = pki.tenants;
let clientListener: TestServer;
let adminListener: TestServer;

beforeAll(async () => {
  clientListener = await startTestServer(pki, 'client');
  adminListener = await startTestServer(pki, 'admin');
});
afterAll(async () => {
  await clientListener.close();
  await adminListener.close();
});
beforeEach(() => {
  clientListener.registry.setActive('acme', true);
  clientListener.revoked.clear();
});

const acmeDevice = profileOf(device('acme'));
const operator = profileOf({ kind: 'operator', name: 'operator' });
const withNames = (alternativeNames: AlternativeNames, commonName = 'device-1') => ({
  ...acmeDevice,
  subject: { ...acmeDevice.subject, commonName },
  alternativeNames,
});
const ACME = `spiffe://acme.${TRUST_DOMAIN}`;
const DEVICE_URI = `${ACME}/fleet/plant-a/device/device-1`;

/** The authorities of somebody who has our certificates, and none of our keys. */
function impostor(): TestPki['tenants']['acme'] {
  const root = createRoot(clientRootProfile(TRUST_DOMAIN));
  return issueCredential(root, tenantCaProfile('acme', TRUST_DOMAIN));
}

describe('those who may', () => {
  it('admits a device, with everything that the principal needs', async () => {
    const { result, client } = await admissionOf(pki, clientListener, {
      credential: clientOf(acme, acmeDevice),
    });
    expect(client.welcomed).toBe(true);
    expect(result).toMatchObject({
      admitted: true,
      principal: {
        principalType: 'User',
        name: 'device-1',
        tenant: 'acme',
        kind: 'device',
        fleet: 'plant-a',
        authentication: 'mTLS',
        certificateSerial: expect.stringMatching(/^[0-9A-F]{32}$/),
      },
    });
  });

  it('admits a service without a fleet', async () => {
    const credential = clientOf(acme, profileOf({ kind: 'service', tenant: 'acme', name: 's-1' }));
    const { result } = await admissionOf(pki, clientListener, { credential });
    expect(result).toMatchObject({ principal: { kind: 'service', fleet: null, name: 's-1' } });
  });

  it('admits an operator on the admin listener, outside every tenant', async () => {
    const credential = clientOf(pki.operatorCa, operator);
    const { result } = await admissionOf(pki, adminListener, { credential });
    expect(result).toMatchObject({ principal: { kind: 'operator', tenant: '', name: 'operator' } });
  });
});

interface Case {
  readonly name: string;
  readonly credential: () => ClientCredential | undefined;
  readonly reason: RefusalReason;
}

const subordinate = (): ClientCredential => {
  const below = issueCredential(acme, tenantCaProfile('acme', TRUST_DOMAIN));
  const leaf = clientOf(below, acmeDevice);
  return { ...leaf, chain: [...leaf.chain, acme.certificate] };
};

const fakeNames = (): ClientCredential => {
  const leaf = clientOf(impostor(), acmeDevice);
  return { ...leaf, chain: [leaf.chain[0]!, acme.certificate] };
};

/** Name and key identifier of the real CA, the signature of another key. */
const forged = (): ClientCredential => {
  const { certificate } = acme;
  const leaf = issueCredential({ certificate, signer: globex.signer }, acmeDevice);
  return { chain: [leaf.certificate, certificate], privateKey: leaf.privateKey };
};

const byAcme = (profile: CertificateProfile) => (): ClientCredential => clientOf(acme, profile);

const CASES: Case[] = [
  { name: 'no certificate', credential: () => undefined, reason: 'no_certificate' },
  {
    name: 'a certificate under a wrong root',
    credential: () =>
      clientOf(createRoot({ ...clientRootProfile('elsewhere.test'), pathLength: 0 }), acmeDevice),
    reason: 'unknown_issuer',
  },
  {
    name: 'a device signed by the client root itself',
    credential: () => clientOf(pki.clientRoot, acmeDevice),
    reason: 'unknown_issuer',
  },
  {
    name: 'a self-made intermediate with the same names',
    credential: () => clientOf(impostor(), acmeDevice),
    reason: 'bad_signature',
  },
  {
    name: 'a self-made leaf beside the real intermediate',
    credential: fakeNames,
    reason: 'bad_signature',
  },
  {
    name: "a leaf that names the real CA's key, signed by another",
    credential: forged,
    reason: 'bad_signature',
  },
  {
    name: 'a leaf under a CA that the tenant CA made',
    credential: subordinate,
    reason: 'bad_signature',
  },
  {
    name: 'an expired certificate',
    credential: () => clientOf(acme, acmeDevice, { days: 1, clock: clockAt(-2 * DAY_MS) }),
    reason: 'expired',
  },
  {
    name: 'a certificate that is not yet valid',
    credential: () => clientOf(acme, acmeDevice, { clock: clockAt(DAY_MS) }),
    reason: 'not_yet_valid',
  },
  {
    name: "another tenant's URI on this tenant's CA",
    credential: byAcme(profileOf(device('globex'))),
    reason: 'tenant_mismatch',
  },
  {
    name: "an operator's URI on a tenant's CA",
    credential: byAcme(operator),
    reason: 'identity_not_allowed',
  },
  {
    name: "a tenant CA's certificate for localhost, as a server",
    credential: byAcme(brokerProfile(['localhost'], TRUST_DOMAIN)),
    reason: 'wrong_key_usage',
  },
  {
    name: "a tenant CA's client certificate for localhost",
    credential: byAcme(withNames({ dns: ['localhost'] }, 'localhost')),
    reason: 'malformed_identity',
  },
  {
    name: "a tenant CA's client certificate for an address",
    credential: byAcme(withNames({ ip: ['127.0.0.1'] })),
    reason: 'malformed_identity',
  },
  {
    name: 'a name beside the URI',
    credential: byAcme(withNames({ uri: [DEVICE_URI], dns: ['localhost'] })),
    reason: 'malformed_identity',
  },
  {
    name: 'two URIs',
    credential: byAcme(withNames({ uri: [DEVICE_URI, `${ACME}/service/admin-1`] })),
    reason: 'malformed_identity',
  },
  {
    name: 'a comma in the URI, to look like two names',
    credential: byAcme(withNames({ uri: [`${DEVICE_URI}, URI:${ACME}/service/admin-1`] })),
    reason: 'malformed_identity',
  },
  {
    name: 'a dot in the device name',
    credential: byAcme(withNames({ uri: [`${DEVICE_URI}.x`] }, 'device-1.x')),
    reason: 'malformed_identity',
  },
  {
    name: 'a path that climbs',
    credential: byAcme(withNames({ uri: [`${ACME}/fleet/../device/device-1`] })),
    reason: 'malformed_identity',
  },
  {
    name: 'a foreign trust domain',
    credential: byAcme(withNames({ uri: ['spiffe://acme.elsewhere.test/service/device-1'] })),
    reason: 'malformed_identity',
  },
  {
    name: 'a tenant below the tenant',
    credential: byAcme(withNames({ uri: [`spiffe://x.acme.${TRUST_DOMAIN}/service/device-1`] })),
    reason: 'malformed_identity',
  },
  {
    name: 'a common name that is not in the URI',
    credential: byAcme(withNames({ uri: [DEVICE_URI] }, 'admin-1')),
    reason: 'name_mismatch',
  },
  {
    name: 'a line break in the common name',
    credential: byAcme(withNames({ uri: [DEVICE_URI] }, 'x\nCN=device-1')),
    reason: 'name_mismatch',
  },
  {
    name: 'a leaf that says it is a CA',
    credential: byAcme({ ...acmeDevice, pathLength: 0 }),
    reason: 'ca_certificate',
  },
  {
    name: "the tenant's CA itself",
    credential: () => ({ chain: [acme.certificate], privateKey: acme.privateKey }),
    reason: 'unknown_issuer',
  },
  {
    name: 'a client certificate that may also be a server',
    credential: byAcme({ ...acmeDevice, extendedKeyUsages: ['clientAuth', 'serverAuth'] }),
    reason: 'wrong_key_usage',
  },
  {
    name: "the broker's certificate as a client",
    credential: () => ({ chain: [pki.broker.certificate], privateKey: pki.broker.privateKey }),
    reason: 'unknown_issuer',
  },
  {
    name: "an operator's certificate",
    credential: () => clientOf(pki.operatorCa, operator),
    reason: 'unknown_issuer',
  },
];

describe('the client listener refuses', () => {
  it.each(CASES)('$name: $reason', async ({ credential, reason }) => {
    const presented = credential();
    const { result, client } = await admissionOf(pki, clientListener, {
      ...(presented === undefined ? {} : { credential: presented }),
    });
    expect(reasonOf(result)).toBe(reason);
    expect(client.welcomed).toBe(false);
  });

  it('a device that does not send its intermediate: untrusted_chain', async () => {
    const whole = clientOf(acme, acmeDevice);
    const credential = { ...whole, chain: [whole.chain[0]!] };
    const { result } = await admissionOf(pki, clientListener, { credential });
    expect(reasonOf(result)).toBe('untrusted_chain');
    expect(result).toMatchObject({ detail: expect.stringContaining('send its intermediate') });
  });

  it('a device of a suspended tenant: tenant_inactive', async () => {
    clientListener.registry.setActive('acme', false);
    const credential = clientOf(acme, acmeDevice);
    const { result } = await admissionOf(pki, clientListener, { credential });
    expect(reasonOf(result)).toBe('tenant_inactive');
  });

  it('a revoked serial: revoked', async () => {
    const credential = clientOf(acme, acmeDevice);
    clientListener.revoked.add(credential.chain[0]!.serialNumber);
    const { result } = await admissionOf(pki, clientListener, { credential });
    expect(reasonOf(result)).toBe('revoked');
  });

  it("a server name that is another tenant's, and only that: server_name_mismatch", async () => {
    const credential = clientOf(acme, acmeDevice);
    const reasons = [];
    for (const servername of ['globex.kafka.example', 'acme.kafka.example', 'localhost']) {
      const { result } = await admissionOf(pki, clientListener, {
        credential,
        servername,
        checkServerIdentity: () => undefined,
      });
      reasons.push(reasonOf(result));
    }
    expect(reasons).toEqual(['server_name_mismatch', 'admitted', 'admitted']);
  });

  it('a certificate without its private key: the handshake fails', async () => {
    const credential = { ...clientOf(acme, acmeDevice), privateKey: globex.privateKey };
    const mismatch = connectOnce(pki, clientListener.port, { credential });
    await expect(mismatch).rejects.toThrow(/key values mismatch/);
  });
});

const ADMIN_CASES: Case[] = [
  { name: 'no certificate', credential: () => undefined, reason: 'no_certificate' },
  {
    name: "a device's certificate",
    credential: byAcme(acmeDevice),
    reason: 'unknown_issuer',
  },
  {
    name: "a tenant CA's certificate for operator",
    credential: byAcme(operator),
    reason: 'unknown_issuer',
  },
  {
    name: 'a device that the operator CA signed by mistake',
    credential: () => clientOf(pki.operatorCa, acmeDevice),
    reason: 'identity_not_allowed',
  },
  {
    name: 'an operator under a self-made CA of the same name',
    credential: () => {
      const copy = createRoot({
        subject: { organization: TRUST_DOMAIN, commonName: 'Breakwater operator CA' },
        days: 10,
        extendedKeyUsages: ['clientAuth'],
        pathLength: 0,
        alternativeNames: { uri: [`spiffe://${TRUST_DOMAIN}`] },
        permittedUriHost: null,
      });
      return clientOf(copy, operator);
    },
    reason: 'bad_signature',
  },
  {
    name: 'an expired operator',
    credential: () => clientOf(pki.operatorCa, operator, { days: 1, clock: clockAt(-2 * DAY_MS) }),
    reason: 'expired',
  },
  {
    name: "the broker's certificate",
    credential: () => ({ chain: [pki.broker.certificate], privateKey: pki.broker.privateKey }),
    reason: 'unknown_issuer',
  },
];

describe('the admin listener refuses', () => {
  it.each(ADMIN_CASES)('$name: $reason', async ({ credential, reason }) => {
    const presented = credential();
    const { result, client } = await admissionOf(pki, adminListener, {
      ...(presented === undefined ? {} : { credential: presented }),
    });
    expect(reasonOf(result)).toBe(reason);
    expect(client.welcomed).toBe(false);
  });
});

describe('a stranger who connects', () => {
  it('is told of the client root, and of no tenant', async () => {
    const wire: Buffer[] = [];
    const tap = createServer((socket) => {
      const upstream = connect(clientListener.port, '127.0.0.1');
      upstream.on('data', (bytes) => wire.push(bytes));
      socket.pipe(upstream).pipe(socket);
    });
    tap.listen(0, '127.0.0.1');
    await once(tap, 'listening');
    const { port } = tap.address() as AddressInfo;
    // Before TLS 1.3 the names of the trusted CAs travel in the clear.
    const outcome = await connectOnce(pki, port, { maxVersion: 'TLSv1.2' });
    tap.close();
    const said = Buffer.concat(wire).toString('latin1');
    expect(outcome.protocol).toBe('TLSv1.2');
    expect(said).toContain('Breakwater client root');
    expect(said).not.toMatch(/acme|globex/);
  });
});

describe('a client refuses', () => {
  it("a server with a certificate that a tenant's CA made for localhost", async () => {
    const fake = issueCredential(acme, brokerProfile(['localhost'], TRUST_DOMAIN));
    const server = await startTestServer({ ...pki, broker: fake }, 'client');
    const outcome = await connectOnce(pki, server.port, { credential: clientOf(acme, acmeDevice) });
    await server.close();
    expect(outcome.error).toBe('UNABLE_TO_VERIFY_LEAF_SIGNATURE');
  });
});
