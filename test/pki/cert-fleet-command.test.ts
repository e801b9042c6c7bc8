/** `breakwater cert bulk|renew|search|expiring|ca ...` and issuing under a passphrase, in process. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { progressText } from '../../src/cli/progress-bar.ts';
import { issueDevice } from '../../src/pki/issue.ts';
import { createTenantCa, openPki, type Pki, parseChain } from '../../src/pki/pki-directory.ts';
import { type CliResult, runInProcess } from '../cli/run-cli.ts';
import { temporaryPki, testDirectory } from './temporary-pki.ts';
import { clockAt } from './test-pki.ts';

let pki: Pki;
beforeAll(() => {
  pki = temporaryPki();
  createTenantCa(pki, 'acme');
  createTenantCa(pki, 'globex');
});
afterEach(() => vi.unstubAllEnvs());

const cert = (...args: string[]): Promise<CliResult> => runInProcess(['cert', ...args]);
const inPki = (command: string, ...args: string[]): Promise<CliResult> =>
  cert(...command.split(' '), '--pki', pki.dir, ...args);

async function json<T>(command: string, ...args: string[]): Promise<T> {
  const { code, stdout, stderr } = await inPki(command, ...args, '--json');
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  return JSON.parse(stdout) as T;
}

const serialOf = (path: string): string =>
  parseChain(readFileSync(path, 'utf8'), path)[0]!.serialNumber;

describe('cert bulk', () => {
  it('issues to a list with all outputs, and says so', async () => {
    const dir = testDirectory('fleet');
    const list = join(dir, 'list.ndjson');
    writeFileSync(list, '{"device":"m-1","fleet":"plant-a"}\n{"service":"m-2"}\n');
    const out = join(dir, 'out');
    const outputs = ['--with', 'p12,properties,kcat', '--bootstrap', 'kafka.example:9093'];
    const args = [list, '--tenant', 'acme', '--out', out, ...outputs, '--installed-at', '/etc/m'];
    expect((await inPki('bulk', ...args)).stdout).toBe(`2 certificates issued to ${out}\n`);
    for (const end of ['crt', 'key', 'p12', 'properties', 'kcat.conf']) {
      expect(existsSync(join(out, `m-1.${end}`))).toBe(true);
    }
    const config = readFileSync(join(out, 'm-2.kcat.conf'), 'utf8');
    expect(config).toContain('ssl.key.location=/etc/m/m-2.key\n');
    expect(config).toContain('bootstrap.servers=kafka.example:9093\n');
    const again = await inPki('bulk', ...args);
    expect(again.stdout).toBe(`0 certificates issued to ${out} (2 were there already)\n`);
  });

  it.each([
    [['--bootstrap', 'x'], 2, /is not host:port/],
    [['--with', 'kcat'], 2, /needs --bootstrap/],
    [['--with', 'jks'], 2, /not one of p12, truststore, properties, kcat/],
    [['--threads', '-1'], 2, /not a number from 0/],
    [['--tenant', '../x'], 2, /is not a tenant name/],
    [['--fleet', '..'], 2, /no valid fleet name/],
    [['--tenant', 'nobody'], 1, /has no CA/],
    [[], 1, /nothing was issued:\n.*line 3: "\.\.\/x"/],
  ])('with %j ends with %i', async (args, code, problem) => {
    const dir = testDirectory('fleet');
    writeFileSync(join(dir, 'list'), args.length === 0 ? 'device\na\n../x\n' : 'device\na\n');
    const where = [join(dir, 'list'), '--tenant', 'acme', '--out', join(dir, 'out')];
    const result = await inPki('bulk', ...where, ...args);
    expect(result.stderr).toMatch(problem);
    expect(result.code).toBe(code);
    expect(existsSync(join(dir, 'out', 'a.crt'))).toBe(false);
  });

  it('draws how far it is', () => {
    expect(progressText('devices', 50, 200, 50)).toBe(
      '[#######.......................] 50/200 devices, 50/s, 3 s left',
    );
    expect(progressText('devices', 0, 0, 0)).toBe(`[${'#'.repeat(30)}] 0/0 devices, 0/s`);
  });
});

describe('the list of what was issued', () => {
  type Found = { tenant: string | null; name: string; serial: string; state: string }[];

  it('is searched by name, fleet, tenant, kind and serial number', async () => {
    const outDir = testDirectory('fleet');
    const { certificate } = issueDevice(pki, { tenant: 'acme', device: 'seek-1' }, { outDir });
    issueDevice(pki, { tenant: 'globex', device: 'seek-2', fleet: 'Hall-7' }, { outDir });
    const names = async (...args: string[]): Promise<string[]> =>
      (await json<Found>('search', ...args)).map(({ name }) => name);
    expect(await names('seek')).toEqual(['seek-1', 'seek-2']);
    expect(await names('SEEK', '--tenant', 'acme')).toEqual(['seek-1']);
    expect(await names('hall-7')).toEqual(['seek-2']);
    expect(await names('--fleet', 'Hall-7')).toEqual(['seek-2']);
    expect(await names('seek', '--kind', 'service')).toEqual([]);
    expect(await names('seek', '--state', 'expired')).toEqual([]);
    expect(await names(certificate.serialNumber.toLowerCase())).toEqual(['seek-1']);
    const listed = await json<Found>('list', '--tenant', 'globex');
    expect(listed.map(({ name }) => name)).toContain('seek-2');
    const shown = await json<Found>('show', certificate.serialNumber);
    expect(shown).toMatchObject([{ tenant: 'acme', name: 'seek-1', state: 'valid' }]);
    const { code, stderr } = await inPki('show', '0123456789ABCDEF');
    expect({ code, stderr }).toMatchObject({ code: 1, stderr: /no certificate with serial/ });
  });

  it('names what ends soon, or ended lately, until it is renewed', async () => {
    const outDir = testDirectory('fleet');
    const past = openPki(pki.dir, { clock: clockAt(-100 * 86_400_000) });
    issueDevice(pki, { tenant: 'acme', device: 'soon-1' }, { outDir, days: 10 });
    issueDevice(past, { tenant: 'acme', device: 'soon-2' }, { outDir, days: 95 });
    issueDevice(pki, { tenant: 'acme', device: 'late-1' }, { outDir, days: 60 });
    const due = async (): Promise<string[]> =>
      (await json<Found>('expiring', '--within', '30d')).map(({ name }) => name);
    expect(await due()).toEqual(['soon-2', 'soon-1']);
    const before = serialOf(join(outDir, 'soon-1.crt'));
    const one = await inPki('renew', '--tenant', 'acme', '--device', 'soon-1', '--out', outDir);
    expect(one).toMatchObject({ code: 0, stderr: '' });
    expect(serialOf(join(outDir, 'soon-1.crt'))).not.toBe(before);
    expect(await due()).toEqual(['soon-2']);
    const within = ['--tenant', 'acme', '--within', '30d', '--out', outDir];
    expect((await inPki('renew', ...within)).stdout).toMatch(/^1 certificates issued/);
    expect(await due()).toEqual([]);
    expect((await inPki('expiring', '--within', '30x')).code).toBe(2);
  });
});

describe('cert renew', () => {
  it('keeps fleet and, where asked, the key', async () => {
    const outDir = testDirectory('fleet');
    issueDevice(pki, { tenant: 'acme', device: 'same-1', fleet: 'plant-q' }, { outDir });
    const key = readFileSync(join(outDir, 'same-1.key'), 'utf8');
    const renew = (...args: string[]): Promise<CliResult> =>
      inPki('renew', '--tenant', 'acme', '--device', 'same-1', '--out', outDir, ...args);
    expect((await renew('--keep-key')).code).toBe(0);
    expect(readFileSync(join(outDir, 'same-1.key'), 'utf8')).toBe(key);
    expect((await renew()).code).toBe(0);
    expect(readFileSync(join(outDir, 'same-1.key'), 'utf8')).not.toBe(key);
    const [leaf] = parseChain(readFileSync(join(outDir, 'same-1.crt'), 'utf8'), '');
    expect(leaf!.subjectAltName).toContain('/fleet/plant-q/device/same-1');
  });

  it.each([
    [['--device', 'nobody-1'], 1, /nothing was issued to nobody-1/],
    [[], 2, /say what to renew/],
    [['--device', 'a', '--service', 'b'], 2, /say what to renew/],
    [['--device', 'a', '--within', '3d'], 2, /goes without/],
    [['--within', '3d'], 2, /needs --out/],
  ])('with %j ends with %i', async (args, code, problem) => {
    const result = await inPki('renew', '--tenant', 'acme', ...args);
    expect(result.stderr).toMatch(problem);
    expect(result.code).toBe(code);
  });
});

describe('cert ca', () => {
  it('creates, lists, rotates and retires', async () => {
    type Ca = { serial: string; role: string };
    await json('ca create', '--tenant', 'turning');
    const [first] = await json<Ca[]>('ca list', '--tenant', 'turning');
    expect(first).toMatchObject({ role: 'current' });
    await json('ca rotate', '--tenant', 'turning');
    const roles = (await json<Ca[]>('ca list', '--tenant', 'turning')).map(({ role }) => role);
    expect(roles).toEqual(['current', 'previous']);
    await json('ca retire', '--tenant', 'turning', '--serial', first!.serial);
    expect(await json<Ca[]>('ca list', '--tenant', 'turning')).toHaveLength(1);
    const none = await inPki('ca rotate', '--tenant', 'nobody');
    expect(none).toMatchObject({ code: 1, stderr: expect.stringContaining('has no CA') });
  });

  it('protects all keys with a passphrase, from a file or the environment', async () => {
    const other = temporaryPki();
    createTenantCa(other, 'acme');
    const dir = testDirectory('fleet');
    const file = join(dir, 'passphrase');
    writeFileSync(file, 'correct horse battery\n', { mode: 0o600 });
    const run = (command: string, ...args: string[]): Promise<CliResult> =>
      cert(...command.split(' '), '--pki', other.dir, ...args);
    const encrypted = await run('ca protect', '--new-passphrase-file', file, '--json');
    const keys = JSON.parse(encrypted.stdout) as { encrypted: string[] };
    expect(keys.encrypted).toHaveLength(4);
    for (const path of keys.encrypted) expect(readFileSync(path, 'utf8')).toContain('ENCRYPTED');
    const issue = (name: string, ...args: string[]): Promise<CliResult> =>
      run('issue', '--tenant', 'acme', '--device', name, '--out', dir, ...args);
    const locked = await issue('a-1');
    expect(locked.code).toBe(1);
    expect(locked.stderr).toMatch(/is encrypted: give its passphrase with --ca-passphrase-file/);
    expect((await issue('a-2', '--ca-passphrase-file', file)).code).toBe(0);
    vi.stubEnv('BREAKWATER_CA_PASSPHRASE', 'correct horse battery');
    expect((await issue('a-3')).code).toBe(0);
    writeFileSync(join(dir, 'list.csv'), 'device\na-4\n');
    const bulk = ['--tenant', 'acme', '--out', dir, join(dir, 'list.csv')];
    expect((await run('bulk', ...bulk)).code).toBe(0);
    vi.stubEnv('BREAKWATER_CA_PASSPHRASE', 'another horse battery');
    const wrong = await issue('a-5');
    expect(wrong.stderr).toMatch(/the passphrase does not open/);
    expect(wrong.stderr + wrong.stdout).not.toContain('horse');
    expect(existsSync(join(dir, 'a-5.key'))).toBe(false);
  }, 60_000);
});
