/**
 * Threat: a policy file that is half written, damaged or crafted opens the broker. Whatever is wrong
 * with one file, the whole set is refused with file, line and reason, and the last good one decides.
 */
// biome-ignore-all lint/suspicious/noTemplateCurlyInString: policy variables are meant literally
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ConfigError } from '../../src/base/errors.ts';
import type { CasbinAuthorizer } from '../../src/security/casbin-authorizer.ts';
import {
  HOST,
  openAuthorizer,
  type PolicyFolderFixture,
  policyFolder,
  service,
  topic,
} from '../security/policy-fixture.ts';

const ALLOW_READ = 'p, User:ada, acme, TOPIC, LITERAL, t, READ, *, allow';
const DENY_ALL = 'p, User:ada, acme, TOPIC, LITERAL, secret, ALL, *, deny';
const ada = service('acme', 'ada');

let folder: PolicyFolderFixture;
let authorizer: CasbinAuthorizer;
afterEach(() => folder.close());
beforeEach(async () => {
  folder = policyFolder();
  folder.write('acme.csv', ALLOW_READ, 'p, User:ada, acme, TOPIC, LITERAL, secret, READ, *, allow');
  folder.write('deny.csv', DENY_ALL);
  authorizer = await openAuthorizer(folder.directory);
});

const reads = (name: string): boolean =>
  authorizer.authorize(ada, HOST, topic('READ', name)).allowed;

/** The set must be refused at this place, and the old one still decide. */
async function expectRefused(file: string, line: number, reason: RegExp): Promise<void> {
  const { epoch } = authorizer;
  const status = await authorizer.reload();
  expect(status.healthy).toBe(false);
  expect(status.refusal).toMatchObject({ file, line });
  expect(status.refusal?.reason).toMatch(reason);
  expect(authorizer.epoch).toBe(epoch);
  expect(authorizer.policyStatus()).toEqual(status);
  expect([reads('t'), reads('secret')]).toEqual([true, false]);
}

const good = (fields: Partial<Record<string, string>> = {}): string => {
  const columns = {
    subject: 'User:eve',
    tenant: 'acme',
    type: 'TOPIC',
    pattern: 'LITERAL',
    name: 't',
    operation: 'READ',
    host: '*',
    effect: 'allow',
    ...fields,
  };
  return ['p', ...Object.values(columns)].join(', ');
};

describe('a policy file', () => {
  it('cut anywhere is refused, or is the whole file', async () => {
    const whole = `${ALLOW_READ}\n${DENY_ALL}\n# end\n`;
    for (let length = 0; length < whole.length - 1; length += 1) {
      folder.writeRaw('deny.csv', whole.slice(0, length));
      const status = await authorizer.reload();
      expect(status.healthy, `cut at ${length}`).toBe(false);
      expect(reads('secret')).toBe(false);
    }
    folder.writeRaw('deny.csv', whole);
    expect((await authorizer.reload()).healthy).toBe(true);
  });

  it('that goes on after its end is refused: two writers met', async () => {
    folder.writeRaw('deny.csv', `${DENY_ALL}\n# end\n${good()}\n# end\n`);
    await expectRefused('deny.csv', 2, /before the end/);
  });

  it('with trailing zero bytes, as a power cut leaves them, is refused', async () => {
    folder.writeRaw(
      'deny.csv',
      Buffer.concat([Buffer.from(`${DENY_ALL}\n# end\n`), Buffer.alloc(64)]),
    );
    await expectRefused('deny.csv', 3, /half written/);
  });

  it('that is no UTF-8 text is refused', async () => {
    folder.writeRaw('deny.csv', Buffer.from([0x70, 0xff, 0xfe, 0x0a]));
    await expectRefused('deny.csv', 0, /UTF-8/);
  });

  it('that vanishes is refused, since its denies would vanish with it', async () => {
    folder.remove('deny.csv');
    await expectRefused('deny.csv', 0, /vanished/);
  });

  it('that vanishes on purpose is accepted when the operator says so', async () => {
    folder.remove('deny.csv');
    await authorizer.reload();
    const status = await authorizer.reload({ acceptRemovedFiles: true });
    expect(status).toMatchObject({ healthy: true, files: ['acme.csv'] });
    expect(reads('secret')).toBe(true);
  });

  it('folder that vanishes, or loses every file, is refused', async () => {
    folder.remove('deny.csv');
    folder.remove('acme.csv');
    const status = await authorizer.reload({ acceptRemovedFiles: true });
    expect(status.refusal?.reason).toMatch(/holds no .csv file/);
    folder.close();
    expect((await authorizer.reload()).refusal?.reason).toMatch(/cannot be read/);
    expect([reads('t'), reads('secret')]).toEqual([true, false]);
  });

  it('that is put right takes force, and the state says so', async () => {
    folder.writeRaw('deny.csv', 'p, nonsense');
    await authorizer.reload();
    folder.write('deny.csv', good({ subject: 'User:ada', name: 't', effect: 'deny' }));
    const status = await authorizer.reload();
    expect(status).toMatchObject({ healthy: true, refusal: null });
    expect([reads('t'), reads('secret')]).toEqual([false, true]);
  });

  it('of an editor or a note beside the policies is no part of them', async () => {
    folder.writeRaw('.acme.csv.swp', 'garbage');
    folder.writeRaw('acme.csv~', 'garbage');
    folder.writeRaw('README.md', 'garbage');
    expect((await authorizer.reload()).healthy).toBe(true);
  });
});

describe('a line is refused', () => {
  const cases: [string, string, RegExp][] = [
    ['with a column too few', 'p, User:eve, acme, TOPIC, LITERAL, t, READ, allow', /9 columns.*8/],
    ['with a column too many', `${good()}, *, allow`, /9 columns.*11/],
    [
      'with a second effect in the place of a time window',
      `${good()}, allow`,
      /time window "allow"/,
    ],
    ['with an empty column', good({ name: '' }), /resource name/],
    ['with an unknown operation', good({ operation: 'FROBNICATE' }), /unknown operation/],
    ['with the operation ANY', good({ operation: 'ANY' }), /unknown operation/],
    ['with an operation in lower case', good({ operation: 'read' }), /unknown operation/],
    ['with an operation of Object', good({ operation: 'constructor' }), /unknown operation/],
    [
      'with an operation that the type has not',
      good({ type: 'GROUP', operation: 'WRITE' }),
      /means nothing/,
    ],
    ['with an unknown type', good({ type: 'topic' }), /unknown resource type/],
    ['with an unknown pattern', good({ pattern: 'MATCH' }), /unknown pattern type/],
    ['with the pattern of a prototype', good({ pattern: '__proto__' }), /unknown pattern type/],
    ['with an unknown effect', good({ effect: 'Allow' }), /not allow or deny/],
    ['with no effect', good({ effect: '' }), /not allow or deny/],
    ['with a glob', good({ name: 'telemetry.*' }), /PREFIXED/],
    ['with quotes', good({ name: '"t"' }), /resource name/],
    ['with a quoted separator', good({ name: '"t, READ, *, allow"' }), /columns/],
    ['with single quotes', good({ name: "'t'" }), /resource name/],
    ['with a backslash', good({ name: 't\\' }), /resource name/],
    ['with a comment at its end', `${good()} # note`, /not allow or deny/],
    ['with a space in a name', good({ name: 'a b' }), /resource name/],
    ['with a name that is not ASCII', good({ name: 'tëst' }), /resource name/],
    ['with an unknown variable', good({ name: '${user}' }), /resource name/],
    ['with an open variable', good({ name: '${principal' }), /resource name/],
    [
      'with a prefix that ends with a variable',
      good({ pattern: 'PREFIXED', name: '${principal}' }),
      /device-10/,
    ],
    ['with an unknown tenant form', good({ tenant: 'Acme' }), /tenant name/],
    ['with a tenant that climbs', good({ tenant: '../x' }), /tenant name/],
    ['with a subject without kind', good({ subject: 'eve' }), /subject/],
    ['with a subject of another kind', good({ subject: 'Group:eve' }), /subject/],
    ['with everyone of a role', good({ subject: 'Role:*' }), /subject/],
    ['with a host name', good({ host: 'example.com' }), /host/],
    ['with a network that has host bits', good({ host: '10.0.0.1/8' }), /host/],
    ['with an address in octal', good({ host: '010.0.0.1' }), /host/],
    [
      'with a CLUSTER rule on another name',
      good({ type: 'CLUSTER', name: 'x', operation: 'ALTER' }),
      /CLUSTER/,
    ],
    [
      'with a tenant prefix that does not end',
      good({ tenant: '_operator', pattern: 'PREFIXED', name: 'acme' }),
      /acme\//,
    ],
    ['that is neither rule nor role', 'x, User:eve', /begins with/],
    ['that is a second kind of rule', `p2${good().slice(1)}`, /begins with/],
    ['that gives a role to everyone', 'g, User:*, Role:admin, acme', /User:\*/],
    ['that gives something that is no role', 'g, User:eve, User:ada, acme', /not Role/],
    ['that gives a role without a tenant', 'g, User:eve, Role:admin', /4 columns/],
    ['that ends with CR', `${good()}\r`, /LF/],
    ['with a tab', good().replace(', ', ',\t'), /control/],
    ['with a zero byte', good({ name: 'a\u0000b' }), /control/],
    ['with a line separator of Unicode', good({ name: 'a\u2028b' }), /control/],
    ['with a byte order mark', `\ufeff${good()}`, /control/],
    ['that is endless', good({ name: 'a'.repeat(5_000) }), /longer/],
    ['whose name is longer than a name can be', good({ name: 'a'.repeat(300) }), /resource name/],
  ];
  for (const [name, line, reason] of cases) {
    it(name, async () => {
      folder.write('deny.csv', '# a comment', DENY_ALL, line);
      await expectRefused('deny.csv', 3, reason);
    });
  }

  it('when roles go in circles', async () => {
    folder.write('deny.csv', DENY_ALL, 'g, Role:a, Role:b, acme', 'g, Role:b, Role:a, *');
    await authorizer.reload();
    expect(authorizer.policyStatus().refusal?.reason).toMatch(/inherits itself/);
  });

  it('when a chain of roles is longer than Casbin follows', async () => {
    const links = Array.from(
      { length: 12 },
      (_, index) => `g, Role:r${index}, Role:r${index + 1}, *`,
    );
    folder.write('deny.csv', DENY_ALL, ...links);
    await authorizer.reload();
    expect(authorizer.policyStatus().refusal?.reason).toMatch(/chain/);
  });
});

describe('a start', () => {
  it('with a broken policy is refused, with file, line and reason', async () => {
    folder.write('deny.csv', good({ operation: 'FLY' }));
    const opening = openAuthorizer(folder.directory);
    await expect(opening).rejects.toBeInstanceOf(ConfigError);
    await expect(opening).rejects.toThrow('deny.csv:1: unknown operation "FLY"');
  });

  it('without a policy is refused', async () => {
    folder.remove('deny.csv');
    folder.remove('acme.csv');
    await expect(openAuthorizer(folder.directory)).rejects.toBeInstanceOf(ConfigError);
  });

  it('with half a model is refused, whoever wrote it', async () => {
    folder.writeRaw('model.conf', '[request_definition]\nr = sub, obj, act\n');
    const opening = openAuthorizer(folder.directory, {
      modelFile: `${folder.directory}/model.conf`,
    });
    await expect(opening).rejects.toThrow(
      /model\.conf:.*it is no Casbin model|model\.conf:.*no section/,
    );
  });
});
