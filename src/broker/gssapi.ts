/**
 * Makes the mechanism GSSAPI from the configuration. Invariant: a broker that is to take Kerberos
 * logins and cannot do so safely (no addon, no keytab, no realms, no replay cache) does not start.
 */
import type { AuditLog } from '../audit/audit-log.ts';
import { systemClock } from '../base/clock.ts';
import { readBytesRequired } from '../base/credential-files.ts';
import { ConfigError } from '../base/errors.ts';
import type { Logger } from '../base/logger.ts';
import { systemRandom } from '../base/random.ts';
import type { Config } from '../config/config-schema.ts';
import {
  type Acceptor,
  type KerberosPackage,
  libkrb5Acceptor,
} from '../security/sasl/gssapi-acceptor.ts';
import { ENCRYPTION_TYPES_SERVED } from '../security/sasl/gssapi-crypto.ts';
import { gssapiMechanism } from '../security/sasl/gssapi-exchange.ts';
import { Keytab, type KeytabEntry } from '../security/sasl/gssapi-keytab.ts';
import { type NameRules, parseNameRules } from '../security/sasl/gssapi-name-rules.ts';
import { type KerberosRealm, parseRealms } from '../security/sasl/gssapi-realms.ts';
import { kerberosProblem } from '../security/sasl/gssapi-self-check.ts';
import type { SaslMechanism } from '../security/sasl/sasl-mechanism.ts';

const PACKAGE = 'kerberos';
const OR_NOT = 'or take GSSAPI out of sasl.enabled.mechanisms';

export interface GssapiParts {
  readonly audit: AuditLog;
  readonly logger: Logger;
}

export type KerberosConfig = Pick<
  Config,
  | 'sasl.kerberos.keytab'
  | 'sasl.kerberos.principal.to.local.rules'
  | 'sasl.kerberos.realms'
  | 'sasl.kerberos.service.name'
>;

/** Rejects with ConfigError, whose sentence says what to do. */
export async function enabledGssapi(
  config: KerberosConfig,
  parts: GssapiParts,
): Promise<SaslMechanism> {
  const realms = configuredRealms(config);
  const rules = configuredRules(config);
  const { path, keytab } = openKeytab(config, parts);
  checkReplayCache(process.env);
  // libkrb5 knows no other way to be told.
  process.env.KRB5_KTNAME = `FILE:${path}`;
  const accept = libkrb5Acceptor(await loadPackage(), systemClock);
  await checkKeys(accept, keytab.entries);
  return gssapiMechanism({ accept, keytab, realms, rules, clock: systemClock });
}

function configuredRealms(config: KerberosConfig): KerberosRealm[] {
  const text = config['sasl.kerberos.realms'];
  if (text === null) {
    throw new ConfigError(
      'GSSAPI is enabled, but sasl.kerberos.realms is not set: name each realm that is believed ' +
        `with the tenants that it speaks for, such as FLEET.EXAMPLE=acme, ${OR_NOT}`,
    );
  }
  return parsed('sasl.kerberos.realms', () => parseRealms(text));
}

function configuredRules(config: KerberosConfig): NameRules {
  const key = 'sasl.kerberos.principal.to.local.rules';
  return parsed(key, () => parseNameRules(config[key]));
}

function parsed<T>(key: string, parse: () => T): T {
  try {
    return parse();
  } catch (cause) {
    throw new ConfigError(`${key}: ${messageOf(cause)}`, { cause });
  }
}

function openKeytab(
  config: KerberosConfig,
  parts: GssapiParts,
): { readonly path: string; readonly keytab: Keytab } {
  const path = config['sasl.kerberos.keytab'];
  const serviceName = config['sasl.kerberos.service.name'];
  if (path === null) {
    throw new ConfigError(
      `GSSAPI is enabled, but sasl.kerberos.keytab is not set: name the keytab, ${OR_NOT}`,
    );
  }
  const remedy = `it is named by sasl.kerberos.keytab; write it with "ktadd", ${OR_NOT}`;
  const onChange = (problem: Error | null): void => {
    const { audit, logger } = parts;
    const isGood = problem === null;
    if (isGood) logger.info({ path }, 'keytab reloaded');
    else logger.error({ err: problem, path }, 'new keytab refused, the last good one stays');
    audit.security(null, {
      type: 'certificate',
      outcome: isGood ? 'success' : 'failure',
      reason: isGood ? 'keytab-loaded' : 'keytab-refused',
      ...(isGood ? {} : { detail: problem.message }),
    });
  };
  const read = (): Buffer => readBytesRequired(path, remedy);
  let keytab: Keytab;
  try {
    keytab = new Keytab({ read, serviceName, clock: systemClock, onChange });
  } catch (cause) {
    throw new ConfigError(`sasl.kerberos.keytab: ${messageOf(cause)}`, { cause });
  }
  if (keytab.entries.length === 0) {
    throw new ConfigError(
      `${path} holds no key that can be used for ${serviceName}/HOST: add the broker's principal ` +
        `for every name that clients reach it by, with one of the types ${ENCRYPTION_TYPES_SERVED}`,
    );
  }
  return { path, keytab };
}

/** Said before the trial, since here the variable can be named. */
function checkReplayCache(environment: NodeJS.ProcessEnv): void {
  for (const name of ['KRB5RCACHENAME', 'KRB5RCACHETYPE']) {
    if (!/^none:?$/.test(environment[name]?.trim() ?? '')) continue;
    throw new ConfigError(
      `${name}=${environment[name]} switches the replay cache of Kerberos off, so that a ` +
        `recorded login works again: remove it from the environment, ${OR_NOT}`,
    );
  }
}

async function loadPackage(): Promise<KerberosPackage> {
  try {
    const { default: found } = (await import(PACKAGE)) as { readonly default: unknown };
    if (isKerberosPackage(found)) return found;
    throw new Error('it is another package of that name');
  } catch (cause) {
    throw new ConfigError(
      `GSSAPI is enabled, but the optional package "${PACKAGE}" cannot be loaded ` +
        `(${messageOf(cause).split('\n')[0]}): install its headers (Debian: apt-get install ` +
        `libkrb5-dev build-essential python3) and run "npm run build:kerberos", ${OR_NOT}`,
      { cause },
    );
  }
}

function isKerberosPackage(value: unknown): value is KerberosPackage {
  return (
    value instanceof Object &&
    'initializeServer' in value &&
    typeof value.initializeServer === 'function'
  );
}

async function checkKeys(accept: Acceptor, entries: readonly KeytabEntry[]): Promise<void> {
  const parts = { clock: systemClock, random: systemRandom };
  const problem = await kerberosProblem(accept, entries[0]!, parts);
  if (problem !== null) throw new ConfigError(problem);
}

const messageOf = (error: unknown): string =>
  error instanceof Error ? error.message : String(error);
