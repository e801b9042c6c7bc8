/**
 * The external authorizer of a running broker: the file that says which tenants have one, read at
 * the start and looked at again while the broker runs, and what the logs are told.
 *
 * Invariants: new settings are recorded before they take force; a broken file (or a certificate in
 * it) is reported once and leaves the last good settings in force; only at the start, when there are
 * none, does it stop the broker. Repeats in the log are limited for each tenant.
 */
import { dirname, resolve } from 'node:path';
import { createSecureContext } from 'node:tls';
import type { AuditLog } from '../audit/audit-log.ts';
import type { Clock, Timer } from '../base/clock.ts';
import { readRequired } from '../base/credential-files.ts';
import { ConfigError } from '../base/errors.ts';
import type { Logger } from '../base/logger.ts';
import type { Random } from '../base/random.ts';
import type { Authorizer } from '../security/authorizer.ts';
import { authzen } from '../security/external/authzen.ts';
import {
  ExternalAuthorizer,
  type ExternalReports,
  type PdpParts,
} from '../security/external/external-authorizer.ts';
import {
  type ExternalSettings,
  ExternalSettingsError,
  type PdpSettings,
  parseExternalSettings,
} from '../security/external/external-settings.ts';
import { opa } from '../security/external/opa.ts';
import { PdpHttp, type PdpTls } from '../security/external/pdp-http.ts';
import { formatPrincipal } from '../security/principal.ts';

export interface ExternalAuthorizerFileOptions {
  readonly path: string;
  readonly local: Authorizer;
  readonly clock: Clock;
  readonly random: Random;
  readonly intervalMs: number;
  readonly audit: AuditLog;
  readonly logger: Logger;
  /** Puts a meter around the way to a PDP. */
  readonly measured: (http: PdpParts['http']) => PdpParts['http'];
}

/** A file as it was read: its settings, and what the certificates in it hold. */
interface Loaded {
  readonly settings: ExternalSettings;
  readonly tls: ReadonlyMap<PdpSettings, PdpTls | null>;
  /** Equal for two files that say the same. */
  readonly fingerprint: string;
}

const KEY = 'authorizer.external.file';
const REMEDY = `it is named by ${KEY}, or in the file that it names`;
/** Between two lines of one kind about one tenant. */
const QUIET_MS = 10_000;

export class ExternalAuthorizerFile {
  readonly authorizer: ExternalAuthorizer;
  readonly #options: ExternalAuthorizerFileOptions;
  #fingerprint = '';
  #problem: string | null = null;
  #timer: Timer | null = null;
  #isStopped = false;

  private constructor(options: ExternalAuthorizerFileOptions) {
    const { local, clock } = options;
    this.#options = options;
    this.authorizer = new ExternalAuthorizer({ local, clock, reports: reportsTo(options) });
  }

  /** Rejects with ConfigError when the file is not in order. */
  static async open(options: ExternalAuthorizerFileOptions): Promise<ExternalAuthorizerFile> {
    const file = new ExternalAuthorizerFile(options);
    let loaded: Loaded;
    try {
      loaded = file.#read();
    } catch (cause) {
      throw new ConfigError(`${KEY}: ${sentenceOf(cause, options.path)}`, { cause });
    }
    await file.#take(loaded);
    file.#schedule();
    return file;
  }

  /** Why the newest file is refused; null when it is in force. */
  get problem(): string | null {
    return this.#problem;
  }

  close(): void {
    this.#isStopped = true;
    this.#timer?.cancel();
    this.authorizer.close();
  }

  #schedule(): void {
    if (this.#isStopped) return;
    this.#timer = this.#options.clock.setTimer(this.#options.intervalMs, () => {
      void this.#look().finally(() => this.#schedule());
    });
  }

  async #look(): Promise<void> {
    try {
      const loaded = this.#read();
      if (loaded.fingerprint !== this.#fingerprint) await this.#take(loaded);
      else this.#problem = null;
    } catch (error) {
      this.#refuse(sentenceOf(error, this.#options.path));
    }
  }

  #read(): Loaded {
    const { path } = this.#options;
    const text = readRequired(path, REMEDY);
    const settings = parseExternalSettings(text);
    const tls = new Map<PdpSettings, PdpTls | null>();
    for (const { pdp } of [settings.fallback, ...settings.tenants.values()]) {
      if (pdp !== null && !tls.has(pdp)) tls.set(pdp, tlsOf(pdp, dirname(path)));
    }
    return { settings, tls, fingerprint: JSON.stringify([text, [...tls.values()]]) };
  }

  async #take({ settings, tls, fingerprint }: Loaded): Promise<void> {
    const { audit, clock, random, logger, measured } = this.#options;
    audit.security(null, {
      type: 'policy',
      outcome: 'success',
      reason: 'external-authorizer-loaded',
      detail: 'recorded before it takes force',
      facts: { tenants: settings.tenants.size, default: settings.fallback.mode },
    });
    await audit.durable();
    if (this.#isStopped) return;
    this.#fingerprint = fingerprint;
    this.#problem = null;
    this.authorizer.apply(settings, (pdp): PdpParts => {
      const connectionsMax = pdp.lane.concurrency;
      const own = tls.get(pdp) ?? null;
      return {
        http: measured(new PdpHttp({ url: pdp.url, tls: own, connectionsMax, clock, random })),
        protocol:
          pdp.protocol === 'opa'
            ? opa(pdp.path)
            : authzen({ basePath: pdp.path, batchMax: pdp.batchMax }),
      };
    });
    logger.info({ tenants: settings.tenants.size }, 'the external authorizer file is in force');
  }

  #refuse(problem: string): void {
    if (this.#problem === problem) return;
    this.#problem = problem;
    const { audit, logger } = this.#options;
    logger.error({ problem }, 'the external authorizer file is refused; the last good one stays');
    audit.security(null, {
      type: 'policy',
      outcome: 'failure',
      reason: 'external-authorizer-refused',
      detail: problem,
    });
  }
}

function sentenceOf(error: unknown, path: string): string {
  const message = error instanceof Error ? error.message : String(error);
  return error instanceof ExternalSettingsError ? `${path}:${error.line}: ${message}` : message;
}

function tlsOf({ name, url, tls }: PdpSettings, folder: string): PdpTls | null {
  if (url.protocol === 'http:') return null;
  const read = (file: string | null): string | null =>
    file === null ? null : readRequired(resolve(folder, file), REMEDY);
  const pem = { ca: read(tls.ca), certificate: read(tls.certificate), key: read(tls.key) };
  try {
    createSecureContext({
      ...(pem.ca !== null && { ca: pem.ca }),
      ...(pem.certificate !== null && { cert: pem.certificate }),
      ...(pem.key !== null && { key: pem.key }),
    });
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new ConfigError(`the certificates of PDP ${name} cannot be used: ${why}`, { cause });
  }
  return pem;
}

/** One line for each kind and tenant in ten seconds, with the number of those left out. */
function reportsTo({ audit, logger, clock }: ExternalAuthorizerFileOptions): ExternalReports {
  const told = new Map<string, { atMs: number; leftOut: number }>();
  const unlessJustTold = (what: string, tell: (leftOut: number) => void): void => {
    const nowMs = clock.monotonicMs();
    const last = told.get(what);
    if (last !== undefined && nowMs - last.atMs < QUIET_MS) {
      last.leftOut += 1;
      return;
    }
    told.set(what, { atMs: nowMs, leftOut: 0 });
    tell(last?.leftOut ?? 0);
  };
  return {
    failed(tenant, pdp, { failure, message }) {
      unlessJustTold(`failed ${tenant}`, (leftOut) => {
        const facts = { tenant, pdp, failure, why: message, leftOut };
        logger.warn(facts, 'a decision could not be asked for');
      });
    },
    circuit(tenant, pdp, isOpen) {
      const facts = { tenant, pdp };
      if (isOpen) logger.error(facts, 'a PDP is left alone for a while: it failed repeatedly');
      else logger.info(facts, 'a PDP answers again');
      const reason = isOpen ? 'pdp-circuit-open' : 'pdp-circuit-closed';
      audit.security(null, {
        type: 'policy',
        outcome: isOpen ? 'failure' : 'success',
        reason,
        facts,
      });
    },
    differs({ principal, host, action }, local, external) {
      const { tenant } = principal;
      unlessJustTold(`differs ${tenant}`, (leftOut) => {
        const { operation, resourceType, resourceName } = action;
        const facts = {
          tenant,
          principal: formatPrincipal(principal),
          host,
          operation,
          resourceType,
          resourceName,
          policy: local.allowed ? 'allow' : 'deny',
          policyRule: local.rule,
          pdp: external.rule,
          leftOut,
        };
        logger.warn(facts, 'shadow mode: the PDP decides differently');
        audit.security(null, {
          type: 'policy',
          outcome: 'success',
          reason: 'shadow-difference',
          facts,
        });
      });
    },
  };
}
