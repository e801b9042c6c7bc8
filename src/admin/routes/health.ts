/**
 * GET /healthz and /readyz: probes. /healthz says that the process answers, nothing else. /readyz
 * answers 503 when a check has failed; `degraded` alone stays 200, since clients are served.
 *
 * They need an operator's certificate, like everything on this listener (no byte of HTTP is parsed
 * for a stranger), but no policy: a probe must be able to say that the policy is broken. What /readyz
 * says concerns all tenants, so no tenant's administrator is told.
 */
import { type AdminRoute, anyone, defineRoute, ok, operators } from '../admin-route.ts';
import { anyText, list, nullable, object, oneOf } from '../json-shape.ts';
import { from } from '../request-fields.ts';

const WHY = 'probes hold no data of tenants and must answer when the policy itself is broken';

export const CHECKS = list(
  object({
    name: anyText,
    state: oneOf('ok', 'degraded', 'failed'),
    reason: nullable(anyText),
  }),
);
const READINESS = object({ status: oneOf('ready', 'degraded', 'failed'), checks: CHECKS });

const healthz = defineRoute({
  method: 'GET',
  path: '/healthz',
  id: 'healthz',
  tag: 'probes',
  summary: 'The process answers',
  authorization: anyone(WHY),
  change: null,
  input: from({}),
  answers: { 200: object({ status: oneOf('ok') }) },
  handle: () => ok({ status: 'ok' }),
});

const readyz = defineRoute({
  method: 'GET',
  path: '/readyz',
  id: 'readyz',
  tag: 'probes',
  summary: 'Whether clients are served, with the checks and their reasons',
  authorization: operators(WHY),
  change: null,
  input: from({}),
  answers: { 200: READINESS, 503: READINESS },
  handle: (_input, { deps }) => {
    const checks = deps.health();
    const worst = checks.some(({ state }) => state === 'failed')
      ? 'failed'
      : checks.some(({ state }) => state === 'degraded')
        ? 'degraded'
        : 'ready';
    return { status: worst === 'failed' ? 503 : 200, body: { status: worst, checks } };
  },
});

export const healthRoutes: readonly AdminRoute[] = [healthz, readyz];
