/** What the codec relies on in every table, whoever wrote it. */
import { expect, test } from 'vitest';
import type { Field, Fields, Message } from '../../src/protocol/schema.ts';
import { apiSchemas } from '../../src/protocol/schemas/index.ts';
import { inVersions } from '../../src/protocol/versions.ts';
import { bytesMin, type Layout, layoutOf } from '../../src/protocol/wire-layout.ts';

function* structsOf(fields: Fields): Generator<Fields> {
  yield fields;
  for (const field of Object.values(fields)) {
    const inner = field.fields ?? field.element?.fields;
    if (inner !== undefined) yield* structsOf(inner);
  }
}

function* layouts(): Generator<[Layout, Fields]> {
  for (const { request, response } of Object.values(apiSchemas)) {
    for (const message of [request, response] as Message[]) {
      for (let v = message.versions.min; v <= message.versions.max; v++) {
        for (const fields of structsOf(message.fields)) yield [layoutOf(message, v), fields];
      }
    }
  }
}

const present = (fields: Fields, version: number): [string, Field][] =>
  Object.entries(fields).filter(([, field]) => inVersions(field.versions, version));

test('no array element can take no bytes: its count is bounded by the bytes left', () => {
  for (const [layout, fields] of layouts()) {
    for (const [name, field] of present(fields, layout.version)) {
      if (field.kind !== 'array') continue;
      const at = `${layout.message.name} v${layout.version} ${name}`;
      expect(bytesMin(field.element!, layout), at).toBeGreaterThan(0);
    }
  }
});

test('tags stand in flexible versions only, are small, and none occurs twice in a struct', () => {
  for (const [layout, fields] of layouts()) {
    const tags = present(fields, layout.version).flatMap(([, f]) => (f.tag < 0 ? [] : [f.tag]));
    expect(new Set(tags).size).toBe(tags.length);
    expect(tags.length === 0 || layout.flexible).toBe(true);
    expect(Math.max(-1, ...tags)).toBeLessThan(128);
  }
});
