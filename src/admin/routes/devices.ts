/**
 * /v1/tenants/:tenant/devices: the fleet view (DESCRIBE on the tenant's virtual cluster): what was
 * seen of its devices, services and users, a page at a time in the order in which they first came,
 * and everything about one of them. A page may hold fewer than its limit and still have a next one.
 */
import { isDeviceCursor } from '../../fleet/device-search.ts';
import { type AdminRoute, defineRoute, ok, tenantCluster } from '../admin-route.ts';
import { DEVICE_STATES } from '../fleet-devices.ts';
import { AdminError } from '../problem.ts';
import { Grammars, type RequestFields } from '../request-fields.ts';
import { requireTenant } from './tenants.ts';

const PAGE_DEFAULT = 100;
const PAGE = { pattern: /^(?:[1-9]\d{0,2}|1000)$/, allowed: 'a number from 1 to 1000' };
const CURSOR = { pattern: /^[0-9a-z-]{3,15}$/, allowed: '"next" of the page before' };
const TIME = { pattern: /^\d{1,15}$/, allowed: 'milliseconds since the epoch' };
const PREFIX = { pattern: /^[A-Za-z0-9_-]{1,63}$/, allowed: 'what a name may begin with' };
const SOFTWARE = {
  pattern: /^[A-Za-z0-9./-]{1,97}$/,
  allowed: 'what <name>/<version> of the software begins with',
};
const STATES = [...DEVICE_STATES, 'connected', 'disconnected'] as const;

const tenantOf = (fields: RequestFields) => ({ tenant: fields.text('tenant', Grammars.tenant) });

function cursorIn(fields: RequestFields): string | null {
  const cursor = fields.optionalText('cursor', CURSOR);
  if (cursor === null || isDeviceCursor(cursor)) return cursor;
  throw new AdminError(400, 'invalid-field', '"cursor" must be "next" of the page before.');
}

function timeIn(fields: RequestFields, name: string): number | null {
  const text = fields.optionalText(name, TIME);
  return text === null ? null : Number(text);
}

const list = defineRoute({
  method: 'GET',
  path: '/v1/tenants/:tenant/devices',
  authorization: tenantCluster('DESCRIBE'),
  change: null,
  input: (fields) => ({
    ...tenantOf(fields),
    page: {
      cursor: cursorIn(fields),
      limit: Number(fields.optionalText('limit', PAGE) ?? PAGE_DEFAULT),
    },
    filter: {
      prefix: fields.optionalText('prefix', PREFIX) ?? '',
      fleet: fields.optionalText('fleet', Grammars.subject),
      state: fields.optionalOneOf('state', STATES),
      seenSinceMs: timeIn(fields, 'seenSinceMs'),
      software: fields.optionalText('software', SOFTWARE),
    },
  }),
  handle: async ({ tenant, filter, page }, { deps }) => {
    requireTenant(tenant, { deps });
    return ok(await deps.fleet.list(tenant, filter, page));
  },
});

const show = defineRoute({
  method: 'GET',
  path: '/v1/tenants/:tenant/devices/:device',
  authorization: tenantCluster('DESCRIBE'),
  change: null,
  input: (fields) => ({ ...tenantOf(fields), device: fields.text('device', Grammars.subject) }),
  handle: ({ tenant, device }, { deps }) => {
    requireTenant(tenant, { deps });
    const found = deps.fleet.show(tenant, device);
    if (found !== undefined) return ok(found);
    const detail =
      'Nobody of that name has proved itself here yet: a certificate of another CA, or none, ' +
      'names nobody. "audit query" shows refusals by address.';
    throw new AdminError(404, 'no-such-device', detail);
  },
});

export const deviceRoutes: readonly AdminRoute[] = [list, show];
