/**
 * /v1/tenants/:tenant/cas and /imported-cas: the CAs that speak for a tenant. A CA of ours, which the
 * client root signed for that tenant alone, is added and retired with ALTER on the tenant's virtual
 * cluster; to trust a CA that is not ours is the broker's own matter, and needs ALTER on the broker.
 *
 * A change is answered once it is durable and in force: certificates of a CA that was added are let
 * in without a restart; connections of one that was removed are closed.
 */
import { X509Certificate } from 'node:crypto';
import {
  type AdminRoute,
  broker,
  created,
  defineRoute,
  gone,
  ok,
  tenantCluster,
} from '../admin-route.ts';
import { Grammars, type RequestFields } from '../request-fields.ts';
import { noSuchTenant, requireTenant } from './tenants.ts';

const tenantOf = (fields: RequestFields) => ({ tenant: fields.text('tenant', Grammars.tenant) });

/** What the audit log says of a certificate that was given; it may be none. */
function certificateFacts(pem: string): { fingerprint: string } {
  try {
    return { fingerprint: new X509Certificate(pem).fingerprint256 };
  } catch {
    return { fingerprint: 'not a certificate' };
  }
}

const list = defineRoute({
  method: 'GET',
  path: '/v1/tenants/:tenant/cas',
  authorization: tenantCluster('DESCRIBE'),
  change: null,
  input: tenantOf,
  handle: ({ tenant }, { deps }) => {
    const cas = deps.cas.list(tenant);
    if (cas === undefined) throw noSuchTenant();
    return ok({ cas });
  },
});

const add = defineRoute({
  method: 'POST',
  path: '/v1/tenants/:tenant/cas',
  authorization: tenantCluster('ALTER'),
  change: 'tenant-ca-add',
  input: (fields) => ({
    ...tenantOf(fields),
    caCertificate: fields.text('caCertificate', Grammars.pem),
  }),
  facts: ({ tenant, caCertificate }) => ({ tenant, ...certificateFacts(caCertificate) }),
  handle: async ({ tenant, caCertificate }, context) => {
    requireTenant(tenant, context);
    return created(await context.deps.cas.add(tenant, caCertificate));
  },
});

const importCa = defineRoute({
  method: 'POST',
  path: '/v1/tenants/:tenant/imported-cas',
  authorization: broker('ALTER'),
  change: 'tenant-ca-import',
  input: (fields) => ({
    ...tenantOf(fields),
    caCertificate: fields.text('caCertificate', Grammars.pem),
    mappingRules: fields.text('mappingRules', Grammars.mappingRules),
    isAnnounced: fields.optionalFlag('isAnnounced') ?? false,
    isShared: fields.optionalFlag('isShared') ?? false,
  }),
  facts: ({ tenant, caCertificate, mappingRules, isAnnounced, isShared }) => ({
    tenant,
    ...certificateFacts(caCertificate),
    mappingRules,
    isAnnounced,
    isShared,
  }),
  handle: async ({ tenant, ...wanted }, context) => {
    requireTenant(tenant, context);
    return created(await context.deps.cas.import(tenant, wanted));
  },
});

const remove = defineRoute({
  method: 'DELETE',
  path: '/v1/tenants/:tenant/cas',
  authorization: tenantCluster('ALTER'),
  change: 'tenant-ca-remove',
  input: (fields) => ({
    ...tenantOf(fields),
    fingerprint: fields.text('fingerprint', Grammars.fingerprint),
  }),
  facts: ({ tenant, fingerprint }) => ({ tenant, fingerprint }),
  handle: async ({ tenant, fingerprint }, context) => {
    requireTenant(tenant, context);
    await context.deps.cas.remove(tenant, fingerprint);
    return gone();
  },
});

export const tenantCaRoutes: readonly AdminRoute[] = [list, add, importCa, remove];
