/** `policy test|diff|replay|check`: on files, and on the access log of a real broker. */
// biome-ignore-all lint/suspicious/noTemplateCurlyInString: policy variables are meant literally
import { appendFileSync, cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ApiKey } from '../../src/protocol/api-keys.ts';
import { useBroker } from '../tools/broker-fixture.ts';
import { removeDirectory, temporaryDirectory } from '../tools/temporary-directory.ts';
import { runInProcess } from './run-cli.ts';

let root: string;
beforeAll(() => {
  root = temporaryDirectory('policy-tools');
});
afterAll(() => removeDirectory(root));

let folders = 0;
function policy(...lines: string[]): string {
  folders += 1;
  const directory = join(root, `policy-${folders}`);
  mkdirSync(directory);
  writeFileSync(join(directory, 'acme.csv'), `${[...lines, '# end'].join('\n')}\n`);
  return directory;
}

function expectations(text: string): string {
  const file = join(root, 'expectations.yaml');
  writeFileSync(file, text);
  return file;
}

const DEVICES = 'p, Fleet:pumps, acme, TOPIC, PREFIXED, ${principal}., WRITE, 10.0.0.0/8, allow';
const READER = 'p, Role:reader, acme, TOPIC, LITERAL, *, READ, *, allow';
const HOLDER = 'g, User:ada, Role:reader, acme';
const SECRET = 'p, Role:reader, acme, TOPIC, PREFIXED, secret-, ALL, *, deny';

describe('policy check', () => {
  it('names doubtful rules, and fails only where that is asked for', async () => {
    const directory = policy(READER, HOLDER, DEVICES, DEVICES);
    const { code, stdout } = await runInProcess(['policy', 'check', directory]);
    expect(code).toBe(0);
    expect(stdout).toContain('acme.csv:4: shadowed: acme.csv:3 says all of it');
    expect(stdout).toMatch(/^in order: 3 rules in 1 file: acme\.csv; 1 doubtful line$/m);
    const strict = await runInProcess(['policy', 'check', directory, '--strict', '--json']);
    expect(strict.code).toBe(1);
    expect(JSON.parse(strict.stdout)).toMatchObject({
      fileRules: 3,
      findings: [{ kind: 'shadowed', file: 'acme.csv', line: 4 }],
    });
  });

  it('finds nothing to say about the policies that are shipped', async () => {
    for (const directory of ['policies/dev', 'policies/templates']) {
      const { code, stdout } = await runInProcess(['policy', 'check', directory, '--strict']);
      expect({ code, stdout }).toMatchObject({ code: 0 });
    }
  });
});

describe('policy test', () => {
  const TESTS = `
tests:
  - { name: own topic, tenant: acme, user: pump-1, fleet: pumps, host: 10.1.1.1, operation: write, topic: pump-1.temperature, expect: allow, by: acme.csv:3 }
  - { tenant: acme, user: pump-1, fleet: pumps, host: 11.1.1.1, operation: write, topic: pump-1.temperature, expect: deny, by: none }
  - { tenant: acme, user: ada, operation: describe, topic: orders, expect: allow }
  - { tenant: globex, user: ada, operation: read, topic: orders, expect: deny }
  - { operator: true, user: ada, operation: describe, cluster: true, expect: deny }
`;

  it('passes where the policy decides as expected', async () => {
    const directory = policy(READER, HOLDER, DEVICES);
    const { code, stdout } = await runInProcess([
      'policy',
      'test',
      expectations(TESTS),
      '--policy',
      directory,
    ]);
    expect({ code, stdout }).toEqual({ code: 0, stdout: '5 of 5 tests passed\n' });
  });

  it('fails with what it found and why', async () => {
    const directory = policy(READER, HOLDER);
    const { code, stdout, stderr } = await runInProcess([
      'policy',
      'test',
      expectations(TESTS),
      '--policy',
      directory,
    ]);
    expect(code).toBe(1);
    expect(stdout).toContain('own topic: expected allow by acme.csv:3, found deny by none');
    expect(stdout).toContain('User:pump-1 is denied WRITE on TOPIC "pump-1.temperature"');
    expect(stdout).toContain('4 of 5 tests passed');
    expect(stderr).toContain('1 test failed');
  });

  it.each([
    ['tests: []', /one at least/],
    ['tests: [{ tenant: acme }]', /test 1: expect is allow or deny/],
    ['tests: [{ tenent: acme, expect: deny }]', /test 1: unknown key "tenent"/],
    [
      'tests: [{ tenant: acme, user: a, operation: write, group: g, expect: deny }]',
      /operation on a GROUP is one of read/,
    ],
    [
      'tests: [{ tenant: acme, user: a, operation: read, group: g, topic: t, expect: deny }]',
      /name one resource/,
    ],
    ['tests: [{ user: a, operation: read, group: g, expect: deny }]', /tenant is missing/],
    [
      'tests: [{ tenant: _operator, user: a, operation: read, group: g, expect: deny }]',
      /operator: true/,
    ],
    ['tests: [', /expectations\.yaml/],
  ])('refuses what it cannot understand: %s', async (text, message) => {
    const { code, stderr } = await runInProcess(['policy', 'test', expectations(text)]);
    expect(code).toBe(2);
    expect(stderr).toMatch(message);
  });
});

describe('policy diff', () => {
  it('shows changed lines, and the decisions that they change', async () => {
    const before = policy(READER, HOLDER, DEVICES);
    const after = policy(SECRET, HOLDER, READER);
    const { code, stdout } = await runInProcess(['policy', 'diff', before, after]);
    expect(code).toBe(0);
    const lines = stdout.split('\n');
    expect(lines).toContain(`- ${DEVICES}  (acme.csv:3)`);
    expect(lines).toContain(`+ ${SECRET}  (acme.csv:1)`);
    expect(lines).toContain(
      '! acme/User:ada READ TOPIC secret-any-name from 192.0.2.1: allowed (acme.csv:1) -> denied (acme.csv:1)',
    );
    expect(lines).toContain(
      '! acme/User:anyone of Fleet:pumps WRITE TOPIC anyone.any-name from 10.0.0.0: allowed (acme.csv:3) -> denied (no rule)',
    );
    // READER only moved to another line.
    expect(stdout).not.toContain(`- ${READER}`);
  });

  it('asks about names that other rules speak of, and about holders of a role', async () => {
    const writer = 'p, User:bob, acme, TOPIC, LITERAL, secret-plans, READ, *, allow';
    const wall = 'p, User:*, acme, TOPIC, PREFIXED, secret-, READ, *, deny';
    const before = policy(writer, wall);
    const opened = policy(writer);
    const { stdout } = await runInProcess(['policy', 'diff', before, opened, '--json']);
    expect(JSON.parse(stdout)).toMatchObject({
      flips: [
        {
          principal: 'User:bob',
          resourceName: 'secret-plans',
          operation: 'READ',
          before: { allowed: false },
          after: { allowed: true, origin: 'acme.csv:1' },
        },
      ],
    });
    const gained = await runInProcess(['policy', 'diff', policy(READER), policy(READER, HOLDER)]);
    expect(gained.stdout).toContain('! acme/User:ada READ TOPIC any-name');
  });

  it('has nothing to say of the same policy', async () => {
    const { stdout } = await runInProcess(['policy', 'diff', 'policies/dev', 'policies/dev']);
    expect(stdout).toBe('0 lines changed; of 0 questions about them, 0 come out otherwise\n');
  });
});

describe('policy replay', () => {
  const fixture = useBroker();

  it('finds in the log of a broker what a new policy would decide otherwise', async () => {
    const device = await fixture.connect('acme', 'device-1');
    for (const name of ['telemetry', 'device-1.own', 'forbidden']) {
      await device.call(ApiKey.Metadata, 9, {
        topics: [{ name }],
        allowAutoTopicCreation: false,
      });
    }
    await fixture.audited('security', (line) => line.resource === 'forbidden');
    await fixture.audited('access', (line) => line.resource === 'device-1.own');
    const audit = join(fixture.broker.dataDir, 'audit');

    const same = await runInProcess([
      'policy',
      'replay',
      '--audit',
      audit,
      '--policy',
      'policies/dev',
    ]);
    expect(same.code).toBe(0);
    expect(same.stdout).toMatch(/^[1-9][0-9]* accesses asked again: 0 kinds would/m);

    const changed = join(root, 'changed');
    cpSync('policies/dev', changed, { recursive: true });
    const devices = readFileSync(join(changed, 'devices.csv'), 'utf8')
      .replace('LITERAL, telemetry, WRITE, *, allow', 'LITERAL, telemetry, ALL, *, deny')
      .replace('# end', 'p, Fleet:dev, *, TOPIC, LITERAL, forbidden, READ, *, allow\n# end');
    writeFileSync(join(changed, 'devices.csv'), devices);
    const { stdout } = await runInProcess([
      ...['policy', 'replay', '--audit', audit, '--policy', changed, '--json'],
    ]);
    const flips = JSON.parse(stdout).flips as Record<string, unknown>[];
    const about = (resource: string) => flips.filter((flip) => flip.resource === resource);
    expect(about('telemetry')[0]).toMatchObject({
      tenant: 'acme',
      principal: 'User:device-1',
      fleet: 'dev',
      operation: 'DESCRIBE',
      before: { allowed: true },
      after: { allowed: false, origin: expect.stringMatching(/^devices\.csv:/) },
    });
    expect(about('forbidden')[0]).toMatchObject({ before: { allowed: false, origin: null } });
    expect(about('device-1.own')).toEqual([]);
  });

  it('counts what it cannot judge, with the reason', async () => {
    const directory = policy(READER, HOLDER);
    const file = join(root, 'past.ndjson');
    const record = {
      type: 'access',
      tenant: 'acme',
      principal: 'User:ada',
      address: '10.0.0.1',
      listener: 'mtls',
      api: 'Fetch',
      operation: 'READ',
      resourceType: 'TOPIC',
      resource: 'orders',
      decision: 'deny',
      rule: null,
      origin: null,
      time: '2026-01-01T00:00:00.000Z',
    };
    const lines = [
      record,
      { ...record, count: 41, time: '2026-01-02T00:00:00.000Z' },
      { ...record, origin: 'dynamic', decision: 'allow', resource: 'alarms' },
      { ...record, listener: 'admin' },
      { ...record, rule: 'listing filtered to what each rule allows', decision: 'allow' },
      { ...record, resource: `${'x'.repeat(255)}...(300 characters)` },
      { ...record, origin: 'error' },
      { type: 'authentication' },
    ];
    writeFileSync(file, `${lines.map((line) => JSON.stringify(line)).join('\n')}\n`);
    appendFileSync(file, '{"torn');
    const args = ['policy', 'replay', '--audit', file, '--policy', directory];
    const { stdout } = await runInProcess(args);
    expect(stdout.split('\n').slice(0, -1)).toEqual([
      '! acme/User:ada READ TOPIC orders from 10.0.0.1: denied (no rule) -> allowed (acme.csv:1), 42 times, 2026-01-01T00:00:00.000Z to 2026-01-02T00:00:00.000Z',
      '42 accesses asked again: 1 kind would come out otherwise',
      "not asked again: 1 that were decided by a dynamic rule (--acls TENANT=FILE gives a tenant's)",
      "not asked again: 1 that are operators' on the admin API",
      'not asked again: 1 that are listings, which are filtered name by name',
      'not asked again: 1 that have names too long to be recorded whole',
      'not asked again: 1 that were not decided by rules',
      'not asked again: 1 that are no accesses of a tenant',
      'not read: 1 line that are no records',
    ]);
    const acls = join(root, 'acls.json');
    const rule = {
      principal: 'User:ada',
      permission: 'DENY',
      operation: 'ALL',
      resourceType: 'TOPIC',
      patternType: 'LITERAL',
      resourceName: 'alarms',
      host: '*',
      origin: 'dynamic',
    };
    writeFileSync(acls, JSON.stringify({ acls: [rule, { ...rule, origin: 'acme.csv:1' }] }));
    const given = await runInProcess([...args, '--acls', `acme=${acls}`]);
    expect(given.stdout).toContain(
      'alarms from 10.0.0.1: allowed (dynamic) -> denied (dynamic), 1 time',
    );
    const wrong = await runInProcess([...args, '--acls', `acme=${file}`]);
    expect(wrong.code).toBe(2);
  });
});
