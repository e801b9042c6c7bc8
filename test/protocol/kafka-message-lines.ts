/**
 * Apache Kafka's message definitions and our tables, both put into the same words: one line for each
 * field as one version sees it.
 */
import { readFileSync } from 'node:fs';
import { type Field, type Fields, INT64_MAX, type Message } from '../../src/protocol/schema.ts';
import { inVersions } from '../../src/protocol/versions.ts';
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

export interface KafkaMessage extends KafkaStruct {
  readonly validVersions: string;
  readonly flexibleVersions: string;
  readonly commonStructs?: readonly KafkaStruct[];
}

export interface KafkaApi {
  readonly key: number;
  readonly name: string;
  readonly listeners: readonly string[];
  readonly advertisedMin: number;
  readonly advertisedMax: number;
}

export interface KafkaFile {
  readonly apis: readonly KafkaApi[];
  readonly messages: readonly KafkaMessage[];
}

/** One field as one version sees it, in words that both sides can be put into. */
export type Line = Readonly<Record<string, unknown>>;

export function range(text: string | undefined): { min: number; max: number } {
  if (text === undefined || text === 'none') return { min: 1, max: 0 };
  if (text.endsWith('+')) return { min: Number.parseInt(text, 10), max: Number.POSITIVE_INFINITY };
  const [min = 0, max = min] = text.split('-').map(Number);
  return { min, max };
}

export const covers = (text: string | undefined, version: number): boolean =>
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

export function kafkaLines(message: KafkaMessage, version: number): Line[] {
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

export function ourLines(message: Message, version: number): Line[] {
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

/** The file that BREAKWATER_KAFKA_MESSAGES names. */
export function readKafkaFile(): KafkaFile {
  return JSON.parse(readFileSync(process.env.BREAKWATER_KAFKA_MESSAGES!, 'utf8'));
}
