/**
 * GET /healthz and /readyz: probes. /healthz says that the process answers, nothing else. /readyz
 * answers 503 when a check has failed; `degraded` alone stays 200, since clients are served.
 *
 * They need an operator's certificate, like everything on this listener (no byte of HTTP is parsed
 * for a stranger), but no policy: a probe must be able to say that the policy is broken.
 */
import { type AdminRoute, defineRoute, none, ok } from '../admin-route.ts';

const WHY = 'probes hold no data of tenants and must answer when the policy itself is broken';
const nothing = (): Record<string, never> => ({});

const healthz = defineRoute({
  method: 'GET',
  path: '/healthz',
  authorization: none(WHY),
  change: null,
  input: nothing,
  handle: () => ok({ status: 'ok' }),
});

const readyz = defineRoute({
  method: 'GET',
  path: '/readyz',
  authorization: none(WHY),
  change: null,
  input: nothing,
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
