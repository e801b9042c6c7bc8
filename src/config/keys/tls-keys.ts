/** Owns the keys of TLS and of identity from certificates: files, domains and handshakes. */
import { flag, integer, optionalPath, optionalText, path, text } from '../config-spec.ts';
import { HOUR_MS, MINUTE_MS, SECOND_MS } from './units.ts';

/** A DNS suffix of at least one label, lower case (names are compared in lower case). */
const DOMAIN = /^(?=.{1,189}$)[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$/;
const DOMAIN_ALLOWED = 'a domain name in lower case';

export const TLS_KEYS = {
  'certs.dir': path({
    default: './certs-dev',
    doc: 'Development only (serve --dev): folder in which certificates are generated on first use. The commands also look for the operator certificate there.',
  }),
  'ssl.server.certificate': optionalPath({
    doc: "PEM file of the broker's certificate, followed by its chain.",
  }),
  'ssl.server.key': optionalPath({ doc: "PEM file of the broker's private key." }),
  'ssl.server.ca': optionalPath({
    doc: 'PEM file of the server CA, which clients trust. The broker only names it in the command it suggests.',
  }),
  'ssl.client.ca': optionalPath({
    doc: "PEM file of the client root, above every tenant's intermediate CA.",
  }),
  'ssl.operator.ca': optionalPath({
    doc: 'PEM file of the operator CA: the only issuer that the admin listener trusts.',
  }),
  'ssl.client.crl': optionalPath({
    doc: "PEM file of CRLs of the client root and of tenants' CAs, taken over beside what operators revoke. A bad or expired new one is reported and the last good one stays.",
  }),
  'ssl.operator.crl': optionalPath({
    doc: 'PEM file of the CRL of the operator CA: how an operator certificate is revoked.',
  }),
  'ssl.reload.interval.ms': integer({
    default: 5 * SECOND_MS,
    min: 100,
    max: HOUR_MS,
    doc: 'How often the files of ssl.* are looked at for changes; new ones serve new connections, broken ones are refused and the last good ones stay.',
  }),
  'tenant.domain': optionalText({
    pattern: DOMAIN,
    allowed: DOMAIN_ALLOWED,
    doc: 'A TLS server name <tenant>.<this domain> names a tenant and must agree with the certificate; any other is neutral.',
  }),
  'trust.domain': text({
    default: 'breakwater.local',
    pattern: DOMAIN,
    allowed: DOMAIN_ALLOWED,
    doc: 'Domain in the URI names of certificates: spiffe://<tenant>.<this domain>/fleet/<fleet>/device/<device>.',
  }),
  'certificate.networks.alarm': flag({
    default: true,
    doc: 'Whether a certificate that is in use from two networks at once raises an alarm (access log and log), at most every ten minutes each.',
  }),
  'certificate.networks.quarantine': flag({
    default: false,
    doc: 'Whether such a certificate is shut out until the operator lets it in again (breakwater cert quarantine). Off, since devices that change networks look the same, and a thief can use it to shut out the owner.',
  }),
  'certificate.networks.ipv4.bits': integer({
    default: 24,
    min: 0,
    max: 32,
    doc: 'Addresses that begin with the same bits are one network; 0: all are.',
  }),
  'certificate.networks.ipv6.bits': integer({
    default: 48,
    min: 0,
    max: 128,
    doc: 'The same for IPv6.',
  }),
  'handshake.timeout.ms': integer({
    default: 10 * SECOND_MS,
    min: 100,
    max: 2 * MINUTE_MS,
    doc: 'How long a connection may wait for its TLS handshake, and how long the handshake may take then.',
  }),
  'handshakes.max.concurrent': integer({
    default: 8,
    min: 1,
    max: 10_000,
    doc: 'TLS handshakes worked on at a time: at most half of them for one network (/24, /48) and a quarter for one address. More wait their turn, so that a storm starves neither newcomers from elsewhere nor the connections that are served.',
  }),
};
