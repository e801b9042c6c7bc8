/** `breakwater cert`, called as main.ts calls it. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createSecureContext } from 'node:tls';
import { Command, CommanderError } from 'commander';
import { afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { registerCertCommands } from '../../src/cli/cert.ts';
import { UsageError } from '../../src/cli/command-error.ts';
import { createTenantCa } from '../../src/pki/pki-directory.ts';
import { temporaryPki, testDirectory } from './temporary-pki.ts';

let dir: string;
beforeAll(() => {
  const pki = temporaryPki();
  createTenantCa(pki, 'acme');
  dir = pki.dir;
});
afterEach(() => vi.restoreAllMocks());

/** What the command printed. Rejects with its error. */
async function cert(...args: string[]): Promise<string> {
  let text = '';
  const write = vi.spyOn(process.stdout, 'write').mockImplementation((chunk) => {
    text += String(chunk);
    return true;
  });
  const program = new Command('breakwater').exitOverride();
  program.configureOutput({ writeErr: () => undefined });
  registerCertCommands(program);
  for (const command of program.commands) {
    command.copyInheritedSettings(program);
    for (const inner of command.commands) inner.copyInheritedSettings(command);
  }
  try {
    await program.parseAsync(['cert', ...args], { from: 'user' });
  } finally {
    write.mockRestore();
  }
  return text;
}

const issue = (...args: string[]): Promise<string> => cert('issue', '--pki', dir, ...args);

describe('cert issue', () => {
  it('writes a device as the contract says', async () => {
    const out = join(testDirectory('cli'), 'made');
    const fleet = ['--fleet', 'plant-a'];
    const text = await issue('--tenant', 'acme', '--device', 'pump-17', ...fleet, '--out', out);
    for (const extension of ['crt', 'key', 'p12']) {
      expect(existsSync(join(out, `pump-17.${extension}`))).toBe(true);
      expect(text).toContain(join(out, `pump-17.${extension}`));
    }
    expect(text).not.toContain('PRIVATE');
    const shown: unknown = JSON.parse(await cert('show', '--json', join(out, 'pump-17.crt')));
    expect(shown).toMatchObject([
      { kind: 'device', name: 'pump-17', tenant: 'acme', fleet: 'plant-a', state: 'valid' },
      { kind: 'ca', pathLength: 0, permittedUriHosts: ['acme.breakwater.test'] },
    ]);
  });

  it('prints JSON, takes a key type, a lifetime and a password', async () => {
    const out = testDirectory('cli');
    const passwordFile = join(out, 'password');
    writeFileSync(passwordFile, 'correct horse\nsecond line\n');
    const text = await issue(
      ...['--tenant', 'acme', '--service', 'billing', '--out', out, '--json'],
      ...['--key-type', 'p384', '--days', '7', '--p12-password-file', passwordFile],
    );
    const printed = JSON.parse(text) as { p12: string; notAfter: string };
    expect(printed).toMatchObject({ p12PasswordFile: null, key: join(out, 'billing.key') });
    const days = (Date.parse(printed.notAfter) - Date.now()) / 86_400_000;
    expect(Math.round(days)).toBe(7);
    const pfx = readFileSync(printed.p12);
    expect(() => createSecureContext({ pfx, passphrase: 'correct horse' })).not.toThrow();
    expect(await cert('show', join(out, 'billing.crt'))).toContain('ec secp384r1');
  });

  it('writes a broker with its names, and an operator', async () => {
    const out = testDirectory('cli');
    await issue('--broker', '--name', 'kafka.example, 10.0.0.1', '--out', out);
    await issue('--operator', 'alice', '--out', out);
    expect(await cert('show', join(out, 'broker.crt'))).toContain(
      'DNS:kafka.example, IP Address:10.0.0.1',
    );
    expect(await cert('show', join(out, 'alice.crt'))).toMatch(/kind +operator\nname +alice\n/);
  });

  it('keeps the names of the broker certificate that it replaces', async () => {
    const out = testDirectory('cli');
    await issue('--broker', '--name', 'kafka.example,*.kafka.example,10.0.0.1,::1', '--out', out);
    const shown = (): Promise<string> => cert('show', join(out, 'broker.crt'));
    const names =
      /alternativeNames +DNS:kafka.example, DNS:\*.kafka.example, IP Address:10.0.0.1,.*:1$/m;
    const before = await shown();
    expect(before).toMatch(names);
    await issue('--broker', '--out', out, '--force');
    expect(await shown()).not.toBe(before);
    expect(await shown()).toMatch(names);
    await issue('--broker', '--name', 'other.example', '--out', out, '--force');
    expect(await shown()).toMatch(/alternativeNames +DNS:other.example$/m);
  });

  it.each([
    [['--tenant', 'acme'], 'say whom it is for'],
    [['--tenant', 'acme', '--device', 'd', '--service', 's'], 'say whom it is for'],
    [['--device', 'd'], '--tenant is missing'],
    [['--tenant', 'acme', '--broker'], '--tenant goes with'],
    [['--tenant', 'acme', '--service', 's', '--fleet', 'f'], '--fleet needs --device'],
    [['--operator', 'o', '--name', 'n'], '--name needs --broker'],
    [['--tenant', 'ACME', '--device', 'd'], 'is not a tenant name'],
    [['--tenant', 'acme', '--device', 'a.b'], 'is no valid device name'],
    [['--tenant', 'acme', '--device', 'd', '--fleet', '../f'], 'is no valid fleet name'],
    [['--operator', ''], 'is no valid operator name'],
    [['--broker', '--name', 'a b'], 'is not a DNS name or IP address'],
    [['--operator', 'o', '--days', '0'], 'is not a number of days'],
    [['--operator', 'o', '--days', '1e3'], 'is not a number of days'],
  ])('%j is a usage error', async (args, problem) => {
    const failure = issue(...args, '--out', dir);
    await expect(failure).rejects.toThrow(UsageError);
    await expect(failure).rejects.toThrow(problem);
  });

  it('refuses a key type that it does not know', async () => {
    await expect(issue('--operator', 'o', '--key-type', 'rsa1024')).rejects.toThrow(CommanderError);
  });

  it.each([
    [['--tenant', 'nobody', '--device', 'd'], 'cert ca --tenant nobody'],
    [['--operator', 'o', '--days', '99999'], 'is not possible'],
    [['--operator', 'o', '--days', '9999'], 'outlive the CA'],
  ])('%j fails, and says what to do', async (args, problem) => {
    const failure = issue(...args, '--out', testDirectory('cli'));
    await expect(failure).rejects.toThrow(problem);
    await expect(failure).rejects.not.toThrow(UsageError);
  });

  it('refuses a password that keytool could not type', async () => {
    const out = testDirectory('cli');
    writeFileSync(join(out, 'password'), 'short\nlong enough\n');
    const failure = issue('--operator', 'o', '--p12-password-file', join(out, 'password'));
    await expect(failure).rejects.toThrow(/too short/);
  });
});

describe('cert ca', () => {
  it("makes a tenant's CA and says where; a second time is refused", async () => {
    const made = await cert('ca', '--pki', dir, '--tenant', 'globex', '--json');
    expect(JSON.parse(made)).toMatchObject({ certificate: join(dir, 'globex', 'ca.crt') });
    await expect(cert('ca', '--pki', dir, '--tenant', 'globex')).rejects.toThrow(
      /has a CA already/,
    );
  });
});

describe('cert list', () => {
  it('walks the folder', async () => {
    await issue('--tenant', 'acme', '--device', 'listed-1');
    const listed = JSON.parse(await cert('list', '--pki', dir, '--json')) as { file: string }[];
    expect(listed.map((one) => one.file)).toEqual(
      expect.arrayContaining(['ca.crt', 'acme/ca.crt', 'acme/listed-1.crt']),
    );
    const text = await cert('list', '--pki', dir);
    expect(text).toMatch(
      /^acme\/listed-1\.crt +device +listed-1 +default +[0-9A-F]{32} +\S+ +valid$/m,
    );
  });

  it('of a folder without a PKI says how to make one', async () => {
    await expect(cert('list', '--pki', testDirectory('cli'))).rejects.toThrow(/serve --dev/);
  });
});

it('advertises only what it does', async () => {
  const program = new Command();
  registerCertCommands(program);
  const names = program.commands[0]!.commands.map((command) => command.name());
  expect(names).toEqual([
    ...['issue', 'bulk', 'renew', 'ca', 'search', 'expiring', 'show', 'list'],
    ...['revoke', 'revocations', 'quarantine', 'crl', 'crl-url'],
  ]);
});
