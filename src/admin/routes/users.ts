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
import {
  type AdminRoute,
  created,
  defineRoute,
  gone,
  nothing,
  ok,
  tenantCluster,
} from '../admin-route.ts';
import {
  anyInteger,
  anyText,
  integer,
  list as listShape,
  object,
  oneOf,
  text,
} from '../json-shape.ts';
import { pageOf, pageQuery, pageShape } from '../listing-page.ts';
import { AdminError } from '../problem.ts';
import { from, Grammars, invalidField, optional } from '../request-fields.ts';
import { inTenant, noSuchTenant, requireTenant } from './tenants.ts';

const BASE64 = { pattern: /^[A-Za-z0-9+/]{4,400}={0,2}$/, allowed: 'Base64' };
const SALT_BYTES_MIN = 8;
const MECHANISM = oneOf(...SCRAM_MECHANISMS.map(({ name }) => name));

const USER = object({
  name: anyText,
  credentials: listShape(object({ mechanism: MECHANISM, iterations: anyInteger })),
});
const CREDENTIAL = object({ name: anyText, mechanism: MECHANISM, iterations: anyInteger });

const list = defineRoute({
  method: 'GET',
  path: '/v1/tenants/:tenant/users',
  id: 'listUsers',
  tag: 'users',
  summary: 'Who may log in with a password, in order of name, with the mechanisms',
  description: '`after` begins behind a name; with a cursor it is of no use.',
  authorization: tenantCluster('DESCRIBE'),
  change: null,
  input: from({
    path: inTenant,
    query: { after: optional(text(Grammars.subject)), ...pageQuery },
  }),
  answers: { 200: pageShape('users', USER) },
  handle: async ({ tenant, after, ...page }, { deps }) => {
    const all = deps.users.list(tenant, after);
    if (all === undefined) throw noSuchTenant();
    const { items, next } = await pageOf('users', all, ({ name }) => name, page, deps.clock);
    return ok({ users: items, next });
  },
});

function checkBytes(name: string, given: string, min: number, max: number): void {
  const bytes = Buffer.from(given, 'base64');
  if (bytes.length >= min && bytes.length <= max && bytes.toString('base64') === given) return;
  throw invalidField(name, `Base64 of ${min === max ? min : `${min} to ${max}`} bytes`);
}

const set = defineRoute({
  method: 'POST',
  path: '/v1/tenants/:tenant/users',
  id: 'setUserCredential',
  tag: 'users',
  summary: 'Set what a user logs in with by one mechanism',
  authorization: tenantCluster('ALTER'),
  change: 'scram-credential-set',
  input: from(
    {
      path: inTenant,
      body: {
        user: text(Grammars.subject),
        mechanism: MECHANISM,
        iterations: integer(SCRAM_ITERATIONS_MIN, SCRAM_ITERATIONS_MAX),
        salt: text(BASE64),
        storedKey: text(BASE64),
        serverKey: text(BASE64),
      },
    },
    (values) => {
      const { digestBytes } = scramMechanismByName(values.mechanism)!;
      if (!isScramIterations(values.iterations)) throw invalidField('iterations', 'in order');
      checkBytes('salt', values.salt, SALT_BYTES_MIN, SCRAM_SALT_BYTES_MAX);
      checkBytes('storedKey', values.storedKey, digestBytes, digestBytes);
      checkBytes('serverKey', values.serverKey, digestBytes, digestBytes);
      return values;
    },
  ),
  answers: { 200: CREDENTIAL, 201: CREDENTIAL },
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
  id: 'removeUser',
  tag: 'users',
  summary: 'Remove a user, or one mechanism of it; its connections are closed',
  authorization: tenantCluster('ALTER'),
  change: 'scram-credential-delete',
  input: from({
    path: { ...inTenant, user: text(Grammars.subject) },
    query: { mechanism: optional(MECHANISM) },
  }),
  answers: { 204: nothing },
  facts: (input) => input,
  handle: async ({ tenant, user, mechanism }, { deps }) => {
    requireTenant(tenant, { deps });
    if ((await deps.users.remove(tenant, user, mechanism)) > 0) return gone();
    const detail = 'There is no such user with a password: "user list" shows them.';
    throw new AdminError(404, 'no-such-user', detail);
  },
});

export const userRoutes: readonly AdminRoute[] = [list, set, remove];
