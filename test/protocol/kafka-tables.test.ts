/**
 * Holds our tables against Apache Kafka's own message definitions: every message, every version,
 * every field with its type, default, nullability, tag and marks. Nothing may be missing or added.
 */
import { readFileSync } from 'node:fs';
import { beforeAll, expect, test } from 'vitest';
import { ApiKey, apiName } from '../../src/protocol/api-keys.ts';
import { ErrorCode, errorName, isRetriable } from '../../src/protocol/error-codes.ts';
import { type Field, type Fields, INT64_MAX, type Message } from '../../src/protocol/schema.ts';
import { apiSchema, apiSchemas } from '../../src/protocol/schemas/index.ts';
import { inVersions } from '../../src/protocol/versions.ts';
import { describeRequiring } from '../tools/tool-detection.ts';
import { defaultValue } from './closure-codec.ts';

interface KafkaField {
  readonly name: string;
  readonly type: string;
  readonly versions: string;
  readonly nullableVersions?: string;
  readonly default?: string | number | boolean | null;
  readonly ignorable?: boolean;
  readonly tag?: number;
  readonly taggedVersions?: string;
  readonly entityType?: string;
  readonly fields?: readonly KafkaField[];
}

interface KafkaStruct {
  readonly name: string;
  readonly fields: readonly KafkaField[];
}

interface KafkaMessage extends KafkaStruct {
  readonly validVersions: string;
  readonly flexibleVersions: string;
  readonly commonStructs?: readonly KafkaStruct[];
}

interface KafkaApi {
  readonly key: number;
  readonly name: string;
  readonly listeners: readonly string[];
  readonly advertisedMin: number;
  readonly advertisedMax: number;
}

interface KafkaFile {
  readonly apis: readonly KafkaApi[];
  readonly messages: readonly KafkaMessage[];
}

/** One field as one version sees it, in words that both sides can be put into. */
type Line = Readonly<Record<string, unknown>>;

function range(text: string | undefined): { min: number; max: number } {
  if (text === undefined || text === 'none') return { min: 1, max: 0 };
  if (text.endsWith('+')) return { min: Number.parseInt(text, 10), max: Number.POSITIVE_INFINITY };
  const [min = 0, max = min] = text.split('-').map(Number);
  return { min, max };
}

const covers = (text: string | undefined, version: number): boolean =>
  inVersions(range(text), version);

function kafkaDefault(field: KafkaField): unknown {
  const value = field.default;
  if (value === null) return null;
  if (field.type.startsWith('[]')) return [];
  if (field.type === 'records') return null;
  if (field.type === 'int64' && typeof value === 'string') {
    return value === '9223372036854775807' ? INT64_MAX : Number(value);
  }
  if (value !== undefined) return value;
  const byType: Record<string, unknown> = {
    string: '',
    bool: false,
    bytes: Buffer.alloc(0),
    uuid: 'A'.repeat(22),
  };
  return /^[A-Z]/.test(field.type) ? 'struct' : (byType[field.type] ?? 0);
}

function kafkaLines(message: KafkaMessage, version: number): Line[] {
  const common = new Map(message.commonStructs?.map((s) => [s.name, s.fields]));
  const walk = (fields: readonly KafkaField[], path: string, live: boolean): Line[] =>
    fields.flatMap((field) => {
      const elementType = field.type.replace('[]', '');
      const isStruct = /^[A-Z]/.test(elementType);
      const present = live && covers(field.versions, version);
      const at = `${path}.${field.name[0]!.toLowerCase()}${field.name.slice(1)}`;
      const line = {
        at,
        array: field.type.startsWith('[]'),
        kind: isStruct ? 'struct' : elementType,
        present,
        nullable: present && covers(field.nullableVersions, version),
        default: kafkaDefault(field),
        ignorable: field.ignorable ?? false,
        tag: field.tag !== undefined && covers(field.taggedVersions, version) ? field.tag : -1,
        entityType: field.entityType,
      };
      const inner = isStruct ? (field.fields ?? common.get(elementType) ?? []) : [];
      return [line, ...walk(inner, at, present)];
    });
  return walk(message.fields, '', true);
}

function ourLines(message: Message, version: number): Line[] {
  const walk = (fields: Fields, path: string, live: boolean): Line[] =>
    Object.entries(fields).flatMap(([name, field]) => {
      const element: Field = field.element ?? field;
      const present = live && inVersions(field.versions, version);
      const isStruct = field.kind === 'struct' && field.default !== null;
      const line = {
        at: `${path}.${name}`,
        array: field.kind === 'array',
        kind: element.kind,
        present,
        nullable: present && inVersions(field.nullable, version),
        default: isStruct ? 'struct' : defaultValue(field),
        ignorable: field.ignorable,
        tag: present ? field.tag : -1,
        entityType: element.entityType,
      };
      return [line, ...walk(element.fields ?? {}, line.at, present)];
    });
  return walk(message.fields, '', true);
}

describeRequiring(['kafka-messages'], "Kafka's message definitions", () => {
  let kafka: KafkaFile;
  let served: readonly KafkaApi[];
  beforeAll(() => {
    kafka = JSON.parse(readFileSync(process.env.BREAKWATER_KAFKA_MESSAGES!, 'utf8'));
    served = kafka.apis.filter((api) => api.listeners.includes('broker'));
  });

  test('every API of a broker listener has its key, name and advertised versions', () => {
    expect(Object.entries(ApiKey)).toEqual(served.map(({ name, key }) => [name, key]));
    for (const api of served) {
      expect(apiName(api.key)).toBe(api.name);
      expect(apiSchema(api.key)).toMatchObject({
        key: api.key,
        name: api.name,
        advertisedMin: api.advertisedMin,
        advertisedMax: api.advertisedMax,
      });
    }
  });

  test.each(Object.values(apiSchemas))('$name: every version and field of both messages', (api) => {
    for (const ours of [api.request, api.response] as Message[]) {
      const theirs = kafka.messages.find(({ name }) => name === ours.name)!;
      expect(ours.versions).toEqual(range(theirs.validVersions));
      for (let v = ours.versions.min; v <= ours.versions.max; v++) {
        expect(inVersions(ours.flexible, v)).toBe(covers(theirs.flexibleVersions, v));
        expect(ourLines(ours, v), `${ours.name} v${v}`).toEqual(kafkaLines(theirs, v));
      }
    }
    expect(api.minVersion).toBe(api.request.versions.min);
    expect(api.maxVersion).toBe(api.request.versions.max);
    expect(api.response.versions).toEqual(api.request.versions);
    expect(api.response.flexible).toEqual(api.request.flexible);
  });
});

describeRequiring(['kafka-errors'], "Kafka's error codes", () => {
  test('every code has its name and says whether to try again', () => {
    const theirs: { code: number; name: string; retriable: boolean }[] = JSON.parse(
      readFileSync(process.env.BREAKWATER_KAFKA_ERRORS!, 'utf8'),
    );
    expect(Object.entries(ErrorCode)).toEqual(theirs.map(({ name, code }) => [name, code]));
    for (const { code, name, retriable } of theirs) {
      expect(errorName(code)).toBe(name);
      expect([name, isRetriable(code)]).toEqual([name, retriable]);
    }
  });
});
