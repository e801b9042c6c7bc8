/**
 * Owns what may be asked of the audit log: a filter, and the three ways in which it is applied, each
 * cheaper than the next: terms that an index must hold, byte sequences that a line must hold, and
 * the comparison of the record itself. Pure.
 *
 * Invariant: the first two are implied by the third: they may let too much through, never too little.
 */
import { inNetworks, parseNetwork } from '../base/ip-address.ts';
import { hashTerm, type TermHash } from './bloom-filter.ts';
import {
  callerDeniedTerm,
  callerTerm,
  deniedTerm,
  fieldTerm,
  type IndexedField,
  spanOf,
  type UncheckedRecord,
} from './record-terms.ts';

export const AUDIT_STREAMS = ['security', 'access'] as const;
export type AuditStreamName = (typeof AUDIT_STREAMS)[number];

/** Every field that is given must hold; a name is compared exactly. */
export interface AuditFilter {
  readonly stream?: AuditStreamName;
  readonly tenant?: string;
  /** `User:pump-17` */
  readonly principal?: string;
  readonly fleet?: string;
  readonly resource?: string;
  /** The beginning of a resource's name. */
  readonly resourcePrefix?: string;
  readonly operation?: string;
  readonly decision?: string;
  readonly outcome?: string;
  readonly type?: string;
  readonly reason?: string;
  /** An address or a network in CIDR form. */
  readonly network?: string;
  /** The text that stands for an address where addresses are hidden. */
  readonly address?: string;
  /** Serial number: upper-case hexadecimal. */
  readonly certificate?: string;
  readonly api?: string;
  readonly clientId?: string;
  readonly connection?: string;
  readonly sinceMs?: number;
  readonly untilMs?: number;
  /** Leaves out the accesses of this API: who follows the log would follow itself. */
  readonly exceptApi?: string;
}

export const QUERY_ORDERS = ['newest', 'oldest'] as const;
export type QueryOrder = (typeof QUERY_ORDERS)[number];

export interface CompiledFilter {
  readonly streams: readonly AuditStreamName[];
  readonly sinceMs: number | null;
  readonly untilMs: number | null;
  /** A block of which the index has not all of these holds no such record. */
  readonly terms: readonly TermHash[];
  /** A line that has not all of these is no such record; the rarest first. */
  readonly needles: readonly Buffer[];
  readonly matches: (record: UncheckedRecord) => boolean;
}

/** From what is rare in a log to what is common: the first is searched for. */
const BY_RARITY = [
  'certificate',
  'principal',
  'address',
  'resource',
  'clientId',
  'fleet',
  'reason',
  'tenant',
  'api',
  'operation',
  'type',
  'outcome',
  'decision',
] as const satisfies readonly IndexedField[];

/** Throws RangeError for a network that is none. */
export function compileFilter(filter: AuditFilter): CompiledFilter {
  const tests = BY_RARITY.flatMap((field) => testOf(field, filter[field]));
  tests.push(...networkTests(filter.network), ...connectionTests(filter.connection));
  const { resourcePrefix: prefix, exceptApi, sinceMs = null, untilMs = null } = filter;
  if (prefix !== undefined) {
    tests.push({
      needle: prefix === '' ? null : Buffer.from(quoted('resource', prefix).slice(0, -1), 'latin1'),
      terms: [],
      matches: ({ resource }) => typeof resource === 'string' && resource.startsWith(prefix),
    });
  }
  if (exceptApi !== undefined) {
    tests.push({ needle: null, terms: [], matches: ({ api }) => api !== exceptApi });
  }
  if (sinceMs !== null || untilMs !== null) {
    tests.push({ needle: null, terms: [], matches: withinTime(sinceMs, untilMs) });
  }
  return {
    streams: filter.stream === undefined ? AUDIT_STREAMS : [filter.stream],
    sinceMs,
    untilMs,
    terms: [...tests.flatMap(({ terms }) => terms), ...combinedTerms(filter)].map(hashTerm),
    needles: tests.flatMap(({ needle }) => (needle === null ? [] : [needle])),
    matches: (record) => tests.every(({ matches }) => matches(record)),
  };
}

interface FieldTest {
  readonly needle: Buffer | null;
  readonly terms: readonly string[];
  readonly matches: (record: UncheckedRecord) => boolean;
}

function testOf(field: IndexedField, value: string | undefined): FieldTest[] {
  if (value === undefined) return [];
  return [
    {
      needle: Buffer.from(quoted(field, value), 'latin1'),
      terms: [fieldTerm(field, value)],
      matches: (record) => record[field] === value,
    },
  ];
}

function networkTests(text: string | undefined): FieldTest[] {
  if (text === undefined) return [];
  const network = parseNetwork(text);
  if (network === null) throw new RangeError(`"${text}" is neither an address nor a network`);
  const isOne = network.prefixLength === network.bits;
  // An IPv6 address can be written in several ways; an IPv4 address here has one.
  if (isOne && network.bits === 32) return testOf('address', text.replace(/^.*:/, ''));
  const networks = [network];
  const matches = ({ address }: UncheckedRecord): boolean =>
    typeof address === 'string' && inNetworks(networks, address);
  return [{ needle: null, terms: [], matches }];
}

function connectionTests(connection: string | undefined): FieldTest[] {
  if (connection === undefined) return [];
  const needle = Buffer.from(quoted('connection', connection), 'latin1');
  return [{ needle, terms: [], matches: (record) => record.connection === connection }];
}

function withinTime(sinceMs: number | null, untilMs: number | null) {
  return (record: UncheckedRecord): boolean => {
    const span = spanOf(record);
    if (span === null) return false;
    return (
      (sinceMs === null || span.toMs >= sinceMs) && (untilMs === null || span.fromMs <= untilMs)
    );
  };
}

function combinedTerms({ tenant, principal, decision }: AuditFilter): string[] {
  if (principal === undefined) return [];
  const terms = tenant === undefined ? [] : [callerTerm(tenant, principal)];
  if (decision === 'deny') {
    terms.push(deniedTerm(principal));
    if (tenant !== undefined) terms.push(callerDeniedTerm(tenant, principal));
  }
  return terms;
}

/** What stands in the log for a value that must not be read; null where the field is not hidden. */
export type HideValue = (field: string, value: string) => string | null;

const HIDEABLE = ['principal', 'fleet', 'certificate', 'resource', 'clientId'] as const;

/**
 * The filter as a log with hidden values can answer it. Throws RangeError for a part of a name or a
 * network where only whole values can be told apart.
 */
export function hideFilter(filter: AuditFilter, hide: HideValue): AuditFilter {
  const hidden: Record<string, unknown> = { ...filter };
  for (const field of HIDEABLE) {
    const value = filter[field];
    if (value !== undefined) hidden[field] = hide(field, value) ?? value;
  }
  const { resourcePrefix, network } = filter;
  if (resourcePrefix !== undefined && hide('resource', resourcePrefix) !== null) {
    throw new RangeError('resources are hidden in this log: only a whole name can be asked for');
  }
  if (network === undefined) return hidden;
  const address = hide('address', network);
  if (address === null) return hidden;
  const { network: _, ...rest } = hidden;
  if (!network.includes('/')) return { ...rest, address };
  throw new RangeError('addresses are hidden in this log: only a whole one can be asked for');
}

/** As a line of the log holds it: JSON without spaces, in ASCII. */
function quoted(field: string, value: string): string {
  const text = JSON.stringify(value).replace(
    /[\u007f-\uffff]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
  return `"${field}":${text}`;
}
