/**
 * What the documents name is there: tests, sources, commands with their options, and each row of the
 * threat model once.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Command } from 'commander';
import { beforeAll, describe, expect, it } from 'vitest';
import { createProgram } from '../src/cli/program.ts';
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

let program: Command;
beforeAll(async () => {
  program = await createProgram([]);
});

/** Each call of the command: in blocks of code, and between back quotes also without its name. */
function callsIn(text: string): string[] {
  const joined = text.replace(/\\\n\s*/g, ' ');
  const named = [...joined.matchAll(/(?:^|[\s`(])breakwater ([a-z][^`\n#]*)/g)].map(
    ([, call]) => call!,
  );
  const quoted = [...joined.matchAll(/`([a-z]+ [a-z-]+[^`\n]*)`/g)].map(([, call]) => call!);
  const groups = program.commands.filter(({ commands }) => commands.length > 0);
  const isOurs = (call: string) => groups.some((group) => call.startsWith(`${group.name()} `));
  return [...named, ...quoted.filter(isOurs)];
}

/** What is wrong with a call; `a b|c` stands for two commands. */
function mistakeIn(call: string): string | null {
  const words = call.split(/ [|>]/)[0]!.split(/\s+/);
  let found = [program];
  for (const word of words) {
    if (!found.some(({ commands }) => commands.length > 0)) break;
    const names = word.replace(/[^a-z|-].*$/, '').split('|');
    const next = names.map((name) =>
      found.flatMap(({ commands }) => commands).find((command) => command.name() === name),
    );
    if (next.includes(undefined)) return `"${call}": no command "${word}"`;
    found = next.filter((command) => command !== undefined);
  }
  for (const option of call.match(/(?<=\s|\[)--[a-z][a-z-]*/g) ?? []) {
    const lacks = found.find(({ options }) => options.every(({ long }) => long !== option));
    if (lacks !== undefined && option !== '--help') return `"${call}": no option ${option}`;
  }
  return null;
}

describe.each(documents)('%s', (name) => {
  it('names tests and sources that are there', () => {
    const named = textOf(name).match(/\b(?:test|src|bench)\/[\w./-]+\.(?:ts|mjs)\b/g) ?? [];
    expect([...new Set(named)].filter((path) => !isThere(path))).toEqual([]);
  });

  it('calls commands that are there, with options that they have', () => {
    expect(callsIn(textOf(name)).map(mistakeIn).filter(Boolean)).toEqual([]);
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

it('finds a command or an option that is not there', () => {
  const text =
    '`breakwater audit list` `audit query --nobody x`\n\n    npx breakwater tenant burn acme\n';
  expect(callsIn(text).map(mistakeIn).filter(Boolean)).toHaveLength(3);
});
