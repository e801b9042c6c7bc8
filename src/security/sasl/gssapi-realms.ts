/**
 * Owns which Kerberos realms are believed, and for which tenants: the table of sasl.kerberos.realms,
 * `REALM=tenant+tenant, REALM=tenant`. Invariant: a realm that is not in it logs nobody in, and one
 * that is never leads out of its tenants.
 */
import { isTenantName } from '../../pki/identity-name.ts';

const REALM = /^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/;

export interface KerberosRealm {
  readonly realm: string;
  readonly tenants: readonly string[];
}

/** Throws Error with what is wrong, to stand behind the name of the configuration key. */
export function parseRealms(text: string): KerberosRealm[] {
  const realms = text.split(',').map((entry) => {
    const [realm = '', tenants = '', ...more] = entry.trim().split('=');
    const names = tenants.split('+').map((name) => name.trim());
    if (!REALM.test(realm.trim()) || more.length > 0 || !names.every(isTenantName)) {
      throw new Error(`${JSON.stringify(entry.trim())} is not of the form REALM=tenant+tenant`);
    }
    return { realm: realm.trim(), tenants: names };
  });
  if (new Set(realms.map(({ realm }) => realm)).size < realms.length) {
    throw new Error('a realm stands there twice');
  }
  return realms;
}

export type TenantProblem = 'unknown-realm' | 'contradiction' | 'ambiguous';

/** The server name chooses among a realm's tenants; without it there must be only one. */
export function tenantFor(
  realms: readonly KerberosRealm[],
  realm: string,
  serverTenant: string | null,
):
  | { readonly tenant: string; readonly defaultRealm: string }
  | { readonly problem: TenantProblem } {
  const known = realms.find((each) => each.realm === realm);
  if (known === undefined) return { problem: 'unknown-realm' };
  const tenant = serverTenant ?? (known.tenants.length === 1 ? known.tenants[0] : undefined);
  if (tenant === undefined) return { problem: 'ambiguous' };
  if (!known.tenants.includes(tenant)) return { problem: 'contradiction' };
  // The first realm of a tenant is its default one: where two speak for it, alice of the second is
  // not alice of the first, unless a rule of the operator says so.
  const first = realms.find(({ tenants }) => tenants.includes(tenant))!;
  return { tenant, defaultRealm: first.realm };
}
