/**
 * Owns walking over the fields of a message table: renaming all names of one kind in a decoded
 * message, and listing the fields that can hold text. Both follow from the tables, so a field that
 * is added there is covered here.
 */
import { compileSource } from './codec.ts';
import type { EntityType, Field, FieldKind, Fields, Message, Struct } from './schema.ts';
import type { VersionRange } from './versions.ts';
import { propertyName } from './wire-layout.ts';

/** The entity types whose fields hold text. */
export type NameType = 'topicName' | 'groupId' | 'transactionalId';

/**
 * Changes every name of its kind in a decoded message, in place. null stays null. A field that the
 * version on the wire lacked holds its default, mostly '', and goes through `rename` as well: what
 * '' becomes is the caller's choice.
 */
export type Renamer = (message: object, rename: (name: string) => string) => void;

/** Compiles the renamer of one message; keep the result. */
export function compileRenamer(message: Message, entityType: NameType): Renamer {
  const source = new RenamerSource(entityType);
  const main = source.struct(message.fields) ?? '() => {}';
  const text = `'use strict';\n${source.functions.join('\n')}\nreturn ${main};`;
  return compileSource(text, {}, `${message.name}.rename-${entityType}`) as Renamer;
}

class RenamerSource {
  readonly functions: string[] = [];
  readonly #entityType: NameType;
  readonly #names = new Map<Fields, string | undefined>();

  constructor(entityType: NameType) {
    this.#entityType = entityType;
  }

  /** Emits the function for a struct, once; undefined if nothing in it is to be renamed. */
  struct(fields: Fields): string | undefined {
    if (this.#names.has(fields)) return this.#names.get(fields);
    const lines = Object.entries(fields).flatMap(([name, field]) =>
      this.#rename(`o.${propertyName(name)}`, field),
    );
    const name = lines.length === 0 ? undefined : `rename${this.#names.size}`;
    this.#names.set(fields, name);
    if (name !== undefined) {
      this.functions.push([`function ${name}(o, rename) {`, ...lines, '}'].join('\n'));
    }
    return name;
  }

  /** Statements that rename what lies in `value`. */
  #rename(value: string, field: Field): string[] {
    if (field.kind === 'struct') {
      const inner = this.struct(field.fields!);
      return inner === undefined ? [] : [`if (${value} !== null) ${inner}(${value}, rename);`];
    }
    if (field.kind === 'array') return this.#renameElements(value, field.element!);
    if (field.entityType !== this.#entityType) return [];
    return [`if (${value} !== null) ${value} = rename(${value});`];
  }

  #renameElements(value: string, element: Field): string[] {
    const lines = this.#rename('a[i]', element);
    if (lines.length === 0) return [];
    return [
      `if (${value} !== null) {`,
      `  const a = ${value};`,
      `  for (let i = 0; i < a.length; i++) { ${lines.join(' ')} }`,
      '}',
    ];
  }
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
