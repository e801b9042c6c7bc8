/** CRL files of a running broker: taken up, and never worsened by what is bad. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { systemClock } from '../../src/base/clock.ts';
import { DAY_MS } from '../../src/pki/certificate-authority.ts';
import { buildCrl, type CrlContent, type CrlEntry } from '../../src/pki/crl-builder.ts';
import { toPem } from '../../src/pki/der.ts';
import { ensureDevCertificates } from '../../src/pki/dev-certificates.ts';
import { issueDevice, issueOperator } from '../../src/pki/issue.ts';
import { createTenantCa, loadRoot, loadTenantCa, type Pki } from '../../src/pki/pki-directory.ts';
import { ApiKey } from '../../src/protocol/api-keys.ts';
import { workInTurns } from '../../src/protocol/records/event-loop-slices.ts';
import { CrlSet } from '../../src/security/crl-set.ts';
import { issuerOf } from '../../src/security/tenant-ca-registry.ts';
import { runInProcess } from '../cli/run-cli.ts';
import { temporaryPki } from '../pki/temporary-pki.ts';
import { useBroker } from '../tools/broker-fixture.ts';
import { removeDirectory, temporaryDirectory } from '../tools/temporary-directory.ts';
import { describeRequiring } from '../tools/tool-detection.ts';

type Ca = Parameters<typeof buildCrl>[0];

const entry = (serial: string): CrlEntry => ({
  serial,
  revokedAtMs: Date.now(),
  reason: 'keyCompromise',
});

function crlOf(ca: Ca, serials: readonly string[], change: Partial<CrlContent> = {}): string {
  const nowMs = Date.now();
  const dates = { thisUpdateMs: nowMs - 1000, nextUpdateMs: nowMs + DAY_MS };
  const content = { entries: serials.map(entry), number: 1n, ...dates, ...change };
  return toPem('X509 CRL', buildCrl(ca, content));
}

describeRequiring(['built-broker'], 'a broker with CRL files', () => {
  const certsDir = temporaryDirectory('crl');
  const clientCrl = join(certsDir, 'clients.crl');
  const operatorCrl = join(certsDir, 'operators.crl');
  let pki: Pki;
  let acme: Ca;
  const serials: Record<string, string> = {};
  let forged: Ca;

  beforeAll(async () => {
    ({ pki } = await ensureDevCertificates(certsDir));
    acme = loadTenantCa(pki, 'acme');
    for (const device of ['pump-1', 'pump-2', 'pump-3']) {
      const { certificate } = issueDevice(pki, { tenant: 'acme', device, fleet: 'dev' });
      serials[device] = certificate.serialNumber;
    }
    const other = temporaryPki({ trustDomain: pki.trustDomain });
    createTenantCa(other, 'acme');
    forged = loadTenantCa(other, 'acme');
    writeFileSync(clientCrl, crlOf(acme, [serials['pump-1']!], { number: 10n }));
    writeFileSync(operatorCrl, crlOf(loadRoot(pki, 'operator'), []));
  });
  const fixture = useBroker({
    certsDir,
    env: {
      BREAKWATER_SSL_CLIENT_CRL: clientCrl,
      BREAKWATER_SSL_OPERATOR_CRL: operatorCrl,
      BREAKWATER_SSL_RELOAD_INTERVAL_MS: '100',
    },
  });
  afterAll(() => removeDirectory(certsDir));

  const isServed = async (tenant: string, name: string): Promise<boolean> => {
    const client = await fixture.connect(tenant, name);
    return client.call(ApiKey.ApiVersions, 0, {}).then(
      () => true,
      () => false,
    );
  };
  const alarmed = (reason: string, detail: RegExp) =>
    fixture.audited(
      'security',
      (line) => line.reason === reason && detail.test(String(line.detail)),
    );

  it('shuts out whom they name, and nobody else', async () => {
    expect(await isServed('acme', 'pump-1')).toBe(false);
    expect(await isServed('acme', 'pump-2')).toBe(true);
    expect(await isServed('globex', 'device-1')).toBe(true);
  });

  it('takes a newer one up and closes the connections of whom it adds', async () => {
    const client = await fixture.connect('acme', 'pump-2');
    await client.call(ApiKey.ApiVersions, 0, {});
    writeFileSync(
      clientCrl,
      crlOf(acme, [serials['pump-1']!, serials['pump-2']!], { number: 11n }),
    );
    expect(await client.isClosed()).toBe(true);
    expect(await isServed('acme', 'pump-2')).toBe(false);
    expect(await isServed('acme', 'pump-3')).toBe(true);
  });

  it.each([
    ['damaged', () => 'no CRL at all', 'crl-refused', /no CRL in PEM/],
    ['forged', () => crlOf(forged, [], { number: 12n }), 'crl-refused', /signed its CRL/],
    ['older', () => crlOf(acme, [], { number: 10n }), 'crl-refused', /number 11 is in use/],
    ['another of the same number', () => crlOf(acme, [], { number: 11n }), 'crl-refused', /number/],
    [
      'expired',
      () => crlOf(acme, [], { number: 13n, nextUpdateMs: Date.now() - 1000 }),
      'crl-expired',
      /expired already/,
    ],
    [
      'of a stranger',
      () => crlOf(loadRoot(pki, 'server'), [], { number: 14n }),
      'crl-unknown-issuer',
      /not trusted/,
    ],
  ])(
    'one that is %s raises an alarm, and the last good one stays',
    async (_, make, reason, detail) => {
      writeFileSync(clientCrl, make());
      await alarmed(reason, detail);
      expect(await isServed('acme', 'pump-1')).toBe(false);
      expect(await isServed('acme', 'pump-2')).toBe(false);
      expect(await isServed('acme', 'pump-3')).toBe(true);
    },
  );

  it("a CRL of the root that names a tenant's CA shuts out the whole tenant", async () => {
    const { serialNumber } = loadTenantCa(pki, 'globex').certificate;
    const client = await fixture.connect('globex', 'device-1');
    await client.call(ApiKey.ApiVersions, 0, {});
    const root = crlOf(loadRoot(pki, 'client'), [serialNumber]);
    writeFileSync(clientCrl, root + crlOf(acme, [], { number: 15n }));
    expect(await client.isClosed()).toBe(true);
    expect(await isServed('globex', 'device-1')).toBe(false);
    expect(await isServed('acme', 'pump-1')).toBe(true);
  });

  it('a revoked operator is refused by the admin listener', async () => {
    const { certificate } = issueOperator(pki, 'ada');
    const call = (): ReturnType<typeof runInProcess> =>
      runInProcess([
        ...[
          'status',
          '--url',
          `https://127.0.0.1:${fixture.broker.adminPort}`,
          '--certs',
          certsDir,
        ],
        ...['--cert', join(certsDir, 'ada.crt'), '--key', join(certsDir, 'ada.key')],
      ]);
    expect((await call()).stderr).not.toContain('closed the connection');
    const operatorCa = loadRoot(pki, 'operator');
    writeFileSync(operatorCrl, crlOf(operatorCa, [certificate.serialNumber], { number: 2n }));
    await expect.poll(async () => (await call()).stderr).toContain('closed the connection');
    const refusal = await fixture.audited(
      'security',
      (line) => line.reason === 'revoked' && line.listener === 'admin',
    );
    expect(refusal).toMatchObject({ outcome: 'failure' });
  });
});

describe('a set of CRLs', () => {
  const pki = temporaryPki();
  createTenantCa(pki, 'acme');
  const ca = loadTenantCa(pki, 'acme');
  const issuer = issuerOf(ca.certificate);
  const judged = (set: CrlSet, pem: string, nowMs: number) =>
    workInTurns(systemClock, set.judge(pem, [issuer], nowMs));

  it('counts on past its next update, and says so', async () => {
    const set = new CrlSet();
    const nowMs = Date.now();
    const { fresh, problems } = await judged(set, crlOf(ca, ['0A']), nowMs);
    expect(problems).toEqual([]);
    expect(set.isRevoked(issuer.keyId, '0A')).toBe(false);
    set.take(fresh);
    expect(set.due(nowMs)).toEqual([]);
    expect(set.due(nowMs + 0.9 * DAY_MS)[0]).toMatchObject({ alarm: 'crl-ending' });
    const [late] = set.due(nowMs + 2 * DAY_MS);
    expect(late).toMatchObject({ alarm: 'crl-expired', detail: expect.stringContaining('due') });
    expect(set.isRevoked(issuer.keyId, '0A')).toBe(true);
    expect(set.isRevoked('another', '0A')).toBe(false);
  });

  it('takes an expired one at first, since what it revoked stays revoked', async () => {
    const set = new CrlSet();
    const old = crlOf(ca, ['0A'], { nextUpdateMs: Date.now() - 1000 });
    const { fresh } = await judged(set, old, Date.now());
    expect(fresh).toHaveLength(1);
  });

  it('refuses one that is dated in the future', async () => {
    const ahead = crlOf(ca, [], { thisUpdateMs: Date.now() + DAY_MS });
    const { fresh, problems } = await judged(new CrlSet(), ahead, Date.now());
    expect(fresh).toEqual([]);
    expect(problems).toMatchObject([{ alarm: 'crl-refused' }]);
  });
});
