import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';

/**
 * The floors of ARCHITECTURE.md as a table: what each part of src/ may import from other parts.
 * Its own part is always allowed. Longest prefix wins.
 */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  'base/': [],
  'config/': ['base/'],
  'protocol/': ['base/'],
  'engine/engine.ts': ['protocol/', 'base/'],
  'engine/embedded/': ['engine/engine.ts', 'protocol/', 'base/'],
  'security/': ['protocol/', 'base/', 'pki/'],
  'audit/': ['security/acl/', 'base/'],
  'quota/': [],
  'fleet/': ['security/', 'protocol/', 'base/'],
  'pki/': ['base/'],
  'metadata/': ['engine/engine.ts', 'security/', 'quota/', 'protocol/', 'base/'],
  'backup/': ['metadata/', 'audit/', 'engine/', 'base/'],
  'tenancy/': ['engine/engine.ts', 'protocol/', 'base/'],
  'network/': ['protocol/', 'base/'],
  'server/': [
    'network/',
    'tenancy/',
    'security/',
    'quota/',
    'fleet/',
    'audit/',
    'engine/engine.ts',
    'protocol/',
    'base/',
  ],
  'admin/': [
    'tenancy/',
    'metadata/',
    'security/',
    'fleet/',
    'quota/',
    'audit/',
    'engine/engine.ts',
    'protocol/',
    'base/',
  ],
  'cli/': ['backup/', 'config/', 'pki/', 'security/', 'audit/', 'base/', 'broker.ts'],
  'main.ts': ['cli/', 'base/'],
  broker: [
    'backup/',
    'server/',
    'admin/',
    'network/',
    'tenancy/',
    'metadata/',
    'security/',
    'quota/',
    'fleet/',
    'audit/',
    'pki/',
    'engine/',
    'config/',
    'protocol/',
    'base/',
  ],
};

const ROOT = resolve(import.meta.dirname, '..', 'src');
const PARTS = Object.keys(MAY_IMPORT).sort((a, b) => b.length - a.length);
const IMPORT = /(?:from|import)\s*\(?\s*'(\.[^']+)'/g;

function sources(directory: string): string[] {
  return readdirSync(directory, { withFileTypes: true }).flatMap((entry) => {
    const path = join(directory, entry.name);
    if (entry.isDirectory()) return sources(path);
    return entry.name.endsWith('.ts') ? [path] : [];
  });
}

function partOf(file: string): string | undefined {
  return PARTS.find((part) => file.startsWith(part));
}

function importsOf(path: string): string[] {
  const text = readFileSync(path, 'utf8');
  return [...text.matchAll(IMPORT)].map((match) =>
    relative(ROOT, resolve(dirname(path), match[1]!)),
  );
}

describe('the floors of the architecture', () => {
  const files = sources(ROOT).map((path) => ({ path, file: relative(ROOT, path) }));

  it('every file belongs to a part', () => {
    expect(files.map(({ file }) => file).filter((file) => partOf(file) === undefined)).toEqual([]);
  });

  it('no file imports from a part it does not rest on', () => {
    const violations = files.flatMap(({ path, file }) => {
      const part = partOf(file)!;
      return importsOf(path)
        .filter((target) => !target.startsWith(part))
        .filter((target) => !MAY_IMPORT[part]!.some((allowed) => target.startsWith(allowed)))
        .map((target) => `${file} imports ${target}`);
    });
    expect(violations).toEqual([]);
  });

  it('only base/ reads the clock, randomness or the disk', () => {
    const direct = /\bDate\.now\(|\bMath\.random\(|from 'node:fs/;
    // No reading there: a hint that a folder changed.
    const exempt = ['security/policy-watch.ts'];
    const violations = files
      .filter(({ file }) => !file.startsWith('base/') && !exempt.includes(file))
      .filter(({ path }) => direct.test(readFileSync(path, 'utf8')))
      .map(({ file }) => file);
    expect(violations).toEqual([]);
  });
});
