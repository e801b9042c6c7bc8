/**
 * CRLs on a schedule: made of what a running broker revoked, published in a folder that a web server
 * serves, and found there by OpenSSL from what stands in the certificates.
 */

import { spawn } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { readdirSync, readFileSync, renameSync, statSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { crlNameOf } from '../../src/pki/crl-publication.ts';
import { readCrl } from '../../src/pki/crl-reader.ts';
import { issueDevice } from '../../src/pki/issue.ts';
import { loadTenantCa, openPki } from '../../src/pki/pki-directory.ts';
import { BIN, runInProcess } from '../cli/run-cli.ts';
import { useBroker } from '../tools/broker-fixture.ts';
import { awaitExit, runCommand } from '../tools/child-process.ts';
import { describeRequiring } from '../tools/tool-detection.ts';
import { testDirectory } from './temporary-pki.ts';

describeRequiring(['built-broker', 'openssl'], 'published CRLs', () => {
  const fixture = useBroker();
  let out = '';
  let http: Server;
  const fetched: string[] = [];

  beforeAll(async () => {
    out = testDirectory('crls');
    http = createServer((request, response) => {
      const name = (request.url ?? '').replace(/^\/crl\//, '');
      if (!readdirSync(out).includes(name)) {
        response.writeHead(404).end();
        return;
      }
      fetched.push(name);
      response.writeHead(200, { 'content-type': 'application/pkix-crl' });
      response.end(readFileSync(join(out, name)));
    });
    http.listen(0, '127.0.0.1');
    await once(http, 'listening');
    vi.stubEnv('BREAKWATER_ADMIN_URL', `https://127.0.0.1:${fixture.broker.adminPort}`);
    vi.stubEnv('BREAKWATER_CERTS_DIR', fixture.broker.certsDir);
  });
  afterAll(() => {
    vi.unstubAllEnvs();
    http.close();
  });

  const run = async (line: string): Promise<string> => {
    const { code, stdout, stderr } = await runInProcess(line.split(' '));
    expect([code, stderr], line).toEqual([0, '']);
    return stdout;
  };
  const tenantCa = (): X509Certificate =>
    loadTenantCa(openPki(fixture.broker.certsDir), 'acme').certificate;
  const verify = async (leaf: string): Promise<{ code: number | null; text: string }> => {
    const { certsDir } = fixture.broker;
    return runCommand(
      'openssl',
      [
        ...['verify', '-x509_strict', '-crl_check_all', '-crl_download'],
        ...['-purpose', 'sslclient', '-CAfile', join(certsDir, 'client-ca.crt')],
        // A root names no place of its CRL: who checks it too has the CRL at hand.
        ...['-CRLfile', join(certsDir, 'client-ca.crl'), '-untrusted', leaf, leaf],
      ],
      { timeoutMs: 30_000 },
    );
  };

  it('are found by OpenSSL where the certificates say, and refuse who was revoked', async () => {
    const { port } = http.address() as AddressInfo;
    expect(await run('cert crl-url')).toContain('no place');
    await run(`cert crl-url http://127.0.0.1:${port}/crl/`);
    await run('cert ca rotate --tenant acme');
    await run('tenant ca add --tenant acme');
    await run('cert issue --tenant acme --device pump-1');
    await run('cert issue --tenant acme --device pump-2');
    await run('cert revoke --tenant acme --device pump-2 --reason keyCompromise');
    expect(await run(`cert crl --all --out ${out}`)).toContain('published');
    const good = await verify(fixture.who('acme', 'pump-1').certFile);
    expect(good).toMatchObject({ code: 0 });
    const bad = await verify(fixture.who('acme', 'pump-2').certFile);
    expect(bad.code).not.toBe(0);
    expect(bad.text).toContain('certificate revoked');
    expect(fetched).toContain(crlNameOf(tenantCa()));
    // Current and previous CAs, roots, and what the broker's configuration names.
    const files = readdirSync(out);
    expect(files.filter((name) => /^[0-9a-f]{40}\.crl$/.test(name))).toHaveLength(6);
    expect(files.filter((name) => name.endsWith('.pem')).sort()).toEqual([
      'client.crl.pem',
      'operator.crl.pem',
      'server.crl.pem',
    ]);
    const bundle = readFileSync(join(out, 'client.crl.pem'), 'utf8');
    expect(bundle.match(/BEGIN X509 CRL/g)).toHaveLength(4);
    for (const name of files) expect(statSync(join(out, name)).mode & 0o777).toBe(0o644);
  });

  it('of a CA that was not signed for stay, with an alarm and exit code 1; others go on', async () => {
    const { certsDir } = fixture.broker;
    const key = join(certsDir, 'globex', 'ca.key');
    const numbers = (): Map<string, bigint> =>
      new Map(
        readdirSync(out)
          .filter((name) => name.endsWith('.crl'))
          .map((name) => [name, readCrl(readFileSync(join(out, name))).number]),
      );
    const before = numbers();
    renameSync(key, `${key}.away`);
    const { code, stderr } = await runInProcess(['cert', 'crl', '--all', '--out', out]);
    renameSync(`${key}.away`, key);
    expect(code).toBe(1);
    expect(stderr).toContain('ALARM: no new CRL of the CA of globex');
    const after = numbers();
    const grown = [...after].filter(([name, number]) => number > before.get(name)!);
    expect(after.size).toBe(before.size);
    expect(grown).toHaveLength(before.size - 1);
  });

  it('--every makes them anew until it is told to end', async () => {
    const child = spawn(
      process.execPath,
      [BIN, 'cert', 'crl', '--all', '--out', out, '--every', '1s'],
      { stdio: ['ignore', 'pipe', 'pipe'] },
    );
    let said = '';
    child.stdout.on('data', (chunk) => {
      said += String(chunk);
    });
    try {
      await expect.poll(() => said.match(/published/g)?.length ?? 0, { timeout: 15_000 }).toBe(2);
    } finally {
      child.kill('SIGTERM');
    }
    expect(await awaitExit(child, 10_000)).toBe(0);
  });

  it.each([
    ['cert crl --all', '--out'],
    ['cert crl --tenant acme --every 6h', '--all'],
    ['cert crl --all --out x --every 4d', 'half'],
    ['cert crl --all --out x --every soon', 'no time'],
    ['cert crl --all --tenant acme', 'whose'],
    ['cert crl-url ftp://x/crl', 'http'],
    ['cert crl-url http://x/crl?a=b', 'http'],
  ])('%s is refused', async (line, problem) => {
    const { code, stderr } = await runInProcess(line.split(' '));
    expect(code).toBe(2);
    expect(stderr).toContain(problem);
  });

  it('are named in bulk too, and no more after --none', async () => {
    const folder = testDirectory('bulk');
    writeFileSync(join(folder, 'devices.csv'), 'device\nbulk-1\n');
    await runInProcess([
      ...['cert', 'bulk', join(folder, 'devices.csv'), '--tenant', 'acme'],
      ...['--out', join(folder, 'out')],
    ]);
    const bulk = new X509Certificate(readFileSync(join(folder, 'out', 'bulk-1.crt')));
    expect(bulk.raw.includes(Buffer.from(`/crl/${crlNameOf(tenantCa())}`))).toBe(true);
    await run('cert crl-url --none');
    const pki = openPki(fixture.broker.certsDir);
    expect(pki.crlBaseUrl).toBeNull();
    const { certificate } = issueDevice(pki, { tenant: 'acme', device: 'plain' });
    expect(certificate.raw.includes(Buffer.from('/crl/'))).toBe(false);
  });
});
