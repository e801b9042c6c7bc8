/** The decision itself, without sockets; test/attacks/certificate-*.test.ts has the real ones. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ConfigError } from '../../src/base/errors.ts';
import { systemRandom } from '../../src/base/random.ts';
import { createRoot, DAY_MS, issueCredential } from '../../src/pki/certificate-authority.ts';
import { buildCertificate } from '../../src/pki/certificate-builder.ts';
import { clientRootProfile, tenantCaProfile } from '../../src/pki/certificate-profile.ts';
import { toPem } from '../../src/pki/der.ts';
import { pemOf } from '../../src/pki/pki-directory.ts';
import {
  type AdmissionRules,
  admit,
  admitOperator,
  operatorRulesOf,
  type PeerFacts,
  tenantOfServerName,
} from '../../src/security/admission.ts';
import { formatPrincipal, formatQualifiedPrincipal } from '../../src/security/principal.ts';
import { TenantCaRegistry } from '../../src/security/tenant-ca-registry.ts';
import {
  clientOf,
  createTestPki,
  device,
  profileOf,
  TRUST_DOMAIN,
  tenantCa,
} from '../pki/test-pki.ts';
import { reasonOf, registryOf } from '../pki/test-tls-server.ts';

const pki = createTestPki();
const { acme } = pki.tenants;
const leaf = clientOf(acme, profileOf(device('acme'))).chain[0]!;
const peer: PeerFacts = {
  certificate: leaf,
  authorized: true,
  authorizationError: null,
  serverName: null,
  resumed: false,
};
const rules = (): AdmissionRules => ({ registry: registryOf(pki) });
const nowMs = Date.now();

describe('admission', () => {
  it('is refused without the verdict of TLS, whatever else holds', () => {
    const unverified = { ...peer, authorized: false, authorizationError: 'CERT_REJECTED' };
    expect(admit(unverified, rules(), nowMs)).toEqual({
      admitted: false,
      reason: 'untrusted_chain',
      detail: 'CERT_REJECTED',
    });
  });

  it('is decided at the instant given: the first and the last second are inside', () => {
    const fromMs = Date.parse(leaf.validFrom);
    const toMs = Date.parse(leaf.validTo);
    const at = (atMs: number): string => reasonOf(admit(peer, rules(), atMs));
    expect([at(fromMs - 1), at(fromMs), at(toMs), at(toMs + 1)]).toEqual([
      'not_yet_valid',
      'admitted',
      'admitted',
      'expired',
    ]);
    expect(at(Number.NaN)).toBe('not_yet_valid');
  });

  it('ends with the CA of the tenant, even for a certificate that says it lives longer', () => {
    const shortCa = issueCredential(pki.clientRoot, tenantCaProfile('acme', TRUST_DOMAIN), {
      days: 1,
    });
    const { certificate, signer } = shortCa;
    const long = buildCertificate({
      profile: profileOf(device('acme')),
      publicKey: leaf.publicKey,
      issuer: certificate,
      signer,
      notBeforeMs: nowMs - DAY_MS,
      notAfterMs: nowMs + 90 * DAY_MS,
      random: systemRandom,
    });
    const registry = registryOf(pki);
    registry.register('acme', pemOf(certificate));
    const outliving = { ...peer, certificate: long };
    expect(reasonOf(admit(outliving, { registry }, nowMs))).toBe('admitted');
    expect(reasonOf(admit(outliving, { registry }, nowMs + 2 * DAY_MS))).toBe('issuer_not_valid');
  });

  it('asks the CRLs about the CA, by its root, and about the leaf, by its CA', () => {
    const asked: string[][] = [];
    const isRevoked = (issuerKeyId: string, serial: string): boolean => {
      asked.push([issuerKeyId, serial]);
      return serial === leaf.serialNumber;
    };
    const registry = registryOf(pki);
    expect(reasonOf(admit(peer, { registry, isRevoked }, nowMs))).toBe('revoked');
    const [ca] = registry.casOf('acme');
    const root = registry.issuers()[0]!;
    expect(asked).toEqual([
      [root.keyId, ca!.certificate.serialNumber],
      [ca!.keyId, leaf.serialNumber],
    ]);
  });

  it('knows a tenant by any of its CAs, even of one name', () => {
    const second = tenantCa(pki.clientRoot, 'acme');
    const registry = registryOf(pki);
    registry.register('acme', pemOf(second.certificate));
    const other = clientOf(second, profileOf(device('acme'))).chain[0]!;
    for (const certificate of [leaf, other]) {
      expect(reasonOf(admit({ ...peer, certificate }, { registry }, nowMs))).toBe('admitted');
    }
  });

  it('stops when the tenant is taken out', () => {
    const registry = registryOf(pki);
    registry.unregister('acme');
    expect(reasonOf(admit(peer, { registry }, nowMs))).toBe('unknown_issuer');
  });

  it('says nothing with control characters in its detail', () => {
    const profile = profileOf(device('acme'));
    const subject = { ...profile.subject, commonName: 'x\u001b[31m\nCN=device-1' };
    const strange = clientOf(acme, { ...profile, subject }).chain[0]!;
    const result = admit({ ...peer, certificate: strange }, rules(), nowMs);
    expect(reasonOf(result)).toBe('name_mismatch');
    // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are the subject.
    expect(JSON.stringify(result)).not.toMatch(/[\u0000-\u001f]|\\u001b\[/);
  });

  it('takes less than a millisecond of CPU', () => {
    const fixed = rules();
    const rounds = 300;
    for (let warm = 0; warm < 50; warm++) admit(peer, fixed, nowMs);
    const before = process.cpuUsage();
    for (let round = 0; round < rounds; round++) admit(peer, fixed, nowMs);
    const { user, system } = process.cpuUsage(before);
    const meanMs = (user + system) / 1000 / rounds;
    console.log(`admission: ${Math.round(meanMs * 1000)} us of CPU`);
    expect(meanMs).toBeLessThan(1);
  });
});

describe('admission of operators', () => {
  it('knows no operator when it has no operator CA', () => {
    const operator = clientOf(pki.operatorCa, profileOf({ kind: 'operator', name: 'o' }));
    const facts = { ...peer, certificate: operator.chain[0]! };
    const none = admitOperator(facts, operatorRulesOf([], TRUST_DOMAIN), nowMs);
    expect(reasonOf(none)).toBe('unknown_issuer');
    const known = operatorRulesOf([pki.operatorCa.certificate], TRUST_DOMAIN);
    expect(reasonOf(admitOperator(facts, known, nowMs))).toBe('admitted');
    const revoked = operatorRulesOf([pki.operatorCa.certificate], TRUST_DOMAIN, () => true);
    expect(reasonOf(admitOperator(facts, revoked, nowMs))).toBe('revoked');
    const unverified = { ...facts, authorized: false };
    expect(reasonOf(admitOperator(unverified, known, nowMs))).toBe('untrusted_chain');
  });
});

describe('the tenant in a server name', () => {
  const cases: [string | null, string, string | null][] = [
    ['acme.kafka.example', 'kafka.example', 'acme'],
    ['ACME.Kafka.Example.', 'kafka.example', 'acme'],
    ['acme.kafka.example', 'KAFKA.example', 'acme'],
    ['kafka.example', 'kafka.example', null],
    ['.kafka.example', 'kafka.example', null],
    ['broker-0.acme.kafka.example', 'kafka.example', null],
    ['acmekafka.example', 'kafka.example', null],
    ['acme.kafka.example.org', 'kafka.example', null],
    ['localhost', 'kafka.example', null],
    ['acme.kafka.example', '', null],
    [null, 'kafka.example', null],
  ];
  it.each(cases)('%j with the domain %j is %j', (serverName, domain, tenant) => {
    expect(tenantOfServerName(serverName, domain)).toBe(tenant);
  });

  it('is a tenant name or none, whatever is asked for', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        const tenant = tenantOfServerName(`${text}.kafka.example`, 'kafka.example');
        expect(tenant === null || /^[a-z0-9-]{1,63}$/.test(tenant)).toBe(true);
      }),
    );
  });
});

describe('the registry of tenant CAs', () => {
  const pemOfAcme = pemOf(acme.certificate);
  const empty = (): TenantCaRegistry =>
    new TenantCaRegistry({
      clientRootPem: pemOf(pki.clientRoot.certificate),
      trustDomain: TRUST_DOMAIN,
    });

  it('makes no tenant active by itself', () => {
    const registry = empty();
    registry.register('acme', pemOfAcme);
    expect(registry.isActive('acme')).toBe(false);
    expect(reasonOf(admit(peer, { registry }, nowMs))).toBe('tenant_inactive');
  });

  it('takes the same CA twice as one', () => {
    const registry = empty();
    expect(registry.register('acme', pemOfAcme)).toBe(registry.register('acme', pemOfAcme));
    expect(registry.casOf('acme')).toHaveLength(1);
  });

  it('refuses what may not speak for the tenant, and says why', () => {
    const profile = tenantCaProfile('acme', TRUST_DOMAIN);
    const signed = (changes: Partial<typeof profile>): string =>
      pemOf(issueCredential(pki.clientRoot, { ...profile, ...changes }).certificate);
    const stranger = createRoot(clientRootProfile(TRUST_DOMAIN));
    const cases: [string, string, RegExp][] = [
      ['globex', pemOfAcme, /do not permit exactly the URI host globex/],
      ['acme', pemOf(leaf), /is not a CA certificate/],
      ['acme', pemOf(tenantCa(stranger, 'acme').certificate), /client root did not sign/],
      ['acme', pemOf(pki.operatorCa.certificate), /client root did not sign/],
      ['acme', pemOf(pki.clientRoot.certificate), /may sign further CAs/],
      ['acme', signed({ pathLength: 1 }), /may sign further CAs/],
      ['acme', signed({ permittedUriHost: null }), /do not permit exactly/],
      ['acme', signed({ permittedUriHost: `.${TRUST_DOMAIN}` }), /do not permit exactly/],
      ['acme', signed({ permittedUriHost: `x.acme.${TRUST_DOMAIN}` }), /do not permit exactly/],
      ['acme', 'nonsense', /is not a PEM certificate/],
    ];
    for (const [tenant, pem, problem] of cases) {
      expect(() => empty().register(tenant, pem)).toThrow(problem);
    }
    expect(() => empty().register('ACME', pemOfAcme)).toThrow(/is not a tenant name/);
  });

  it('never lets two tenants share a key', () => {
    const registry = empty();
    registry.register('acme', pemOfAcme);
    const shared = buildCertificate({
      profile: tenantCaProfile('globex', TRUST_DOMAIN),
      publicKey: acme.certificate.publicKey,
      issuer: pki.clientRoot.certificate,
      signer: pki.clientRoot.signer,
      notBeforeMs: nowMs - DAY_MS,
      notAfterMs: nowMs + DAY_MS,
      random: systemRandom,
    });
    expect(() => registry.register('globex', pemOf(shared))).toThrow(/belongs to another tenant/);
  });

  it('takes a renewed certificate of the same key in place of the old one', () => {
    const registry = empty();
    registry.register('acme', pemOfAcme);
    const renewed = buildCertificate({
      profile: tenantCaProfile('acme', TRUST_DOMAIN),
      publicKey: acme.certificate.publicKey,
      issuer: pki.clientRoot.certificate,
      signer: pki.clientRoot.signer,
      notBeforeMs: nowMs - DAY_MS,
      notAfterMs: nowMs + DAY_MS,
      random: systemRandom,
    });
    registry.register('acme', pemOf(renewed));
    registry.setActive('acme', true);
    const serials = registry.casOf('acme').map((ca) => ca.certificate.serialNumber);
    expect(serials).toEqual([renewed.serialNumber]);
    expect(reasonOf(admit(peer, { registry }, nowMs))).toBe('admitted');
  });

  it('knows two roots while one replaces the other, and forgets what the old one signed', () => {
    const next = createRoot(clientRootProfile(TRUST_DOMAIN));
    const nextCa = tenantCa(next, 'globex');
    const registry = empty();
    registry.register('acme', pemOfAcme);
    const [before, after] = [pki.clientRoot, next].map((root) => pemOf(root.certificate));
    expect(() => registry.register('globex', pemOf(nextCa.certificate))).toThrow(/did not sign/);
    expect(registry.replaceClientRoots(`${before}${after}`)).toEqual([]);
    registry.register('globex', pemOf(nextCa.certificate));
    expect(() => registry.replaceClientRoots('nonsense')).toThrow(ConfigError);
    expect([registry.casOf('acme').length, registry.casOf('globex').length]).toEqual([1, 1]);
    expect(registry.replaceClientRoots(after!)).toEqual(['acme']);
    expect([registry.casOf('acme').length, registry.casOf('globex').length]).toEqual([0, 1]);
    expect(reasonOf(admit(peer, { registry }, nowMs))).toBe('unknown_issuer');
  });

  it('answers a broken certificate with a ConfigError, never with anything else', () => {
    const der = acme.certificate.raw;
    fc.assert(
      fc.property(fc.nat(der.length - 1), fc.integer({ min: 1, max: 255 }), (at, change) => {
        const broken = Buffer.from(der);
        broken[at] = broken[at]! ^ change;
        try {
          empty().register('acme', toPem('CERTIFICATE', broken));
        } catch (error) {
          expect(error).toBeInstanceOf(ConfigError);
          return;
        }
        throw new Error(`byte ${at} was changed and nobody noticed`);
      }),
    );
  });
});

describe('a principal in text', () => {
  it("is Kafka's, and for operators of the installation tells them from tenants", () => {
    const name = { principalType: 'User', name: 'device-1' } as const;
    expect(formatPrincipal(name)).toBe('User:device-1');
    expect(formatQualifiedPrincipal({ ...name, tenant: 'acme' })).toBe('acme/User:device-1');
    expect(formatQualifiedPrincipal({ ...name, tenant: '' })).toBe('(operator)/User:device-1');
  });
});
