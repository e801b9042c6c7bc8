/** Owns the keys of the SASL_SSL listener: mechanisms, logins and what each mechanism trusts. */
import { integer, optionalPath, optionalText, text } from '../config-spec.ts';
import { HOUR_MS, INT32_MAX, KIB, MIB, MINUTE_MS, SECOND_MS } from './units.ts';

export const SASL_KEYS = {
  'sasl.enabled.mechanisms': optionalText({
    pattern: /^[A-Z0-9-]+(?:, ?[A-Z0-9-]+)*$/,
    allowed: 'names of mechanisms with commas between',
    doc: 'SASL mechanisms of the SASL_SSL listener: SCRAM-SHA-256, SCRAM-SHA-512, OAUTHBEARER, GSSAPI, PLAIN; empty means that there is no such listener. PLAIN shows the broker the passwords of SCRAM users: name it only for clients that know nothing better.',
  }),
  'sasl.server.max.receive.size': integer({
    default: 64 * KIB,
    min: KIB,
    max: MIB,
    doc: 'The largest frame, in bytes, that is taken from a client before it has an identity.',
  }),
  'sasl.login.timeout.ms': integer({
    default: 10 * SECOND_MS,
    min: 100,
    max: 2 * MINUTE_MS,
    doc: 'How long a SASL login may take after the TLS handshake.',
  }),
  'connections.max.reauth.ms': integer({
    default: 0,
    min: 0,
    max: 365 * 24 * HOUR_MS,
    doc: 'A SASL session lasts at most so long unless the client renews it (KIP-368); 0 means as long as its credential.',
  }),
  'delegation.token.secret.key.file': optionalPath({
    doc: 'File with the secret of at least 32 characters (openssl rand -base64 32) from which delegation tokens are made; empty means that there are none. A changed secret, at the next start, voids every token.',
  }),
  'delegation.token.max.lifetime.ms': integer({
    default: 7 * 24 * HOUR_MS,
    min: 1,
    max: 3650 * 24 * HOUR_MS,
    doc: 'The longest that a delegation token lives, however often it is renewed.',
  }),
  'delegation.token.expiry.time.ms': integer({
    default: 24 * HOUR_MS,
    min: 1,
    max: 3650 * 24 * HOUR_MS,
    doc: 'How long a delegation token lasts until it must be renewed.',
  }),
  'delegation.token.expiry.check.interval.ms': integer({
    default: HOUR_MS,
    min: 1,
    max: INT32_MAX,
    doc: 'How often delegation tokens that have expired are removed; they let nobody in before that.',
  }),
  'sasl.oauthbearer.issuers.file': optionalPath({
    doc: 'YAML file of the OAuth issuers that OAUTHBEARER trusts, each with its keys, audience, the tenants that it speaks for and the roles that its scopes give.',
  }),
  'sasl.kerberos.service.name': text({
    default: 'kafka',
    pattern: /^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$/,
    allowed: 'the first part of a Kerberos service principal, such as kafka',
    doc: 'The service that Kerberos clients ask a ticket for; the keytab holds it for every host name that the broker is reached by.',
  }),
  'sasl.kerberos.keytab': optionalPath({
    doc: 'Keytab with the keys of the service; a changed file is used within a second. Required for GSSAPI.',
  }),
  'sasl.kerberos.realms': optionalText({
    pattern: /^[A-Za-z0-9][A-Za-z0-9._=+, -]*$/,
    allowed: 'realms of the form REALM=tenant+tenant with commas between',
    doc: 'The Kerberos realms that are believed, each with the tenants that it speaks for, such as FLEET.EXAMPLE=acme; clients of any other realm are refused. Required for GSSAPI.',
  }),
  'sasl.kerberos.principal.to.local.rules': text({
    default: 'DEFAULT',
    pattern: /^\P{Cc}*[A-Z]\P{Cc}*$/u,
    allowed: 'rules with commas between',
    doc: "How Kerberos principals become user names, in Kafka's syntax: DEFAULT takes the first part of a principal of the tenant's first realm.",
  }),
};
