/**
 * Owns the text of the decoding function of one message in one version. Its only input is the
 * constant table; codec.ts compiles it. Fields of fixed size that follow each other share one bounds
 * check, and every decoded object is one literal with all fields of the table in its order, so all
 * versions share one hidden class.
 */
import type { Field, Fields } from './schema.ts';
import { inVersions } from './versions.ts';
import {
  bodyFields,
  bytesMin,
  fixedSize,
  type Layout,
  propertyName,
  scalarDefault,
  taggedFields,
} from './wire-layout.ts';

/** The source of a script that ends by returning `(reader) => message`. */
export function decoderSource(layout: Layout): string {
  const source = new DecoderSource(layout);
  const main = source.struct(layout.message.fields);
  return `'use strict';\n${source.functions.join('\n')}\nreturn ${main};`;
}

class DecoderSource {
  readonly functions: string[] = [];
  readonly #layout: Layout;
  readonly #names = new Map<Fields, string>();

  constructor(layout: Layout) {
    this.#layout = layout;
  }

  /** Emits the function that reads a struct, once, and returns its name. */
  struct(fields: Fields): string {
    const known = this.#names.get(fields);
    if (known !== undefined) return known;
    const body = [...this.#body(fields), ...this.#tagged(fields)];
    const properties = Object.entries(fields).map(
      ([name, field]) => `${propertyName(name)}: ${this.#value(name, field)}`,
    );
    const name = `read${this.#names.size}`;
    this.#names.set(fields, name);
    this.functions.push(
      `function ${name}(r) {`,
      '  const b = r.buffer;',
      ...body.map((line) => `  ${line}`),
      `  return { ${properties.join(', ')} };`,
      '}',
    );
    return name;
  }

  #value(name: string, field: Field): string {
    return inVersions(field.versions, this.#layout.version) ? `_${name}` : defaultOf(field);
  }

  #body(fields: Fields): string[] {
    const lines: string[] = [];
    let run: [string, Field][] = [];
    const endRun = (): void => {
      lines.push(...readRun(run));
      run = [];
    };
    for (const [name, field] of bodyFields(fields, this.#layout)) {
      if (fixedSize(field.kind) > 0) {
        run.push([name, field]);
        continue;
      }
      endRun();
      lines.push(...this.#read(`_${name}`, field, true));
    }
    endRun();
    return lines;
  }

  #tagged(fields: Fields): string[] {
    if (!this.#layout.flexible) return [];
    const tagged = taggedFields(fields, this.#layout);
    if (tagged.length === 0) return ['r.skipTags();'];
    const lines = tagged.map(([name, field]) => `let _${name} = ${defaultOf(field)};`);
    lines.push('for (let n = r.uvarint(); n > 0; n--) {');
    lines.push('  const tag = r.uvarint(), end = r.taggedEnd();');
    lines.push('  switch (tag) {');
    for (const [name, field] of tagged) {
      lines.push(`    case ${field.tag}: {`);
      lines.push(...this.#readTagged(`_${name}`, field).map((line) => `      ${line}`));
      lines.push('      break;', '    }');
    }
    lines.push('    default: r.offset = end;', '  }');
    lines.push("  if (r.offset !== end) r.fail('a tagged field of the wrong size');", '}');
    return lines;
  }

  #readTagged(target: string, field: Field): string[] {
    const size = fixedSize(field.kind);
    if (size > 0) return [`${target} = ${readFixed(field, `r.take(${size})`)};`];
    return this.#read(target, field, false);
  }

  /** Statements that put a value of no fixed size into `target`. */
  #read(target: string, field: Field, declare: boolean): string[] {
    const { version, flexible } = this.#layout;
    const nullable = inVersions(field.nullable, version);
    const to = declare ? `const ${target}` : target;
    if (field.kind === 'array') return this.#readArray(target, field, declare, nullable);
    if (field.kind === 'struct') {
      const read = `${this.struct(field.fields!)}(r)`;
      const marker = declare ? 'r.present()' : 'r.taggedPresent()';
      return [`${to} = ${nullable ? `${marker} ? ${read} : null` : read};`];
    }
    return [`${to} = ${readSized(field, flexible, nullable)};`];
  }

  /** The array has its final size at once: `count` has held that against the bytes left. */
  #readArray(target: string, field: Field, declare: boolean, nullable: boolean): string[] {
    const element = field.element!;
    const { flexible } = this.#layout;
    const length = flexible ? 'r.compactLength()' : 'r.int32Length()';
    const count = `n${target}`;
    const method = nullable ? 'nullableCount' : 'count';
    const empty = nullable ? `${count} < 0 ? null : new Array(${count})` : `new Array(${count})`;
    const lines = [
      `const ${count} = r.${method}(${length}, ${bytesMin(element, this.#layout)});`,
      `${declare ? 'const ' : ''}${target} = ${empty};`,
    ];
    const size = fixedSize(element.kind);
    if (size > 0) {
      lines.push(
        `if (${count} > 0) {`,
        `  let at = r.take(${count} * ${size});`,
        `  for (let i = 0; i < ${count}; i++, at += ${size}) ` +
          `${target}[i] = ${readFixed(element, 'at')};`,
        '}',
      );
    } else {
      const read =
        element.kind === 'struct'
          ? `${this.struct(element.fields!)}(r)`
          : readSized(element, flexible, false);
      lines.push(`for (let i = 0; i < ${count}; i++) ${target}[i] = ${read};`);
    }
    return lines;
  }
}

/** One bounds check for a run of fields of fixed size. */
function readRun(run: readonly [string, Field][]): string[] {
  const [first] = run;
  if (first === undefined) return [];
  const start = `at_${first[0]}`;
  let total = 0;
  const reads = run.map(([name, field]) => {
    const line = `const _${name} = ${readFixed(field, total === 0 ? start : `${start} + ${total}`)};`;
    total += fixedSize(field.kind);
    return line;
  });
  return [`const ${start} = r.take(${total});`, ...reads];
}

function readFixed(field: Field, at: string): string {
  return field.kind === 'uuid' ? `readUuid(b, ${at})` : `${field.kind}(b, ${at})`;
}

/** An expression that reads a string, bytes or records. */
function readSized(field: Field, flexible: boolean, nullable: boolean): string {
  const recurring = field.entityType === 'topicName' || field.entityType === 'groupId';
  if (field.kind === 'string') {
    const method = recurring ? 'name' : 'string';
    return `r.${nullably(method, nullable)}(r.${flexible ? 'compactLength' : 'int16Length'}())`;
  }
  return `r.${nullably('bytes', nullable)}(r.${flexible ? 'compactLength' : 'int32Length'}())`;
}

function nullably(method: string, nullable: boolean): string {
  return nullable ? `nullable${method[0]!.toUpperCase()}${method.slice(1)}` : method;
}

/** An expression for the value of a field that is not there; a fresh one where it can be changed. */
function defaultOf(field: Field): string {
  const scalar = scalarDefault(field);
  if (scalar !== undefined) return scalar;
  if (field.kind === 'array') return '[]';
  if (field.kind !== 'struct') return 'EMPTY_BYTES';
  const properties = Object.entries(field.fields!).map(
    ([name, inner]) => `${propertyName(name)}: ${defaultOf(inner)}`,
  );
  return `{ ${properties.join(', ')} }`;
}
