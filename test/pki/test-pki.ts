/**
 * A PKI in memory for tests: the three roots, two tenants, and whatever certificate an attacker may
 * want. Authorities began 400 days ago, so that leaves can have expired.
 */
import type { KeyObject, X509Certificate } from 'node:crypto';
import type { Clock } from '../../src/base/clock.ts';
import {
  type CertificateAuthority,
  type Credential,
  createRoot,
  DAY_MS,
  type IssueOptions,
  issueCredential,
} from '../../src/pki/certificate-authority.ts';
import {
  brokerProfile,
  type CertificateProfile,
  clientRootProfile,
  DEFAULT_BROKER_NAMES,
  identityProfile,
  operatorCaProfile,
  serverCaProfile,
  tenantCaProfile,
} from '../../src/pki/certificate-profile.ts';
import type { Identity } from '../../src/pki/identity-name.ts';

export const TRUST_DOMAIN = 'breakwater.test';

export function clockAt(offsetMs: number): Clock {
  return {
    nowMs: () => Date.now() + offsetMs,
    monotonicMs: () => performance.now(),
    setTimer: () => ({ cancel: () => undefined }),
  };
}

const LONG_AGO: IssueOptions = { clock: clockAt(-400 * DAY_MS) };

/** What a client presents: leaf first, then what it sends along. */
export interface ClientCredential {
  readonly chain: readonly X509Certificate[];
  readonly privateKey: KeyObject;
}

export interface TestPki {
  readonly server: Credential;
  readonly clientRoot: Credential;
  readonly operatorCa: Credential;
  readonly broker: Credential;
  readonly tenants: { readonly acme: Credential; readonly globex: Credential };
}

export function createTestPki(): TestPki {
  const clientRoot = createRoot(clientRootProfile(TRUST_DOMAIN), LONG_AGO);
  const server = createRoot(serverCaProfile(TRUST_DOMAIN), LONG_AGO);
  return {
    server,
    clientRoot,
    operatorCa: createRoot(operatorCaProfile(TRUST_DOMAIN), LONG_AGO),
    broker: issueCredential(server, brokerProfile(DEFAULT_BROKER_NAMES, TRUST_DOMAIN)),
    tenants: {
      acme: tenantCa(clientRoot, 'acme'),
      globex: tenantCa(clientRoot, 'globex'),
    },
  };
}

export const tenantCa = (root: CertificateAuthority, tenant: string): Credential =>
  issueCredential(root, tenantCaProfile(tenant, TRUST_DOMAIN), LONG_AGO);

export const device = (tenant: string, name = 'device-1'): Identity => ({
  kind: 'device',
  tenant,
  fleet: 'plant-a',
  name,
});

export const profileOf = (identity: Identity): CertificateProfile =>
  identityProfile(identity, TRUST_DOMAIN);

/** A leaf by `issuer` together with it; a root is not sent along. */
export function clientOf(
  issuer: CertificateAuthority,
  profile: CertificateProfile,
  options: IssueOptions = {},
): ClientCredential {
  const leaf = issueCredential(issuer, profile, options);
  const isRoot = issuer.certificate.checkIssued(issuer.certificate);
  const chain = isRoot ? [leaf.certificate] : [leaf.certificate, issuer.certificate];
  return { chain, privateKey: leaf.privateKey };
}
