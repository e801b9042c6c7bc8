/**
 * Owns the text of the encoding function of one message in one version; codec.ts compiles it. A
 * field that is left out has its default; a value other than the default in a version that lacks
 * the field fails, unless the table says that it may be ignored.
 */
import type { Field, Fields } from './schema.ts';
import { inVersions } from './versions.ts';
import {
  bodyFields,
  fixedSize,
  type Layout,
  propertyName,
  scalarDefault,
  taggedFields,
} from './wire-layout.ts';

/** The source of a script that ends by returning `(writer, value) => void`. */
export function encoderSource(layout: Layout): string {
  const source = new EncoderSource(layout);
  const main = source.struct(layout.message.fields);
  return `'use strict';\n${source.functions.join('\n')}\nreturn ${main};`;
}

class EncoderSource {
  readonly functions: string[] = [];
  readonly #layout: Layout;
  readonly #writers = new Map<Fields, string>();
  readonly #tests = new Map<Fields, string>();

  constructor(layout: Layout) {
    this.#layout = layout;
  }

  /** Emits the function that writes a struct, once, and returns its name. */
  struct(fields: Fields): string {
    const known = this.#writers.get(fields);
    if (known !== undefined) return known;
    const body = [...this.#absent(fields), ...this.#body(fields), ...this.#tagged(fields)];
    const name = `write${this.#writers.size}`;
    this.#writers.set(fields, name);
    this.functions.push(`function ${name}(w, o) {`, ...body.map((line) => `  ${line}`), '}');
    return name;
  }

  /** Emits the function that tells whether a struct holds only defaults. */
  #isBlank(fields: Fields): string {
    const known = this.#tests.get(fields);
    if (known !== undefined) return known;
    const tests = Object.entries(fields).map(([name, field]) => {
      const value = `o.${propertyName(name)}`;
      return `(${value} === undefined || ${this.#isDefault(value, field)})`;
    });
    const name = `isBlank${this.#tests.size}`;
    this.#tests.set(fields, name);
    this.functions.push(`function ${name}(o) {`, `  return ${tests.join('\n    && ')};`, '}');
    return name;
  }

  #isDefault(value: string, field: Field): string {
    const scalar = scalarDefault(field);
    if (scalar !== undefined) return `${value} === ${scalar}`;
    if (field.kind === 'struct') {
      return `(${value} !== null && ${this.#isBlank(field.fields!)}(${value}))`;
    }
    return `(${value} !== null && ${value}.length === 0)`;
  }

  #absent(fields: Fields): string[] {
    const { version } = this.#layout;
    return Object.entries(fields)
      .filter(([, field]) => !inVersions(field.versions, version) && !field.ignorable)
      .map(([name, field]) => {
        const value = `o.${propertyName(name)}`;
        const isDefault = this.#isDefault(value, field);
        return `if (${value} !== undefined && !(${isDefault})) lacksField('${name}');`;
      });
  }

  #body(fields: Fields): string[] {
    const lines: string[] = [];
    let run: [string, Field][] = [];
    const endRun = (): void => {
      lines.push(...writeRun(run));
      run = [];
    };
    for (const [name, field] of bodyFields(fields, this.#layout)) {
      lines.push(load(name, field));
      if (fixedSize(field.kind) > 0) {
        run.push([name, field]);
        continue;
      }
      endRun();
      lines.push(...this.#write(name, field, false));
    }
    endRun();
    return lines;
  }

  #tagged(fields: Fields): string[] {
    if (!this.#layout.flexible) return [];
    const tagged = taggedFields(fields, this.#layout);
    if (tagged.length === 0) return ['w.uint8(0);'];
    const lines = ['let tags = 0;'];
    for (const [name, field] of tagged) {
      lines.push(load(name, field));
      lines.push(`const has_${name} = !(${this.#isDefault(`_${name}`, field)});`);
      lines.push(`if (has_${name}) tags++;`);
    }
    lines.push('w.uint8(tags);');
    for (const [name, field] of tagged) {
      lines.push(`if (has_${name}) {`, `  w.uint8(${field.tag});`);
      lines.push(...this.#writeTagged(name, field).map((line) => `  ${line}`), '}');
    }
    return lines;
  }

  #writeTagged(name: string, field: Field): string[] {
    const size = fixedSize(field.kind);
    if (size > 0) return [`w.uint8(${size});`, ...writeRun([[name, field]])];
    return ['const mark = w.beginSized();', ...this.#write(name, field, true), 'w.endSized(mark);'];
  }

  /** Statements that write `_name`, of no fixed size. */
  #write(name: string, field: Field, tagged: boolean): string[] {
    const { version, flexible } = this.#layout;
    const value = `_${name}`;
    const write = this.#writeValue(value, field);
    const isStruct = field.kind === 'struct';
    if (!inVersions(field.nullable, version)) {
      return [`if (${value} === null) isNull('${name}');`, ...write];
    }
    const [none, some] = isStruct ? (tagged ? [0, 1] : [255, 1]) : [0, 0];
    const onNull = isStruct
      ? `w.uint8(${none});`
      : flexible
        ? 'w.uint8(0);'
        : field.kind === 'string'
          ? 'w.nullInt16();'
          : 'w.int32(-1);';
    return [
      `if (${value} === null) {`,
      `  ${onNull}`,
      '} else {',
      ...(isStruct ? [`  w.uint8(${some});`] : []),
      ...write.map((line) => `  ${line}`),
      '}',
    ];
  }

  #writeValue(value: string, field: Field): string[] {
    const { flexible } = this.#layout;
    if (field.kind === 'struct') return [`${this.struct(field.fields!)}(w, ${value});`];
    if (field.kind === 'string') return [`w.${flexible ? 'compactString' : 'string'}(${value});`];
    const length = flexible ? `w.uvarint(${value}.length + 1);` : `w.int32(${value}.length);`;
    if (field.kind === 'bytes') return [length, `w.raw(${value});`];
    if (field.kind === 'records') return [length, `w.chunk(${value});`];
    return [length, ...this.#writeElements(value, field.element!)];
  }

  #writeElements(value: string, element: Field): string[] {
    const size = fixedSize(element.kind);
    if (size === 0) {
      const write = this.#writeValue('v', element).join(' ');
      return [`for (let i = 0; i < ${value}.length; i++) { const v = ${value}[i]; ${write} }`];
    }
    return [
      `let at${value} = w.reserve(${value}.length * ${size});`,
      `for (let i = 0; i < ${value}.length; i++, at${value} += ${size}) ` +
        `${put(element, `at${value}`, `${value}[i]`)}`,
    ];
  }
}

/** Takes a field out of the object, or its default. */
function load(name: string, field: Field): string {
  const value = `o.${propertyName(name)}`;
  const other =
    scalarDefault(field) ??
    (field.kind === 'array' ? 'NO_ELEMENTS' : field.kind === 'struct' ? 'BLANK' : 'EMPTY_BYTES');
  return `const _${name} = ${value} === undefined ? ${other} : ${value};`;
}

/** One reservation for a run of fields of fixed size. */
function writeRun(run: readonly [string, Field][]): string[] {
  const [first] = run;
  if (first === undefined) return [];
  const start = `at_${first[0]}`;
  let total = 0;
  const puts = run.map(([name, field]) => {
    const line = put(field, total === 0 ? start : `${start} + ${total}`, `_${name}`);
    total += fixedSize(field.kind);
    return line;
  });
  return [`const ${start} = w.reserve(${total});`, ...puts];
}

function put(field: Field, at: string, value: string): string {
  if (field.kind === 'uuid') return `writeUuid(w.buffer, ${at}, ${value});`;
  const method = `put${field.kind[0]!.toUpperCase()}${field.kind.slice(1)}`;
  return `${method}(w.view, ${at}, ${value});`;
}
