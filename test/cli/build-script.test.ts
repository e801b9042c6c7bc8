/** scripts/build.mjs on a project of its own: what it builds, what it leaves alone, two at a time. */
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { runCommand } from '../tools/child-process.ts';
import { projectRoot } from '../tools/project-root.ts';
import { removeDirectory, temporaryDirectory } from '../tools/temporary-directory.ts';

let dir = '';
const at = (path: string): string => join(dir, path);
const read = (path: string): string => readFileSync(at(path), 'utf8');
const build = (...args: string[]) =>
  runCommand(process.execPath, [at('scripts/build.mjs'), ...args], { cwd: '/' });

beforeEach(() => {
  dir = temporaryDirectory('build');
  for (const folder of ['scripts', 'src/part']) mkdirSync(at(folder), { recursive: true });
  copyFileSync(join(projectRoot, 'scripts/build.mjs'), at('scripts/build.mjs'));
  for (const name of ['tsconfig.json', 'tsconfig.build.json']) {
    copyFileSync(join(projectRoot, name), at(name));
  }
  writeFileSync(at('package.json'), '{"type":"module"}');
  writeFileSync(at('package-lock.json'), '{}');
  symlinkSync(join(projectRoot, 'node_modules'), at('node_modules'));
  writeFileSync(at('src/main.ts'), "export { answer } from './part/answer.ts';\n");
  writeFileSync(at('src/part/answer.ts'), 'export const answer: number = 41;\n');
});
afterEach(() => removeDirectory(dir));

describe('the build', () => {
  test('makes dist/ with working imports and source maps, and nothing the second time', async () => {
    expect((await build()).text).toBe('');
    const { answer } = await import(at('dist/main.js'));
    expect(answer).toBe(41);
    const map = JSON.parse(read('dist/part/answer.js.map'));
    expect(existsSync(join(at('dist/part'), map.sources[0]))).toBe(true);
    const before = statSync(at('dist/main.js')).mtimeMs;
    expect((await build()).code).toBe(0);
    expect(statSync(at('dist/main.js')).mtimeMs).toBe(before);
  });

  test('builds again after a change, a removal, or a change of the settings', async () => {
    await build();
    writeFileSync(at('src/part/answer.ts'), 'export const answer: number = 42;\n');
    await build();
    expect(read('dist/part/answer.js')).toContain('42');
    writeFileSync(at('src/main.ts'), 'export const answer: number = 43;\n');
    rmSync(at('src/part'), { recursive: true });
    await build();
    expect(existsSync(at('dist/part/answer.js'))).toBe(false);
    const stamp = read('dist/.stamp');
    const later = new Date(Date.now() + 10_000);
    utimesSync(at('package-lock.json'), later, later);
    await build();
    expect(read('dist/.stamp')).not.toBe(stamp);
  });

  test('sources that do not compile leave dist/ as it was, and say so', async () => {
    await build();
    const before = read('dist/part/answer.js');
    writeFileSync(at('src/part/answer.ts'), 'export const answer: number = "no";\n');
    const failed = await build();
    expect(failed.code).toBe(1);
    expect(failed.text).toMatch(/error TS2322/);
    expect(failed.text).toContain('dist/ is as it was');
    expect(read('dist/part/answer.js')).toBe(before);
    expect((await build()).code).toBe(1);
    expect((await build('--no-check')).code).toBe(0);
  });

  test('several at once build once, and leave nothing but dist/ behind', async () => {
    const runs = await Promise.all([build(), build(), build(), build()]);
    expect(runs.map(({ code }) => code)).toEqual([0, 0, 0, 0]);
    const { answer } = await import(`${at('dist/main.js')}?several`);
    expect(answer).toBe(41);
    const hidden = readdirSync(at('dist')).filter((name) => name.startsWith('.'));
    expect(hidden).toEqual(['.stamp']);
  });

  test('the lock and the leftovers of a build that was killed are cleared', async () => {
    mkdirSync(at('dist/.staging-999999/x'), { recursive: true });
    writeFileSync(at('dist/.lock'), '4194304'); // Above the largest process id.
    expect((await build()).code).toBe(0);
    expect(readdirSync(at('dist')).filter((name) => name.startsWith('.'))).toEqual(['.stamp']);
  });
});

describe('the bin', () => {
  test('without a build says what to do', async () => {
    mkdirSync(at('bin'));
    copyFileSync(join(projectRoot, 'bin/breakwater.js'), at('bin/breakwater.js'));
    const { code, stderr } = await runCommand(process.execPath, [
      at('bin/breakwater.js'),
      'status',
    ]);
    expect([code, stderr]).toEqual([1, expect.stringContaining('npm run build')]);
  });

  test('on an old Node says which one it needs', async () => {
    const pretend = `Object.defineProperty(process.versions, 'node', { value: '18.20.1' })`;
    const bin = join(projectRoot, 'bin/breakwater.js');
    const args = ['--import', `data:text/javascript,${encodeURIComponent(pretend)}`, bin];
    const { code, stderr } = await runCommand(process.execPath, args);
    expect([code, stderr]).toEqual([1, expect.stringContaining('needs Node 20.19 or newer')]);
  });
});
