/** `breakwater init`: what it writes, what it refuses, and that a broker starts from it. */
import { lstatSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { connect } from 'node:tls';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { awaitExit, spawnReaped } from '../tools/child-process.ts';
import { removeDirectory, temporaryDirectory } from '../tools/temporary-directory.ts';
import { describeRequiring } from '../tools/tool-detection.ts';
import { BIN, runInProcess } from './run-cli.ts';

let parent = '';
let dir = '';
const run = (line: string) => runInProcess(line.split(' '));

beforeAll(async () => {
  parent = temporaryDirectory('init');
  dir = join(parent, 'site');
  const made = await run(`init ${dir}`);
  expect([made.code, made.stderr]).toEqual([0, '']);
  expect(made.stdout).toContain(`breakwater serve --config ${join(dir, 'breakwater.yaml')}`);
});
afterAll(() => removeDirectory(parent));

function everythingUnder(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    return entry.isDirectory() ? [path, ...everythingUnder(path)] : [path];
  });
}

describe('a production set-up', () => {
  test('keeps the CA keys apart from what the broker reads', () => {
    expect(readdirSync(join(dir, 'ca-keys')).sort()).toEqual([
      'client-ca.key',
      'issued.ndjson',
      'operator-ca.key',
      'server-ca.key',
    ]);
    const config = readFileSync(join(dir, 'breakwater.yaml'), 'utf8');
    const set = config.split('\n').filter((line) => /^[a-z]/.test(line));
    expect(set.join('\n')).not.toMatch(/ca-keys|pki/);
    expect(readdirSync(join(dir, 'broker')).sort()).toEqual([
      'audit-signing.key',
      'audit-signing.pub',
      'broker.crt',
      'broker.key',
      'ca.crt',
      'client-ca.crt',
      'operator-ca.crt',
    ]);
  });

  test('folders are 0700, and what is private is 0600', () => {
    for (const path of [dir, ...everythingUnder(dir)]) {
      const status = lstatSync(path);
      const mode = status.mode & 0o777;
      const isPublic = /\.(crt|pub)$|truststore\.p12$|pki\.json$/.test(path);
      if (status.isDirectory()) expect(mode, path).toBe(0o700);
      else expect(mode & (isPublic ? 0o022 : 0o077), relative(dir, path)).toBe(0);
    }
  });

  test('passes the checks that it tells one to run', async () => {
    const file = join(dir, 'breakwater.yaml');
    expect(await run(`config check --config ${file}`)).toMatchObject({ code: 0, stderr: '' });
    expect(await run(`policy check --config ${file}`)).toMatchObject({ code: 0, stderr: '' });
  });

  test.each([
    ['ssl.client.crl', 'a file that is not there', 'no.crl', /ssl\.client\.crl: .* is missing/],
    ['policy.dir', 'a folder that is not there', 'no', /policy\.dir: .* is missing/],
    ['ssl.server.key', 'a folder for a file', 'broker', /ssl\.server\.key: cannot read/],
  ])('config check finds what %s names: %s', async (key, _what, name, sentence) => {
    const file = join(dir, 'breakwater.yaml');
    const line = `config check --config ${file} --set ${key}=${join(dir, name)}`;
    const { code, stderr } = await run(line);
    expect([code, stderr]).toEqual([1, expect.stringMatching(sentence)]);
  });

  test('the example of a tenant policy is no policy', async () => {
    const { stdout } = await run(`policy check ${join(dir, 'policies')} --json`);
    expect(JSON.parse(stdout).files).toEqual(['operators.csv']);
    const { stdout: text } = await run(`policy check ${join(dir, 'policies')}`);
    expect(text).toBe('in order: 9 rules in 1 file: operators.csv\n');
  });

  test.each(['a file', 'a folder', 'a hidden file'])('%s in the way is kept', async (what) => {
    const other = join(parent, what.replaceAll(' ', '-'));
    mkdirSync(other);
    if (what === 'a folder') mkdirSync(join(other, 'x'));
    else writeFileSync(join(other, what === 'a file' ? 'x' : '.x'), 'mine');
    const before = readdirSync(other);
    const { code, stderr } = await run(`init ${other}`);
    expect([code, stderr]).toEqual([1, expect.stringContaining('is not empty')]);
    expect(readdirSync(other)).toEqual(before);
  });

  test('names that others know open the listener to them, tenants get theirs', async () => {
    const other = join(parent, 'named');
    const names = '--names broker.example.com,10.1.2.3 --tenant-domain mqtt.example.com';
    const made = await run(`init ${other} ${names} --trust-domain fleet.example.com --json`);
    expect(made.code).toBe(0);
    const shown = await run(`config show --json --config ${JSON.parse(made.stdout).config}`);
    const config = JSON.parse(shown.stdout);
    expect(config.host.value).toBe('0.0.0.0');
    expect(config['admin.host'].value).toBe('127.0.0.1');
    expect(config['advertised.host'].value).toBe('broker.example.com');
    expect(config['tenant.domain'].value).toBe('mqtt.example.com');
    expect(config['trust.domain'].value).toBe('fleet.example.com');
    const certificate = await run(`cert show ${join(other, 'broker', 'broker.crt')}`);
    expect(certificate.stdout).toMatch(/broker\.example\.com.*\*\.mqtt\.example\.com/);
    // For the operator's commands, which connect to this machine unless they are told otherwise.
    expect(certificate.stdout).toMatch(/localhost.*127\.0\.0\.1/);
  });
});

describeRequiring(['built-broker'], 'a broker from init', () => {
  test('starts, takes a tenant and lets its device in', async () => {
    const args = ['serve', '--config', join(dir, 'breakwater.yaml')];
    const ports = ['--set', 'port=0', '--set', 'admin.port=0'];
    const child = spawnReaped(process.execPath, [BIN, ...args, ...ports], {
      stdio: ['ignore', 'pipe', 'pipe'],
      cwd: '/',
    });
    let stdout = '';
    let stderr = '';
    child.stdout?.on('data', (chunk: Buffer) => {
      stdout += chunk.toString();
    });
    child.stderr?.on('data', (chunk: Buffer) => {
      stderr += chunk.toString();
    });
    await expect.poll(() => stdout + stderr, { timeout: 15_000 }).toMatch(/^ready .*\n/m);
    const [, port, adminPort] = /mTLS [^ ]*:(\d+), admin .*:(\d+)/.exec(stdout) ?? [];
    const online = `--url https://127.0.0.1:${adminPort} --certs ${join(dir, 'pki')}`;
    const keys = `--ca-keys ${join(dir, 'ca-keys')}`;
    const made = await run(`tenant create acme ${online} ${keys}`);
    expect([made.code, made.stderr]).toEqual([0, '']);
    const out = join(parent, 'device');
    const pki = `--pki ${join(dir, 'pki')}`;
    const issued = await run(
      `cert issue --tenant acme --device pump-1 ${pki} ${keys} --out ${out}`,
    );
    expect([issued.code, issued.stderr]).toEqual([0, '']);
    await speakTls(Number(port), out);
    expect((await run(`status ${online}`)).code).toBe(0);
    child.kill('SIGTERM');
    expect(await awaitExit(child, 15_000)).toBe(0);
  });

  /** An admitted peer is answered (ApiVersions 0); one that is not is cut off. */
  function speakTls(port: number, out: string): Promise<void> {
    const request = Buffer.from([0, 0, 0, 10, 0, 18, 0, 0, 0, 0, 0, 7, 0xff, 0xff]);
    return new Promise((resolve, reject) => {
      const socket = connect({
        host: '127.0.0.1',
        port,
        ca: readFileSync(join(dir, 'broker', 'ca.crt')),
        cert: readFileSync(join(out, 'pump-1.crt')),
        key: readFileSync(join(out, 'pump-1.key')),
      });
      socket.once('secureConnect', () => socket.write(request));
      socket.once('data', () => {
        socket.destroy();
        resolve();
      });
      socket.once('error', reject);
      socket.once('close', () => reject(new Error('the device was cut off')));
    });
  }
});
