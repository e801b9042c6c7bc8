/** Every command, through the built bin: help, usage errors, exit codes, sentences. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Command } from 'commander';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { errorText } from '../../src/cli/error-text.ts';
import { createProgram } from '../../src/cli/program.ts';
import { spawnReaped } from '../tools/child-process.ts';
import { removeDirectory, temporaryDirectory } from '../tools/temporary-directory.ts';
import { describeRequiring } from '../tools/tool-detection.ts';
import { BIN, runCli, runInProcess } from './run-cli.ts';

const leaves = (command: Command, path: readonly string[]): string[][] =>
  command.commands.length === 0
    ? [[...path]]
    : command.commands.flatMap((child) => leaves(child, [...path, child.name()]));

const program = await createProgram([]);
const commands = leaves(program, []);
const groups = program.commands.filter((command) => command.commands.length > 0);

describe('the set of commands', () => {
  test('is what this version serves, and nothing that it does not', () => {
    expect(commands.map((path) => path.join(' ')).sort()).toEqual(
      [
        'acl add',
        'acl explain',
        'acl list',
        'acl remove',
        'audit checkpoint',
        'audit explain',
        'audit export',
        'audit index',
        'audit new-key',
        'audit query',
        'audit tail',
        'audit verify',
        'authorizer invalidate',
        'authorizer status',
        'backup',
        'ban add',
        'ban list',
        'ban remove',
        'cert bulk',
        'cert ca create',
        'cert ca list',
        'cert ca protect',
        'cert ca retire',
        'cert ca rotate',
        'cert crl',
        'cert crl-url',
        'cert expiring',
        'cert issue',
        'cert list',
        'cert quarantine add',
        'cert quarantine list',
        'cert quarantine release',
        'cert renew',
        'cert revocations',
        'cert revoke',
        'cert search',
        'cert show',
        'config check',
        'config show',
        'device list',
        'device resume',
        'device show',
        'device suspend',
        'device suspended',
        'fleet resume',
        'fleet suspend',
        'fleet suspended',
        'init',
        'policy check',
        'policy diff',
        'policy replay',
        'policy shadow',
        'policy test',
        'quota describe',
        'quota set',
        'restore',
        'serve',
        'status',
        'tenant ca add',
        'tenant ca import',
        'tenant ca list',
        'tenant ca remove',
        'tenant create',
        'tenant delete',
        'tenant describe',
        'tenant list',
        'tenant resume',
        'tenant suspend',
        'topic create',
        'topic delete',
        'topic describe',
        'topic list',
        'user add',
        'user list',
        'user remove',
      ].sort(),
    );
  });

  test('each that prints data has --json', () => {
    const visit = (command: Command, path: string): void => {
      for (const child of command.commands) visit(child, `${path} ${child.name()}`);
      if (command.commands.length > 0 || path.trim() === 'serve') return;
      expect(
        command.options.map(({ long }) => long),
        path,
      ).toContain('--json');
    };
    visit(program, '');
  });
});

describeRequiring(['built-broker'], 'the built command', () => {
  let dir = '';
  beforeAll(() => {
    dir = temporaryDirectory('cli');
  });
  afterAll(() => removeDirectory(dir));

  test.concurrent.each(commands.map((path) => [path.join(' '), path] as const))(
    '%s --help prints its usage and exits 0',
    async (name, path) => {
      const { code, stdout, stderr } = await runCli([...path, '--help']);
      expect([code, stderr]).toEqual([0, '']);
      expect(stdout).toContain(`Usage: breakwater ${name}`);
    },
  );

  test('--version prints the version and exits 0', async () => {
    const { code, stdout } = await runCli(['--version']);
    expect([code, stdout]).toEqual([0, expect.stringMatching(/^\d+\.\d+\.\d+\n$/)]);
  });

  test('config show masks nothing that it need not, and names each source', async () => {
    const file = join(dir, 'b.yaml');
    writeFileSync(file, 'num.partitions: 7\n');
    const args = ['config', 'show', '--config', file, '--set', 'port=1', '--json'];
    const { code, stdout } = await runCli(args, { env: { BREAKWATER_NODE_ID: '9' } });
    expect(code).toBe(0);
    const shown = JSON.parse(stdout);
    expect(shown['num.partitions']).toEqual({ value: 7, source: `${file}:1` });
    expect(shown.port).toEqual({ value: 1, source: '--set' });
    expect(shown['node.id']).toEqual({ value: 9, source: 'BREAKWATER_NODE_ID' });
    const text = await runCli(['config', 'show', '--config', file]);
    expect(text.stdout).toContain(`num.partitions = 7  (${file}:1)`);
  });

  test('policy check reads the development policy, and names file and line of a fault', async () => {
    const good = await runCli(['policy', 'check', '--json']);
    expect([good.code, JSON.parse(good.stdout).ok]).toEqual([0, true]);
    writeFileSync(
      join(dir, 'bad.csv'),
      'p, User:x, acme, TOPIC, LITERAL, t, FLY, *, allow\n# end\n',
    );
    const bad = await runCli(['policy', 'check', dir]);
    expect([bad.code, bad.stderr]).toEqual([1, expect.stringContaining('bad.csv:1: ')]);
  });

  test('a closed pipe is no stack trace', async () => {
    const child = spawnReaped(process.execPath, [BIN, 'config', 'show'], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    child.stdout?.destroy();
    let stderr = '';
    child.stderr?.on('data', (chunk: Buffer) => {
      stderr += chunk.toString();
    });
    await new Promise((resolve) => child.once('close', resolve));
    expect(stderr).not.toMatch(/\n\s+at /);
  });
});

describe('exit codes', () => {
  const elsewhere = temporaryDirectory('cli');
  const before = process.cwd();
  // Commands resolve paths against the working folder; the pool runs each file in its own process.
  beforeAll(() => process.chdir(elsewhere));
  afterAll(() => {
    process.chdir(before);
    removeDirectory(elsewhere);
  });

  test.each(commands.map((path) => [path.join(' '), path] as const))(
    '%s --no-such-option is 2, in a sentence',
    async (_name, path) => {
      const { code, stdout, stderr } = await runInProcess([...path, '--no-such-option']);
      expect([code, stdout]).toEqual([2, '']);
      expect(stderr).toMatch(/^error: .*\n\(add --help for the options\)\n$/);
    },
  );

  test.each([[], ['nope'], ...groups.map((group) => [group.name()])])(
    '%s alone is a usage error that shows what there is',
    async (...args) => {
      const { code, stderr } = await runInProcess(args);
      expect(code).toBe(2);
      expect(stderr).toMatch(/Usage: |unknown command/);
    },
  );

  test.each([
    [['tenant', 'create'], 2],
    [['tenant', 'create', 'Not_a_tenant'], 2],
    [['topic', 'create', 'x'], 2],
    [['topic', 'create', '--tenant', 'acme', 'x', '--partitions', '0'], 2],
    [['topic', 'create', '--tenant', 'acme', 'x', '--topic-config', 'y'], 2],
    [['acl', 'add', '--tenant', 'acme', '--operation', 'write', '--topic', 'x'], 2],
    [['acl', 'add', '--tenant', 'a', '--allow', 'User:x', '--operation', 'fly', '--topic', 'x'], 2],
    [['acl', 'add', '--tenant', 'a', '--allow', 'User:x', '--operation', 'write'], 2],
    [
      [
        'acl',
        'explain',
        '--tenant',
        'a',
        '--principal',
        'x',
        '--operation',
        'write',
        '--topic',
        'x',
      ],
      2,
    ],
    [['init', 'x', '--names', 'not a name'], 2],
    [['init', 'x', '--trust-domain', 'UPPER'], 2],
    [['serve', '--set', 'port=x'], 1],
    [['serve', '--config', 'missing.yaml'], 1],
    [['serve'], 1],
    [['serve', '--dev', '--set', 'host=0.0.0.0', '--set', 'advertised.host=x'], 1],
    [['config', 'check'], 1],
    [['config', 'check', '--dev'], 0],
    [['policy', 'check', 'missing'], 1],
    [['status', '--url', 'http://127.0.0.1:1'], 1],
    [['status'], 1],
  ])('%j exits %i, in sentences', async (args, expected) => {
    const { code, stderr } = await runInProcess(args);
    expect(code).toBe(expected);
    expect(stderr).not.toMatch(/\n\s+at |\.js:\d|internal error/);
    if (expected !== 0) expect(stderr).toMatch(/^(breakwater|error): /);
  });
});

describe('errors in words', () => {
  const failed = (code: string, facts: object) =>
    Object.assign(new Error(`${code}: raw`), { code, ...facts });

  test.each([
    [
      failed('EADDRINUSE', { address: '127.0.0.1', port: 9093 }),
      /^127\.0\.0\.1 port 9093 is taken by/,
    ],
    [failed('EACCES', { address: '0.0.0.0', port: 80 }), /port 80 may not be opened/],
    [failed('EACCES', { path: '/var/x' }), /^\/var\/x may not be read/],
    [failed('ENOSPC', { path: '/x' }), /full disk/],
    [new TypeError('x is not a function'), /^internal error: x is not/],
    ['text', /^internal error: text/],
  ])('%s', (error, text) => {
    expect(errorText(error)).toMatch(text);
  });
});
