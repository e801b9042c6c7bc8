/**
 * GET and POST /v1/log-level: the level of the broker's own log, changed for a time while it runs.
 * DESCRIBE and ALTER_CONFIGS on the broker. The audit log knows no level: it is complete.
 */
import { LOG_LEVELS } from '../../base/logger.ts';
import { type AdminRoute, broker, defineRoute, ok } from '../admin-route.ts';
import { integer, nullable, object, oneOf, timeMs } from '../json-shape.ts';
import { from, withDefault } from '../request-fields.ts';

const MINUTE_MS = 60_000;
const DURATION_MS_DEFAULT = 15 * MINUTE_MS;
const DURATION_MS_MAX = 24 * 60 * MINUTE_MS;
const LEVEL = oneOf(...LOG_LEVELS);
const LOG_LEVEL = object({ level: LEVEL, configured: LEVEL, untilMs: nullable(timeMs) });

const describe = defineRoute({
  method: 'GET',
  path: '/v1/log-level',
  id: 'logLevel',
  tag: 'broker',
  summary: "The level of the broker's own log",
  authorization: broker('DESCRIBE'),
  change: null,
  input: from({}),
  answers: { 200: LOG_LEVEL },
  handle: (_input, { deps }) => ok(deps.logLevel.get()),
});

const set = defineRoute({
  method: 'POST',
  path: '/v1/log-level',
  id: 'setLogLevel',
  tag: 'broker',
  summary: "Changes the level of the broker's own log for a time",
  authorization: broker('ALTER_CONFIGS'),
  change: 'log-level-set',
  input: from({
    body: {
      level: LEVEL,
      durationMs: withDefault(integer(1_000, DURATION_MS_MAX), DURATION_MS_DEFAULT),
    },
  }),
  answers: { 200: LOG_LEVEL },
  facts: ({ level, durationMs }) => ({ level, durationMs }),
  handle: ({ level, durationMs }, { deps }) => ok(deps.logLevel.set(level, durationMs)),
});

export const logLevelRoutes: readonly AdminRoute[] = [describe, set];
