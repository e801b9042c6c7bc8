/** Renaming reaches every name of a message and nothing else; listing misses no text field. */
import { deepStrictEqual as deepEqual } from 'node:assert';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Fields, Message } from '../../src/protocol/schema.ts';
import { deleteGroupsRequest } from '../../src/protocol/schemas/42-delete-groups.ts';
import { alterUserScramCredentialsRequest } from '../../src/protocol/schemas/51-alter-user-scram-credentials.ts';
import { describeTopicPartitionsResponse } from '../../src/protocol/schemas/75-describe-topic-partitions.ts';
import { apiSchemas } from '../../src/protocol/schemas/index.ts';
import {
  compileRenamer,
  leafFields,
  type NameType,
  textFields,
} from '../../src/protocol/walk-fields.ts';
import { arbitraryMessage } from './arbitrary-message.ts';

const nameTypes: readonly NameType[] = ['topicName', 'groupId', 'transactionalId'];
const prefixed = (name: string): string => `acme.${name}`;

/** The same by plain recursion, on a copy. */
function renamed(fields: Fields, value: object, entityType: NameType): object {
  const of = (field: Fields[string], item: unknown): unknown => {
    if (item === null) return null;
    if (field.kind === 'struct') return renamed(field.fields!, item as object, entityType);
    if (field.kind === 'array') return (item as unknown[]).map((e) => of(field.element!, e));
    return field.entityType === entityType ? prefixed(item as string) : item;
  };
  return Object.fromEntries(
    Object.entries(value).map(([name, item]) => [name, of(fields[name]!, item)]),
  );
}

const messages = Object.values(apiSchemas).flatMap((api): Message[] => [api.request, api.response]);

test('every name of its kind is renamed, in every message', () => {
  for (const message of messages) {
    for (const entityType of nameTypes) {
      const rename = compileRenamer(message, entityType);
      fc.assert(
        fc.property(arbitraryMessage(message, message.versions.max), (value) => {
          const expected = renamed(message.fields, value, entityType);
          rename(value, prefixed);
          deepEqual(value, expected);
        }),
        { numRuns: 5 },
      );
    }
  }
});

test('names in arrays, in nullable structs and beside null are reached', () => {
  const groups = { groupsNames: ['a', 'b'] };
  compileRenamer(deleteGroupsRequest, 'groupId')(groups, prefixed);
  expect(groups.groupsNames).toEqual(['acme.a', 'acme.b']);
  const answer = { topics: [{ name: null }, { name: 't' }], nextCursor: { topicName: 'u' } };
  const rename = compileRenamer(describeTopicPartitionsResponse, 'topicName');
  rename(answer, prefixed);
  expect(answer).toEqual({
    topics: [{ name: null }, { name: 'acme.t' }],
    nextCursor: { topicName: 'acme.u' },
  });
  const last = { topics: [], nextCursor: null };
  rename(last, prefixed);
  expect(last.nextCursor).toBeNull();
});

test('the text fields of a message are listed with their marks', () => {
  const listed = textFields(alterUserScramCredentialsRequest);
  expect(listed.map(({ path, kind, sensitive }) => [path, kind, sensitive])).toEqual([
    ['deletions[].name', 'string', false],
    ['upsertions[].name', 'string', false],
    ['upsertions[].salt', 'bytes', true],
    ['upsertions[].saltedPassword', 'bytes', true],
  ]);
  expect(textFields(deleteGroupsRequest).map(({ path, entityType }) => [path, entityType])).toEqual(
    [['groupsNames[]', 'groupId']],
  );
});

test('no leaf is listed twice', () => {
  for (const message of messages) {
    const paths = leafFields(message).map(({ path }) => path);
    expect(new Set(paths).size).toBe(paths.length);
  }
});
