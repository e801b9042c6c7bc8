/** Owns the facts about a field's place on the wire that both code generators need. */
import { type Field, type FieldKind, type Fields, type Message, ZERO_UUID } from './schema.ts';
import { inVersions } from './versions.ts';

/** One message in one version: what code is generated for. */
export interface Layout {
  readonly message: Message;
  readonly version: number;
  readonly flexible: boolean;
}

export function layoutOf(message: Message, version: number): Layout {
  return { message, version, flexible: inVersions(message.flexible, version) };
}

const fixedBytes: Partial<Record<FieldKind, number>> = {
  bool: 1,
  int8: 1,
  int16: 2,
  uint16: 2,
  int32: 4,
  int64: 8,
  float64: 8,
  uuid: 16,
};

/** The size of a kind that always has the same; 0 for the others. */
export function fixedSize(kind: FieldKind): number {
  return fixedBytes[kind] ?? 0;
}

/** The fields of a struct that stand in its body in this version, in wire order. */
export function bodyFields(fields: Fields, { version }: Layout): [string, Field][] {
  return Object.entries(fields).filter(([, f]) => f.tag < 0 && inVersions(f.versions, version));
}

/** The fields that stand in its tagged section, in the order of their tags. */
export function taggedFields(fields: Fields, { version }: Layout): [string, Field][] {
  return Object.entries(fields)
    .filter(([, f]) => f.tag >= 0 && inVersions(f.versions, version))
    .sort(([, a], [, b]) => a.tag - b.tag);
}

/** The fewest bytes that a value of this field can take. */
export function bytesMin(field: Field, layout: Layout): number {
  const { kind } = field;
  if (kind === 'struct') {
    return inVersions(field.nullable, layout.version) ? 1 : structBytesMin(field.fields!, layout);
  }
  const fixed = fixedSize(kind);
  if (fixed > 0) return fixed;
  if (layout.flexible) return 1;
  return kind === 'string' ? 2 : 4;
}

export function structBytesMin(fields: Fields, layout: Layout): number {
  let sum = layout.flexible ? 1 : 0;
  for (const [, field] of bodyFields(fields, layout)) sum += bytesMin(field, layout);
  return sum;
}

/** The default of a scalar field as a JavaScript literal; undefined for the other kinds. */
export function scalarDefault(field: Field): string | undefined {
  if (field.default !== undefined) return JSON.stringify(field.default);
  if (field.kind === 'bool') return 'false';
  if (field.kind === 'string') return "''";
  if (field.kind === 'uuid') return JSON.stringify(ZERO_UUID);
  return fixedSize(field.kind) > 0 ? '0' : undefined;
}

/** A property name that may stand in generated code. Tables hold no other. */
export function propertyName(name: string): string {
  if (!/^[a-z][A-Za-z0-9]*$/.test(name)) throw new TypeError(`no field name: ${name}`);
  return name;
}
