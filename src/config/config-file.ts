/**
 * Reads the YAML form of the configuration: flat dotted keys, or nested maps that flatten to them.
 * Scalars only; every entry keeps its line. Problems are collected, not thrown.
 */
import { isMap, isScalar, LineCounter, type Node, parseDocument } from 'yaml';
import type { RawValue } from './config-spec.ts';

/** Far above any real file: a guard against the wrong file. */
const FILE_CHARACTERS_MAX = 1024 * 1024;
const NESTING_MAX = 8;

export interface FileEntry {
  readonly key: string;
  readonly raw: RawValue;
  readonly line: number;
}

export interface ParsedFile {
  readonly entries: readonly FileEntry[];
  /** Sentences that begin with the line: `12: ...`. */
  readonly problems: readonly string[];
}

export function parseConfigFile(text: string): ParsedFile {
  if (text.length > FILE_CHARACTERS_MAX) {
    return { entries: [], problems: ['1: the file is larger than 1 MiB: is it the right one?'] };
  }
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false, strict: true });
  const lineAt = (offset: number | undefined): number => lines.linePos(offset ?? 0).line;
  const syntax = [...document.errors, ...document.warnings];
  if (syntax.length > 0) {
    return {
      entries: [],
      problems: syntax.map((error) => `${lineAt(error.pos[0])}: not valid YAML: ${error.message}`),
    };
  }
  const reader = new Reader(lineAt);
  if (document.contents !== null) reader.read(document.contents, '', 0);
  return reader;
}

class Reader implements ParsedFile {
  readonly entries: FileEntry[] = [];
  readonly problems: string[] = [];
  readonly #lineAt: (offset: number | undefined) => number;

  constructor(lineAt: (offset: number | undefined) => number) {
    this.#lineAt = lineAt;
  }

  read(node: Node, prefix: string, depth: number): void {
    if (isScalar(node) && prefix !== '') {
      this.#entry(prefix, node.value, this.#line(node));
    } else if (isScalar(node) && node.value === null) {
      // An empty file, or one of comments only: nothing is set.
    } else if (isMap<Node, Node | null>(node) && depth < NESTING_MAX) {
      for (const { key, value } of node.items) this.#pair(key, value, prefix, depth);
    } else {
      const subject = prefix === '' ? 'the file' : prefix;
      this.problems.push(`${this.#line(node)}: ${subject} must hold "key: value" lines only`);
    }
  }

  #pair(key: Node, value: Node | null, prefix: string, depth: number): void {
    if (!isScalar(key) || typeof key.value !== 'string' || key.value === '') {
      this.problems.push(`${this.#line(key)}: a key must be a plain name`);
      return;
    }
    const name = prefix === '' ? key.value : `${prefix}.${key.value}`;
    if (value === null) this.#entry(name, null, this.#line(key));
    else this.read(value, name, depth + 1);
  }

  #entry(key: string, value: unknown, line: number): void {
    const isPlain =
      value === null ||
      typeof value === 'string' ||
      typeof value === 'number' ||
      typeof value === 'boolean';
    if (isPlain) this.entries.push({ key, raw: value, line });
    else this.problems.push(`${line}: ${key} must be text, a number, true or false`);
  }

  #line(node: Node): number {
    return this.#lineAt(node.range?.[0]);
  }
}
