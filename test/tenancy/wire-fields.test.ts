import { describe, expect, it } from 'vitest';
import { apiSchema } from '../../src/protocol/schemas/index.ts';
import { textFields } from '../../src/protocol/walk-fields.ts';
import { apis } from '../../src/server/apis/index.ts';
import { FieldClass, WIRE_FIELDS } from '../../src/tenancy/wire-fields.ts';

const served = Object.entries(apis)
  .filter(([, entry]) => 'handle' in entry)
  .flatMap(([key]) => {
    const schema = apiSchema(Number(key))!;
    return [schema.request, schema.response];
  });

describe('the wire fields that could carry a tenant', () => {
  it.each(served.map((message) => [message.name, message] as const))(
    '%s: every string, bytes and uuid is classified',
    (name, message) => {
      const open = textFields(message)
        .filter(({ entityType }) => entityType !== 'topicName' && entityType !== 'groupId')
        .map(({ path }) => path)
        .filter((path) => WIRE_FIELDS[name]?.[path] === undefined);
      expect(open).toEqual([]);
    },
  );

  it('classifies nothing that is not there', () => {
    const known = new Map(
      served.map((message) => [message.name, new Set(textFields(message).map((f) => f.path))]),
    );
    const stale = Object.entries(WIRE_FIELDS).flatMap(([name, fields]) =>
      Object.keys(fields).filter((path) => known.get(name)?.has(path) !== true),
    );
    expect(stale).toEqual([]);
  });

  it('uses classes that exist', () => {
    const classes = new Set<string>(Object.values(FieldClass));
    const used = Object.values(WIRE_FIELDS).flatMap((fields) => Object.values(fields));
    expect(used.filter((one) => !classes.has(one))).toEqual([]);
  });
});
