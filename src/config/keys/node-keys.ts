/** Owns the keys of the broker as a process: its identity, folder, log and shutdown. */
import { LOG_LEVELS } from '../../base/logger.ts';
import { integer, oneOf, path } from '../config-spec.ts';
import { HOUR_MS, INT32_MAX, SECOND_MS } from './units.ts';

export const NODE_KEYS = {
  'node.id': integer({
    default: 1,
    min: 0,
    max: INT32_MAX,
    doc: 'The id of this broker in Metadata answers.',
  }),
  'data.dir': path({
    default: './data',
    doc: 'Folder of the log, the metadata and (unless audit.dir says otherwise) the audit files. One broker a folder.',
  }),
  'log.level': oneOf({
    values: LOG_LEVELS,
    default: 'info',
    doc: "Level of the broker's own log on stderr; the access log is always complete.",
  }),
  'shutdown.notice.ms': integer({
    default: 0,
    min: 0,
    max: 10 * 60 * SECOND_MS,
    doc: 'How long /readyz says 503 before a shutdown begins to end connections, for load balancers that have to notice.',
  }),
  'shutdown.grace.ms': integer({
    default: 10 * SECOND_MS,
    min: 0,
    max: HOUR_MS,
    doc: 'How long a shutdown waits for requests already begun before it closes their connections.',
  }),
};
