/**
 * The SASL mechanisms that the configuration enables. Invariant: one that is enabled and cannot work
 * stops the start with a sentence that says what to do.
 */
import { dirname, isAbsolute, join } from 'node:path';
import type { JSONWebKeySet } from 'jose';
import { parse } from 'yaml';
import { systemClock } from '../base/clock.ts';
import { makeDirectory, readIfThere, readRequired, writeWhole } from '../base/credential-files.ts';
import { ConfigError } from '../base/errors.ts';
import { systemRandom } from '../base/random.ts';
import type { Config } from '../config/config-schema.ts';
import type { SecurityState } from '../metadata/security-state.ts';
import { isTenantName } from '../pki/identity-name.ts';
import {
  type OauthIssuerSettings,
  OauthIssuers,
  TOKEN_ALGORITHMS,
  type TokenAlgorithm,
} from '../security/sasl/oauth-issuer.ts';
import { oauthBearerMechanism } from '../security/sasl/oauthbearer-exchange.ts';
import type { PasswordWork } from '../security/sasl/password-work.ts';
import { PLAIN, plainMechanism } from '../security/sasl/plain-exchange.ts';
import type { SaslMechanism } from '../security/sasl/sasl-mechanism.ts';
import {
  type ScramLookup,
  scramSaslMechanism,
  type TokenLogins,
} from '../security/sasl/scram-exchange.ts';
import { scramMechanismByName } from '../security/scram/scram-mechanism.ts';
import { enabledGssapi, type GssapiParts } from './gssapi.ts';

const DECOY_SECRET_FILE = 'scram-decoy.key';
const DECOY_SECRET_BYTES = 32;
const GSSAPI = 'GSSAPI';
const OAUTHBEARER = 'OAUTHBEARER';
const LOOPBACK = new Set(['127.0.0.1', '[::1]', 'localhost']);
const SECOND_MS = 1000;

export interface MechanismParts extends GssapiParts {
  /** Shared by all mechanisms that look at passwords. */
  readonly work: PasswordWork;
  readonly tokens: TokenLogins | null;
}

/** In the order in which they are enabled; empty: there is no SASL listener. */
export async function enabledMechanisms(
  config: Config,
  state: SecurityState,
  parts: MechanismParts,
): Promise<SaslMechanism[]> {
  const names = (config['sasl.enabled.mechanisms'] ?? '')
    .split(',')
    .map((name) => name.trim())
    .filter((name) => name !== '');
  if (new Set(names).size < names.length) {
    throw new ConfigError('sasl.enabled.mechanisms names a mechanism twice');
  }
  return Promise.all(
    names.map((name) =>
      name === GSSAPI ? enabledGssapi(config, parts) : mechanismNamed(name, config, state, parts),
    ),
  );
}

function mechanismNamed(
  name: string,
  config: Config,
  state: SecurityState,
  { work, tokens }: MechanismParts,
): SaslMechanism {
  const scram = scramMechanismByName(name);
  if (scram !== undefined || name === PLAIN) {
    const lookup: ScramLookup = ({ tenant, user }, mechanism) => {
      const known = state.image.tenants.get(tenant);
      return known?.state === 'active'
        ? known.scramCredentials.get({ user, mechanism })
        : undefined;
    };
    const decoySecret = decoySecretIn(config['data.dir']);
    return scram === undefined
      ? plainMechanism({ lookup, work, clock: systemClock, decoySecret })
      : scramSaslMechanism(scram, { lookup, tokens, random: systemRandom, decoySecret });
  }
  if (name === OAUTHBEARER) {
    return oauthBearerMechanism(new OauthIssuers(oauthIssuers(config), systemClock));
  }
  throw new ConfigError(
    `sasl.enabled.mechanisms: ${JSON.stringify(name)} is not served; ` +
      `use SCRAM-SHA-256, SCRAM-SHA-512, ${OAUTHBEARER}, ${GSSAPI} or ${PLAIN}`,
  );
}

/** Made at the first start; without it, users that do not exist would show at each restart. */
function decoySecretIn(dataDirectory: string): Buffer {
  const directory = join(dataDirectory, 'metadata');
  const path = join(directory, DECOY_SECRET_FILE);
  const found = readIfThere(path);
  if (found !== null) {
    const secret = Buffer.from(found.trim(), 'base64');
    if (secret.length === DECOY_SECRET_BYTES) return secret;
    throw new ConfigError(`${path} is damaged: remove it, and a new one is made`);
  }
  const secret = systemRandom.bytes(DECOY_SECRET_BYTES);
  makeDirectory(directory, 'private');
  const options = { access: 'private', replace: false, durable: true } as const;
  writeWhole(path, `${secret.toString('base64')}\n`, options);
  return secret;
}

/** The issuers of sasl.oauthbearer.issuers.file, each bound to its tenants. */
export function oauthIssuers(config: Config): OauthIssuerSettings[] {
  const path = config['sasl.oauthbearer.issuers.file'];
  if (path === null) {
    throw new ConfigError(
      'OAUTHBEARER is enabled, but sasl.oauthbearer.issuers.file is not set: name the file that ' +
        'lists the issuers, or take OAUTHBEARER out of sasl.enabled.mechanisms',
    );
  }
  const wrong = (what: string): ConfigError => new ConfigError(`${path}: ${what}`);
  let document: unknown;
  try {
    document = parse(readRequired(path, 'it is named by sasl.oauthbearer.issuers.file'));
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message.split('\n')[0] : String(cause);
    throw new ConfigError(`${path} cannot be read: ${reason}`, { cause });
  }
  const list = document instanceof Object && 'issuers' in document ? document.issuers : undefined;
  if (!Array.isArray(list) || list.length === 0) throw wrong('no list named issuers');
  const issuers = list.map((item: unknown, index) =>
    issuerFrom(item, dirname(path), (what) => wrong(`issuer ${index + 1}: ${what}`)),
  );
  const names = new Set(issuers.map(({ issuer }) => issuer));
  if (names.size < issuers.length) throw wrong('an issuer stands there twice');
  return issuers;
}

const KEYS = new Set([
  ...['issuer', 'audience', 'jwks.url', 'jwks.file', 'algorithms', 'tenants', 'tenant.claim'],
  ...['principal.claim', 'clock.tolerance.seconds', 'token.age.max.seconds'],
]);

function issuerFrom(
  item: unknown,
  directory: string,
  wrong: (what: string) => ConfigError,
): OauthIssuerSettings {
  if (item === null || typeof item !== 'object') throw wrong('not a mapping');
  const fields = item as Readonly<Record<string, unknown>>;
  const unknown = Object.keys(fields).find((key) => !KEYS.has(key));
  if (unknown !== undefined) throw wrong(`unknown key ${unknown}`);
  const text = (key: string, fallback?: string): string => {
    const value = fields[key] ?? fallback;
    if (typeof value !== 'string' || value === '') throw wrong(`${key} is not set`);
    return value;
  };
  const seconds = (key: string, fallback: number): number => {
    const value = fields[key] ?? fallback;
    if (typeof value !== 'number' || !(value >= 0)) throw wrong(`${key} is no number of seconds`);
    return value;
  };
  const tenants = fields.tenants;
  if (!Array.isArray(tenants) || tenants.length === 0 || !tenants.every(isTenant)) {
    throw wrong('tenants must list the tenants that it speaks for');
  }
  return {
    issuer: text('issuer'),
    audience: text('audience'),
    jwks: jwksFrom(fields, directory, wrong),
    algorithms: algorithmsFrom(fields.algorithms, wrong),
    tenants,
    tenantClaim: fields['tenant.claim'] === undefined ? null : text('tenant.claim'),
    principalClaim: text('principal.claim', 'sub'),
    clockToleranceMs: seconds('clock.tolerance.seconds', 30) * SECOND_MS,
    tokenAgeMaxMs: seconds('token.age.max.seconds', 86_400) * SECOND_MS,
  };
}

function isTenant(name: unknown): name is string {
  return typeof name === 'string' && isTenantName(name);
}

function algorithmsFrom(
  value: unknown = ['ES256', 'RS256', 'PS256', 'EdDSA'],
  wrong: (what: string) => ConfigError,
): TokenAlgorithm[] {
  const isKnown = (name: unknown): name is TokenAlgorithm =>
    (TOKEN_ALGORITHMS as readonly unknown[]).includes(name);
  if (!Array.isArray(value) || value.length === 0 || !value.every(isKnown)) {
    throw wrong(`algorithms must be among ${TOKEN_ALGORITHMS.join(', ')}`);
  }
  return value;
}

function jwksFrom(
  fields: Readonly<Record<string, unknown>>,
  directory: string,
  wrong: (what: string) => ConfigError,
): URL | JSONWebKeySet {
  const { 'jwks.url': url, 'jwks.file': file } = fields;
  if ((typeof url === 'string') === (typeof file === 'string')) {
    throw wrong('set either jwks.url or jwks.file');
  }
  if (typeof url === 'string') {
    const address = URL.canParse(url) ? new URL(url) : undefined;
    const isLoopback = address?.protocol === 'http:' && LOOPBACK.has(address.hostname);
    if (address === undefined || (address.protocol !== 'https:' && !isLoopback)) {
      throw wrong('jwks.url must be an https address');
    }
    return address;
  }
  const path = isAbsolute(String(file)) ? String(file) : join(directory, String(file));
  try {
    const keys = JSON.parse(readRequired(path, 'it is named by jwks.file')) as JSONWebKeySet;
    if (!Array.isArray(keys.keys) || keys.keys.some((key) => key.kty === 'oct' || 'd' in key)) {
      throw new Error('it must hold public keys only');
    }
    return keys;
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw wrong(`${path} is no JSON Web Key Set: ${reason}`);
  }
}
