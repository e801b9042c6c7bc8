/**
 * Reads the JSON of the admin API for printing. A broker of another version may answer other
 * fields: what is missing prints as "-", nothing throws.
 */

type Json = Readonly<Record<string, unknown>>;

export function asObject(value: unknown): Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? Object.fromEntries(Object.entries(value))
    : {};
}

/** The objects of the list under `name`. */
export function listIn(value: unknown, name: string): readonly Json[] {
  const list = asObject(value)[name];
  return Array.isArray(list) ? list.map(asObject) : [];
}

export function cell(object: Json, name: string): string {
  const value = object[name];
  if (value === undefined || value === null || value === '') return '-';
  return typeof value === 'object' ? JSON.stringify(value) : String(value);
}

/** Milliseconds since the epoch, as a date. */
export function dateCell(object: Json, name: string): string {
  const value = object[name];
  const isDate = typeof value === 'number' && Math.abs(value) <= 8.64e15 && value > 0;
  return isDate ? new Date(value).toISOString() : '-';
}
