/** The OpenAPI document: it is valid, and says of every route what the route is. */
import { Validator } from '@seriousme/openapi-schema-validator';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { AdminRoute } from '../../src/admin/admin-route.ts';
import type { JsonSchema } from '../../src/admin/json-shape.ts';
import { TAGS, takesIdempotencyKey } from '../../src/admin/openapi.ts';
import { ADMIN_ROUTES } from '../../src/admin/routes/index.ts';
import { type AdminFixture, startFixture } from './admin-fixture.ts';

interface Operation {
  readonly operationId: string;
  readonly summary: string;
  readonly description: string;
  readonly tags: readonly string[];
  readonly 'x-authorization': AdminRoute['stance'];
  readonly parameters?: readonly { readonly in: string; readonly name: string }[];
  readonly requestBody?: object;
  readonly responses: Readonly<
    Record<string, { readonly description: string; readonly content?: Record<string, object> }>
  >;
}

interface Document {
  readonly openapi: string;
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly components: { readonly schemas: Readonly<Record<string, object>> };
  readonly security: readonly object[];
}

let admin: AdminFixture;
let document: Document;

beforeAll(async () => {
  admin = await startFixture();
  const { json } = await admin.call('GET', '/openapi.json');
  document = json as unknown as Document;
});
afterAll(() => admin.dispose());

const operationOf = ({ method, path }: AdminRoute): Operation | undefined =>
  document.paths[path.replace(/:(\w+)/g, '{$1}')]?.[method.toLowerCase()];

test('the document validates against the schema of the standard', async () => {
  expect(document.openapi).toBe('3.1.0');
  const { valid, errors } = await new Validator().validate(JSON.parse(JSON.stringify(document)));
  expect(errors).toBeUndefined();
  expect(valid).toBe(true);
});

test('the document holds the routes and nothing else', () => {
  const told = Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`),
  );
  const routes = ADMIN_ROUTES.map(({ name }) => name.replace(/:(\w+)/g, '{$1}'));
  expect(told.sort()).toEqual(routes.sort());
});

test('who may come is told once for all routes', () => {
  expect(document.security).toEqual([{ certificate: [] }, { token: [] }]);
});

test('no operationId stands twice', () => {
  const ids = ADMIN_ROUTES.map(({ id }) => id);
  expect(new Set(ids).size).toBe(ids.length);
});

describe.each(ADMIN_ROUTES.map((route) => ({ name: route.name, route })))('$name', ({ route }) => {
  test('has an authorization, words and schemas', () => {
    const operation = operationOf(route);
    expect(operation).toMatchObject({ operationId: route.id, tags: [route.tag] });
    expect(operation?.['x-authorization']).toEqual(route.stance);
    expect(Object.keys(TAGS)).toContain(route.tag);
    expect(operation?.summary.length).toBeGreaterThan(8);
    expect(operation?.description).toMatch(/(^|\n\n)(Asks the policy|Open to)/);
    expect(Object.keys(route.answers).length).toBeGreaterThan(0);
    const { params, querystring, body } = route.schemas;
    for (const part of [params, querystring, body]) {
      if (part === null) continue;
      expect(part.additionalProperties).toBe(false);
      for (const [name, schema] of Object.entries(part.properties as Record<string, JsonSchema>)) {
        expect(schema.description, name).toMatch(/\S/);
        expect(isBounded(schema), `${name} is bounded`).toBe(true);
      }
    }
  });

  test('names its path parameters, in the path and nowhere else', () => {
    const inPath = [...route.path.matchAll(/:(\w+)/g)].map(([, name]) => name);
    expect(Object.keys(route.schemas.params.properties as object)).toEqual(inPath);
  });

  test('tells every answer, refusals with the schema of a problem', () => {
    const responses = operationOf(route)?.responses ?? {};
    const always = ['400', '401', '403', '404', '408', '409', '429', '431', '500', '503'];
    const ofChanges = route.method === 'GET' ? [] : ['413', '415'];
    const own = Object.keys(route.answers);
    expect(Object.keys(responses)).toEqual(expect.arrayContaining([...always, ...own]));
    expect(Object.keys(responses)).toEqual(expect.arrayContaining(ofChanges));
    for (const status of [...always, ...ofChanges]) {
      expect(responses[status]?.content?.['application/problem+json']).toEqual({
        schema: { $ref: '#/components/schemas/Problem' },
      });
    }
  });

  test('takes an Idempotency-Key when it is a change by POST', () => {
    const headers = (operationOf(route)?.parameters ?? []).filter((one) => one.in === 'header');
    const names = headers.map(({ name }) => name);
    expect(names).toEqual(takesIdempotencyKey(route) ? ['idempotency-key'] : []);
  });

  test('comes a page at a time when it lists', () => {
    const [, answer] = Object.entries(route.answers)[0]!;
    const properties = Object.keys((answer.schema.properties ?? {}) as object);
    const asked = Object.keys(route.schemas.querystring.properties as object);
    if (route.id.startsWith('list')) expect(asked).toContain('cursor');
    expect(asked.includes('limit')).toBe(asked.includes('cursor'));
    expect(properties.includes('next')).toBe(asked.includes('cursor'));
  });
});

/** A text by its pattern or its values, a number by its ends, a list and a map by their size. */
function isBounded(schema: JsonSchema): boolean {
  const { type } = schema;
  if (type === 'string')
    return 'enum' in schema || /\{\d+(,\d+)?\}\S*\$$/.test(`${schema.pattern}`);
  if (type === 'integer') return 'minimum' in schema && 'maximum' in schema;
  if (type === 'array') return 'maxItems' in schema && isBounded(schema.items as JsonSchema);
  if (type === 'object') return 'maxProperties' in schema;
  return type === 'boolean';
}
