/**
 * The CAs of a tenant while a broker runs: one of ours is rotated and retired, one that is not ours
 * is imported and taken away, without a restart; who is shut out is closed within a second.
 */

import { X509Certificate } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as tls from 'node:tls';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { pemOf } from '../../src/pki/pki-directory.ts';
import { ApiKey } from '../../src/protocol/api-keys.ts';
import { runInProcess } from '../cli/run-cli.ts';
import { CN_RULE, foreignCa, foreignClient } from '../pki/foreign-ca.ts';
import { testDirectory } from '../pki/temporary-pki.ts';
import type { ClientCredential } from '../pki/test-pki.ts';
import { adminRequest } from '../tools/admin-request.ts';
import { useBroker } from '../tools/broker-fixture.ts';
import type { ClientIdentity } from '../tools/client-identity.ts';
import { describeRequiring } from '../tools/tool-detection.ts';
import { WireClient } from '../tools/wire-client.ts';

const WITHIN_MS = 1000;

describeRequiring(['built-broker'], 'the CAs of a tenant, online', () => {
  const fixture = useBroker({ env: { BREAKWATER_TENANT_DOMAIN: 'kafka.example' } });
  let dir = '';
  beforeAll(() => {
    dir = testDirectory('cas');
    vi.stubEnv('BREAKWATER_ADMIN_URL', `https://127.0.0.1:${fixture.broker.adminPort}`);
    vi.stubEnv('BREAKWATER_CERTS_DIR', fixture.broker.certsDir);
  });
  afterAll(() => {
    vi.unstubAllEnvs();
  });

  const run = async (...args: string[]): Promise<string> => {
    const { code, stdout, stderr } = await runInProcess(args);
    expect([code, stderr], args.join(' ')).toEqual([0, '']);
    return stdout;
  };
  const line = (text: string): Promise<string> => run(...text.split(' '));
  const refused = async (...args: string[]): Promise<string> => {
    const { code, stderr } = await runInProcess(args);
    expect(code, args.join(' ')).toBe(1);
    return stderr;
  };
  const open = (who: ClientIdentity, options: tls.ConnectionOptions = {}): Promise<WireClient> =>
    WireClient.connect(fixture.broker.port, who, options);
  const isServed = async (client: WireClient): Promise<boolean> =>
    client.call(ApiKey.ApiVersions, 0, {}).then(
      ({ errorCode }) => errorCode === 0,
      () => false,
    );
  const files = (name: string, { chain, privateKey }: ClientCredential): ClientIdentity => {
    const who = {
      caFile: join(fixture.broker.certsDir, 'ca.crt'),
      certFile: join(dir, `${name}.crt`),
      keyFile: join(dir, `${name}.key`),
      pkcs12File: '',
    };
    writeFileSync(who.certFile, chain.map(pemOf).join(''));
    const key = privateKey.export({ format: 'pem', type: 'pkcs8' });
    writeFileSync(who.keyFile, key, { mode: 0o600 });
    return who;
  };

  it('a rotated CA is added and the old one retired', async () => {
    const old = fixture.who('acme', 'device-1');
    const oldCa = new X509Certificate(
      readFileSync(join(fixture.broker.certsDir, 'acme', 'ca.crt')),
    );
    await line('cert ca rotate --tenant acme');
    await line('cert issue --tenant acme --device pump-9');
    const fresh = fixture.who('acme', 'pump-9');
    expect(await isServed(await open(fresh))).toBe(false);
    expect(await line('tenant ca add --tenant acme')).toContain('speaks for acme');
    const [client, other] = [await open(old), await open(fresh)];
    const ofGlobex = await open(fixture.who('globex', 'device-1'));
    for (const one of [client, other, ofGlobex]) expect(await isServed(one)).toBe(true);
    const listed = await line('tenant ca list --tenant acme');
    expect(listed.match(/^own /gm)).toHaveLength(2);
    await line(`tenant ca remove --tenant acme --serial ${oldCa.serialNumber}`);
    expect(await client.isClosed(WITHIN_MS)).toBe(true);
    expect(await isServed(await open(old))).toBe(false);
    for (const one of [other, ofGlobex]) expect(await isServed(one)).toBe(true);
    const last = await refused(
      'tenant',
      'ca',
      'remove',
      '--tenant',
      'globex',
      '--fingerprint',
      new X509Certificate(readFileSync(join(fixture.broker.certsDir, 'globex', 'ca.crt')))
        .fingerprint256,
    );
    expect(last).toContain('the only CA');
    expect(
      await refused(
        'tenant',
        'ca',
        'add',
        '--tenant',
        'globex',
        '--certificate',
        join(fixture.broker.certsDir, 'acme', 'ca.crt'),
      ),
    ).toContain('refused');
    for (const one of [other, ofGlobex]) one.close();
  });

  it('an imported CA lets in at once, by its rules, and is closed when it goes', async () => {
    const vendor = foreignCa();
    const caFile = join(dir, 'vendor.crt');
    writeFileSync(caFile, pemOf(vendor.certificate));
    const meter = files('meter-7', foreignClient(vendor, 'meter-7'));
    expect(await isServed(await open(meter))).toBe(false);
    const importing = ['tenant', 'ca', 'import', '--tenant', 'acme', '--certificate', caFile];
    await run(...importing, '--mapping-rule', CN_RULE, '--mapping-rule', 'DEFAULT');
    const client = await open(meter);
    expect(await isServed(client)).toBe(true);
    await fixture.audited(
      'security',
      ({ type, principal, tenant }) =>
        type === 'authentication' && principal === 'User:meter-7' && tenant === 'acme',
    );
    const own = await open(fixture.who('acme', 'pump-9'));
    // Other rules name it otherwise: whom the old ones named goes.
    await run(...importing, '--mapping-rule', 'RULE:^CN=([^,]+),.*$/v-$1/');
    expect(await client.isClosed(WITHIN_MS)).toBe(true);
    const again = await open(meter);
    expect(await isServed(again)).toBe(true);
    await fixture.audited('security', ({ principal }) => principal === 'User:v-meter-7');
    const fingerprint = vendor.certificate.fingerprint256;
    await run('tenant', 'ca', 'remove', '--tenant', 'acme', '--fingerprint', fingerprint);
    expect(await again.isClosed(WITHIN_MS)).toBe(true);
    expect(await isServed(await open(meter))).toBe(false);
    expect(await isServed(own)).toBe(true);
    own.close();
    for (const reason of ['tenant-ca-import', 'tenant-ca-remove', 'tenant-ca-add']) {
      const { facts } = await fixture.audited('security', (event) => event.reason === reason);
      expect(facts).toMatchObject({ tenant: 'acme' });
    }
  });

  it('handshakes name an announced CA, without trusting what stands in for it', async () => {
    const caFile = join(dir, 'announced.crt');
    const vendor = foreignCa({ organization: 'Vendor', commonName: 'Announced CA' });
    writeFileSync(caFile, pemOf(vendor.certificate));
    const before = await namesTold();
    expect(before).not.toContain('Announced CA');
    await run(
      'tenant',
      'ca',
      'import',
      '--tenant',
      'acme',
      '--certificate',
      caFile,
      '--mapping-rule',
      CN_RULE,
      '--announce',
    );
    expect(await namesTold()).toContain('Announced CA');
    const client = await open(files('meter-8', foreignClient(vendor, 'meter-8')));
    expect(await isServed(client)).toBe(true);
    expect(await isServed(await open(fixture.who('acme', 'pump-9')))).toBe(true);
    client.close();
    const { fingerprint256 } = vendor.certificate;
    await run('tenant', 'ca', 'remove', '--tenant', 'acme', '--fingerprint', fingerprint256);
    expect(await namesTold()).not.toContain('Announced CA');
  });

  it('a private key, broken rules, a device and a second tenant are refused', async () => {
    const vendor = foreignCa();
    const caFile = join(dir, 'again.crt');
    writeFileSync(caFile, pemOf(vendor.certificate));
    const importing = (tenant: string, file: string, rule: string, ...more: string[]) => [
      'tenant',
      'ca',
      'import',
      '--tenant',
      tenant,
      '--certificate',
      file,
      '--mapping-rule',
      rule,
      ...more,
    ];
    const key = join(fixture.broker.certsDir, 'acme', 'ca.key');
    expect(await refused(...importing('acme', key, CN_RULE))).toContain('private key');
    expect(await refused(...importing('acme', caFile, 'RULE:(a/b/'))).toContain('not closed');
    expect(await refused(...importing('acme', caFile, 'DEFAULT'))).toContain('no mapping rule');
    const device = fixture.who('acme', 'pump-9').certFile;
    expect(await refused(...importing('acme', device, CN_RULE))).toContain('exactly one');
    const root = join(fixture.broker.certsDir, 'operator-ca.crt');
    expect(await refused(...importing('acme', root, CN_RULE))).toContain('this installation');
    await run(...importing('acme', caFile, CN_RULE));
    expect(await refused(...importing('globex', caFile, CN_RULE, '--shared'))).toContain('shared');
    await run(...importing('acme', caFile, CN_RULE, '--shared'));
    await run(...importing('globex', caFile, CN_RULE, '--shared'));
    const who = files('both', foreignClient(vendor, 'both'));
    expect(await isServed(await open(who))).toBe(false);
    const named = { servername: 'globex.kafka.example', checkServerIdentity: () => undefined };
    const client = await open(who, named);
    expect(await isServed(client)).toBe(true);
    // A revoked serial counts in the tenant that revoked it.
    const { serialNumber } = new X509Certificate(readFileSync(who.certFile));
    await line(`cert revoke --tenant acme --serial ${serialNumber}`);
    expect(await isServed(client)).toBe(true);
    await line(`cert revoke --tenant globex --serial ${serialNumber}`);
    expect(await client.isClosed(WITHIN_MS)).toBe(true);
    const missing = '/v1/tenants/nobody/cas';
    expect((await adminRequest(fixture.broker, 'GET', missing)).status).toBe(404);
  });

  /** What a stranger reads in a TLS 1.2 handshake, where certificate requests are not encrypted. */
  async function namesTold(): Promise<string> {
    const { Duplex } = await import('node:stream');
    const { connect } = await import('node:net');
    const wire = connect(fixture.broker.port, '127.0.0.1');
    const seen: Buffer[] = [];
    const tap = new Duplex({
      read: () => {},
      write: (chunk: Buffer, _encoding, done) => void wire.write(chunk, () => done()),
    });
    wire.on('data', (chunk) => {
      seen.push(chunk);
      tap.push(chunk);
    });
    const socket = tls.connect({
      socket: tap,
      maxVersion: 'TLSv1.2',
      rejectUnauthorized: false,
      servername: 'localhost',
    });
    await new Promise<void>((resolve) => {
      socket.on('secureConnect', () => resolve());
      socket.on('error', () => resolve());
    });
    wire.destroy();
    socket.destroy();
    return Buffer.concat(seen).toString('latin1');
  }
});
