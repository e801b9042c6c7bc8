/** GET /v1/policy/shadow: what the candidate policy would decide otherwise. DESCRIBE on the broker. */
import { type AdminRoute, broker, defineRoute, ok } from '../admin-route.ts';
import { AdminError } from '../problem.ts';

const shadow = defineRoute({
  method: 'GET',
  path: '/v1/policy/shadow',
  authorization: broker('DESCRIBE'),
  change: null,
  input: () => ({}),
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
