/** Damaged bodies of every message and version never do worse than ProtocolError. */
import fc from 'fast-check';
import { test } from 'vitest';
import type { Message } from '../../src/protocol/schema.ts';
import { apiSchemas } from '../../src/protocol/schemas/index.ts';
import { damageProperty, survives } from './mutated-frame.ts';

const RUNS = 20;

for (const message of Object.values(apiSchemas).flatMap((api): Message[] => [
  api.request,
  api.response,
])) {
  test(`${message.name}, damaged in every version`, () => {
    for (let version = message.versions.min; version <= message.versions.max; version++) {
      fc.assert(damageProperty(message, version), { numRuns: RUNS });
    }
  });
}

test('bytes that are no message at all', () => {
  const messages = Object.values(apiSchemas).flatMap((api): Message[] => [
    api.request,
    api.response,
  ]);
  fc.assert(
    fc.property(
      fc.constantFrom(...messages),
      fc.uint8Array({ maxLength: 300 }),
      (message, bytes) => {
        survives(message, message.versions.max, Buffer.from(bytes));
      },
    ),
    { numRuns: 3000 },
  );
});
