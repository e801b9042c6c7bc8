/** The long run of test/protocol/damaged-frames.test.ts: about a minute of damaged messages. */
import fc from 'fast-check';
import { test } from 'vitest';
import type { Message } from '../../src/protocol/schema.ts';
import { apiSchemas } from '../../src/protocol/schemas/index.ts';
import { damageProperty } from '../protocol/mutated-frame.ts';

const RUNS_PER_VERSION = 1000;

for (const api of Object.values(apiSchemas)) {
  test(`${api.name}: ${RUNS_PER_VERSION} damaged requests and responses a version`, () => {
    for (const message of [api.request, api.response] as Message[]) {
      for (let version = message.versions.min; version <= message.versions.max; version++) {
        fc.assert(damageProperty(message, version), { numRuns: RUNS_PER_VERSION });
      }
    }
  });
}
