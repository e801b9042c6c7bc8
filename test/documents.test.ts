/** What the documents name is there: tests, sources, and each row of the threat model once. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { projectRoot } from './tools/project-root.ts';

const documents = [
  ...readdirSync(projectRoot),
  ...readdirSync(join(projectRoot, 'docs'), { recursive: true, encoding: 'utf8' }).map((name) =>
    join('docs', name),
  ),
  join('policies', 'README.md'),
].filter((name) => name.endsWith('.md'));

const textOf = (name: string): string => readFileSync(join(projectRoot, name), 'utf8');
const isThere = (...path: string[]): boolean => existsSync(join(projectRoot, ...path));

describe.each(documents)('%s', (name) => {
  it('names tests and sources that are there', () => {
    const named = textOf(name).match(/\b(?:test|src|bench)\/[\w./-]+\.(?:ts|mjs)\b/g) ?? [];
    expect([...new Set(named)].filter((path) => !isThere(path))).toEqual([]);
  });

  it('links to files that are there', () => {
    // What stands in code is no link.
    const prose = textOf(name).replace(/```[\s\S]*?```|`[^`\n]*`/g, '');
    const links = [...prose.matchAll(/\]\(([^)#:]+)(?:#[^)]*)?\)/g)].map(([, to]) => to!);
    expect(links.filter((to) => !isThere(dirname(name), to))).toEqual([]);
  });
});

it('the threat model tells each threat once', () => {
  const rows = textOf('SECURITY.md')
    .split('\n')
    .filter((line) => line.startsWith('| ') && !line.startsWith('| threat'))
    .map((line) => line.split('|')[1]!.trim());
  expect(rows.filter((row, index) => rows.indexOf(row) !== index)).toEqual([]);
  expect(rows.length).toBeGreaterThan(50);
});
