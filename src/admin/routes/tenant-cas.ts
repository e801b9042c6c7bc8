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
  nothing,
  ok,
  tenantCluster,
} from '../admin-route.ts';
import type { CaView } from '../admin-services.ts';
import { anyText, flag, nullable, object, oneOf, text, timeMs } from '../json-shape.ts';
import { pageOf, pageQuery, pageShape } from '../listing-page.ts';
import { from, Grammars, withDefault } from '../request-fields.ts';
import { inTenant, noSuchTenant, requireTenant } from './tenants.ts';

const CA = object({
  kind: oneOf('own', 'imported'),
  fingerprint: anyText,
  serial: anyText,
  subject: anyText,
  expiresAtMs: timeMs,
  mappingRules: nullable(anyText),
  isAnnounced: flag,
  isShared: flag,
});

/** What the audit log says of a certificate that was given; it may be none. */
function certificateFacts(pem: string): { fingerprint: string } {
  try {
    return { fingerprint: new X509Certificate(pem).fingerprint256 };
  } catch {
    return { fingerprint: 'not a certificate' };
  }
}

/** Own ones first, each kind in the order in which they end. */
const orderOf = ({ kind, expiresAtMs, fingerprint }: CaView): string =>
  `${kind === 'own' ? 0 : 1} ${String(expiresAtMs).padStart(16, '0')} ${fingerprint}`;

const list = defineRoute({
  method: 'GET',
  path: '/v1/tenants/:tenant/cas',
  id: 'listTenantCas',
  tag: 'certificates',
  summary: 'The CAs that speak for a tenant',
  authorization: tenantCluster('DESCRIBE'),
  change: null,
  input: from({ path: inTenant, query: pageQuery }),
  answers: { 200: pageShape('cas', CA) },
  handle: async ({ tenant, ...page }, { deps }) => {
    const all = deps.cas.list(tenant);
    if (all === undefined) throw noSuchTenant();
    const { items, next } = await pageOf('cas', all, orderOf, page, deps.clock);
    return ok({ cas: items, next });
  },
});

const add = defineRoute({
  method: 'POST',
  path: '/v1/tenants/:tenant/cas',
  id: 'addTenantCa',
  tag: 'certificates',
  summary: 'Let one more CA under the client root speak for a tenant',
  authorization: tenantCluster('ALTER'),
  change: 'tenant-ca-add',
  input: from({ path: inTenant, body: { caCertificate: text(Grammars.pem) } }),
  answers: { 201: CA },
  facts: ({ tenant, caCertificate }) => ({ tenant, ...certificateFacts(caCertificate) }),
  handle: async ({ tenant, caCertificate }, context) => {
    requireTenant(tenant, context);
    return created(await context.deps.cas.add(tenant, caCertificate));
  },
});

const importCa = defineRoute({
  method: 'POST',
  path: '/v1/tenants/:tenant/imported-cas',
  id: 'importCa',
  tag: 'certificates',
  summary: 'Trust a CA that is not ours for a tenant, with rules that make names of its subjects',
  authorization: broker('ALTER'),
  change: 'tenant-ca-import',
  input: from({
    path: inTenant,
    body: {
      caCertificate: text(Grammars.pem),
      mappingRules: text(Grammars.mappingRules),
      isAnnounced: withDefault(flag, false),
      isShared: withDefault(flag, false),
    },
  }),
  answers: { 201: CA },
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
  id: 'removeTenantCa',
  tag: 'certificates',
  summary: 'Retire a CA of a tenant: connections of its certificates are closed',
  authorization: tenantCluster('ALTER'),
  change: 'tenant-ca-remove',
  input: from({ path: inTenant, query: { fingerprint: text(Grammars.fingerprint) } }),
  answers: { 204: nothing },
  facts: ({ tenant, fingerprint }) => ({ tenant, fingerprint }),
  handle: async ({ tenant, fingerprint }, context) => {
    requireTenant(tenant, context);
    await context.deps.cas.remove(tenant, fingerprint);
    return gone();
  },
});

export const tenantCaRoutes: readonly AdminRoute[] = [list, add, importCa, remove];
