/** `breakwater user`, against a running broker with SCRAM, and logins with what it set. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { testDirectory } from '../pki/temporary-pki.ts';
import { adminRequest } from '../tools/admin-request.ts';
import { useBroker } from '../tools/broker-fixture.ts';
import { runCommand } from '../tools/child-process.ts';
import { scramLogin } from '../tools/scram-login.ts';
import { describeRequiring } from '../tools/tool-detection.ts';
import { WireClient } from '../tools/wire-client.ts';
import { BIN, runInProcess } from './run-cli.ts';

const KEY = Buffer.alloc(32, 7).toString('base64');

describeRequiring(['built-broker'], 'breakwater user', () => {
  const fixture = useBroker({
    env: { BREAKWATER_SASL_ENABLED_MECHANISMS: 'SCRAM-SHA-256,SCRAM-SHA-512' },
  });
  beforeAll(() => {
    vi.stubEnv('BREAKWATER_ADMIN_URL', `https://127.0.0.1:${fixture.broker.adminPort}`);
    vi.stubEnv('BREAKWATER_CERTS_DIR', fixture.broker.certsDir);
  });
  afterAll(() => {
    vi.unstubAllEnvs();
  });
  const run = async (line: string): Promise<string> => {
    const { code, stdout, stderr } = await runInProcess(line.split(' '));
    expect([code, stderr], line).toEqual([0, '']);
    return stdout;
  };
  const login = async (user: string, password: string): Promise<number> => {
    const client = await WireClient.connect(fixture.broker.saslPort, noCertificate());
    try {
      return (await scramLogin(client, user, password)).errorCode;
    } finally {
      client.close();
    }
  };
  const noCertificate = () => fixture.who('acme', 'device-1');
  const PASSWORD = 'correct horse, battery';

  it('adds a user by a password file, standard input or one that it makes', async () => {
    const file = join(testDirectory('user'), 'password');
    writeFileSync(file, `${PASSWORD}\nsecond line\n`);
    expect(await run(`user add --tenant acme ada --password-file ${file}`)).toBe(
      'user ada of acme logs in by SCRAM-SHA-256, SCRAM-SHA-512\n',
    );
    expect(await login('acme/ada', PASSWORD)).toBe(0);
    expect(await login('globex/ada', PASSWORD)).not.toBe(0);
    const made = JSON.parse(
      await run('user add --tenant acme bob --generate --mechanism SCRAM-SHA-256 --json'),
    ) as { password: string; mechanisms: string[] };
    expect(made.mechanisms).toEqual(['SCRAM-SHA-256']);
    expect(made.password).toMatch(/^[A-Za-z0-9_-]{32}$/);
    expect(await login('acme/bob', made.password)).toBe(0);
    const piped = await runCommand(
      process.execPath,
      [BIN, 'user', 'add', '--tenant', 'acme', 'eve', '--password-stdin', '--iterations', '4096'],
      { input: `${PASSWORD}-2\n` },
    );
    expect([piped.code, piped.text.includes(PASSWORD)]).toEqual([0, false]);
    expect(await login('acme/eve', `${PASSWORD}-2`)).toBe(0);
  });

  it('lists users and never what they log in with, tenant by tenant', async () => {
    const listed = await run('user list --tenant acme');
    expect(listed).toMatch(/ada +SCRAM-SHA-256 +8192\nada +SCRAM-SHA-512 +8192\nbob/);
    expect(listed).toMatch(/eve +SCRAM-SHA-256 +4096/);
    const users = JSON.parse(await run('user list --tenant acme --after ada --limit 1 --json'));
    expect(users).toEqual([
      { name: 'bob', credentials: [{ mechanism: 'SCRAM-SHA-256', iterations: 8192 }] },
    ]);
    expect(await run('user list --tenant globex')).toBe('nobody logs in with a password\n');
    expect(JSON.stringify(fixture.audit('security'))).not.toMatch(/storedKey|serverKey|correct/);
    const { facts } = await fixture.audited('security', (line) => {
      return line.reason === 'scram-credential-set' && line.type === 'administration';
    });
    expect(facts).toMatchObject({ tenant: 'acme', user: 'ada', iterations: 8192 });
  });

  it('goes through all pages', async () => {
    const body = (user: string) => ({
      ...{ user, mechanism: 'SCRAM-SHA-256', iterations: 4096 },
      ...{ salt: 'c2FsdHNhbHQ=', storedKey: KEY, serverKey: KEY },
    });
    const path = '/v1/tenants/globex/users';
    for (let n = 0; n < 30; n++) {
      const user = `u${String(n).padStart(2, '0')}`;
      await adminRequest(fixture.broker, 'POST', path, body(user));
    }
    const names: string[] = [];
    for (let next: string | null = '', pages = 0; next !== null && pages < 10; pages++) {
      const query: string = next === '' ? '' : `&cursor=${next}`;
      const { body: page } = await adminRequest(fixture.broker, 'GET', `${path}?limit=7${query}`);
      const { users, next: after } = page as { users: { name: string }[]; next: string | null };
      names.push(...users.map(({ name }) => name));
      next = after;
    }
    expect(names).toHaveLength(30);
    expect(new Set(names).size).toBe(30);
  });

  it('removes a user: its connections are closed and its password is none', async () => {
    const client = await WireClient.connect(fixture.broker.saslPort, noCertificate());
    expect((await scramLogin(client, 'acme/ada', PASSWORD)).errorCode).toBe(0);
    await run('user remove --tenant acme ada');
    expect(await client.isClosed(1000)).toBe(true);
    expect(await login('acme/ada', PASSWORD)).not.toBe(0);
    const { code, stderr } = await runInProcess(['user', 'remove', '--tenant', 'acme', 'ada']);
    expect([code, stderr.includes('no such user')]).toEqual([1, true]);
  });

  it.each([
    ['user add --tenant acme x', 2, '--password-file'],
    ['user add --tenant acme x --generate --password-stdin', 2, 'one of'],
    ['user add --tenant acme x --generate --iterations 1', 2, '4096'],
    ['user add --tenant acme x --generate --mechanism PLAIN', 2, 'SCRAM-SHA-256'],
    ['user add --tenant acme a/b --generate', 2, 'a user name'],
    ['user add --tenant nobody x --generate', 1, 'no such tenant'],
    ['user add --tenant acme x --password-file /dev/null', 1, '8 to 256'],
    ['user add --tenant acme x secret', 2, 'too many arguments'],
  ])('%s is refused', async (line, expected, problem) => {
    const { code, stderr } = await runInProcess(line.split(' '));
    expect([code, stderr]).toEqual([expected, expect.stringContaining(problem)]);
  });
});
