/**
 * Owns walking over the fields of a message table: renaming all names of one kind in a decoded
 * message, and listing the fields that can hold text. Both follow from the tables, so a field that
 * is added there is covered here.
 */
import { compileSource } from './codec.ts';
import type { EntityType, Field, FieldKind, Fields, Message, Struct } from './schema.ts';
import type { VersionRange } from './versions.ts';
import { propertyName } from './wire-layout.ts';

/**
 * Changes every name of its kind in a decoded message, in place. null stays null. A field that the
 * version on the wire lacked holds its default, mostly '', and goes through `rename` as well: what
 * '' becomes is the caller's choice.
 */
export type Renamer = (message: object, rename: (name: string) => string) => void;

/** Compiles the renamer of one message; keep the result. */
export function compileRenamer(
  message: Message,
  entityType: 'topicName' | 'groupId' | 'transactionalId',
): Renamer {
  const functions: string[] = [];
  const main = renamerOf(message, entityType, functions, new Map());
  const last = main === undefined ? '() => {}' : main;
  const source = `'use strict';\n${functions.join('\n')}\nreturn ${last};`;
  return compileSource(source, {}, `${message.name}.rename-${entityType}`) as Renamer;
}

/** Emits the function for one struct; undefined if nothing in it is to be renamed. */
function renamerOf(
  { fields }: Struct,
  entityType: EntityType,
  functions: string[],
  names: Map<Fields, string | undefined>,
): string | undefined {
  if (names.has(fields)) return names.get(fields);
  const lines = Object.entries(fields).flatMap(([name, field]) =>
    renameField(`o.${propertyName(name)}`, field, (inner) =>
      renamerOf(inner, entityType, functions, names),
    )(entityType),
  );
  const name = lines.length === 0 ? undefined : `rename${functions.length}`;
  names.set(fields, name);
  if (name !== undefined) {
    functions.push([`function ${name}(o, rename) {`, ...lines, '}'].join('\n'));
  }
  return name;
}

function renameField(
  value: string,
  field: Field,
  renamerOfStruct: (inner: Struct) => string | undefined,
): (entityType: EntityType) => string[] {
  return (entityType) => {
    if (field.kind === 'struct') {
      const inner = renamerOfStruct({ fields: field.fields! });
      return inner === undefined ? [] : [`if (${value} !== null) ${inner}(${value}, rename);`];
    }
    if (field.kind !== 'array') {
      if (field.entityType !== entityType) return [];
      return [`if (${value} !== null) ${value} = rename(${value});`];
    }
    const element = renameField('a[i]', field.element!, renamerOfStruct)(entityType);
    if (element.length === 0) return [];
    return [
      `if (${value} !== null) {`,
      `  const a = ${value};`,
      `  for (let i = 0; i < a.length; i++) { ${element.join(' ')} }`,
      '}',
    ];
  };
}

export interface FieldPath {
  /** As in `topics[].partitions[].records`; the elements of a plain array end in `[]`. */
  readonly path: string;
  readonly kind: FieldKind;
  readonly versions: VersionRange;
  readonly entityType: EntityType | undefined;
  readonly sensitive: boolean;
  readonly field: Field;
}

/** Every field of a message that is no struct and no array, elements of plain arrays included. */
export function leafFields(message: Struct): FieldPath[] {
  return Object.entries(message.fields).flatMap(([name, field]) => leavesOf(name, field));
}

/** The fields that can hold a name, an id or content: strings, bytes, records and uuids. */
export function textFields(message: Struct): FieldPath[] {
  const kinds: readonly FieldKind[] = ['string', 'bytes', 'records', 'uuid'];
  return leafFields(message).filter(({ kind }) => kinds.includes(kind));
}

function leavesOf(path: string, field: Field): FieldPath[] {
  if (field.kind === 'struct') {
    return Object.entries(field.fields!).flatMap(([name, inner]) =>
      leavesOf(`${path}.${name}`, inner),
    );
  }
  if (field.kind === 'array') {
    const element = field.element!;
    const { kind, entityType } = element;
    if (kind === 'struct') return leavesOf(`${path}[]`, element);
    const { versions, sensitive } = field;
    return [{ path: `${path}[]`, kind, versions, entityType, sensitive, field }];
  }
  const { kind, versions, entityType, sensitive } = field;
  return [{ path, kind, versions, entityType, sensitive, field }];
}
