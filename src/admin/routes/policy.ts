/** GET /v1/policy/shadow: what the candidate policy would decide otherwise. DESCRIBE on the broker. */
import { type AdminRoute, broker, defineRoute, ok } from '../admin-route.ts';
import { anyInteger, anyText, flag, list, nullable, object, timeMs } from '../json-shape.ts';
import { AdminError } from '../problem.ts';
import { from } from '../request-fields.ts';
import { POLICY_STATUS } from './status.ts';

const VERDICT = object({ allowed: flag, rule: nullable(anyText), origin: nullable(anyText) });

const shadow = defineRoute({
  method: 'GET',
  path: '/v1/policy/shadow',
  id: 'shadowPolicy',
  tag: 'policy',
  summary: 'What the candidate policy would decide otherwise',
  authorization: broker('DESCRIBE'),
  change: null,
  input: from({}),
  answers: {
    200: object({
      asked: anyInteger,
      differing: anyInteger,
      isCut: flag,
      policy: POLICY_STATUS,
      differences: list(
        object({
          tenant: nullable(anyText),
          principal: anyText,
          fleet: nullable(anyText),
          host: anyText,
          operation: anyText,
          resourceType: anyText,
          resource: anyText,
          live: VERDICT,
          candidate: VERDICT,
          count: anyInteger,
          firstMs: timeMs,
          lastMs: timeMs,
        }),
      ),
    }),
  },
  handle: (_input, { deps }) => {
    const report = deps.shadow();
    if (report === null) {
      throw new AdminError(
        404,
        'no-shadow-policy',
        'No candidate policy is on trial: policy.shadow.dir names its folder.',
      );
    }
    return ok(report);
  },
});

export const policyRoutes: readonly AdminRoute[] = [shadow];
