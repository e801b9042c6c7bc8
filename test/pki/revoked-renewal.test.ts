/** A revoked name must not come back by the way: by a renewal or a bulk issue. */
import { join } from 'node:path';
import { beforeAll, expect, it } from 'vitest';
import { issueBulk } from '../../src/pki/bulk-issue.ts';
import { parseDeviceList } from '../../src/pki/device-list.ts';
import { issueDevice } from '../../src/pki/issue.ts';
import { createTenantCa, type Pki } from '../../src/pki/pki-directory.ts';
import { dueForRenewal, renewCertificate } from '../../src/pki/renew.ts';
import { recordRevokedName } from '../../src/pki/revoked-record.ts';
import { temporaryPki, testDirectory } from './temporary-pki.ts';

const FLEET = 'plant-a';
const DAY_MS = 86_400_000;
let pki: Pki;

beforeAll(() => {
  pki = temporaryPki();
  createTenantCa(pki, 'acme');
  for (const device of ['kept', 'gone']) {
    issueDevice(pki, { tenant: 'acme', device, fleet: FLEET }, { days: 10 });
  }
  recordRevokedName(pki, 'acme', { name: 'gone', revokedAtMs: pki.clock.nowMs() });
});

const list = () => parseDeviceList('device\nkept\ngone', FLEET);
const due = () => dueForRenewal(pki, 'acme', 30 * DAY_MS).map(({ name }) => name);

it('is not renewed, by itself or with all', () => {
  expect(() => renewCertificate(pki, 'acme', 'gone')).toThrow('was revoked');
  expect(due()).toEqual(['kept']);
});

it('is not issued again in bulk, and its list is refused as a whole', async () => {
  const outDir = join(testDirectory('revoked'), 'out');
  await expect(issueBulk(pki, 'acme', list(), { outDir })).rejects.toThrow('gone of tenant acme');
  expect(() => renewCertificate(pki, 'acme', 'kept')).not.toThrow();
});

it('comes back by a decision about it, with a certificate that begins after its revocation', () => {
  const back = issueDevice(
    pki,
    { tenant: 'acme', device: 'gone', fleet: FLEET },
    { days: 10, force: true },
  );
  expect(back).toBeDefined();
  expect(due()).toContain('gone');
  expect(() => renewCertificate(pki, 'acme', 'gone')).not.toThrow();
});
