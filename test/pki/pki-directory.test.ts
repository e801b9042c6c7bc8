import { X509Certificate } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createSecureContext } from 'node:tls';
import { describe, expect, it } from 'vitest';
import { PkiError } from '../../src/base/errors.ts';
import { DAY_MS } from '../../src/pki/certificate-authority.ts';
import { issueBroker, issueDevice, issueOperator, issueService } from '../../src/pki/issue.ts';
import { readIssued } from '../../src/pki/issue-record.ts';
import {
  createPki,
  createTenantCa,
  listTenantCas,
  openPki,
  parseChain,
} from '../../src/pki/pki-directory.ts';
import { temporaryPki, testDirectory } from './temporary-pki.ts';
import { clockAt, TRUST_DOMAIN } from './test-pki.ts';

const modeOf = (path: string): string => (statSync(path).mode & 0o777).toString(8);
const PUMP = { tenant: 'acme', device: 'pump-17', fleet: 'plant-a' };

function withAcme(...options: Parameters<typeof temporaryPki>) {
  const pki = temporaryPki(...options);
  createTenantCa(pki, 'acme');
  return pki;
}

describe('a PKI folder', () => {
  it('has the files of its layout; keys and key stores are for their owner alone', () => {
    const pki = withAcme();
    issueBroker(pki);
    issueOperator(pki, 'operator');
    issueDevice(pki, PUMP);
    const files = ['broker.crt', 'broker.key', 'broker.p12', 'ca.crt', 'client-ca.crt'];
    files.push(
      'issued.ndjson',
      'client-ca.key',
      'operator-ca.crt',
      'operator-ca.key',
      'operator.crt',
    );
    files.push('operator.key', 'operator.p12', 'pki.json', 'server-ca.key', 'truststore.p12');
    expect(readdirSync(pki.dir).sort()).toEqual([...files, 'acme'].sort());
    const acme = ['ca.crt', 'ca.key', 'issued.ndjson', 'pump-17.crt', 'pump-17.key', 'pump-17.p12'];
    expect(readdirSync(join(pki.dir, 'acme')).sort()).toEqual(acme);
    for (const name of [...files, ...acme.map((file) => `acme/${file}`)]) {
      const isPrivate = /\.(key|ndjson)$|(broker|operator|pump-17)\.p12$/.test(name);
      expect(`${name} ${modeOf(join(pki.dir, name))}`).toBe(`${name} ${isPrivate ? 600 : 644}`);
    }
  });

  it('is made once: a second time is refused, and changes nothing', () => {
    const pki = temporaryPki();
    const before = readFileSync(join(pki.dir, 'ca.crt'), 'utf8');
    expect(() => createPki(pki.dir)).toThrow(/holds a PKI already/);
    expect(readFileSync(join(pki.dir, 'ca.crt'), 'utf8')).toBe(before);
  });

  it('keeps a CA key that is there, even without the rest', () => {
    const dir = testDirectory('pki');
    writeFileSync(join(dir, 'server-ca.key'), 'precious');
    expect(() => createPki(dir)).toThrow(/server-ca.key exists and is kept/);
    expect(readFileSync(join(dir, 'server-ca.key'), 'utf8')).toBe('precious');
    expect(readdirSync(dir)).toEqual(['server-ca.key']);
  });

  it('can have its CA keys elsewhere, and nothing of the broker needs them', () => {
    const caKeysDir = join(testDirectory('ca-keys'), 'keys');
    const pki = withAcme({ mode: 'production', caKeysDir });
    issueDevice(pki, PUMP);
    const names = readdirSync(pki.dir, { recursive: true, encoding: 'utf8' });
    expect(names.filter((name) => /ca\.key$/.test(name))).toEqual([]);
    expect(modeOf(caKeysDir)).toBe('700');
    expect(readdirSync(caKeysDir).sort()).toEqual([
      ...['acme', 'client-ca.key', 'operator-ca.key', 'server-ca.key'],
    ]);
    expect(() => issueBroker(openPki(pki.dir))).toThrow(/--ca-keys/);
    expect(() => issueBroker(openPki(pki.dir, { caKeysDir }))).not.toThrow();
  });

  it('remembers its trust domain and mode', () => {
    const { dir } = temporaryPki({ mode: 'production' });
    expect(openPki(dir)).toMatchObject({ trustDomain: TRUST_DOMAIN, mode: 'production' });
  });

  it.each([
    ['not JSON', 'is not JSON'],
    ['{"version":2,"trustDomain":"a.b","mode":"dev"}', 'this version reads 1'],
    ['{"version":1,"trustDomain":"a.b","mode":"devel"}', 'lacks its trust domain or mode'],
    ['{"version":1,"trustDomain":"A..b","mode":"dev"}', 'is not a trust domain'],
    ['null', 'has format undefined'],
  ])('is refused when its state is %s', (text, problem) => {
    const { dir } = temporaryPki();
    writeFileSync(join(dir, 'pki.json'), text);
    expect(() => openPki(dir)).toThrow(problem);
    expect(() => openPki(dir)).toThrow(PkiError);
  });

  it('that is not there is a sentence that says how to make one', () => {
    expect(() => openPki(join(testDirectory('pki'), 'none'))).toThrow(/breakwater init/);
  });
});

describe("a tenant's CA", () => {
  it('is listed for the broker, in order of name', () => {
    const pki = temporaryPki();
    for (const tenant of ['globex', 'acme']) createTenantCa(pki, tenant);
    const listed = listTenantCas(pki.dir);
    expect(listed.map((ca) => ca.tenant)).toEqual(['acme', 'globex']);
    expect(new X509Certificate(listed[0]!.pem).subject).toContain('OU=acme');
    expect(listTenantCas(join(pki.dir, 'nowhere'))).toEqual([]);
  });

  it('is not replaced unless asked to', () => {
    const pki = withAcme();
    const [before] = listTenantCas(pki.dir);
    expect(() => createTenantCa(pki, 'acme')).toThrow(/has a CA already/);
    createTenantCa(pki, 'acme', { force: true });
    expect(listTenantCas(pki.dir)[0]!.pem).not.toBe(before!.pem);
  });

  it.each(['..', '.', '', 'a/b', 'ACME'])('is not made for the tenant %j', (tenant) => {
    expect(() => createTenantCa(temporaryPki(), tenant)).toThrow(/is not a tenant name/);
  });

  it('must be there before a device', () => {
    expect(() => issueDevice(temporaryPki(), PUMP)).toThrow(/cert ca --tenant acme/);
  });

  it('does not sign with a key that is not its own', () => {
    const pki = withAcme();
    createTenantCa(pki, 'globex');
    const foreign = readFileSync(join(pki.dir, 'globex', 'ca.key'));
    writeFileSync(join(pki.dir, 'acme', 'ca.key'), foreign);
    expect(() => issueDevice(pki, PUMP)).toThrow(/is not the key of/);
  });
});

describe('a leaf', () => {
  it('comes as chain, key and key store that belong together', () => {
    const pki = withAcme();
    const outDir = join(testDirectory('out'), 'new');
    const issued = issueDevice(pki, PUMP, { outDir });
    expect(issued.certificatePath).toBe(join(outDir, 'pump-17.crt'));
    const chain = parseChain(readFileSync(issued.certificatePath, 'utf8'), '');
    expect(chain.map((one) => one.subject.split('\n').at(-1))).toEqual([
      'CN=pump-17',
      'CN=Breakwater tenant CA',
    ]);
    const [cert, key] = [issued.certificatePath, issued.keyPath!].map((path) => readFileSync(path));
    expect(() => createSecureContext({ cert: cert!, key: key! })).not.toThrow();
    const pfx = readFileSync(issued.p12Path!);
    expect(() => createSecureContext({ pfx, passphrase: 'changeit' })).not.toThrow();
    expect(issued.p12PasswordPath).toBeNull();
  });

  it('in production has a random password beside its key store, or the one that is given', () => {
    const pki = withAcme({ mode: 'production' });
    const random = issueDevice(pki, PUMP);
    expect(modeOf(random.p12PasswordPath!)).toBe('600');
    const passphrase = readFileSync(random.p12PasswordPath!, 'utf8').trim();
    expect(passphrase).toMatch(/^[A-Za-z0-9_-]{24}$/);
    const pfx = readFileSync(random.p12Path!);
    expect(() => createSecureContext({ pfx, passphrase })).not.toThrow();
    const given = issueService(pki, { tenant: 'acme', service: 's' }, { p12Password: 'secret-1' });
    expect(given.p12PasswordPath).toBeNull();
    const own = readFileSync(given.p12Path!);
    expect(() => createSecureContext({ pfx: own, passphrase: 'secret-1' })).not.toThrow();
  });

  it('never replaces a key without force, and with it replaces the whole set', () => {
    const pki = withAcme();
    const { keyPath, certificatePath } = issueDevice(pki, PUMP);
    const before = readFileSync(keyPath!, 'utf8');
    expect(() => issueDevice(pki, PUMP)).toThrow(/exists and is kept: use --force/);
    expect(readFileSync(keyPath!, 'utf8')).toBe(before);
    issueDevice(pki, PUMP, { force: true });
    const key = readFileSync(keyPath!, 'utf8');
    expect(key).not.toBe(before);
    const cert = readFileSync(certificatePath, 'utf8');
    expect(() => createSecureContext({ cert, key })).not.toThrow();
  });

  it('never replaces a CA, not even by force: a device may be called "ca"', () => {
    const pki = withAcme();
    const before = readFileSync(join(pki.dir, 'acme', 'ca.key'), 'utf8');
    const issue = (): unknown =>
      issueDevice(pki, { tenant: 'acme', device: 'ca' }, { force: true });
    expect(issue).toThrow(/holds a CA/);
    expect(readFileSync(join(pki.dir, 'acme', 'ca.key'), 'utf8')).toBe(before);
    const outDir = testDirectory('out');
    expect(() => issueDevice(pki, { tenant: 'acme', device: 'ca' }, { outDir })).not.toThrow();
  });

  it('leaves no half-written file behind', () => {
    const pki = withAcme();
    issueDevice(pki, PUMP);
    const names = readdirSync(join(pki.dir, 'acme'));
    expect(names.filter((name) => name.startsWith('.'))).toEqual([]);
  });

  it.each(['..', 'a/b', 'a.b', '-a', '', 'a\nb'])('is not issued to the device %j', (device) => {
    const pki = withAcme();
    expect(() => issueDevice(pki, { tenant: 'acme', device })).toThrow(/is no valid device name/);
    expect(existsSync(join(pki.dir, 'acme', 'issued.ndjson'))).toBe(false);
  });
});

describe('a name in a tenant', () => {
  it('has one holder: not another fleet, not a service, until the certificate ends', () => {
    const pki = withAcme();
    const outDir = (): { outDir: string } => ({ outDir: testDirectory('out') });
    issueDevice(pki, PUMP, { days: 10 });
    expect(() => issueDevice(pki, { ...PUMP, fleet: 'plant-b' }, outDir())).toThrow(
      /pump-17 is a device of fleet plant-a of tenant acme until/,
    );
    expect(() => issueService(pki, { tenant: 'acme', service: 'pump-17' }, outDir())).toThrow(
      /choose another name/,
    );
    expect(() => issueDevice(pki, PUMP, outDir())).not.toThrow();
    const later = openPki(pki.dir, { clock: clockAt(91 * DAY_MS) });
    expect(() =>
      issueService(later, { tenant: 'acme', service: 'pump-17' }, outDir()),
    ).not.toThrow();
  });

  it('may be given on by force, and is free in another tenant', () => {
    const pki = withAcme();
    createTenantCa(pki, 'globex');
    issueDevice(pki, PUMP);
    expect(() => issueService(pki, { tenant: 'globex', service: 'pump-17' })).not.toThrow();
    const moved = { ...PUMP, fleet: 'plant-b' };
    const options = { outDir: testDirectory('out'), force: true };
    expect(() => issueDevice(pki, moved, options)).not.toThrow();
  });

  it('is recorded with every serial, and a torn line at the end does no harm', () => {
    const pki = withAcme();
    const first = issueDevice(pki, PUMP);
    const second = issueDevice(pki, PUMP, { force: true });
    writeFileSync(join(pki.dir, 'acme', 'issued.ndjson'), '{"serial":"12', { flag: 'a' });
    expect(readIssued(pki, 'acme').map((record) => record.serial)).toEqual([
      first.certificate.serialNumber,
      second.certificate.serialNumber,
    ]);
  });
});
