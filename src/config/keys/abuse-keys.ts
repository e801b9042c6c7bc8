/** Owns the keys against guessing, bans and false addresses: back-off, automatic bans, PROXY headers. */
import { integer, optionalNetworks } from '../config-spec.ts';
import { HOUR_MS, MINUTE_MS, SECOND_MS } from './units.ts';

export const ABUSE_KEYS = {
  'connection.failed.authentication.delay.ms': integer({
    default: 100,
    min: 0,
    max: 10 * SECOND_MS,
    doc: 'The least time before a failed authentication is answered and its connection closed; beyond the failures allowed below it grows to five seconds.',
  }),
  'failed.authentication.max.per.principal': integer({
    default: 5,
    min: 1,
    max: 1000,
    doc: 'Failed logins with one name from one address (IPv6: one /64) within failed.authentication.window.ms that have no consequence; each one beyond holds up the name for that address, for a second, then twice as long. Ten times as many where the name logged in from within the last hour.',
  }),
  'failed.authentication.max.per.address': integer({
    default: 20,
    min: 1,
    max: 100_000,
    doc: 'The same for all failed authentications of one address, by certificate or by login: beyond it the address is held up, and dropped before the TLS handshake unless somebody authenticated from it within the last hour.',
  }),
  'failed.authentication.window.ms': integer({
    default: 10 * MINUTE_MS,
    min: SECOND_MS,
    max: 24 * HOUR_MS,
    doc: 'The time in which as many failures as are allowed are forgiven, evenly.',
  }),
  'failed.authentication.backoff.max.ms': integer({
    default: MINUTE_MS,
    min: 0,
    max: HOUR_MS,
    doc: 'The longest that a name or an address is held up after a failed authentication; 0 holds up nobody.',
  }),
  'failed.authentication.exempt.addresses': optionalNetworks({
    doc: 'Addresses and networks that are neither held up nor banned automatically as addresses, such as a load balancer that does not speak the PROXY protocol; names are held up for them all the same.',
  }),
  'refusals.per.second.per.tenant': integer({
    default: 2_000,
    min: 1,
    max: 1_000_000_000,
    doc: "Refused accesses (one for each topic, group or other thing asked for) of a tenant's connections together, after which a connection that is refused more is not read from for a while, five seconds at the most; all are answered and recorded.",
  }),
  'ban.automatic.failures': integer({
    default: 100,
    min: 0,
    max: 1_000_000,
    doc: 'Failed authentications of one address, and connections during a hold, within failed.authentication.window.ms that ban it, unless somebody authenticated from it within the last hour; 0: none is banned.',
  }),
  'ban.automatic.duration.ms': integer({
    default: 10 * MINUTE_MS,
    min: SECOND_MS,
    max: 30 * 24 * HOUR_MS,
    doc: 'How long an automatic ban lasts; it is kept in memory, and a restart ends it.',
  }),
  'proxy.protocol.addresses': optionalNetworks({
    doc: 'Addresses and networks of the proxies in front of the mutual-TLS listener that begin each connection with a PROXY header (version 1 or 2), and must; the client in it is the peer in limits, rules, bans and the access log. Empty: nobody is.',
  }),
  'sasl.proxy.protocol.addresses': optionalNetworks({
    doc: 'The same for the SASL_SSL listener.',
  }),
  'proxy.protocol.timeout.ms': integer({
    default: 5 * SECOND_MS,
    min: 100,
    max: 2 * MINUTE_MS,
    doc: 'How long a PROXY header may take to arrive.',
  }),
};
