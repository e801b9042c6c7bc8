/**
 * Owns the shape of a line of the audit log, version 2, and keeps what strangers send from
 * distorting it.
 *
 * Invariants: every value is a name, a code or a number; strings of a peer are cut to a bounded
 * length; a line is ASCII, so nothing in it can end a line or steer a terminal, whatever reads it.
 *
 * Fields: level, v, seq, prev (the hash of the line before: see chain), time (ISO 8601, UTC), type,
 * then who (tenant, principal, fleet of a device, certificate, address, port, connection, listener,
 * issuer of an operator's token); for `access` what (api, apiVersion, clientId, operation,
 * resourceType, resource, decision, rule, origin, and tokenRole where a token's role decided, rolePath
 * where a role did); for others outcome, reason, detail, facts, and decision for an authentication or
 * a connection. A line that stands for several events has count, first and last.
 */
import { pino } from 'pino';
import type { AccessEvent, AuditSubject, SecurityEvent } from './audit-event.ts';
import type { ChainHead } from './chain.ts';

export const AUDIT_SCHEMA_VERSION = 2;

const NAME_LENGTH_MAX = 255;
const TEXT_LENGTH_MAX = 1_024;
const FACTS_MAX = 32;

/** Several equal events in one line. */
export interface Repeats {
  readonly count: number;
  readonly firstMs: number;
  readonly lastMs: number;
}

export type RecordFields = Record<string, unknown>;

/** A value of a peer, cut to a bounded length; the length it had stays visible. */
function bounded(text: string, lengthMax = NAME_LENGTH_MAX): string {
  if (text.length <= lengthMax) return text;
  return `${text.slice(0, lengthMax)}...(${text.length} characters)`;
}

const boundedOrNull = (text: string | null): string | null =>
  text === null ? null : bounded(text);

let isoAtMs = Number.NaN;
let isoText = '';
/** Many records have the same millisecond. */
function isoTime(atMs: number): string {
  if (atMs !== isoAtMs) {
    isoText = new Date(atMs).toISOString();
    isoAtMs = atMs;
  }
  return isoText;
}

function subjectFields(subject: AuditSubject): RecordFields {
  return {
    tenant: boundedOrNull(subject.tenant),
    principal: boundedOrNull(subject.principal),
    ...(subject.fleet !== null && { fleet: bounded(subject.fleet) }),
    certificate: boundedOrNull(subject.certificateSerial),
    address: bounded(subject.remoteAddress),
    port: subject.remotePort,
    connection: subject.connectionId,
    listener: subject.listener,
    ...(subject.tokenIssuer !== undefined && { issuer: bounded(subject.tokenIssuer) }),
  };
}

function repeatFields(repeats: Repeats | null): RecordFields {
  if (repeats === null) return {};
  return {
    count: repeats.count,
    first: isoTime(repeats.firstMs),
    last: isoTime(repeats.lastMs),
  };
}

export function accessFields(
  subject: AuditSubject,
  event: AccessEvent,
  repeats: Repeats | null,
): RecordFields {
  return {
    type: 'access',
    ...subjectFields(subject),
    api: bounded(event.api),
    apiVersion: event.apiVersion,
    clientId: boundedOrNull(event.clientId),
    operation: event.operation,
    resourceType: event.resourceType,
    resource: bounded(event.resourceName),
    decision: event.allowed ? 'allow' : 'deny',
    rule: event.rule === null ? null : bounded(event.rule, TEXT_LENGTH_MAX),
    origin: boundedOrNull(event.origin),
    ...(event.tokenRole !== undefined && { tokenRole: bounded(event.tokenRole) }),
    ...(event.rolePath !== undefined && { rolePath: event.rolePath.map((role) => bounded(role)) }),
    ...repeatFields(repeats),
  };
}

function boundedFacts(facts: NonNullable<SecurityEvent['facts']>): RecordFields {
  return Object.fromEntries(
    Object.entries(facts)
      .slice(0, FACTS_MAX)
      .map(([name, value]) => [
        bounded(name),
        typeof value === 'string' ? bounded(value, TEXT_LENGTH_MAX) : value,
      ]),
  );
}

const DECISION_TYPES: ReadonlySet<SecurityEvent['type']> = new Set([
  'authentication',
  'connection',
]);

export function securityFields(subject: AuditSubject | null, event: SecurityEvent): RecordFields {
  return {
    type: event.type,
    ...(subject === null ? {} : subjectFields(subject)),
    outcome: event.outcome,
    reason: bounded(event.reason),
    ...(DECISION_TYPES.has(event.type) && {
      decision: event.outcome === 'success' ? 'allow' : 'deny',
    }),
    ...(event.detail !== undefined && { detail: bounded(event.detail, TEXT_LENGTH_MAX) }),
    ...(event.facts !== undefined && { facts: boundedFacts(event.facts) }),
  };
}

/** Who a line that stands for a flood is about. */
export interface FloodSource {
  readonly type: 'access' | SecurityEvent['type'];
  readonly reason: string;
  readonly tenant: string | null;
  readonly principal: string | null;
  /** Null in the line for the sources that are too many to tell apart. */
  readonly address: string | null;
}

export function floodFields(source: FloodSource, repeats: Repeats): RecordFields {
  return {
    type: source.type,
    tenant: boundedOrNull(source.tenant),
    principal: boundedOrNull(source.principal),
    address: boundedOrNull(source.address),
    decision: 'deny',
    reason: bounded(source.reason),
    detail: 'Further events of this source within a second, counted instead of written out.',
    ...repeatFields(repeats),
  };
}

/** What a tenant did beyond its part of the queue or of the day, or while the disk was full. */
export function overBudgetFields({ type, tenant }: FloodSource, repeats: Repeats): RecordFields {
  return {
    type,
    tenant: boundedOrNull(tenant),
    principal: null,
    address: null,
    reason: 'over-budget',
    detail: 'Events of this tenant beyond its part of the log, counted instead of written out.',
    ...repeatFields(repeats),
  };
}

const NOT_ASCII = /[\u007f-\uffff]/;

/** JSON strings may hold such characters raw; as escapes they mean the same. */
function toAscii(line: string): string {
  if (!NOT_ASCII.test(line)) return line;
  return line.replace(
    /[\u007f-\uffff]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

/** A record before it has its place in a chain. */
export interface UnchainedRecord {
  readonly level: 'info' | 'warn';
  readonly atMs: number;
  readonly fields: RecordFields;
}

let written = '';
/** Pino makes the line and hands it over before it returns. */
const serializer = pino(
  {
    level: 'info',
    base: null,
    timestamp: false,
    formatters: { level: (label) => ({ level: label }) },
  },
  {
    write: (line: string) => {
      written = line;
    },
  },
);

/** `{"level":"info"`, and `{"level":"warn"` is as long. */
const LEVEL_LENGTH = 15;

/** The line, with its newline, of the record that follows `head`. */
export function lineAfter(head: ChainHead, { level, atMs, fields }: UnchainedRecord): string {
  serializer[level](fields);
  const place = `,"v":${AUDIT_SCHEMA_VERSION},"seq":${head.sequence + 1},"prev":"${head.hash}"`;
  const rest = toAscii(written.slice(LEVEL_LENGTH));
  return `{"level":"${level}"${place},"time":"${isoTime(atMs)}"${rest}`;
}
