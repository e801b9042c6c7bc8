/**
 * /v1/tenants/:tenant/users: who may log in with a password (SCRAM), a page at a time (DESCRIBE on
 * the tenant's virtual cluster); set one credential, remove a user's (ALTER on it), as Kafka's own
 * API for them asks.
 *
 * The password does not come here: who sets it sends StoredKey and ServerKey of RFC 5802, made from
 * it, as they are stored. They are in no answer and no log. Connections that logged in by what is
 * changed or removed are closed.
 */
import {
  isScramIterations,
  SCRAM_ITERATIONS_MAX,
  SCRAM_ITERATIONS_MIN,
  SCRAM_MECHANISMS,
  SCRAM_SALT_BYTES_MAX,
  scramMechanismByName,
} from '../../security/scram/scram-mechanism.ts';
import { type AdminRoute, created, defineRoute, gone, ok, tenantCluster } from '../admin-route.ts';
import { AdminError } from '../problem.ts';
import { Grammars, type RequestFields } from '../request-fields.ts';
import { noSuchTenant, requireTenant } from './tenants.ts';

const PAGE_DEFAULT = 100;
const PAGE = { pattern: /^(?:[1-9]\d{0,2}|1000)$/, allowed: 'a number from 1 to 1000' };
const BASE64 = { pattern: /^[A-Za-z0-9+/]{4,400}={0,2}$/, allowed: 'Base64' };
const SALT_BYTES_MIN = 8;
const MECHANISMS = SCRAM_MECHANISMS.map(({ name }) => name);

const tenantOf = (fields: RequestFields) => ({ tenant: fields.text('tenant', Grammars.tenant) });

const list = defineRoute({
  method: 'GET',
  path: '/v1/tenants/:tenant/users',
  authorization: tenantCluster('DESCRIBE'),
  change: null,
  input: (fields) => ({
    ...tenantOf(fields),
    after: fields.optionalText('after', Grammars.subject),
    limit: Number(fields.optionalText('limit', PAGE) ?? PAGE_DEFAULT),
  }),
  handle: ({ tenant, after, limit }, { deps }) => {
    const page = deps.users.list(tenant, after, limit);
    if (page === undefined) throw noSuchTenant();
    return ok(page);
  },
});

function bytesOf(fields: RequestFields, name: string, min: number, max: number): string {
  const text = fields.text(name, BASE64);
  const bytes = Buffer.from(text, 'base64');
  if (bytes.length >= min && bytes.length <= max && bytes.toString('base64') === text) return text;
  const size = min === max ? `${min}` : `${min} to ${max}`;
  throw new AdminError(400, 'invalid-field', `"${name}" must be Base64 of ${size} bytes.`);
}

const set = defineRoute({
  method: 'POST',
  path: '/v1/tenants/:tenant/users',
  authorization: tenantCluster('ALTER'),
  change: 'scram-credential-set',
  input: (fields) => {
    const mechanism = fields.oneOf('mechanism', MECHANISMS);
    const { digestBytes } = scramMechanismByName(mechanism)!;
    const range = [SCRAM_ITERATIONS_MIN, SCRAM_ITERATIONS_MAX] as const;
    const iterations = fields.optionalInteger('iterations', ...range);
    if (iterations === null || !isScramIterations(iterations)) {
      throw new AdminError(400, 'invalid-field', '"iterations" must be given.');
    }
    return {
      ...tenantOf(fields),
      user: fields.text('user', Grammars.subject),
      mechanism,
      iterations,
      salt: bytesOf(fields, 'salt', SALT_BYTES_MIN, SCRAM_SALT_BYTES_MAX),
      storedKey: bytesOf(fields, 'storedKey', digestBytes, digestBytes),
      serverKey: bytesOf(fields, 'serverKey', digestBytes, digestBytes),
    };
  },
  facts: ({ tenant, user, mechanism, iterations }) => ({ tenant, user, mechanism, iterations }),
  handle: async ({ tenant, ...credential }, { deps }) => {
    requireTenant(tenant, { deps });
    const { user, mechanism, iterations } = credential;
    const isNew = await deps.users.set(tenant, credential);
    const view = { name: user, mechanism, iterations };
    return isNew ? created(view) : ok(view);
  },
});

const remove = defineRoute({
  method: 'DELETE',
  path: '/v1/tenants/:tenant/users/:user',
  authorization: tenantCluster('ALTER'),
  change: 'scram-credential-delete',
  input: (fields) => ({
    ...tenantOf(fields),
    user: fields.text('user', Grammars.subject),
    mechanism: fields.optionalOneOf('mechanism', MECHANISMS),
  }),
  facts: (input) => input,
  handle: async ({ tenant, user, mechanism }, { deps }) => {
    requireTenant(tenant, { deps });
    if ((await deps.users.remove(tenant, user, mechanism)) > 0) return gone();
    const detail = 'There is no such user with a password: "user list" shows them.';
    throw new AdminError(404, 'no-such-user', detail);
  },
});

export const userRoutes: readonly AdminRoute[] = [list, set, remove];
