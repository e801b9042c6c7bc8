/**
 * Owns what of a record stands in an index, and when it was: shared by who builds an index and who
 * asks it, so that both mean the same. Pure; records are of unchecked shape.
 */
export type UncheckedRecord = Readonly<Record<string, unknown>>;

/** The fields whose values are terms, by themselves. */
export const INDEXED_FIELDS = [
  'tenant',
  'principal',
  'fleet',
  'certificate',
  'address',
  'type',
  'reason',
  'operation',
  'decision',
  'outcome',
  'resource',
  'api',
  'clientId',
] as const;

export type IndexedField = (typeof INDEXED_FIELDS)[number];

export const fieldTerm = (field: IndexedField, value: string): string => `${field}=${value}`;

/** One device of one tenant: every tenant may have a `device-1`. */
export const callerTerm = (tenant: string, principal: string): string =>
  `caller=${tenant}\n${principal}`;

/** Denials are few and asked for most. */
export const deniedTerm = (principal: string): string => `denied=${principal}`;

export const callerDeniedTerm = (tenant: string, principal: string): string =>
  `caller-denied=${tenant}\n${principal}`;

/** Adds the terms of a record to `terms`. */
export function addTerms(terms: Set<string>, record: UncheckedRecord): void {
  for (const field of INDEXED_FIELDS) {
    const value = record[field];
    if (typeof value === 'string') terms.add(fieldTerm(field, value));
  }
  const { tenant, principal, decision } = record;
  if (typeof principal !== 'string') return;
  if (typeof tenant === 'string') terms.add(callerTerm(tenant, principal));
  if (decision !== 'deny') return;
  terms.add(deniedTerm(principal));
  if (typeof tenant === 'string') terms.add(callerDeniedTerm(tenant, principal));
}

export interface TimeSpan {
  readonly fromMs: number;
  readonly toMs: number;
}

/** When what the record tells happened: a counted line spans from its first event to its last. */
export function spanOf({ time, first, last }: UncheckedRecord): TimeSpan | null {
  const atMs = typeof time === 'string' ? Date.parse(time) : Number.NaN;
  if (Number.isNaN(atMs)) return null;
  const firstMs = typeof first === 'string' ? Date.parse(first) : Number.NaN;
  const lastMs = typeof last === 'string' ? Date.parse(last) : Number.NaN;
  return {
    fromMs: Number.isNaN(firstMs) ? atMs : Math.min(atMs, firstMs),
    toMs: Number.isNaN(lastMs) ? atMs : Math.max(atMs, lastMs),
  };
}

export function sequenceOf({ seq }: UncheckedRecord): number | null {
  return typeof seq === 'number' && Number.isSafeInteger(seq) && seq > 0 ? seq : null;
}

/** Null: not a record. */
export function recordIn(line: string): UncheckedRecord | null {
  try {
    const value: unknown = JSON.parse(line);
    const isObject = typeof value === 'object' && value !== null && !Array.isArray(value);
    return isObject ? (value as UncheckedRecord) : null;
  } catch {
    return null;
  }
}
