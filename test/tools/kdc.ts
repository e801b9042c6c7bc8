/**
 * A throw-away MIT KDC on free loopback ports, with its database, configuration and keytabs in a
 * temporary directory. Invariant: its process and its files are gone after `stop`, and at the
 * latest when the test process ends; the machine's own Kerberos configuration is never read.
 */
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { awaitExit, type RunResult, runCommand, spawnReaped } from './child-process.ts';
import { freePort } from './free-port.ts';
import { removeDirectory, temporaryDirectory } from './temporary-directory.ts';

const READY_TIMEOUT_MS = 10_000;
const POLL_MS = 10;
const PASSWORD = 'a password of a test';

export interface Kdc {
  readonly directory: string;
  /** What a process needs to find this KDC and nothing else. */
  readonly env: Readonly<Record<string, string>>;
  /** Adds a principal with random keys; the path of a keytab that holds them. */
  keytab(principal: string, options?: readonly string[]): Promise<string>;
  /** Runs kadmin.local in `realm` (the first, unless told). */
  administer(command: string, realm?: string): Promise<RunResult>;
  /** Logs in by a keytab; the credential cache, as a value for KRB5CCNAME. */
  login(principal: string, keytab: string, options?: readonly string[]): Promise<string>;
  stop(): Promise<void>;
}

const sbin = (name: string): string =>
  existsSync(`/usr/sbin/${name}`) ? `/usr/sbin/${name}` : name;

const isListening = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect({ host: '127.0.0.1', port });
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });

const awaitListening = async (port: number): Promise<void> => {
  const deadline = Date.now() + READY_TIMEOUT_MS;
  while (!(await isListening(port))) {
    if (Date.now() > deadline) throw new Error('the KDC does not listen');
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
};

const succeeded = (result: RunResult): RunResult => {
  if (result.code !== 0) throw new Error(`Kerberos tool failed: ${result.text}`);
  return result;
};

/** The files that libkrb5 and the KDC read. */
const configure = (directory: string, realms: readonly string[], port: number): void => {
  const clientRealms = realms.map((realm) => `  ${realm} = {\n    kdc = 127.0.0.1:${port}\n  }\n`);
  // Each realm trusts each other one directly.
  const paths = realms.map(
    (realm) => `  ${realm} = {\n${realms.map((to) => `    ${to} = .\n`).join('')}  }\n`,
  );
  writeFileSync(
    join(directory, 'krb5.conf'),
    [
      `[libdefaults]\n  default_realm = ${realms[0]}\n`,
      '  dns_lookup_kdc = false\n  dns_lookup_realm = false\n',
      '  dns_canonicalize_hostname = false\n  rdns = false\n  udp_preference_limit = 1\n',
      `  allow_weak_crypto = false\n[realms]\n${clientRealms.join('')}`,
      `[domain_realm]\n  localhost = ${realms[0]}\n[capaths]\n${paths.join('')}`,
    ].join(''),
  );
  const kdcRealms = realms.map((realm) =>
    [
      `  ${realm} = {\n    database_name = ${join(directory, realm)}.db\n`,
      `    key_stash_file = ${join(directory, realm)}.stash\n`,
      `    acl_file = ${join(directory, 'kadm5.acl')}\n`,
      '    supported_enctypes = aes256-cts:normal aes128-cts:normal aes256-sha2:normal aes128-sha2:normal\n',
      '    master_key_type = aes256-cts\n  }\n',
    ].join(''),
  );
  writeFileSync(
    join(directory, 'kdc.conf'),
    `[kdcdefaults]\n  kdc_listen = ""\n  kdc_tcp_listen = 127.0.0.1:${port}\n[realms]\n${kdcRealms.join('')}[logging]\n  kdc = FILE:${join(directory, 'kdc.log')}\n`,
  );
  writeFileSync(join(directory, 'kadm5.acl'), '');
};

/** Starts a KDC for `realms`; the first is the default one. */
export const startKdc = async (realms: readonly string[]): Promise<Kdc> => {
  const directory = temporaryDirectory('kdc');
  const port = await freePort();
  configure(directory, realms, port);
  const caches = join(directory, 'rcache');
  mkdirSync(caches);
  const env = {
    KRB5_CONFIG: join(directory, 'krb5.conf'),
    KRB5_KDC_PROFILE: join(directory, 'kdc.conf'),
    KRB5RCACHENAME: `file2:${join(caches, 'replay')}`,
    KRB5CCNAME: `FILE:${join(directory, 'no-cache')}`,
  };
  for (const realm of realms) {
    const create = ['-r', realm, '-P', PASSWORD, 'create', '-s'];
    succeeded(await runCommand(sbin('kdb5_util'), create, { env }));
  }
  const served = realms.flatMap((realm) => ['-r', realm]);
  const child = spawnReaped(sbin('krb5kdc'), ['-n', ...served], {
    stdio: 'ignore',
    env: { ...process.env, ...env },
  });
  await awaitListening(port);
  const administer = async (command: string, realm = realms[0]!): Promise<RunResult> =>
    succeeded(await runCommand(sbin('kadmin.local'), ['-r', realm, '-q', command], { env }));
  let logins = 0;
  return {
    directory,
    env,
    administer,
    async keytab(principal, options = []) {
      const realm = principal.split('@')[1] ?? realms[0]!;
      const file = join(directory, `${principal.replaceAll(/[^A-Za-z0-9]/g, '-')}.keytab`);
      await administer(`addprinc -randkey ${options.join(' ')} ${principal}`, realm);
      await administer(`ktadd -k ${file} ${principal}`, realm);
      return file;
    },
    async login(principal, keytab, options = []) {
      logins += 1;
      const cache = `FILE:${join(directory, `cache-${logins}`)}`;
      const args = [...options, '-k', '-t', keytab, '-c', cache, principal];
      succeeded(await runCommand('kinit', args, { env }));
      return cache;
    },
    async stop() {
      child.kill('SIGTERM');
      await awaitExit(child, 5000);
      removeDirectory(directory);
    },
  };
};
