/**
 * Reads the files that list token issuers: one for the SASL listener, one for the admin listener.
 * Invariant: what is not understood stops the start with the file, the place and a reason.
 */
import { dirname, isAbsolute, join } from 'node:path';
import type { JWTVerifyGetKey } from 'jose';
import { parse } from 'yaml';
import type { AuditLog } from '../audit/audit-log.ts';
import { systemClock } from '../base/clock.ts';
import { readRequired } from '../base/credential-files.ts';
import { ConfigError } from '../base/errors.ts';
import type { Logger } from '../base/logger.ts';
import type { Config } from '../config/config-schema.ts';
import { isSubjectName, isTenantName } from '../pki/identity-name.ts';
import { subjectProblem } from '../security/policy-rule.ts';
import type { OauthIssuerSettings } from '../security/sasl/oauth-issuer.ts';
import { JwksFile } from '../security/token/jwks-file.ts';
import type { OperatorIssuer } from '../security/token/operator-tokens.ts';
import {
  type ScopeRoles,
  TOKEN_ALGORITHMS,
  type TokenAlgorithm,
  type TokenIssuer,
} from '../security/token/token-trust.ts';

const SASL_FILE = 'sasl.oauthbearer.issuers.file';
const ADMIN_FILE = 'admin.oauth.issuers.file';
const LOOPBACK = new Set(['127.0.0.1', '[::1]', 'localhost']);
const SECOND_MS = 1000;
const ADMIN_TOKEN_AGE_SECONDS = 3600;
const SASL_TOKEN_AGE_SECONDS = 86_400;
/** An authorizer looks up each role of a session. */
const ROLES_MAX = 64;
/** What a rule can say as ${token.<claim>}. */
const ATTRIBUTE_CLAIM = /^[A-Za-z][A-Za-z0-9_]{0,31}$/;
const ATTRIBUTE_CLAIMS_MAX = 8;
const SCOPE = /^[\x21\x23-\x5b\x5d-\x7e]{1,255}$/;

export type IssuerConfig = Pick<Config, typeof SASL_FILE | typeof ADMIN_FILE>;

/** Whom a changed key file is told. */
export interface IssuerParts {
  readonly audit: AuditLog;
  readonly logger: Logger;
}

type Wrong = (what: string) => ConfigError;

/** The issuers of sasl.oauthbearer.issuers.file, each bound to its tenants. */
export function saslIssuers(config: IssuerConfig, parts: IssuerParts): OauthIssuerSettings[] {
  const path = config[SASL_FILE];
  if (path === null) {
    throw new ConfigError(
      `OAUTHBEARER is enabled, but ${SASL_FILE} is not set: name the file that ` +
        'lists the issuers, or take OAUTHBEARER out of sasl.enabled.mechanisms',
    );
  }
  return issuersIn(path, SASL_FILE, (fields) => ({
    ...commonFrom(fields, parts, SASL_TOKEN_AGE_SECONDS),
    tenants: tenantsFrom(fields),
    tenantClaim: fields.optionalText('tenant.claim'),
  }));
}

function tenantsFrom(fields: IssuerFields): string[] {
  const tenants = fields.raw('tenants');
  if (Array.isArray(tenants) && tenants.length > 0 && tenants.every(isTenant)) return tenants;
  throw fields.wrong('tenants must list the tenants that it speaks for');
}

/** An issuer of operators names no tenants; one of tenants' administrators is bound to some. */
function boundTenantsFrom(fields: IssuerFields): Pick<OperatorIssuer, 'tenants' | 'tenantClaim'> {
  const tenantClaim = fields.optionalText('tenant.claim');
  if (fields.raw('tenants') === undefined) {
    if (tenantClaim === null) return { tenants: null, tenantClaim };
    throw fields.wrong('tenant.claim is set without tenants, which it would choose among');
  }
  const tenants = tenantsFrom(fields);
  if (tenants.length === 1 || tenantClaim !== null) return { tenants, tenantClaim };
  throw fields.wrong('tenant.claim must say which claim chooses among the tenants');
}

/** The issuers of admin.oauth.issuers.file; none without it. */
export function adminIssuers(config: IssuerConfig, parts: IssuerParts): OperatorIssuer[] {
  const path = config[ADMIN_FILE];
  if (path === null) return [];
  const issuers = issuersIn(path, ADMIN_FILE, (fields) => {
    const { scopeRoles, ...rest } = commonFrom(fields, parts, ADMIN_TOKEN_AGE_SECONDS);
    const bound = boundTenantsFrom(fields);
    if (scopeRoles !== null) return { ...rest, ...bound, scopeRoles };
    throw fields.wrong('scope.roles must say which scope gives an operator which role');
  });
  refuseShared(config, issuers, parts);
  return issuers;
}

/** A token for clients must not be one for operators too: an audience tells them apart. */
function refuseShared(
  config: IssuerConfig,
  issuers: readonly TokenIssuer[],
  parts: IssuerParts,
): void {
  if (config[SASL_FILE] === null) return;
  const named = ({ issuer, audience }: TokenIssuer): string => JSON.stringify([issuer, audience]);
  const ofClients = new Set(saslIssuers(config, parts).map(named));
  const shared = issuers.find((issuer) => ofClients.has(named(issuer)));
  if (shared === undefined) return;
  throw new ConfigError(
    `${shared.issuer} stands with the same audience in ${SASL_FILE} and in ${ADMIN_FILE}, so that ` +
      'a token for clients would be one for operators: have the issuer give another audience to one',
  );
}

function issuersIn<T extends TokenIssuer>(
  path: string,
  key: string,
  issuerFrom: (fields: IssuerFields) => T,
): T[] {
  const wrong: Wrong = (what) => new ConfigError(`${path}: ${what}`);
  let document: unknown;
  try {
    document = parse(readRequired(path, `it is named by ${key}`));
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message.split('\n')[0] : String(cause);
    throw new ConfigError(`${path} cannot be read: ${reason}`, { cause });
  }
  const list = document instanceof Object && 'issuers' in document ? document.issuers : undefined;
  if (!Array.isArray(list) || list.length === 0) throw wrong('no list named issuers');
  const issuers = list.map((item: unknown, index) => {
    const here: Wrong = (what) => wrong(`issuer ${index + 1}: ${what}`);
    const fields = new IssuerFields(item, dirname(path), here);
    const issuer = issuerFrom(fields);
    fields.finish();
    return issuer;
  });
  const names = new Set(issuers.map(({ issuer }) => issuer));
  if (names.size < issuers.length) throw wrong('an issuer stands there twice');
  return issuers;
}

/** One item of the list; a key that nobody asks for is refused. */
class IssuerFields {
  readonly #fields: Readonly<Record<string, unknown>>;
  readonly #asked = new Set<string>();
  readonly directory: string;
  readonly wrong: Wrong;

  constructor(item: unknown, directory: string, wrong: Wrong) {
    if (item === null || typeof item !== 'object') throw wrong('not a mapping');
    this.#fields = item as Readonly<Record<string, unknown>>;
    this.directory = directory;
    this.wrong = wrong;
  }

  raw(key: string): unknown {
    this.#asked.add(key);
    return this.#fields[key];
  }

  text(key: string, fallback?: string): string {
    const value = this.raw(key) ?? fallback;
    if (typeof value !== 'string' || value === '') throw this.wrong(`${key} is not set`);
    return value;
  }

  optionalText(key: string): string | null {
    return this.raw(key) === undefined ? null : this.text(key);
  }

  milliseconds(key: string, fallbackSeconds: number): number {
    const value = this.raw(key) ?? fallbackSeconds;
    if (typeof value === 'number' && value >= 0) return value * SECOND_MS;
    throw this.wrong(`${key} is no number of seconds`);
  }

  finish(): void {
    const unknown = Object.keys(this.#fields).find((key) => !this.#asked.has(key));
    if (unknown !== undefined) throw this.wrong(`unknown key ${unknown}`);
  }
}

function commonFrom(fields: IssuerFields, parts: IssuerParts, ageSeconds: number): TokenIssuer {
  return {
    issuer: fields.text('issuer'),
    audience: fields.text('audience'),
    jwks: jwksFrom(fields, parts),
    algorithms: algorithmsFrom(fields),
    principalClaim: fields.text('principal.claim', 'sub'),
    principalPrefix: prefixFrom(fields),
    scopeRoles: scopeRolesFrom(fields),
    attributeClaims: attributeClaimsFrom(fields),
    clockToleranceMs: fields.milliseconds('clock.tolerance.seconds', 30),
    tokenAgeMaxMs: fields.milliseconds('token.age.max.seconds', ageSeconds),
  };
}

function prefixFrom(fields: IssuerFields): string {
  const prefix = fields.optionalText('principal.prefix') ?? '';
  if (isSubjectName(`${prefix}x`)) return prefix;
  throw fields.wrong('principal.prefix is no beginning of a name');
}

function isTenant(name: unknown): name is string {
  return typeof name === 'string' && isTenantName(name);
}

function algorithmsFrom(fields: IssuerFields): TokenAlgorithm[] {
  const value = fields.raw('algorithms') ?? ['ES256', 'RS256', 'PS256', 'EdDSA'];
  const isKnown = (name: unknown): name is TokenAlgorithm =>
    (TOKEN_ALGORITHMS as readonly unknown[]).includes(name);
  if (Array.isArray(value) && value.length > 0 && value.every(isKnown)) return value;
  throw fields.wrong(`algorithms must be among ${TOKEN_ALGORITHMS.join(', ')}`);
}

function scopeRolesFrom(fields: IssuerFields): ScopeRoles | null {
  const claim = fields.optionalText('scope.claim');
  const mapping = fields.raw('scope.roles');
  if (mapping === undefined) {
    if (claim === null) return null;
    throw fields.wrong('scope.claim is set without scope.roles');
  }
  const shape = 'scope.roles must list roles under each scope, such as telemetry.write: [writer]';
  if (mapping === null || typeof mapping !== 'object' || Array.isArray(mapping)) {
    throw fields.wrong(shape);
  }
  const roles = new Map<string, string[]>();
  for (const [scope, names] of Object.entries(mapping)) {
    if (!SCOPE.test(scope)) throw fields.wrong(`${JSON.stringify(scope)} can be no scope`);
    if (!Array.isArray(names) || names.length === 0) throw fields.wrong(shape);
    roles.set(
      scope,
      names.map((name: unknown) => roleNamed(name, fields)),
    );
  }
  if (roles.size === 0) throw fields.wrong(shape);
  if (new Set([...roles.values()].flat()).size > ROLES_MAX) {
    throw fields.wrong(`scope.roles names more than ${ROLES_MAX} roles`);
  }
  return { claims: claim === null ? ['scope', 'scp'] : [claim], roles };
}

function attributeClaimsFrom(fields: IssuerFields): string[] {
  const value = fields.raw('attribute.claims') ?? [];
  const isClaim = (name: unknown): name is string =>
    typeof name === 'string' && ATTRIBUTE_CLAIM.test(name);
  if (Array.isArray(value) && value.length <= ATTRIBUTE_CLAIMS_MAX && value.every(isClaim)) {
    return value;
  }
  throw fields.wrong(
    `attribute.claims lists at most ${ATTRIBUTE_CLAIMS_MAX} claims, each of letters, digits and _`,
  );
}

/** `writer` and `Role:writer` are the same. */
function roleNamed(name: unknown, fields: IssuerFields): string {
  const role = typeof name === 'string' ? `Role:${name.replace(/^Role:/, '')}` : '';
  if (subjectProblem(role) === null) return role;
  throw fields.wrong(`${JSON.stringify(name) ?? 'nothing'} is no role`);
}

function jwksFrom(fields: IssuerFields, parts: IssuerParts): URL | JWTVerifyGetKey {
  const url = fields.raw('jwks.url');
  const file = fields.raw('jwks.file');
  if ((typeof url === 'string') === (typeof file === 'string')) {
    throw fields.wrong('set either jwks.url or jwks.file');
  }
  if (typeof url !== 'string') return jwksFileFrom(String(file), fields, parts);
  const address = URL.canParse(url) ? new URL(url) : undefined;
  const isLoopback = address?.protocol === 'http:' && LOOPBACK.has(address.hostname);
  if (address === undefined || (address.protocol !== 'https:' && !isLoopback)) {
    throw fields.wrong('jwks.url must be an https address');
  }
  return address;
}

function jwksFileFrom(name: string, fields: IssuerFields, parts: IssuerParts): JWTVerifyGetKey {
  const path = isAbsolute(name) ? name : join(fields.directory, name);
  const onChange = (problem: Error | null): void => {
    const { audit, logger } = parts;
    const isGood = problem === null;
    if (isGood) logger.info({ path }, 'token keys reloaded');
    else logger.error({ err: problem, path }, 'new token keys refused, the last good ones stay');
    audit.security(null, {
      type: 'certificate',
      outcome: isGood ? 'success' : 'failure',
      reason: isGood ? 'jwks-loaded' : 'jwks-refused',
      ...(isGood ? {} : { detail: problem.message }),
      facts: { file: path },
    });
  };
  try {
    const read = (): string => readRequired(path, 'it is named by jwks.file');
    return new JwksFile({ read, clock: systemClock, onChange }).getKey;
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw fields.wrong(`${path} is no JSON Web Key Set: ${reason}`);
  }
}
