/** GET /openapi.json: this API, described. It says nothing of what is in the broker. */
import { type AdminRoute, anyone, defineRoute, ok } from '../admin-route.ts';
import type { Shape } from '../json-shape.ts';
import { from } from '../request-fields.ts';

const ANY_OBJECT: Shape<object> = { schema: { type: 'object', additionalProperties: true } };

const document = defineRoute({
  method: 'GET',
  path: '/openapi.json',
  id: 'openApiDocument',
  tag: 'broker',
  summary: 'This document',
  authorization: anyone('it describes the API and holds nothing of the broker'),
  change: null,
  input: from({}),
  answers: { 200: ANY_OBJECT },
  handle: (_input, { document }) => ok(document()),
});

export const documentRoutes: readonly AdminRoute[] = [document];
