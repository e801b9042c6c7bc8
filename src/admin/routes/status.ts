/** GET /v1/status: versions, listeners, policy and certificates in use. DESCRIBE on the broker. */
import { type AdminRoute, broker, defineRoute, ok } from '../admin-route.ts';
import { anyInteger, anyText, flag, list, nullable, object, timeMs } from '../json-shape.ts';
import { from } from '../request-fields.ts';
import { CHECKS } from './health.ts';

const LISTENER = object({ host: anyText, port: anyInteger, connections: anyInteger });

/** Of the policy in force, and of a candidate on trial. */
export const POLICY_STATUS = object({
  healthy: flag,
  epoch: anyInteger,
  files: list(anyText),
  fileRules: anyInteger,
  dynamicRules: anyInteger,
  loadedAtMs: timeMs,
  refusal: nullable(object({ file: anyText, line: anyInteger, reason: anyText, atMs: timeMs })),
});

const status = defineRoute({
  method: 'GET',
  path: '/v1/status',
  id: 'status',
  tag: 'broker',
  summary: 'The state of the broker: version, listeners, policy, certificates, checks',
  authorization: broker('DESCRIBE'),
  change: null,
  input: from({}),
  answers: {
    200: object({
      version: anyText,
      nodeVersion: anyText,
      nodeId: anyInteger,
      startedAtMs: timeMs,
      mtls: LISTENER,
      sasl: nullable(LISTENER),
      policy: POLICY_STATUS,
      certificates: object({
        loadedAtMs: timeMs,
        refusal: nullable(anyText),
        serverExpiresAtMs: timeMs,
      }),
      checks: CHECKS,
    }),
  },
  handle: (_input, { deps }) => ok({ ...deps.status(), checks: deps.health() }),
});

export const statusRoutes: readonly AdminRoute[] = [status];
