/**
 * Owns finding the error codes of a decoded answer, wherever its table has them: for each message a
 * function is compiled from the table, so that looking costs a comparison a field.
 */
import { compileSource } from './codec.ts';
import type { Field, Fields, Message } from './schema.ts';
import { propertyName } from './wire-layout.ts';

/** Calls `tell` with every error code that is not 0; one that is there twice is told twice. */
export type ErrorCodeWalk = (message: object, tell: (errorCode: number) => void) => void;

const ERROR_CODE = /^errorCode$|ErrorCode$/;

/** Compiles the walk of one message; keep the result. */
export function compileErrorCodeWalk(message: Message): ErrorCodeWalk {
  const source = new WalkSource();
  const main = source.struct(message.fields) ?? '() => {}';
  const text = `'use strict';\n${source.functions.join('\n')}\nreturn ${main};`;
  return compileSource(text, {}, `${message.name}.error-codes`) as ErrorCodeWalk;
}

class WalkSource {
  readonly functions: string[] = [];
  readonly #names = new Map<Fields, string | undefined>();

  /** Emits the function for a struct, once; undefined if there is no error code in it. */
  struct(fields: Fields): string | undefined {
    if (this.#names.has(fields)) return this.#names.get(fields);
    const lines = Object.entries(fields).flatMap(([name, field]) =>
      this.#statements(name, `o.${propertyName(name)}`, field),
    );
    const name = lines.length === 0 ? undefined : `walk${this.#names.size}`;
    this.#names.set(fields, name);
    if (name !== undefined) {
      this.functions.push([`function ${name}(o, tell) {`, ...lines, '}'].join('\n'));
    }
    return name;
  }

  #statements(name: string, value: string, field: Field): string[] {
    if (field.kind === 'int16' && ERROR_CODE.test(name)) {
      // An answer may be left to its defaults.
      return [`if (${value}) tell(${value});`];
    }
    const fields = field.kind === 'array' ? field.element!.fields : field.fields;
    const inner = fields === undefined ? undefined : this.struct(fields);
    if (inner === undefined) return [];
    if (field.kind === 'struct') return [`if (${value}) ${inner}(${value}, tell);`];
    const loop = `for (let i = 0; i < a.length; i++) ${inner}(a[i], tell);`;
    return [`{ const a = ${value}; if (a) { ${loop} } }`];
  }
}
