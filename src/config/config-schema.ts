/**
 * Owns the table of configuration keys: Kafka's own names wherever Kafka has one, units last in the
 * name. Everything else (files, environment, `config show`, the file that `init` writes) derives
 * from it. Adding a key is adding an entry here.
 */
import { LOG_LEVELS } from '../base/logger.ts';
import {
  type ConfigSpec,
  flag,
  integer,
  oneOf,
  optionalPath,
  optionalText,
  path,
  port,
  text,
} from './config-spec.ts';

const KIB = 1024;
const MIB = 1024 * KIB;
const GIB = 1024 * MIB;
const SECOND_MS = 1000;
const MINUTE_MS = 60 * SECOND_MS;
const HOUR_MS = 60 * MINUTE_MS;
const INT32_MAX = 2 ** 31 - 1;

/** A host name or an IP address, as it stands in a listener. */
const HOST = /^(?!-)[A-Za-z0-9.:-]{1,253}$/;
const HOST_ALLOWED = 'a host name or an IP address';
/** A DNS suffix of at least one label, lower case (names are compared in lower case). */
const DOMAIN = /^(?=.{1,189}$)[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$/;
const DOMAIN_ALLOWED = 'a domain name in lower case';

const node = {
  'node.id': integer({
    default: 1,
    min: 0,
    max: INT32_MAX,
    doc: 'The id of this broker in Metadata answers.',
  }),
  'data.dir': path({
    default: './data',
    doc: 'Folder of the log, the metadata and (unless audit.dir says otherwise) the audit files. One broker a folder.',
  }),
  'log.level': oneOf({
    values: LOG_LEVELS,
    default: 'info',
    doc: "Level of the broker's own log on stderr; the access log is always complete.",
  }),
  'shutdown.grace.ms': integer({
    default: 10 * SECOND_MS,
    min: 0,
    max: HOUR_MS,
    doc: 'How long a shutdown waits for requests already begun before it closes their connections.',
  }),
};

const listeners = {
  host: text({
    default: '127.0.0.1',
    pattern: HOST,
    allowed: HOST_ALLOWED,
    doc: 'Address that the client listeners bind to; 0.0.0.0 or :: for every interface.',
  }),
  port: port({ default: 9093, doc: 'Port of the mutual-TLS listener; 0 takes a free one.' }),
  'sasl.port': port({
    default: 9094,
    doc: 'Port of the SASL_SSL listener, which is there when sasl.enabled.mechanisms names any; 0 takes a free one.',
  }),
  'advertised.host': optionalText({
    pattern: HOST,
    allowed: HOST_ALLOWED,
    doc: 'Host name that clients are told to connect to; empty means the value of host. Must be set when host is a wildcard address.',
  }),
  'advertised.port': port({
    default: 0,
    doc: 'Port that clients are told to connect to; 0 means the port that is really open.',
  }),
  'sasl.advertised.port': port({
    default: 0,
    doc: 'Port of the SASL_SSL listener that its clients are told to connect to; 0 means the port that is really open.',
  }),
  'admin.host': text({
    default: '127.0.0.1',
    pattern: HOST,
    allowed: HOST_ALLOWED,
    doc: 'Address that the admin listener (HTTPS, for operators only) binds to.',
  }),
  'admin.port': port({ default: 9643, doc: 'Port of the admin listener; 0 takes a free one.' }),
};

const sasl = {
  'sasl.enabled.mechanisms': optionalText({
    pattern: /^[A-Z0-9-]+(?:, ?[A-Z0-9-]+)*$/,
    allowed: 'names of mechanisms with commas between',
    doc: 'SASL mechanisms of the SASL_SSL listener: SCRAM-SHA-256, SCRAM-SHA-512, OAUTHBEARER, GSSAPI; empty means that there is no such listener.',
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

const tls = {
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

const policy = {
  'policy.dir': optionalPath({
    doc: 'Folder of the policy files (*.csv), one a tenant. Watched: a file is taken over when it is complete (its last line is "# end") and valid.',
  }),
  'policy.model': optionalPath({
    doc: 'The Casbin model; empty means the one that Breakwater ships. Any other runs without the index, with at most 1,000 rules.',
  }),
  'policy.reload.interval.ms': integer({
    default: SECOND_MS,
    min: 50,
    max: HOUR_MS,
    doc: 'How often the policy files are looked at for changes.',
  }),
};

const topics = {
  'num.partitions': integer({
    default: 1,
    min: 1,
    max: 10_000,
    doc: 'Partitions of a topic whose creation names no number.',
  }),
  'auto.create.topics.enable': flag({
    default: true,
    doc: 'Whether a client that holds CREATE on a missing topic creates it by asking for its metadata. Without a policy that grants CREATE nothing is created.',
  }),
  'max.partitions.per.topic': integer({
    default: 10_000,
    min: 1,
    max: 1_000_000,
    doc: 'The most partitions that one topic may have.',
  }),
  'max.partitions.per.tenant': integer({
    default: 10_000,
    min: 1,
    max: 1_000_000,
    doc: 'The most partitions of all topics of one tenant; below max.partitions.per.node, so that no tenant takes them all.',
  }),
  'max.partitions.per.node': integer({
    default: 20_000,
    min: 1,
    max: 1_000_000,
    doc: 'The most partitions of all tenants together on this broker.',
  }),
  'message.max.bytes': integer({
    default: MIB + 12,
    min: 1,
    max: GIB,
    doc: 'The largest record batch that is accepted, as it travels (compressed).',
  }),
  'log.segment.bytes': integer({
    default: GIB,
    min: MIB,
    max: INT32_MAX,
    doc: 'Size at which a log segment is closed and the next one begun.',
  }),
  'log.roll.ms': integer({
    default: 168 * HOUR_MS,
    min: MINUTE_MS,
    doc: 'Age at which a log segment is closed even if it is not full.',
  }),
  'log.index.interval.bytes': integer({
    default: 4 * KIB,
    min: KIB,
    max: 64 * KIB,
    doc: 'Bytes of log between two entries of the offset index.',
  }),
  'log.index.size.max.bytes': integer({
    default: 10 * MIB,
    min: 16 * KIB,
    max: INT32_MAX,
    doc: 'The largest an index of one segment grows; a full index closes the segment.',
  }),
  'log.flush.interval.ms': integer({
    default: SECOND_MS,
    min: 1,
    max: HOUR_MS,
    doc: 'Any append reaches stable storage within this time (flush.ms of a topic); acks=all waits for it and does not wait this long.',
  }),
  'log.retention.ms': integer({
    default: 168 * HOUR_MS,
    min: -1,
    doc: 'A log segment is deleted when its youngest record is older than this (retention.ms of a topic); -1 keeps records for ever.',
  }),
  'log.retention.bytes': integer({
    default: -1,
    min: -1,
    doc: 'The oldest segments of a partition are deleted while the rest is at least this large (retention.bytes of a topic); -1: no limit.',
  }),
  'log.retention.check.interval.ms': integer({
    default: 5 * MINUTE_MS,
    min: 1,
    max: INT32_MAX,
    doc: 'How often segments are looked for that retention lets go.',
  }),
  'compression.type': oneOf({
    values: ['producer', 'uncompressed', 'gzip', 'snappy', 'lz4', 'zstd'],
    default: 'producer',
    doc: 'How record batches are stored: as the producer compressed them, or compressed anew (costs processor time).',
  }),
  'max.producer.ids.per.partition': integer({
    default: 10_000,
    min: 1,
    max: 10_000_000,
    doc: 'Idempotent producers remembered in one partition; beyond it the longest idle are forgotten, and a batch that one of them repeats is stored twice.',
  }),
  'max.producer.ids.per.node': integer({
    default: 200_000,
    min: 1,
    max: 100_000_000,
    doc: 'The same for all partitions together (about 600 bytes each); beyond it those of the partitions with most are forgotten.',
  }),
  'producer.id.expiration.ms': integer({
    default: 24 * HOUR_MS,
    min: 1,
    doc: 'How long an idle producer is remembered, for the detection of duplicates.',
  }),
};

const groups = {
  'group.initial.rebalance.delay.ms': integer({
    default: 3 * SECOND_MS,
    min: 0,
    max: HOUR_MS,
    doc: 'How long the first member of an empty group waits for others before partitions are assigned.',
  }),
  'group.min.session.timeout.ms': integer({
    default: 6 * SECOND_MS,
    min: 1,
    max: INT32_MAX,
    doc: 'The shortest session timeout that a member of a group may ask for.',
  }),
  'group.max.session.timeout.ms': integer({
    default: 30 * MINUTE_MS,
    min: 1,
    max: INT32_MAX,
    doc: 'The longest session timeout that a member of a group may ask for.',
  }),
  'group.max.size': integer({
    default: 5000,
    min: 1,
    max: 100_000,
    doc: 'The most members of one group.',
  }),
  'max.groups.per.tenant': integer({
    default: 200_000,
    min: 1,
    max: 10_000_000,
    doc: 'The most groups of one tenant on this broker.',
  }),
  'max.group.bytes.per.tenant': integer({
    default: 512 * MIB,
    min: MIB,
    doc: 'Memory for what members say of themselves and for committed offsets, all groups of one tenant together.',
  }),
  'offsets.retention.minutes': integer({
    default: 7 * 24 * 60,
    min: 1,
    max: INT32_MAX,
    doc: 'How long committed offsets are kept once their group has no members (simple consumers: from the commit).',
  }),
  'offsets.retention.check.interval.ms': integer({
    default: 10 * MINUTE_MS,
    min: 1,
    max: INT32_MAX,
    doc: 'How often expired offsets are looked for.',
  }),
  'offset.metadata.max.bytes': integer({
    default: 4 * KIB,
    min: 0,
    max: 32_767,
    doc: 'The longest text that a client may store beside a committed offset.',
  }),
};

const network = {
  'socket.request.max.bytes': integer({
    default: 100 * MIB,
    min: 64 * KIB,
    max: INT32_MAX,
    doc: 'The largest request that may carry records (Produce); checked before memory is taken.',
  }),
  'socket.request.small.max.bytes': integer({
    default: MIB,
    min: 4 * KIB,
    max: 100 * MIB,
    doc: 'The largest request of any other API; checked before memory is taken.',
  }),
  'socket.response.unsent.max.bytes': integer({
    default: 4 * MIB,
    min: 64 * KIB,
    max: GIB,
    doc: 'Answers that a slow client has not taken yet: beyond this, nothing more is read from it.',
  }),
  'socket.listen.backlog.size': integer({
    default: 511,
    min: 1,
    max: 65_535,
    doc: 'Connections that may wait to be accepted.',
  }),
  'queued.max.request.bytes': integer({
    default: 512 * MIB,
    min: MIB,
    doc: 'Memory for requests being received, all connections together; beyond it, reading waits.',
  }),
  'queued.max.response.bytes': integer({
    default: 512 * MIB,
    min: MIB,
    doc: 'Memory for answers that clients have not taken yet, all connections together; as it fills, Fetch answers become smaller, and from half of it on peers that take nothing are cut off.',
  }),
  'connections.max.idle.ms': integer({
    default: 10 * MINUTE_MS,
    min: SECOND_MS,
    max: INT32_MAX,
    doc: 'A connection without a request for this long is closed.',
  }),
  'max.connections': integer({
    default: 10_000,
    min: 1,
    max: 1_000_000,
    doc: 'Client connections at a time; further ones are closed at once.',
  }),
  'max.connections.per.ip': integer({
    default: 10_000,
    min: 1,
    max: 1_000_000,
    doc: 'Client connections at a time from one address.',
  }),
  'connection.failed.authentication.delay.ms': integer({
    default: 100,
    min: 0,
    max: 10 * SECOND_MS,
    doc: 'Pause before a refused connection is closed, which slows down guessing.',
  }),
  'fetch.max.bytes': integer({
    default: 55 * MIB,
    min: KIB,
    max: INT32_MAX,
    doc: 'The most record bytes in one Fetch answer, whatever the client asks for.',
  }),
  'max.incremental.fetch.session.cache.slots': integer({
    default: 1000,
    min: 0,
    max: 1_000_000,
    doc: 'Incremental fetch sessions kept at a time.',
  }),
  'max.request.partition.size.limit': integer({
    default: 2000,
    min: 1,
    max: 100_000,
    doc: 'The most partitions in one DescribeTopicPartitions answer.',
  }),
};

const audit = {
  'audit.dir': optionalPath({
    doc: 'Folder of the access log; empty means the folder audit in data.dir.',
  }),
  'audit.access.window.ms': integer({
    default: SECOND_MS,
    min: 0,
    max: 10 * MINUTE_MS,
    doc: 'The first of equal allowed accesses of a connection is written at once, those that follow within so many milliseconds as one line with their count; 0 writes each by itself. Denials do not wait for it.',
  }),
  'audit.file.max.bytes': integer({
    default: 128 * MIB,
    min: 64 * KIB,
    max: 16 * GIB,
    doc: 'Size at which an audit file is closed and the next one begun.',
  }),
  'audit.queue.max.bytes': integer({
    default: 64 * MIB,
    min: 64 * KIB,
    max: 16 * GIB,
    doc: 'Audit events waiting to be written; when full, what has to be audited is refused.',
  }),
};

const admin = {
  'admin.oauth.issuers.file': optionalPath({
    doc: 'YAML file of the OAuth issuers whose tokens the admin API takes beside certificates of operators, each with its keys, audience and the operator roles that its scopes give; never those of the SASL listener.',
  }),
  'admin.request.max.bytes': integer({
    default: 256 * KIB,
    min: KIB,
    max: 16 * MIB,
    doc: 'The largest body that the admin API accepts.',
  }),
  'admin.request.timeout.ms': integer({
    default: 10 * SECOND_MS,
    min: 100,
    max: 10 * MINUTE_MS,
    doc: 'How long a request to the admin API may take to arrive.',
  }),
  'admin.max.connections': integer({
    default: 64,
    min: 1,
    max: 10_000,
    doc: 'Connections to the admin listener at a time.',
  }),
};

/** Sections only order what is printed; keys are unique across them. */
export const CONFIG_SECTIONS = {
  Node: node,
  Listeners: listeners,
  SASL: sasl,
  'TLS and identity': tls,
  Policy: policy,
  'Topics and log': topics,
  Groups: groups,
  'Network limits': network,
  Audit: audit,
  'Admin API': admin,
} as const;

export const CONFIG_KEYS = {
  ...node,
  ...listeners,
  ...sasl,
  ...tls,
  ...policy,
  ...topics,
  ...groups,
  ...network,
  ...audit,
  ...admin,
} as const;

export type ConfigKey = keyof typeof CONFIG_KEYS;

type ValueOf<S> = S extends ConfigSpec<infer T> ? T : never;

/** The checked configuration: `config['log.segment.bytes']`. Paths are absolute. */
export type Config = { readonly [K in ConfigKey]: ValueOf<(typeof CONFIG_KEYS)[K]> };

export function isConfigKey(name: string): name is ConfigKey {
  return Object.hasOwn(CONFIG_KEYS, name);
}

/** The environment variable of a key: `data.dir` is BREAKWATER_DATA_DIR. */
export function environmentName(key: string): string {
  return `BREAKWATER_${key.toUpperCase().replaceAll('.', '_')}`;
}
