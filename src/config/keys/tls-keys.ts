/** Owns the keys of TLS and of identity from certificates: files, domains and handshakes. */
import { integer, optionalPath, optionalText, path, text } from '../config-spec.ts';
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
  'handshake.timeout.ms': integer({
    default: 10 * SECOND_MS,
    min: 100,
    max: 2 * MINUTE_MS,
    doc: 'How long a TLS handshake may take.',
  }),
  'handshakes.max.concurrent': integer({
    default: 8,
    min: 1,
    max: 10_000,
    doc: 'TLS handshakes worked on at a time; more wait their turn, so that a storm does not starve the connections that are served.',
  }),
};
