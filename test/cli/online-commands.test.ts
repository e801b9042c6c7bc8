/** The commands that talk to a running broker, against a real one. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { type BrokerProcess, startBroker } from '../tools/broker-process.ts';
import { removeDirectory, temporaryDirectory } from '../tools/temporary-directory.ts';
import { describeRequiring } from '../tools/tool-detection.ts';
import { type CliResult, runCli, runInProcess } from './run-cli.ts';

const nameOf = ({ name }: { name: string }): string => name;

describeRequiring(['built-broker'], 'online commands', () => {
  let broker: BrokerProcess;
  let dir = '';

  beforeAll(async () => {
    broker = await startBroker();
    vi.stubEnv('BREAKWATER_ADMIN_URL', `https://127.0.0.1:${broker.adminPort}`);
    vi.stubEnv('BREAKWATER_CERTS_DIR', broker.certsDir);
    dir = temporaryDirectory('cli');
  });
  afterAll(async () => {
    vi.unstubAllEnvs();
    await broker.dispose();
    removeDirectory(dir);
  });

  const run = (line: string): Promise<CliResult> => runInProcess(line.split(' '));
  const good = async (line: string): Promise<string> => {
    const { code, stdout, stderr } = await run(line);
    expect([code, stderr], line).toEqual([0, '']);
    return stdout;
  };
  const json = async (line: string) => JSON.parse(await good(`${line} --json`));
  const refused = async (line: string): Promise<string> => {
    const { code, stdout, stderr } = await run(line);
    expect([code, stdout], line).toEqual([1, '']);
    expect(stderr).toMatch(/^breakwater: /);
    return stderr;
  };

  test('status shows versions and checks, and exits 0 while all is well', async () => {
    expect(await good('status')).toContain('version ');
    const status = await json('status');
    expect(status.mtls.port).toBe(broker.port);
    expect(status.checks.every(({ state }: { state: string }) => state === 'ok')).toBe(true);
  });

  test('the bin itself does the same', async () => {
    const { code, stdout, stderr } = await runCli(['topic', 'list', '--tenant', 'acme']);
    expect([code, stderr]).toEqual([0, '']);
    expect(stdout).toMatch(/telemetry +6 /);
  });

  test('backup --list says why there is none', async () => {
    expect(await good('backup --list')).toContain('backup.dir is empty');
  });

  test('quotas: set with human units, described with what is used, removed, refused', async () => {
    expect(await good('quota set --tenant acme producer_byte_rate=1MiB/s topics=10')).toBe(
      'tenant acme: producer_byte_rate is 1MiB/s\ntenant acme: topics is 10\n',
    );
    await good('quota set --tenant acme --fleet plant-a request_rate=1.5k');
    await good('quota set --tenant acme --client-id <default> request_percentage=20%');
    expect(await good('quota set --broker connections=5k')).toBe('broker: connections is 5000\n');
    const described = await good('quota describe --tenant acme --usage');
    expect(described).toMatch(/tenant acme +topics +10 +1\n/);
    expect(described).toMatch(/fleet plant-a +request_rate +1500\/s +0\/s\n/);
    expect(described).toMatch(/client-id <default> +request_percentage +20% +0%\n/);
    expect(await good('quota describe --broker')).toMatch(/broker +connections +5000\n/);
    expect(await good('tenant describe acme')).toMatch(/tenant acme +topics +10 +1\n/);
    expect(await good('quota describe --tenant globex')).toBe('nothing is limited\n');
    expect(await refused('quota set --tenant acme --user ada topics=5')).toContain('topics');
    expect(await refused('quota set --tenant nobody topics=5')).toContain('no such tenant');
    for (const usage of ['topics=5', '--tenant acme topics', '--tenant acme topics=1mib']) {
      expect((await run(`quota set ${usage}`)).code, usage).toBe(2);
    }
    for (const [scope, name] of [
      ['--tenant acme', 'producer_byte_rate=none topics=none'],
      ['--tenant acme --fleet plant-a', 'request_rate=none'],
      ['--tenant acme --client-id <default>', 'request_percentage=none'],
      ['--broker', 'connections=none'],
    ]) {
      await good(`quota set ${scope} ${name}`);
    }
    expect((await json('quota describe --tenant acme')).quotas).toEqual([]);
  });

  test('tenants: create (the CA is made here), again, list, suspend, resume', async () => {
    expect(await good('tenant create initech')).toContain('tenant initech is registered');
    await good('tenant create initech');
    expect(await good('tenant list')).toMatch(/initech +active/);
    expect((await json('tenant suspend initech')).state).toBe('suspended');
    expect((await json('tenant describe initech')).state).toBe('suspended');
    expect((await json('tenant resume initech')).state).toBe('active');
    expect(await refused('tenant describe nobody')).toContain('no such tenant');
    await good('cert issue --tenant initech --device pump-17 --fleet plant-a');
  });

  test('a tenant cannot be created with the CA of another, a device or a private key', async () => {
    const file = (name: string): string => join(broker.certsDir, name);
    expect(await refused(`tenant create hooli --ca-cert ${file('acme/ca.crt')}`)).toMatch(
      /refused/,
    );
    expect(await refused(`tenant create hooli --ca-cert ${file('acme/device-1.crt')}`)).toMatch(
      /refused/,
    );
    expect(await refused(`tenant create hooli --ca-cert ${file('client-ca.crt')}`)).toMatch(
      /refused/,
    );
    expect(await refused(`tenant create hooli --ca-cert ${file('acme/ca.key')}`)).toMatch(
      /private key, which stays here/,
    );
    expect(await refused(`tenant create hooli --pki ${dir}`)).toContain('--ca-cert');
    expect(await good('tenant list')).not.toContain('hooli');
  });

  test('topics: create, again, list, describe, delete', async () => {
    expect(await good('topic create --tenant acme alarms --partitions 3')).toBe(
      'topic alarms of acme: 3 partitions\n',
    );
    expect(await refused('topic create --tenant acme alarms')).toContain('already exists');
    expect(await good('topic list --tenant acme')).toMatch(/alarms +3 /);
    expect(await good('topic list --tenant globex')).not.toContain('alarms');
    const details = await json('topic describe --tenant acme alarms');
    expect(details.partitionStates).toHaveLength(3);
    await good('topic delete --tenant acme alarms');
    expect(await refused('topic delete --tenant acme alarms')).toContain('no such topic');
  });

  test('topics: settings are taken, unknown ones and bad names refused', async () => {
    expect(
      await good(
        'topic create --tenant acme logs --partitions 1 --topic-config segment.bytes=1048576',
      ),
    ).toBe('topic logs of acme: 1 partition\n');
    const { configs } = await json('topic describe --tenant acme logs');
    const segment = configs.find(({ name }: { name: string }) => name === 'segment.bytes');
    expect(segment).toMatchObject({ value: '1048576', isDefault: false });
    await refused('topic create --tenant acme x --topic-config no.such=1');
    await refused('topic create --tenant acme ../../etc/passwd');
    await refused('topic create --tenant ../acme x');
    await good('topic delete --tenant acme logs');
  });

  test('rules: explain, add, list with origin, remove', async () => {
    const question =
      'acl explain --tenant initech --principal User:pump-17 --operation write --topic alarms';
    const rule = '--tenant initech --allow User:pump-17 --operation write --topic alarms';
    await good('tenant create initech');
    expect(await good(question)).toMatch(/^denied: /);
    const none = await good('acl list --tenant initech --principal User:pump-17');
    expect(none).toMatch(/^no such rules; /);
    await good(`acl add ${rule}`);
    expect(await good(question)).toMatch(/^allowed: .*\(dynamic\)/);
    expect(await good('acl list --tenant initech --principal User:pump-17')).toMatch(
      /ALLOW +User:pump-17 +WRITE +TOPIC +LITERAL +alarms +\* +dynamic/,
    );
    await good(
      'acl add --tenant initech --deny User:pump-17 --operation write --topic al --prefixed',
    );
    expect((await json(question)).allowed).toBe(false);
    await good(
      'acl remove --tenant initech --deny User:pump-17 --operation write --topic al --prefixed',
    );
    await good(`acl remove ${rule}`);
    expect(await refused(`acl remove ${rule}`)).toContain('no such dynamic rule');
    expect(await good(question)).toMatch(/^denied: /);
  });

  test('explain tells that a role would come from the token of the session', async () => {
    await good('acl add --tenant acme --allow Role:robots --operation write --topic alarms');
    const question =
      'acl explain --tenant acme --principal User:robot --operation write --topic alarms';
    expect(await good(question)).toContain('denied: ');
    expect(await good(`${question} --token-role other --token-role robots`)).toMatch(
      /^allowed: .*the token of the session gives User:robot Role:robots\.\n/,
    );
    expect(await refused(`${question} --token-role a/b`)).toContain('tokenRoles');
    await good('acl remove --tenant acme --allow Role:robots --operation write --topic alarms');
  });

  test('explain knows the fleet of a device from its certificate', async () => {
    const base =
      'acl explain --tenant acme --principal User:device-1 --operation write --topic telemetry';
    expect(await good(base)).toMatch(/^allowed: .*Fleet:dev/);
    expect(await good(`${base} --fleet other`)).toMatch(/^denied: /);
  });

  test('explain knows the fleet of a device whose certificate was issued elsewhere', async () => {
    const out = join(dir, 'elsewhere');
    await good(`cert issue --tenant acme --device pump-18 --fleet dev --out ${out}`);
    const question =
      'acl explain --tenant acme --principal User:pump-18 --operation write --topic telemetry';
    expect(await good(question)).toMatch(/^allowed: .*User:pump-18 is in Fleet:dev/);
  });

  test('revocations: by device, by serial, listed, and signed into a CRL', async () => {
    const serialOf = async (name: string): Promise<string> =>
      (await json(`cert issue --tenant acme --device ${name} --fleet dev`)).serial;
    const [first, second] = [await serialOf('pump-30'), await serialOf('pump-31')];
    expect(await good('cert revoke --tenant acme --device pump-30 --reason keyCompromise')).toBe(
      'revoked in acme: every certificate of pump-30 so far; its connections end now\n',
    );
    await good('cert revoke --tenant acme --device pump-30');
    const colons = second.replace(/..(?=.)/g, '$&:');
    expect(await good(`cert revoke --tenant acme --serial ${colons}`)).toContain(second);
    const listed = await good('cert revocations --tenant acme');
    expect(listed).toMatch(new RegExp(`${first} .* keyCompromise`));
    expect(listed).toMatch(/all of pump-30 /);
    const crl = join(dir, 'acme.crl');
    expect(await json(`cert crl --tenant acme --out ${crl}`)).toMatchObject({ crl, count: 2 });
    // The same from a list that was carried to the machine of the CA key.
    const list = join(dir, 'revocations.json');
    writeFileSync(list, await good('cert revocations --tenant acme --json'));
    const away = `cert crl --tenant acme --out ${crl} --from ${list} --url https://127.0.0.1:1`;
    expect(await json(away)).toMatchObject({ count: 2, namesWithoutSerial: 0 });
    // Its next certificate is not on the list.
    const next = (await json('cert issue --tenant acme --device pump-30 --fleet dev --force'))
      .serial;
    expect((await json(`cert crl --tenant acme --out ${crl}`)).count).toBe(2);
    expect(await good('cert revocations --tenant acme')).not.toContain(next);
  });

  test('revocations: what does not make sense is refused', async () => {
    expect(await refused('cert revoke --tenant nobody --device pump-30')).toContain(
      'no such tenant',
    );
    expect(await refused('cert revocations --tenant nobody')).toContain('no such tenant');
    const strange = `--ca-fingerprint ${'AA:'.repeat(31)}AA`;
    expect(await refused(`cert revoke --tenant acme --serial 01 ${strange}`)).toContain('no CA');
    for (const line of [
      'cert revoke --tenant acme',
      'cert revoke --tenant acme --device a --serial 01',
      'cert revoke --tenant acme --serial xyz',
      'cert revoke --tenant acme --device a.b',
      'cert revoke --tenant acme --device a --reason whim',
      'cert crl',
      'cert crl --tenant acme --root client',
      'cert crl --tenant acme --revoke 01',
      'cert crl --tenant acme --days 0',
      'device suspend pump-30',
    ]) {
      expect((await run(line)).code, line).toBe(2);
    }
    expect(
      await refused(`cert crl --tenant acme --from ${join(broker.certsDir, 'ca.crt')}`),
    ).toContain('cert revocations --json');
  });

  test.each(['device', 'fleet'])('%s: suspend, list, resume', async (kind) => {
    await good(`${kind} suspend --tenant acme pump-40`);
    expect(await good(`${kind} suspend --tenant acme pump-40`)).toContain('is suspended');
    expect((await json(`${kind} suspended --tenant acme`)).map(nameOf)).toEqual(['pump-40']);
    expect(await json(`${kind} suspended --tenant globex`)).toEqual([]);
    expect(await good(`${kind} resume --tenant acme pump-40`)).toContain('is resumed');
    expect(await good(`${kind} suspended --tenant acme`)).toBe(`no ${kind} is suspended\n`);
    expect(await refused(`${kind} suspend --tenant nobody pump-40`)).toContain('no such tenant');
    expect(await refused(`${kind} suspend --tenant acme a.b`)).toContain('must be');
  });

  test('a device certificate is turned away with what to do', async () => {
    const file = join(broker.certsDir, 'acme', 'admin-1');
    const stderr = await refused(`status --cert ${file}.crt --key ${file}.key`);
    expect(stderr).toContain('it lets in operators only');
  });

  test('a token file: one token, never printed, and refused where tokens are not taken', async () => {
    const file = join(dir, 'token');
    writeFileSync(file, 'eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJhZGEifQ.c2lnbmF0dXJl\n');
    const crt = join(broker.certsDir, 'operator.crt');
    const texts = [
      await refused(`status --token-file ${file}`),
      await refused(`status --token-file ${file} --cert ${crt}`),
    ];
    expect(texts[0]).toContain('admin.oauth.issuers.file');
    expect(texts[1]).toContain('either --token-file, or --cert and --key');
    writeFileSync(file, 'two tokens\n');
    texts.push(await refused(`status --token-file ${file}`));
    expect(texts[2]).toContain('holds no token');
    expect(await refused(`status --token-file ${file}.none`)).toContain(
      'must hold the token alone',
    );
    expect(texts.join()).not.toMatch(/eyJ|two tokens/);
  });

  test('an operator for whom no rule speaks is refused, and told who can help', async () => {
    await good('cert issue --operator ada');
    const ada = ['crt', 'key'].map((extension) => join(broker.certsDir, `ada.${extension}`));
    for (const line of ['tenant list', 'status', 'topic create --tenant acme ada']) {
      const stderr = await refused(`${line} --cert ${ada[0]} --key ${ada[1]}`);
      expect(stderr).toMatch(/does not let this operator/);
      expect(stderr).toContain('an operator with that right');
    }
    expect(await good('topic list --tenant acme')).not.toMatch(/^ada /m);
  });

  test('a broker that cannot prove itself gets no request', async () => {
    const ca = join(broker.certsDir, 'client-ca.crt');
    expect(await refused(`status --ca ${ca}`)).toContain('did not prove itself');
  });

  test('no broker, a wrong address and a wrong listener end in a sentence', async () => {
    expect(await refused('status --url https://127.0.0.1:1')).toContain('no broker answers');
    expect(await refused('status --url https://user:pw@127.0.0.1')).toContain('https://host:port');
    await refused(`status --url https://127.0.0.1:${broker.port}`);
    expect(await refused(`status --certs ${dir}`)).toContain('operator.crt is missing');
  });
});
