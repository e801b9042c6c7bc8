/**
 * Owns how a login names its tenant: `<tenant>/<user>`, or `<user>` alone under a TLS server name
 * that names the tenant. Where both name one they must agree.
 */
import { isSubjectName, isTenantName } from '../../pki/identity-name.ts';

export interface LoginName {
  readonly tenant: string;
  readonly user: string;
}

export type LoginProblem = 'malformed' | 'no-tenant' | 'contradiction';

export function parseLoginName(
  login: string,
  serverTenant: string | null,
): LoginName | { readonly problem: LoginProblem } {
  const slash = login.indexOf('/');
  const user = login.slice(slash + 1);
  const named = slash < 0 ? null : login.slice(0, slash);
  if (!isSubjectName(user)) return { problem: 'malformed' };
  if (named !== null && !isTenantName(named)) return { problem: 'malformed' };
  if (named !== null && serverTenant !== null && named !== serverTenant) {
    return { problem: 'contradiction' };
  }
  const tenant = named ?? serverTenant;
  return tenant === null ? { problem: 'no-tenant' } : { tenant, user };
}
