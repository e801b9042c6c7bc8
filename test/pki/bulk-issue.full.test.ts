/** A bulk issue, with the built command where threads and kills matter. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createSecureContext } from 'node:tls';
import { beforeAll, describe, expect, it } from 'vitest';
import { issueBulk } from '../../src/pki/bulk-issue.ts';
import { parseDeviceList } from '../../src/pki/device-list.ts';
import { issueDevice } from '../../src/pki/issue.ts';
import { readIssued } from '../../src/pki/issue-record.ts';
import { createTenantCa, openPki, type Pki, parseChain } from '../../src/pki/pki-directory.ts';
import { BIN } from '../cli/run-cli.ts';
import { runCommand } from '../tools/child-process.ts';
import { describeRequiring } from '../tools/tool-detection.ts';
import { opensslRequest, writeRequest } from './csr-cases.ts';
import { runTool, temporaryPki, testDirectory } from './temporary-pki.ts';

let pki: Pki;
beforeAll(() => {
  pki = temporaryPki();
  createTenantCa(pki, 'acme');
});

const newOut = (): string => join(testDirectory('bulk'), 'out');
const listOf = (...names: string[]) => parseDeviceList(['device', ...names].join('\n'), 'plant-a');
const issue = (names: string[], outDir: string, options: object = {}) =>
  issueBulk(pki, 'acme', listOf(...names), { outDir, ...options });

describe('a bulk issue', () => {
  it('makes a certificate and a key for each, records all, and makes none twice', async () => {
    const out = newOut();
    expect(await issue(['b-1', 'b-2'], out)).toEqual({ issued: 2, kept: 0, failures: [] });
    const seen = (): (string | Buffer)[] =>
      readdirSync(out).flatMap((name) => [name, readFileSync(join(out, name))]);
    const before = seen();
    expect(readdirSync(out).sort()).toEqual(['b-1.crt', 'b-1.key', 'b-2.crt', 'b-2.key']);
    expect(await issue(['b-1', 'b-2'], out)).toEqual({ issued: 0, kept: 2, failures: [] });
    expect(seen()).toEqual(before);
    const [cert, key] = ['crt', 'key'].map((end) => readFileSync(join(out, `b-2.${end}`)));
    expect(() => createSecureContext({ cert: cert!, key: key! })).not.toThrow();
    const serials = readIssued(pki, 'acme').map((record) => record.serial);
    const [leaf] = parseChain(readFileSync(join(out, 'b-1.crt'), 'utf8'), '');
    expect(serials).toContain(leaf!.serialNumber);
    expect(leaf!.subjectAltName).toBe(
      `URI:spiffe://acme.${pki.trustDomain}/fleet/plant-a/device/b-1`,
    );
  });

  it('makes anew what was interrupted between its files, and only that', async () => {
    const out = newOut();
    await issue(['c-1', 'c-2', 'c-3'], out);
    const untouched = readFileSync(join(out, 'c-2.crt'), 'utf8');
    rmSync(join(out, 'c-1.crt'));
    rmSync(join(out, 'c-3.crt'));
    writeFileSync(join(out, 'c-3.key'), '');
    writeFileSync(join(out, '.breakwater-aside-0123456789ab-0'), 'half of a ke');
    expect(await issue(['c-1', 'c-2', 'c-3'], out)).toMatchObject({ issued: 2, kept: 1 });
    expect(readdirSync(out).filter((name) => name.startsWith('.'))).toEqual([]);
    expect(readFileSync(join(out, 'c-2.crt'), 'utf8')).toBe(untouched);
    for (const name of ['c-1', 'c-3']) {
      const [cert, key] = ['crt', 'key'].map((end) => readFileSync(join(out, `${name}.${end}`)));
      expect(() => createSecureContext({ cert: cert!, key: key! })).not.toThrow();
    }
  });

  it("never replaces what is not its own: another's key, another certificate, a CA", async () => {
    const out = newOut();
    await issue(['d-1'], out);
    const foreign = readFileSync(join(out, 'd-1.key'), 'utf8');
    writeFileSync(join(out, 'd-2.key'), foreign);
    await expect(issue(['d-2', 'd-3'], out)).rejects.toThrow(
      /nothing was issued:\n.*d-2.key is there/,
    );
    expect(existsSync(join(out, 'd-3.crt'))).toBe(false);
    expect(readFileSync(join(out, 'd-2.key'), 'utf8')).toBe(foreign);
    const other = issueDevice(pki, { tenant: 'acme', device: 'd-4' }, { outDir: newOut() });
    writeFileSync(join(out, 'd-5.crt'), readFileSync(other.certificatePath));
    await expect(issue(['d-5'], out)).rejects.toThrow(/d-5.crt is there and is not what/);
    const inPki = issue(['ca'], join(pki.dir, 'acme'), { force: true });
    await expect(inPki).rejects.toThrow(/holds a CA/);
    await expect(issue(['server-ca'], out)).rejects.toThrow(/the server CA's files/);
  });

  it('refuses a name that somebody else in the tenant has, before it makes any', async () => {
    issueDevice(pki, { tenant: 'acme', device: 'e-1', fleet: 'plant-b' });
    const out = newOut();
    await expect(issue(['e-0', 'e-1'], out)).rejects.toThrow(/e-1 is a device of fleet plant-b/);
    expect(readdirSync(out)).toEqual([]);
    expect(readIssued(pki, 'acme').filter(({ name }) => name === 'e-0')).toEqual([]);
  });

  it('two at a time for one tenant is one too many', async () => {
    const [first, second] = [issue(['f-1'], newOut()), issue(['f-2'], newOut())];
    const ends = await Promise.allSettled([first, second]);
    const failed = ends.filter((end) => end.status === 'rejected');
    expect(failed.length).toBeGreaterThanOrEqual(1);
    for (const end of failed) expect(String(end.reason)).toMatch(/another process is issuing/);
  });

  it('renews what ends soon, and nothing else', async () => {
    const out = newOut();
    await issue(['g-1'], out, { days: 5 });
    await issue(['g-2'], out, { days: 50 });
    const before = readFileSync(join(out, 'g-2.crt'), 'utf8');
    const renewed = await issue(['g-1', 'g-2'], out, { renewsWithinMs: 10 * 86_400_000 });
    expect(renewed).toEqual({ issued: 1, kept: 1, failures: [] });
    expect(readFileSync(join(out, 'g-2.crt'), 'utf8')).toBe(before);
    const [leaf] = parseChain(readFileSync(join(out, 'g-1.crt'), 'utf8'), '');
    expect(Date.parse(leaf!.validTo)).toBeGreaterThan(Date.now() + 80 * 86_400_000);
  });
});

describeRequiring(['openssl'], 'a bulk issue of requests', () => {
  it('certifies the good ones and names the bad ones', async () => {
    const requestsDir = testDirectory('requests');
    const good = opensslRequest();
    writeRequest(requestsDir, 'h-1', good.pem);
    writeRequest(requestsDir, 'h-2', opensslRequest({ newKey: ['rsa:1024'] }).pem);
    writeRequest(requestsDir, 'h-3', good.pem);
    const out = newOut();
    const names = ['h-1', 'h-2', 'h-3', 'h-4'];
    const result = await issue(names, out, { requestsDir });
    expect(result.issued).toBe(1);
    expect(result.failures.map(({ name }) => name).sort()).toEqual(['h-2', 'h-3', 'h-4']);
    const said = result.failures.map(({ message }) => message).join('\n');
    expect(said).toMatch(/1024 bits/);
    expect(said).toMatch(/h-3 has the key of h-1/);
    expect(said).toMatch(/h-4.csr is missing/);
    expect(readdirSync(out)).toEqual(['h-1.crt']);
    expect(await issue(['h-1'], out, { requestsDir })).toMatchObject({ kept: 1 });
  });
});

describe('the built command', () => {
  const DEVICES = 1500;
  const names = Array.from({ length: DEVICES }, (_, at) => `k-${at}`);

  it('killed in the middle leaves whole files only, and a second run completes it', async () => {
    const dir = testDirectory('bulk-kill');
    const production = temporaryPki({ mode: 'production' });
    createTenantCa(production, 'acme');
    const out = join(dir, 'out');
    mkdirSync(out);
    writeFileSync(join(dir, 'list.csv'), ['device', ...names].join('\n'));
    const args = [
      ...[BIN, 'cert', 'bulk', '--pki', production.dir, '--tenant', 'acme'],
      ...[join(dir, 'list.csv'), '--out', out, '--json', '--threads', '2'],
    ];
    const child = spawn(process.execPath, args, { stdio: 'ignore' });
    const ended = once(child, 'exit');
    const certificates = (): string[] => readdirSync(out).filter((name) => name.endsWith('.crt'));
    while (certificates().length < 100 && child.exitCode === null) {
      await new Promise((resolve) => setImmediate(resolve));
    }
    child.kill('SIGKILL');
    await ended;
    const there = certificates();
    expect(there.length).toBeGreaterThanOrEqual(100);
    expect(there.length).toBeLessThan(DEVICES);
    for (const file of readdirSync(out)) {
      if (file.startsWith('.')) continue;
      expect(readFileSync(join(out, file), 'utf8')).toMatch(/-----END [A-Z ]+-----\n$/);
    }
    const before = new Map(there.map((file) => [file, readFileSync(join(out, file), 'utf8')]));
    const { code, stdout } = await runCommand(process.execPath, args, { timeoutMs: 60_000 });
    expect(code).toBe(0);
    const result = JSON.parse(stdout.toString('utf8')) as { issued: number; kept: number };
    expect(result).toMatchObject({ listed: DEVICES, issued: DEVICES - there.length });
    expect(certificates().length).toBe(DEVICES);
    expect(readdirSync(out).length).toBe(2 * DEVICES);
    for (const [file, text] of before) expect(readFileSync(join(out, file), 'utf8')).toBe(text);
    const known = new Set(readIssued(openPki(production.dir), 'acme').map(({ serial }) => serial));
    for (const name of [names[0]!, names.at(-1)!, there[50]!.replace('.crt', '')]) {
      const path = join(out, `${name}.crt`);
      const text = readFileSync(path, 'utf8');
      expect(known).toContain(parseChain(text, '')[0]!.serialNumber);
      const key = readFileSync(join(out, `${name}.key`));
      expect(() => createSecureContext({ cert: text, key })).not.toThrow();
      const root = join(production.dir, 'client-ca.crt');
      const verify = ['verify', '-x509_strict', '-CAfile', root, '-untrusted', path, path];
      expect(runTool('openssl', verify).text).toBe(`${path}: OK\n`);
    }
  }, 90_000);
});
