/**
 * /v1/tenants/:tenant/devices: the fleet view (DESCRIBE on the tenant's virtual cluster): what was
 * seen of its devices, services and users, a page at a time in the order in which they first came,
 * and everything about one of them. A page may hold fewer than its limit and still have a next one.
 */
import { type AdminRoute, defineRoute, ok, tenantCluster } from '../admin-route.ts';
import { DEVICE_STATES } from '../fleet-devices.ts';
import {
  anyInteger,
  anyNumber,
  anyText,
  flag,
  integer,
  list as listShape,
  nullable,
  object,
  oneOf,
  record,
  text,
  timeMs,
} from '../json-shape.ts';
import { pageQuery, pageShape } from '../listing-page.ts';
import { AdminError } from '../problem.ts';
import { from, Grammars, optional } from '../request-fields.ts';
import { inTenant, requireTenant } from './tenants.ts';

const PREFIX = { pattern: /^[A-Za-z0-9_-]{1,63}$/, allowed: 'what a name may begin with' };
const SOFTWARE = {
  pattern: /^[A-Za-z0-9./-]{1,97}$/,
  allowed: 'what <name>/<version> of the software begins with',
};
const STATE = oneOf(...DEVICE_STATES, 'connected', 'disconnected');
const TIME = integer(0, Number.MAX_SAFE_INTEGER);

const textOrNull = nullable(anyText);
const timeOrNull = nullable(timeMs);
const FAILURE = object({ atMs: timeMs, reason: anyText, detail: anyText, address: textOrNull });
const VIEW_FIELDS = {
  tenant: anyText,
  name: anyText,
  kind: oneOf('device', 'service', 'user'),
  fleet: textOrNull,
  state: oneOf(...DEVICE_STATES),
  authentication: textOrNull,
  firstSeenMs: timeMs,
  lastSeenMs: timeOrNull,
  lastConnectedMs: timeOrNull,
  address: textOrNull,
  clientId: textOrNull,
  softwareName: textOrNull,
  softwareVersion: textOrNull,
  certificate: nullable(
    object({ serial: anyText, issuerKeyId: anyText, validFromMs: timeMs, expiresMs: timeMs }),
  ),
  bytesIn: anyNumber,
  bytesOut: anyNumber,
  requests: anyNumber,
  denials: anyInteger,
  connects: anyInteger,
  connections: anyInteger,
  authenticationFailures: anyInteger,
  lastFailure: nullable(FAILURE),
  lastDisconnect: nullable(object({ atMs: timeMs, reason: anyText })),
  telemetryMs: timeOrNull,
} as const;
const METRIC = object({
  name: anyText,
  unit: anyText,
  labels: record(anyText),
  value: nullable(anyNumber),
});
const DETAILS = object({
  ...VIEW_FIELDS,
  obstacles: listShape(
    object({
      state: oneOf(
        ...(['revoked', 'quarantined', 'suspended', 'banned', 'expired'] as const),
        ...(['tenant-suspended', 'held-up'] as const),
      ),
      detail: anyText,
    }),
  ),
  failures: listShape(FAILURE),
  telemetry: listShape(
    object({
      instanceId: anyText,
      pushedMs: timeMs,
      isTerminated: flag,
      intervalMs: anyInteger,
      requested: listShape(anyText),
      metrics: listShape(METRIC),
      leftOut: anyInteger,
    }),
  ),
});

const list = defineRoute({
  method: 'GET',
  path: '/v1/tenants/:tenant/devices',
  id: 'listDevices',
  tag: 'devices',
  summary:
    'What was seen of the devices, services and users, in the order in which they first came',
  description: 'A page may hold fewer than its limit and still have a next one.',
  authorization: tenantCluster('DESCRIBE'),
  change: null,
  input: from({
    path: inTenant,
    query: {
      prefix: optional(text(PREFIX)),
      fleet: optional(text(Grammars.subject)),
      state: optional(STATE),
      seenSinceMs: optional(TIME),
      software: optional(text(SOFTWARE)),
      ...pageQuery,
    },
  }),
  answers: { 200: pageShape('devices', object(VIEW_FIELDS)) },
  handle: async ({ tenant, prefix, limit, cursor, ...filter }, { deps }) => {
    requireTenant(tenant, { deps });
    const page = { limit, cursor };
    return ok(await deps.fleet.list(tenant, { prefix: prefix ?? '', ...filter }, page));
  },
});

const show = defineRoute({
  method: 'GET',
  path: '/v1/tenants/:tenant/devices/:device',
  id: 'describeDevice',
  tag: 'devices',
  summary: 'Everything about one of them, and why it would be refused now',
  authorization: tenantCluster('DESCRIBE'),
  change: null,
  input: from({ path: { ...inTenant, device: text(Grammars.subject) } }),
  answers: { 200: DETAILS },
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
