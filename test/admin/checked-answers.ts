/**
 * Holds each answer of a route against what the route declares, before it is written: fastify leaves
 * out what no schema names, and would make something up for what is missing.
 */
import { Ajv2020 } from 'ajv/dist/2020.js';
import { type AdminRoute, PlainText, type RouteAnswer } from '../../src/admin/admin-route.ts';
import type { JsonSchema } from '../../src/admin/json-shape.ts';

const ajv = new Ajv2020({ strict: false });

/** The same schema for an object that has no other fields. */
function closed(schema: unknown): unknown {
  if (Array.isArray(schema)) return schema.map(closed);
  if (typeof schema !== 'object' || schema === null) return schema;
  const parts = Object.entries(schema).map(([name, part]) => [name, closed(part)]);
  const isOpen = !('properties' in schema) || 'additionalProperties' in schema;
  return { ...Object.fromEntries(parts), ...(!isOpen && { additionalProperties: false }) };
}

/** The route, with a fault of its own (500) where an answer is not as it says. */
export function withCheckedAnswers(route: AdminRoute): AdminRoute {
  const checks = new Map(
    Object.entries(route.answers).map(([status, { schema }]) => [
      status,
      ajv.compile(closed(schema) as JsonSchema),
    ]),
  );
  const checked = (answer: RouteAnswer): RouteAnswer => {
    const check = checks.get(String(answer.status));
    const sent = answer.body instanceof PlainText ? answer.body.text : answer.body;
    const body: unknown = JSON.parse(JSON.stringify(sent));
    if (check?.(body) === true) return answer;
    const why = JSON.stringify(check?.errors ?? `status ${answer.status} is not declared`);
    throw new Error(`${route.name} answers otherwise than it says: ${why}`);
  };
  return {
    ...route,
    prepare: (parts) => {
      const call = route.prepare(parts);
      return { ...call, run: async (context) => checked(await call.run(context)) };
    },
  };
}
