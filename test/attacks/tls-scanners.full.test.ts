/**
 * Threat: a weakness in how we speak TLS that everybody's scanner finds. testssl.sh and sslscan look
 * at the three listeners; whatever testssl calls LOW or worse fails, except what EXCEPTIONS explains.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type BrokerFixture, useBroker } from '../tools/broker-fixture.ts';
import { awaitExit, spawnReaped } from '../tools/child-process.ts';
import { removeDirectory, temporaryDirectory } from '../tools/temporary-directory.ts';
import { describeRequiring } from '../tools/tool-detection.ts';

/** What cannot be closed, and why. */
const EXCEPTIONS: Readonly<Record<string, string>> = {
  cert_revocation:
    "the server CA is the operator's own and has no public place for CRLs or OCSP; a broker's " +
    'certificate lives 90 days, and clients are given the CA by hand',
};

/** Each of these has to have been looked at, or the scan proves nothing. */
const CHECKS = [
  ...['SSLv2', 'SSLv3', 'TLS1', 'TLS1_1', 'TLS1_2', 'TLS1_3'],
  ...['cipherlist_NULL', 'cipherlist_aNULL', 'cipherlist_EXPORT', 'cipherlist_LOW', 'PFS'],
  ...['cipher_order', 'cert_keySize', 'cert_chain_of_trust', 'cert_trust', 'cert_expirationStatus'],
  ...['heartbleed', 'CCS', 'ticketbleed', 'ROBOT', 'secure_renego', 'secure_client_renego'],
  ...['CRIME_TLS', 'SWEET32', 'FREAK', 'DROWN', 'LOGJAM', 'BEAST', 'LUCKY13', 'RC4'],
];
const HARMLESS = new Set(['OK', 'INFO', 'DEBUG']);
const LISTENERS = ['mTLS', 'SASL_SSL', 'admin'] as const;
const SCAN_MS = 300_000;
const ATTEMPTS = 3;

/**
 * testssl's look at resumption says whether there is any, which is no weakness. It opens a connection
 * and leaves at once; a listener that closes who has no certificate or does not log in may be quicker,
 * which testssl calls a connect problem (WARN).
 */
const isRace = ({ id, severity }: Finding): boolean =>
  severity === 'WARN' && id.startsWith('sessionresumption_');

type ListenerName = (typeof LISTENERS)[number];

interface Finding {
  readonly id: string;
  readonly severity: string;
  readonly finding: string;
}

const portOf = (fixture: BrokerFixture, listener: ListenerName): number => {
  const { port, saslPort, adminPort } = fixture.broker;
  return { mTLS: port, SASL_SSL: saslPort, admin: adminPort }[listener];
};

async function outputOf(program: string, args: readonly string[]): Promise<string> {
  const child = spawnReaped(program, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  let text = '';
  const add = (chunk: Buffer): void => {
    text += chunk.toString('utf8');
  };
  child.stdout?.on('data', add);
  child.stderr?.on('data', add);
  await awaitExit(child, SCAN_MS);
  return text;
}

describeRequiring(['built-broker', 'testssl'], 'testssl.sh', () => {
  // A scanner's failed handshakes are many: held up, it would see nothing.
  const env = { BREAKWATER_FAILED_AUTHENTICATION_EXEMPT_ADDRESSES: '127.0.0.0/8' };
  const fixture = useBroker({ env });
  const directory = temporaryDirectory('scanners');
  const findings = new Map<ListenerName, readonly Finding[]>();
  afterAll(() => removeDirectory(directory));

  async function scanOf(listener: ListenerName, attempt: number): Promise<readonly Finding[]> {
    const file = join(directory, `${listener}-${attempt}.json`);
    // Protocols, forward secrecy, suites, server defaults and preferences, vulnerabilities.
    const checks = ['-p', '-f', '-s', '-S', '-P', '-U'];
    const quiet = ['--quiet', '--color', '0', '--warnings', 'batch', '--nodns', 'none'];
    const trust = ['--add-ca', join(fixture.broker.certsDir, 'ca.crt')];
    const target = `localhost:${portOf(fixture, listener)}`;
    const args = [...quiet, ...trust, ...checks, '--jsonfile', file, target];
    const out = await outputOf('testssl', args);
    const text = readFileSync(file, 'utf8');
    if (text.length < 3) throw new Error(out.slice(-2000));
    return JSON.parse(text) as Finding[];
  }

  /** WARN is no finding: on a busy machine a check of testssl's may not get to its end. Again, then. */
  async function testssl(listener: ListenerName): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      const found = await scanOf(listener, attempt);
      findings.set(listener, found);
      if (attempt === ATTEMPTS || !found.some((one) => one.severity === 'WARN' && !isRace(one)))
        return;
    }
  }
  beforeAll(async () => {
    await Promise.all(LISTENERS.map(testssl));
  }, ATTEMPTS * SCAN_MS);

  it.each(LISTENERS)('finds nothing of LOW or above on the %s listener', (listener) => {
    const found = findings.get(listener)!;
    const ids = new Set(found.map(({ id }) => id));
    expect(CHECKS.filter((id) => !ids.has(id))).toEqual([]);
    const offered = found.find(({ id }) => id === 'TLS1_3');
    expect(offered).toMatchObject({ severity: 'OK', finding: expect.stringContaining('offered') });
    const bad = found.filter(
      (one) => !HARMLESS.has(one.severity) && !EXCEPTIONS[one.id] && !isRace(one),
    );
    expect(bad).toEqual([]);
  });

  it('every exception is one still', () => {
    const stated = LISTENERS.map((listener) =>
      findings
        .get(listener)!
        .filter((one) => !HARMLESS.has(one.severity) && !isRace(one))
        .map(({ id }) => id),
    );
    expect(stated).toEqual(LISTENERS.map(() => Object.keys(EXCEPTIONS)));
  });
});

describeRequiring(['built-broker', 'sslscan'], 'sslscan', () => {
  // A scanner's failed handshakes are many: held up, it would see nothing.
  const env = { BREAKWATER_FAILED_AUTHENTICATION_EXEMPT_ADDRESSES: '127.0.0.0/8' };
  const fixture = useBroker({ env });

  it.each(LISTENERS)(
    'finds nothing weak on the %s listener',
    async (listener) => {
      const target = `localhost:${portOf(fixture, listener)}`;
      const xml = await outputOf('sslscan', ['--xml=-', '--no-colour', target]);
      const tags = (name: string): Record<string, string>[] =>
        [...xml.matchAll(new RegExp(`<${name} ([^>]*?)/?>`, 'g'))].map((tag) =>
          Object.fromEntries(
            [...tag[1]!.matchAll(/(\w+)="([^"]*)"/g)].map(([, key, value]) => [key!, value!]),
          ),
        );
      const enabled = tags('protocol')
        .filter((protocol) => protocol.enabled === '1')
        .map(({ type, version }) => `${type} ${version}`);
      expect(enabled).toEqual(['tls 1.2', 'tls 1.3']);
      expect(tags('protocol')).toHaveLength(6);
      const ciphers = tags('cipher');
      expect(ciphers.length).toBeGreaterThan(2);
      const weak = ciphers.filter(({ strength }) => !['acceptable', 'strong'].includes(strength!));
      expect(weak).toEqual([]);
      for (const { cipher } of ciphers) expect(cipher).toMatch(/GCM|CHACHA20/);
      const heartbleeds = tags('heartbleed');
      expect(heartbleeds).toHaveLength(2);
      expect(heartbleeds.filter(({ vulnerable }) => vulnerable !== '0')).toEqual([]);
      expect(tags('renegotiation')).toEqual([{ supported: '0', secure: '0' }]);
      for (const { bits } of tags('group')) expect(Number(bits)).toBeGreaterThanOrEqual(128);
      expect(tags('group').length).toBeGreaterThan(0);
      expect(tags('compression').filter(({ supported }) => supported !== '0')).toEqual([]);
      expect(xml).toContain('<expired>false</expired>');
      expect(xml).toContain('<self-signed>false</self-signed>');
      expect(xml).toMatch(/<signature-algorithm>\s*ecdsa-with-SHA256/);
    },
    60_000,
  );
});
