import { X509Certificate } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { DAY_MS } from '../../src/pki/certificate-authority.ts';
import { ensureDevCertificates } from '../../src/pki/dev-certificates.ts';
import { issueDevice } from '../../src/pki/issue.ts';
import { createPki, openPki, parseChain } from '../../src/pki/pki-directory.ts';
import { testDirectory } from './temporary-pki.ts';
import { clockAt } from './test-pki.ts';

const newDir = (): string => join(testDirectory('dev'), 'certs-dev');

function contentOf(dir: string): Map<string, string> {
  const names = readdirSync(dir, { recursive: true, encoding: 'utf8' }).sort();
  const files = names.filter((name) => name.includes('.') && !name.endsWith('.ndjson'));
  return new Map(files.map((name) => [name, readFileSync(join(dir, name), 'latin1')]));
}

const changed = (before: Map<string, string>, after: Map<string, string>): string[] =>
  [...after].filter(([name, text]) => before.get(name) !== text).map(([name]) => name);

it('makes everything that the contract names', async () => {
  const dir = newDir();
  const { made } = await ensureDevCertificates(dir);
  expect(made).toHaveLength(3 + 2 + 2 + 8);
  const clients = ['device-1', 'device-2', 'service-1', 'admin-1'];
  const expected = ['ca.crt', 'client-ca.crt', 'operator-ca.crt', 'truststore.p12'];
  expected.push('broker.crt', 'broker.key', 'operator.crt', 'operator.key');
  for (const tenant of ['acme', 'globex']) {
    expected.push(`${tenant}/ca.crt`);
    for (const name of clients) {
      expected.push(...['crt', 'key', 'p12'].map((extension) => `${tenant}/${name}.${extension}`));
    }
  }
  expect(expected.filter((name) => !existsSync(join(dir, name)))).toEqual([]);
  const text = readFileSync(join(dir, 'globex', 'device-2.crt'), 'utf8');
  expect(parseChain(text, '')[0]!.subjectAltName).toBe(
    'URI:spiffe://globex.breakwater.local/fleet/dev/device/device-2',
  );
  expect(readdirSync(dir).filter((name) => name.startsWith('.'))).toEqual([]);
});

it('changes nothing the second time', async () => {
  const dir = newDir();
  await ensureDevCertificates(dir);
  const before = contentOf(dir);
  expect((await ensureDevCertificates(dir)).made).toEqual([]);
  expect(changed(before, contentOf(dir))).toEqual([]);
});

it('renews what is about to expire, and only that', async () => {
  const dir = newDir();
  await ensureDevCertificates(dir);
  const before = contentOf(dir);
  const clock = clockAt(61 * DAY_MS);
  const { made } = await ensureDevCertificates(dir, { clock });
  expect(made).toHaveLength(10);
  const files = changed(before, contentOf(dir));
  expect(files.filter((name) => name.includes('ca.'))).toEqual([]);
  expect(files).toHaveLength(30);
  const renewed = new X509Certificate(readFileSync(join(dir, 'acme', 'device-1.crt')));
  expect(Date.parse(renewed.validTo)).toBeGreaterThan(clock.nowMs() + 89 * DAY_MS);
});

it('makes the whole set anew when the roots are in their last year', async () => {
  const dir = newDir();
  await ensureDevCertificates(dir);
  const { made } = await ensureDevCertificates(dir, { clock: clockAt(3300 * DAY_MS) });
  expect(made).toHaveLength(15);
});

it('repairs one file that is missing, broken, or of another key', async () => {
  const dir = newDir();
  await ensureDevCertificates(dir);
  const repair = async (): Promise<readonly string[]> => (await ensureDevCertificates(dir)).made;
  rmSync(join(dir, 'acme', 'device-1.p12'));
  expect(await repair()).toEqual(['acme/device-1']);
  writeFileSync(join(dir, 'broker.crt'), '');
  expect(await repair()).toEqual(['broker']);
  writeFileSync(join(dir, 'operator.key'), readFileSync(join(dir, 'broker.key')));
  expect(await repair()).toEqual(['operator']);
  rmSync(join(dir, 'globex', 'ca.key'));
  expect(await repair()).toHaveLength(5);
  expect(await repair()).toEqual([]);
});

it("keeps a person's own certificates", async () => {
  const dir = newDir();
  const { pki } = await ensureDevCertificates(dir);
  const { keyPath } = issueDevice(pki, { tenant: 'acme', device: 'pump-17' });
  const before = readFileSync(keyPath!, 'utf8');
  await ensureDevCertificates(dir, { clock: clockAt(61 * DAY_MS) });
  expect(readFileSync(keyPath!, 'utf8')).toBe(before);
});

it('makes a new set for another trust domain', async () => {
  const dir = newDir();
  await ensureDevCertificates(dir);
  const { made } = await ensureDevCertificates(dir, { trustDomain: 'other.test' });
  expect(made).toHaveLength(15);
  expect(openPki(dir).trustDomain).toBe('other.test');
});

it('leaves a production PKI alone', async () => {
  const dir = newDir();
  createPki(dir);
  const before = contentOf(dir);
  await expect(ensureDevCertificates(dir)).rejects.toThrow(/holds a production PKI/);
  expect(changed(before, contentOf(dir))).toEqual([]);
});

it('is done once when several brokers start on one folder', async () => {
  const dir = newDir();
  const results = await Promise.all([1, 2, 3].map(() => ensureDevCertificates(dir)));
  expect(results.map(({ made }) => made.length).sort((a, b) => a - b)).toEqual([0, 0, 15]);
});

it('needs no leave to write when everything is good', async () => {
  const dir = newDir();
  await ensureDevCertificates(dir);
  const before = readdirSync(dir, { recursive: true });
  const touched = statSync(dir).mtimeMs;
  await ensureDevCertificates(dir);
  expect(readdirSync(dir, { recursive: true })).toEqual(before);
  expect(statSync(dir).mtimeMs).toBe(touched);
});

it('says so when the folder cannot be written', async () => {
  const dir = join(testDirectory('dev'), 'file');
  writeFileSync(dir, '');
  await expect(ensureDevCertificates(dir)).rejects.toThrow(/cannot create the directory/);
});
