/** Owns the keys of the access log. */
import { integer, optionalPath } from '../config-spec.ts';
import { GIB, KIB, MIB, MINUTE_MS, SECOND_MS } from './units.ts';

export const AUDIT_KEYS = {
  'audit.dir': optionalPath({
    doc: 'Folder of the access log; empty means the folder audit in data.dir.',
  }),
  'audit.access.window.ms': integer({
    default: SECOND_MS,
    min: 0,
    max: 10 * MINUTE_MS,
    doc: 'The first of equal allowed accesses of a connection is written at once, those that follow within so many milliseconds as one line with their count; 0 writes each by itself. Denials do not wait for it.',
  }),
  'audit.file.max.bytes': integer({
    default: 128 * MIB,
    min: 64 * KIB,
    max: 16 * GIB,
    doc: 'Size at which an audit file is closed and the next one begun.',
  }),
  'audit.queue.max.bytes': integer({
    default: 64 * MIB,
    min: 64 * KIB,
    max: 16 * GIB,
    doc: 'Audit events waiting to be written; when full, what has to be audited is refused.',
  }),
};
