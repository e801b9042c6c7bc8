/** New certificates serve new connections; those that stand are not touched; broken files are refused. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { issueBroker } from '../../src/pki/issue.ts';
import { openPki } from '../../src/pki/pki-directory.ts';
import { ApiKey } from '../../src/protocol/api-keys.ts';
import { adminRequest } from '../tools/admin-request.ts';
import { useBroker } from '../tools/broker-fixture.ts';
import { describeRequiring } from '../tools/tool-detection.ts';
import type { WireClient } from '../tools/wire-client.ts';

const fingerprintOf = (client: WireClient): string =>
  client.socket.getPeerCertificate().fingerprint256;

describeRequiring(['built-broker'], 'a reload of certificates', () => {
  const fixture = useBroker({ env: { BREAKWATER_SSL_RELOAD_INTERVAL_MS: '100' } });

  /** Connects again and again until the broker shows another certificate than `old`. */
  async function connectPast(old: string): Promise<WireClient> {
    const deadlineMs = Date.now() + 10_000;
    for (;;) {
      const client = await fixture.connect('acme', 'device-1');
      if (fingerprintOf(client) !== old) return client;
      client.close();
      if (Date.now() > deadlineMs) throw new Error('the old certificate is still in use');
    }
  }

  async function readyReasons(): Promise<string> {
    const { body } = await adminRequest(fixture.broker, 'GET', '/readyz');
    return JSON.stringify(body);
  }

  it('serves new connections and leaves the others alone', async () => {
    const before = await fixture.connect('acme', 'device-1');
    const old = fingerprintOf(before);
    issueBroker(openPki(fixture.broker.certsDir), undefined, { force: true });
    const after = await connectPast(old);
    expect((await after.call(ApiKey.ApiVersions, 0, {})).errorCode).toBe(0);
    expect((await before.call(ApiKey.ApiVersions, 0, {})).errorCode).toBe(0);
    await fixture.audited('security', (line) => line.reason === 'certificates-loaded');
  });

  it('keeps the last good one, says so, and takes the next good one', async () => {
    const before = await fixture.connect('acme', 'device-1');
    const good = fingerprintOf(before);
    writeFileSync(join(fixture.broker.certsDir, 'broker.crt'), 'not a certificate');
    await fixture.audited('security', (line) => line.reason === 'certificates-refused');
    expect(await readyReasons()).toContain('certificates');
    expect(fingerprintOf(await fixture.connect('acme', 'device-1'))).toBe(good);
    issueBroker(openPki(fixture.broker.certsDir), undefined, { force: true });
    await connectPast(good);
    expect(await readyReasons()).not.toContain('refused');
  });
});
