import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ConfigError } from '../../src/base/errors.ts';
import {
  CONFIG_KEYS,
  CONFIG_SECTIONS,
  type ConfigKey,
  environmentName,
} from '../../src/config/config-schema.ts';
import { type ConfigInput, type LoadedConfig, loadConfig } from '../../src/config/load-config.ts';
import { renderConfigFile } from '../../src/config/render-config.ts';
import { checkForServing } from '../../src/config/serving-checks.ts';

const FILE = '/etc/breakwater/breakwater.yaml';

function load(
  parts: Partial<Pick<ConfigInput, 'environment' | 'sets' | 'modeDefaults'>> & { yaml?: string },
): Promise<LoadedConfig> {
  const { yaml, ...rest } = parts;
  return loadConfig({
    file: yaml === undefined ? null : FILE,
    environment: {},
    sets: [],
    cwd: '/srv',
    readText: () => yaml ?? '',
    ...rest,
  });
}

/** The sentences of the ConfigError that loading ends with. */
async function problemsOf(parts: Parameters<typeof load>[0]): Promise<string[]> {
  try {
    await load(parts);
  } catch (error) {
    expect(error).toBeInstanceOf(ConfigError);
    return (error as ConfigError).message.split('\n');
  }
  throw new Error('no problem was found');
}

describe('the table', () => {
  test('every default is allowed by its own rule', () => {
    for (const [key, spec] of Object.entries(CONFIG_KEYS)) {
      expect(spec.parse(spec.default), key).toBe(spec.default);
    }
  });

  test('no two keys share an environment variable', () => {
    const names = Object.keys(CONFIG_KEYS).map(environmentName);
    expect(new Set(names).size).toBe(names.length);
  });

  test('the sections hold every key once', () => {
    const listed = Object.values(CONFIG_SECTIONS).flatMap((keys) => Object.keys(keys));
    expect(listed.sort()).toEqual(Object.keys(CONFIG_KEYS).sort());
  });

  test('the names that the outside relies on', () => {
    expect(environmentName('data.dir')).toBe('BREAKWATER_DATA_DIR');
    expect(environmentName('certs.dir')).toBe('BREAKWATER_CERTS_DIR');
    expect(environmentName('port')).toBe('BREAKWATER_PORT');
    expect(environmentName('sasl.port')).toBe('BREAKWATER_SASL_PORT');
    expect(environmentName('admin.port')).toBe('BREAKWATER_ADMIN_PORT');
  });
});

describe('precedence', () => {
  test('defaults, then the mode, the file, the environment, --set; the last --set wins', async () => {
    const yaml = 'num.partitions: 3\nport: 3\nadmin.port: 3\nnode.id: 3\n';
    const { config, sources } = await load({
      modeDefaults: { 'log.level': 'debug', port: 2 },
      yaml,
      environment: { BREAKWATER_PORT: '4', BREAKWATER_ADMIN_PORT: '4', BREAKWATER_NODE_ID: '4' },
      sets: ['admin.port=5', 'node.id=5', 'node.id=6'],
    });
    expect(config['fetch.max.bytes']).toBe(CONFIG_KEYS['fetch.max.bytes'].default);
    expect(config['log.level']).toBe('debug');
    expect(config['num.partitions']).toBe(3);
    expect(config.port).toBe(4);
    expect(config['admin.port']).toBe(5);
    expect(config['node.id']).toBe(6);
    expect(sources['fetch.max.bytes']).toBe('default');
    expect(sources['log.level']).toBe('--dev');
    expect(sources['num.partitions']).toBe(`${FILE}:1`);
    expect(sources.port).toBe('BREAKWATER_PORT');
    expect(sources['node.id']).toBe('--set');
  });

  test('paths are relative to the file that names them, else to the working folder', async () => {
    const { config } = await load({
      yaml: 'data.dir: ./data\npolicy.dir: /abs\n',
      environment: { BREAKWATER_AUDIT_DIR: 'audit' },
      sets: ['ssl.server.key=keys/../broker.key'],
    });
    expect(config['data.dir']).toBe('/etc/breakwater/data');
    expect(config['policy.dir']).toBe('/abs');
    expect(config['audit.dir']).toBe('/srv/audit');
    expect(config['ssl.server.key']).toBe('/srv/broker.key');
    expect(config['certs.dir']).toBe('/srv/certs-dev');
  });

  test('the configuration cannot be changed afterwards', async () => {
    const { config } = await load({});
    expect(() => Object.assign(config, { port: 1 })).toThrow(TypeError);
  });
});

describe('the file', () => {
  test('nested maps flatten to the same keys', async () => {
    const yaml = 'log:\n  segment.bytes: 2097152\n  flush:\n    interval:\n      ms: 7\n';
    const { config, sources } = await load({ yaml });
    expect(config['log.segment.bytes']).toBe(2_097_152);
    expect(config['log.flush.interval.ms']).toBe(7);
    expect(sources['log.flush.interval.ms']).toBe(`${FILE}:5`);
  });

  test.each(['', '# only a comment\n', '---\n', '{}\n'])('%j sets nothing', async (yaml) => {
    expect((await load({ yaml })).sources.port).toBe('default');
  });

  test('an empty value unsets what may be unset', async () => {
    const { config } = await load({ yaml: 'tenant.domain:\nadvertised.host: ""\n' });
    expect(config['tenant.domain']).toBeNull();
    expect(config['advertised.host']).toBeNull();
  });

  test.each([
    [
      'an unknown key',
      'num.partition: 3',
      '1: "num.partition": no such key; did you mean num.partitions?',
    ],
    [
      'a far unknown key',
      '\nbananas: 3',
      '2: "bananas": no such key; "breakwater config show" lists all keys',
    ],
    [
      'a short unknown key',
      'nope: 3',
      '1: "nope": no such key; "breakwater config show" lists all keys',
    ],
    [
      'a bad number',
      'port: 70000',
      '1: port: "70000" is not allowed; it must be an integer from 0 to 65535',
    ],
    ['a fraction', 'port: 1.5', '1: port: "1.5" is not allowed'],
    ['a truth value for a number', 'port: true', '1: port: "true" is not allowed'],
    ['no value', 'port:', '1: port: "null" is not allowed'],
    ['a list', 'host: [a, b]', '1: host must hold'],
    ['a list at the top', '- port', '1: the file must hold'],
    ['a text at the top', 'hello', '1: the file must hold'],
    ['the same key twice', 'port: 1\nport: 2', '2: not valid YAML'],
    [
      'the same key flat and nested',
      'log.level: info\nlog:\n  level: warn',
      '3: log.level is already set at',
    ],
    ['a broken line', 'port: "1', '1: not valid YAML'],
    ['an alias', 'host: &x localhost\nadmin.host: *x', '2: admin.host must hold'],
    ['a merge key', '<<: {port: 1}', '1: "<<.port": no such key'],
    ['a number as key', '9093: port', '1: a key must be a plain name'],
  ])('%s is named with its line', async (_what, yaml, problem) => {
    expect((await problemsOf({ yaml }))[0]).toContain(`${FILE}:${problem}`);
  });

  test('all problems are named at once', async () => {
    const yaml = 'port: x\nnope.nope: 1\n';
    const sets = ['node.id=-1', 'novalue'];
    const problems = await problemsOf({ yaml, sets });
    expect(problems).toHaveLength(4);
  });

  test('a file that cannot be read says which, why and what to do', async () => {
    const readText = () => {
      throw Object.assign(new Error('no'), { code: 'ENOENT' });
    };
    const input = { file: 'x.yaml', environment: {}, sets: [], cwd: '/srv', readText };
    await expect(loadConfig(input)).rejects.toThrow(/x\.yaml \(ENOENT\).*breakwater init/);
  });

  test('a bomb of aliases and a huge file end as a sentence', async () => {
    const bomb = `a: &a [x,x]\n${Array.from({ length: 30 }, (_, at) => `b${at}: &b${at} [*a,*a]`).join('\n')}`;
    expect((await problemsOf({ yaml: bomb })).length).toBeGreaterThan(0);
    const [problem] = await problemsOf({ yaml: `# ${'x'.repeat(2_000_000)}` });
    expect(problem).toContain('larger than 1 MiB');
  });
});

describe('the environment', () => {
  test('a near miss is an error, a stranger a warning, a known tool variable neither', async () => {
    const [problem] = await problemsOf({ environment: { BREAKWATER_DATA_DIRS: '/x' } });
    expect(problem).toBe('BREAKWATER_DATA_DIRS: no such key; did you mean BREAKWATER_DATA_DIR?');
    const { warnings } = await load({
      environment: {
        BREAKWATER_SERVICE_HOST_X9: '10.0.0.1',
        BREAKWATER_ADMIN_URL: 'https://127.0.0.1:1',
        BREAKWATER_TEST_REQUIRE: 'all',
        BREAKWATERISH: '1',
        PATH: '/bin',
      },
    });
    expect(warnings).toEqual([
      'the environment variable BREAKWATER_SERVICE_HOST_X9 is no known key',
    ]);
  });

  test('a value that a container platform invents is refused by name', async () => {
    const [problem] = await problemsOf({ environment: { BREAKWATER_PORT: 'tcp://10.0.0.1:9093' } });
    expect(problem).toMatch(/^BREAKWATER_PORT: port: "tcp:\/\/10\.0\.0\.1:9093" is not allowed/);
  });
});

describe('what no single key can judge', () => {
  test.each([
    [['host=0.0.0.0'], /host: 0\.0\.0\.0 is no address to connect to: set advertised\.host/],
    [['message.max.bytes=1000000000'], /message\.max\.bytes: must be smaller/],
    [
      ['socket.request.max.bytes=2000000', 'socket.request.small.max.bytes=3000000'],
      /must not exceed/,
    ],
    [['ban.automatic.failures=19'], /ban\.automatic\.failures: must not be below/],
    [['proxy.protocol.addresses=10.0.0.1/8'], /"10\.0\.0\.1\/8" is not allowed; it must be IP/],
    [['proxy.protocol.addresses=10.0.0.1,proxy.example'], /must be IP addresses or networks/],
    [['port=5', 'admin.port=5'], /admin\.port: 5 is the port of the client listener/],
  ])('%j is refused', async (sets, message) => {
    expect((await problemsOf({ sets }))[0]).toMatch(message);
  });

  test('port 0 twice is two free ports', async () => {
    const { config } = await load({ sets: ['port=0', 'admin.port=0'] });
    expect([config.port, config['admin.port']]).toEqual([0, 0]);
  });
});

/** Line ends part the problems; nothing else below the space may stand in a message. */
const hasControlCharacter = (text: string): boolean =>
  [...text].some((character) => character < ' ' && character !== '\n');

describe('hostile values', () => {
  test('text of any kind ends as a value or a ConfigError that shows no control character', async () => {
    const keys = Object.keys(CONFIG_KEYS) as ConfigKey[];
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...keys),
        fc.string({ unit: 'binary' }),
        async (key, value) => {
          try {
            const { config } = await load({ sets: [`${key}=${value}`] });
            expect(typeof config[key] === 'string' ? config[key] : '').not.toMatch(/\p{Cc}/u);
          } catch (error) {
            expect(error).toBeInstanceOf(ConfigError);
            expect(hasControlCharacter((error as ConfigError).message)).toBe(false);
          }
        },
      ),
      { numRuns: 150 },
    );
  });

  test('YAML of any kind ends as values or a ConfigError', async () => {
    const line = fc.oneof(
      fc.string(),
      fc.constantFrom('port: 1', 'log: {level: info}', '? a', '- b'),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(line, { maxLength: 6 }), async (lines) => {
        await load({ yaml: lines.join('\n') }).catch((error: unknown) => {
          expect(error).toBeInstanceOf(ConfigError);
        });
      }),
      { numRuns: 150 },
    );
  });
});

describe('the file that init writes', () => {
  test('reads back to the values it was given, and shows every key', async () => {
    const values = {
      port: 1234,
      host: '127.0.0.1',
      'data.dir': './my "data": #1',
      'policy.dir': 'p',
    };
    const text = renderConfigFile(
      'A title that is long enough to need a second line, '.repeat(3),
      values,
    );
    const { config } = await load({ yaml: text });
    expect(config.port).toBe(1234);
    expect(config['data.dir']).toBe('/etc/breakwater/my "data": #1');
    for (const key of Object.keys(CONFIG_KEYS))
      expect(text).toMatch(new RegExp(`^#?${key}: `, 'm'));
    for (const line of text.split('\n')) expect(line.length).toBeLessThanOrEqual(100);
  });

  test('its commented defaults are the defaults', async () => {
    const text = renderConfigFile('t', {}).replaceAll(/^#(?=[a-z.]+: )/gm, '');
    const { config } = await load({ yaml: text });
    const plain = await load({ yaml: '' });
    const paths = Object.keys(CONFIG_KEYS).filter((key) => CONFIG_KEYS[key as ConfigKey].isPath);
    for (const key of Object.keys(CONFIG_KEYS) as ConfigKey[]) {
      if (!paths.includes(key)) expect(config[key], key).toBe(plain.config[key]);
    }
  });
});

describe('serving', () => {
  test('production needs every file that stands for trust, named in one sentence', async () => {
    const { config } = await load({});
    expect(() => checkForServing(config, false)).toThrow(
      /not set: ssl\.server\.certificate, ssl\.server\.key, ssl\.client\.ca, ssl\.operator\.ca, policy\.dir/,
    );
  });

  test.each([
    ['host', '0.0.0.0'],
    ['host', '192.168.1.1'],
    ['admin.host', '::'],
    ['admin.host', 'broker.example.com'],
    ['host', '127.0.0.1.evil.example'],
    ['host', 'localhost.evil.example'],
  ])('--dev refuses %s=%s', async (key, value) => {
    const { config } = await load({ sets: [`${key}=${value}`, 'advertised.host=x'] });
    expect(() => checkForServing(config, true)).toThrow(
      new RegExp(`${key}: --dev listens on loopback`),
    );
  });

  test.each(['127.0.0.1', '127.9.9.9', '::1', 'localhost'])('--dev takes %s', async (host) => {
    const { config } = await load({ sets: [`host=${host}`, `admin.host=${host}`] });
    expect(() => checkForServing(config, true)).not.toThrow();
  });
});
