/**
 * Owns the list of a tenant's devices, a page at a time, in the order in which they were first seen.
 *
 * Invariant: the work of a page is bounded and done in turns; where few devices match, a page may
 * hold less than was asked for, none even, and still have a next one. What comes or goes meanwhile
 * shifts nothing: a cursor names the last record that was looked at, and the order never changes.
 */
import type { Clock } from '../base/clock.ts';
import type { DeviceRecord } from './device-record.ts';
import { Word } from './device-slabs.ts';
import type { DeviceTable } from './device-table.ts';
import { turnsOf } from './turns.ts';

export interface DeviceQuery {
  /** Of an earlier page; null: from the first. */
  readonly cursor: string | null;
  readonly limit: number;
  /** What the name begins with; empty: anything. */
  readonly prefix: string;
  readonly matches: (record: DeviceRecord) => boolean;
}

export interface DevicePage {
  readonly records: readonly DeviceRecord[];
  /** Null: there is no further page. */
  readonly next: string | null;
}

/** Records that one page looks at. */
const LOOKED_AT_MAX = 50_000;

/** `sequence-slot` of the last record that was looked at: numbers that count all tenants' records. */
const CURSOR = /^([0-9a-z]{1,7})-([0-9a-z]{1,7})$/;

export function listDevices(
  table: DeviceTable,
  tenant: string,
  query: DeviceQuery,
  clock: Clock,
  recordOf: (slot: number) => DeviceRecord,
): Promise<DevicePage> {
  return turnsOf(clock, search(table, tenant, query, recordOf));
}

function* search(
  table: DeviceTable,
  tenant: string,
  { cursor, limit, prefix, matches }: DeviceQuery,
  recordOf: (slot: number) => DeviceRecord,
): Generator<void, DevicePage> {
  const records: DeviceRecord[] = [];
  let slot = cursor === null ? firstOf(table, tenant) : yield* afterCursor(table, tenant, cursor);
  for (let looked = 0; slot !== 0; looked++) {
    const sequence = table.slabs.word(slot, Word.sequence);
    if (hasPrefix(table.packedTextsOf(slot), prefix)) {
      const record = recordOf(slot);
      if (matches(record)) records.push(record);
    }
    const next = table.after(slot);
    if (next === 0) break;
    if (records.length >= limit || looked >= LOOKED_AT_MAX) {
      return { records, next: `${sequence.toString(36)}-${slot.toString(36)}` };
    }
    yield;
    // The record may have gone in between.
    slot = table.isStill(slot, sequence)
      ? table.after(slot)
      : yield* beyond(table, tenant, sequence);
  }
  return { records, next: null };
}

const firstOf = (table: DeviceTable, tenant: string): number =>
  table.tenant(tenant)?.firstMade ?? 0;

function* afterCursor(table: DeviceTable, tenant: string, cursor: string): Generator<void, number> {
  const [, sequenceText = '', slotText = ''] = CURSOR.exec(cursor) ?? [];
  const sequence = Number.parseInt(sequenceText, 36);
  const slot = Number.parseInt(slotText, 36);
  const isThere = slot > 0 && slot < table.slabs.extent && table.isStill(slot, sequence);
  if (isThere && table.tenantOf(slot).name === tenant) return table.after(slot);
  return yield* beyond(table, tenant, sequence);
}

/** The first record that was made later than that one. */
function* beyond(table: DeviceTable, tenant: string, sequence: number): Generator<void, number> {
  let slot = firstOf(table, tenant);
  while (slot !== 0 && table.slabs.word(slot, Word.sequence) <= sequence) {
    const current = table.slabs.word(slot, Word.sequence);
    const next = table.after(slot);
    yield;
    if (table.isStill(slot, current)) slot = next === 0 ? 0 : table.after(slot);
    else slot = firstOf(table, tenant);
  }
  return slot;
}

function hasPrefix(packed: Buffer, prefix: string): boolean {
  if (prefix === '') return true;
  return packed[0]! >= prefix.length && packed.toString('latin1', 1, 1 + prefix.length) === prefix;
}
