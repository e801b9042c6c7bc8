/**
 * Owns the options by which records of the audit log are chosen, the same for query, tail and export,
 * and how they are asked of a broker.
 */
import type { Command } from 'commander';
import { AUDIT_STREAMS, type AuditFilter, compileFilter } from '../audit/audit-query.ts';
import { systemClock } from '../base/clock.ts';
import { UsageError } from './command-error.ts';

export interface FilterOptions {
  readonly stream?: string;
  readonly tenant?: string;
  readonly principal?: string;
  readonly device?: string;
  readonly fleet?: string;
  readonly resource?: string;
  readonly operation?: string;
  readonly decision?: string;
  readonly outcome?: string;
  readonly type?: string;
  readonly reason?: string;
  readonly address?: string;
  readonly certificate?: string;
  readonly api?: string;
  readonly clientId?: string;
  readonly connection?: string;
  readonly since?: string;
  readonly until?: string;
}

export function addFilterOptions(command: Command): Command {
  return command
    .option('--tenant <tenant>', 'records of this tenant')
    .option('--principal <principal>', 'who acted: User:<name>')
    .option('--device <name>', 'the same as --principal User:<name>')
    .option('--fleet <fleet>', 'devices of this fleet')
    .option('--resource <name>', 'the resource; with * at the end, all that begin so')
    .option('--operation <operation>', 'read, write, describe, ...')
    .option('--decision <decision>', 'allow or deny')
    .option('--outcome <outcome>', 'success or failure, of what is no access')
    .option('--type <type>', 'access, authentication, connection, administration, policy, ...')
    .option('--reason <code>', 'the code of an event, for example sasl_bad_credentials')
    .option('--address <address>', 'where from: an address, or a network such as 203.0.113.0/24')
    .option('--certificate <serial>', 'serial number of the certificate, hexadecimal')
    .option('--api <api>', 'Produce, Fetch, ..., or a route such as "POST /v1/bans"')
    .option('--client-id <id>', 'the client id that was given')
    .option('--connection <id>', 'one connection')
    .option('--stream <stream>', 'security or access')
    .option('--since <time>', 'from then on: 10m, 2h, 7d ago, or 2026-11-23T08:00:00Z')
    .option('--until <time>', 'up to then');
}

const UNIT_MS = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000, w: 604_800_000 } as const;
const DURATION = /^([0-9]{1,9})([smhdw])$/;
const ISO = /^[0-9]{4}-[0-9]{2}-[0-9]{2}(T[0-9:.]{5,12}(Z|[+-][0-9]{2}:[0-9]{2})?)?$/;

function instant(name: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const [, count, unit] = DURATION.exec(text) ?? [];
  if (count !== undefined && unit !== undefined) {
    return systemClock.nowMs() - Number(count) * UNIT_MS[unit as keyof typeof UNIT_MS];
  }
  // Without a zone it would mean another time on another machine.
  const zoned = text.includes('T') && !/(Z|[+-][0-9]{2}:[0-9]{2})$/.test(text) ? `${text}Z` : text;
  const atMs = ISO.test(text) ? Date.parse(zoned) : Number.NaN;
  if (!Number.isNaN(atMs)) return atMs;
  throw new UsageError(`--${name} is a time such as 10m, 2h, 7d or 2026-11-23T08:00:00Z`);
}

function oneOf<const T extends string>(
  name: string,
  text: string | undefined,
  values: readonly T[],
): T | undefined {
  if (text === undefined) return undefined;
  const found = values.find((value) => value === text.toLowerCase());
  if (found === undefined) throw new UsageError(`--${name} is ${values.join(' or ')}`);
  return found;
}

/** Throws UsageError for what cannot be. */
export function filterOf(options: FilterOptions): AuditFilter {
  const { device, principal, resource } = options;
  if (device !== undefined && principal !== undefined) {
    throw new UsageError('give --device or --principal, not both');
  }
  const isPrefix = resource?.endsWith('*') === true;
  const filter = given({
    stream: oneOf('stream', options.stream, AUDIT_STREAMS),
    tenant: options.tenant,
    principal: device === undefined ? principal : `User:${device}`,
    fleet: options.fleet,
    resource: isPrefix ? undefined : resource,
    resourcePrefix: isPrefix ? resource?.slice(0, -1) : undefined,
    operation: options.operation?.toUpperCase().replaceAll('-', '_'),
    decision: oneOf('decision', options.decision, ['allow', 'deny']),
    outcome: oneOf('outcome', options.outcome, ['success', 'failure']),
    type: options.type,
    reason: options.reason,
    network: options.address,
    certificate: options.certificate?.replaceAll(':', '').toUpperCase(),
    api: options.api,
    clientId: options.clientId,
    connection: options.connection,
    sinceMs: instant('since', options.since),
    untilMs: instant('until', options.until),
  });
  try {
    compileFilter(filter);
  } catch (error) {
    throw new UsageError(`--address: ${error instanceof Error ? error.message : 'no address'}`);
  }
  return filter;
}

function given<T extends object>(fields: T): { [K in keyof T]?: NonNullable<T[K]> } {
  const kept = Object.entries(fields).filter(([, value]) => value !== undefined);
  return Object.fromEntries(kept) as { [K in keyof T]?: NonNullable<T[K]> };
}

/** The filter as the admin API names it. */
export function queryOf(filter: AuditFilter): Record<string, string> {
  const { network, sinceMs, untilMs, exceptApi: _, ...same } = filter;
  return {
    ...same,
    ...(network !== undefined && { address: network }),
    ...(sinceMs !== undefined && { since: String(Math.max(0, Math.floor(sinceMs))) }),
    ...(untilMs !== undefined && { until: String(Math.max(0, Math.floor(untilMs))) }),
  };
}
