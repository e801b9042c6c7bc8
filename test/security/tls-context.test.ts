import { once } from 'node:events';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import * as tls from 'node:tls';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Clock } from '../../src/base/clock.ts';
import { ConfigError } from '../../src/base/errors.ts';
import { type Credential, DAY_MS, issueCredential } from '../../src/pki/certificate-authority.ts';
import { brokerProfile } from '../../src/pki/certificate-profile.ts';
import { pemOf } from '../../src/pki/pki-directory.ts';
import {
  loadTlsMaterial,
  secureContextOptions,
  type TlsFiles,
  type TlsMaterial,
  type TlsWatch,
  tlsServerOptions,
  watchTlsFiles,
} from '../../src/security/tls-context.ts';
import { testDirectory } from '../pki/temporary-pki.ts';
import { clockAt, createTestPki, TRUST_DOMAIN } from '../pki/test-pki.ts';

const pki = createTestPki();
const nowMs = Date.now();
const newBroker = (): Credential =>
  issueCredential(pki.server, brokerProfile(['localhost'], TRUST_DOMAIN));
const keyPem = (credential: Credential): string =>
  credential.privateKey.export({ format: 'pem', type: 'pkcs8' }).toString();

let files: TlsFiles;

beforeEach(() => {
  const dir = testDirectory('tls');
  files = {
    certificate: join(dir, 'broker.crt'),
    key: join(dir, 'broker.key'),
    clientCa: join(dir, 'client-ca.crt'),
  };
  install(pki.broker);
  writeFileSync(files.clientCa, pemOf(pki.clientRoot.certificate));
});

function install(broker: Credential): void {
  writeFileSync(files.certificate, pemOf(broker.certificate));
  writeFileSync(files.key, keyPem(broker));
}

const load = (atMs = nowMs): TlsMaterial => loadTlsMaterial(files, atMs);

describe('the files of a listener', () => {
  it('are read whole', () => {
    const material = load();
    expect(material.certificate.serialNumber).toBe(pki.broker.certificate.serialNumber);
    expect(material.clientCas).toHaveLength(1);
    expect(material.expiresAtMs).toBe(Date.parse(pki.broker.certificate.validTo));
  });

  it('may hold several CAs: each is trusted', () => {
    const both = [pki.clientRoot, pki.operatorCa].map((ca) => pemOf(ca.certificate)).join('');
    writeFileSync(files.clientCa, `# first\n${both}# last\n`);
    expect(secureContextOptions(load()).ca).toHaveLength(2);
  });

  const cases: [string, () => void, RegExp][] = [
    ['no certificate', () => rmSync(files.certificate), /broker\.crt is missing: .*certificate/],
    ['no key', () => rmSync(files.key), /broker\.key is missing: .*private key/],
    ['no CA', () => rmSync(files.clientCa), /client-ca\.crt is missing: it must hold the CA/],
    ['an empty certificate', () => writeFileSync(files.certificate, ''), /holds no PEM/],
    ['an empty key', () => writeFileSync(files.key, ''), /holds no private key/],
    ['an empty CA', () => writeFileSync(files.clientCa, ''), /client-ca\.crt holds no PEM/],
    [
      'a broken certificate',
      () => writeFileSync(files.certificate, pemOf(pki.broker.certificate).replace('MII', 'AAA')),
      /cannot be read/,
    ],
    [
      'a key with a password',
      () => writeFileSync(files.key, encryptedKey()),
      /opens without a password/,
    ],
    [
      "another certificate's key",
      () => writeFileSync(files.key, keyPem(newBroker())),
      /broker\.key is not the key of .*broker\.crt/,
    ],
    [
      'a leaf as CA',
      () => writeFileSync(files.clientCa, pemOf(pki.broker.certificate)),
      /that is not a CA/,
    ],
    [
      'a folder in place of a file',
      () => {
        rmSync(files.key);
        mkdirSync(files.key);
      },
      /cannot read .*broker\.key \(EISDIR\)/,
    ],
  ];
  it.each(cases)('are refused with a sentence: %s', (_what, spoil, problem) => {
    spoil();
    expect(() => load()).toThrow(problem);
    expect(() => load()).toThrow(ConfigError);
  });

  it('are refused when a certificate has expired, or is not valid yet', () => {
    expect(() => load(nowMs + 91 * DAY_MS)).toThrow(/broker\.crt expired on .*cert issue/);
    expect(() => load(nowMs - DAY_MS)).toThrow(/broker\.crt is valid from .*check the clock/);
    const old = createTestPki().clientRoot;
    writeFileSync(files.clientCa, pemOf(old.certificate));
    expect(() => load(nowMs + 3300 * DAY_MS)).toThrow(/expired on/);
  });
});

function encryptedKey(): string {
  const cipher = { cipher: 'aes-256-cbc', passphrase: 'secret' };
  return pki.broker.privateKey.export({ format: 'pem', type: 'pkcs8', ...cipher }).toString();
}

describe('a reload', () => {
  /** A clock whose one timer the test fires. */
  const timers: (() => void)[] = [];
  const clock: Clock = {
    ...clockAt(0),
    setTimer: (_delayMs, run) => {
      timers.push(run);
      return { cancel: () => timers.splice(timers.indexOf(run), 1) };
    },
  };
  const tick = (): void => {
    for (const run of timers.splice(0)) run();
  };
  let server: tls.Server;
  let watch: TlsWatch;
  let reloads: TlsMaterial[];
  let errors: string[];
  const accepted: tls.TLSSocket[] = [];

  beforeEach(async () => {
    reloads = [];
    errors = [];
    const current = load();
    server = tls.createServer(tlsServerOptions(current, 5_000), (socket) => {
      accepted.push(socket);
      socket.on('error', () => undefined);
      socket.on('data', (bytes) => socket.write(bytes));
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    watch = watchTlsFiles({
      files,
      current,
      servers: [server],
      clock,
      intervalMs: 1_000,
      onReload: (material) => reloads.push(material),
      onError: (error) => errors.push(error.message),
    });
  });
  afterEach(async () => {
    watch.stop();
    expect(timers).toEqual([]);
    for (const socket of accepted.splice(0)) socket.destroy();
    server.close();
    await once(server, 'close');
  });

  async function connect(): Promise<tls.TLSSocket> {
    const { port } = server.address() as AddressInfo;
    const ca = pemOf(pki.server.certificate);
    const socket = tls.connect({ host: '127.0.0.1', port, ca, servername: 'localhost' });
    await once(socket, 'secureConnect');
    return socket;
  }

  async function servedSerial(): Promise<string> {
    const socket = await connect();
    const serial = socket.getPeerX509Certificate()!.serialNumber;
    socket.destroy();
    return serial;
  }

  it('serves the new certificate to new connections and keeps the old ones', async () => {
    const before = await connect();
    const renewed = newBroker();
    install(renewed);
    tick();
    expect(reloads.map((one) => one.certificate.serialNumber)).toEqual([
      renewed.certificate.serialNumber,
    ]);
    expect(await servedSerial()).toBe(renewed.certificate.serialNumber);
    before.write('still here');
    const [echo] = (await once(before, 'data')) as [Buffer];
    expect(echo.toString()).toBe('still here');
    before.destroy();
  });

  it('does nothing while nothing changes, and goes on looking', () => {
    for (let round = 0; round < 3; round++) tick();
    writeFileSync(files.key, keyPem(pki.broker));
    tick();
    expect({ reloads, errors, timers: timers.length }).toEqual({
      reloads: [],
      errors: [],
      timers: 1,
    });
  });

  it('keeps the last good one on any error, says so once, and takes up the repair', async () => {
    const renewed = newBroker();
    writeFileSync(files.certificate, pemOf(renewed.certificate));
    for (let round = 0; round < 3; round++) tick();
    expect(errors).toEqual([expect.stringContaining('is not the key of')]);
    expect(await servedSerial()).toBe(pki.broker.certificate.serialNumber);
    rmSync(files.key);
    tick();
    expect(errors).toHaveLength(2);
    writeFileSync(files.key, keyPem(renewed));
    tick();
    expect(errors).toHaveLength(2);
    expect(reloads).toHaveLength(1);
    expect(await servedSerial()).toBe(renewed.certificate.serialNumber);
  });

  it('forgets an error that was undone, and reports it again when it comes back', () => {
    for (let round = 0; round < 2; round++) {
      writeFileSync(files.certificate, 'nonsense');
      tick();
      install(pki.broker);
      tick();
    }
    expect(errors).toHaveLength(2);
    expect(reloads).toEqual([]);
  });

  it('can be asked for at once', () => {
    install(newBroker());
    watch.check();
    expect(reloads).toHaveLength(1);
  });

  it('trusts a new client root for new connections', () => {
    const root = createTestPki().clientRoot;
    writeFileSync(files.clientCa, pemOf(root.certificate));
    tick();
    expect(reloads[0]?.clientCas[0]?.serialNumber).toBe(root.certificate.serialNumber);
  });
});
