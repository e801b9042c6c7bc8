/**
 * Owns the table of configuration keys: Kafka's own names wherever Kafka has one, units last in the
 * name. Everything else (files, environment, `config show`, the file that `init` writes) derives
 * from it. Adding a key is adding an entry to the file of its subject in keys/.
 */
import type { ConfigSpec } from './config-spec.ts';
import { ABUSE_KEYS } from './keys/abuse-keys.ts';
import { ADMIN_KEYS } from './keys/admin-keys.ts';
import { AUDIT_KEYS } from './keys/audit-keys.ts';
import { BACKUP_KEYS } from './keys/backup-keys.ts';
import { FLEET_KEYS } from './keys/fleet-keys.ts';
import { GROUP_KEYS } from './keys/group-keys.ts';
import { LISTENER_KEYS } from './keys/listener-keys.ts';
import { METRICS_KEYS } from './keys/metrics-keys.ts';
import { NETWORK_KEYS } from './keys/network-keys.ts';
import { NODE_KEYS } from './keys/node-keys.ts';
import { POLICY_KEYS } from './keys/policy-keys.ts';
import { SASL_KEYS } from './keys/sasl-keys.ts';
import { TLS_KEYS } from './keys/tls-keys.ts';
import { TOPIC_KEYS } from './keys/topic-keys.ts';

/** Sections only order what is printed; keys are unique across them. */
export const CONFIG_SECTIONS = {
  Node: NODE_KEYS,
  Listeners: LISTENER_KEYS,
  SASL: SASL_KEYS,
  'TLS and identity': TLS_KEYS,
  Policy: POLICY_KEYS,
  'Topics and log': TOPIC_KEYS,
  Groups: GROUP_KEYS,
  'Network limits': NETWORK_KEYS,
  Abuse: ABUSE_KEYS,
  Audit: AUDIT_KEYS,
  Backup: BACKUP_KEYS,
  'Fleet view': FLEET_KEYS,
  'Admin API': ADMIN_KEYS,
  'Metrics and logs': METRICS_KEYS,
} as const;

export const CONFIG_KEYS = {
  ...NODE_KEYS,
  ...LISTENER_KEYS,
  ...SASL_KEYS,
  ...TLS_KEYS,
  ...POLICY_KEYS,
  ...TOPIC_KEYS,
  ...GROUP_KEYS,
  ...NETWORK_KEYS,
  ...ABUSE_KEYS,
  ...AUDIT_KEYS,
  ...BACKUP_KEYS,
  ...FLEET_KEYS,
  ...ADMIN_KEYS,
  ...METRICS_KEYS,
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
