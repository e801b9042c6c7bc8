/** How rules change, whoever asks: judged, recorded, stored, in force, in this order. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { systemClock } from '../../src/base/clock.ts';
import { StorageError } from '../../src/base/errors.ts';
import { silentLogger } from '../../src/base/logger.ts';
import { systemRandom } from '../../src/base/random.ts';
import type { StateLog, StateRecord } from '../../src/engine/engine.ts';
import {
  DEFAULT_SECURITY_LIMITS,
  type SecurityLimits,
  SecurityState,
} from '../../src/metadata/security-state.ts';
import { StateAcls } from '../../src/metadata/state-acls.ts';
import type { AclBinding } from '../../src/security/acl/acl-binding.ts';
import type { AclChangeRecorder } from '../../src/security/acl/tenant-acls.ts';
import type { CasbinAuthorizer } from '../../src/security/casbin-authorizer.ts';
import { createTestPki, type TestPki } from '../pki/test-pki.ts';
import {
  HOST,
  openAuthorizer,
  type PolicyFolderFixture,
  policyFolder,
  service,
  topic,
} from '../security/policy-fixture.ts';

/** Keeps records, a turn of the loop late, as a disk does; `fail` makes appends reject. */
class MemoryLog implements StateLog {
  readonly records: StateRecord[] = [];
  fail: StorageError | null = null;
  readonly bytesSinceSnapshot = 0;
  async replay(): Promise<void> {}
  async snapshot(): Promise<void> {}
  async append(records: readonly StateRecord[]): Promise<void> {
    await new Promise((resolve) => setImmediate(resolve));
    if (this.fail !== null) throw this.fail;
    this.records.push(...records);
  }
}

const rule = (change: Partial<AclBinding> = {}): AclBinding => ({
  resourceType: 'TOPIC',
  resourceName: 't',
  patternType: 'LITERAL',
  principal: 'User:ada',
  host: '*',
  operation: 'READ',
  permission: 'ALLOW',
  ...change,
});
const many = (count: number, change: Partial<AclBinding> = {}): AclBinding[] =>
  Array.from({ length: count }, (_, n) => rule({ resourceName: `t${n}`, ...change }));

let pki: TestPki | undefined;
let folder: PolicyFolderFixture;
let authorizer: CasbinAuthorizer;
let log: MemoryLog;
let story: string[];
let state: SecurityState;

beforeEach(async () => {
  pki ??= createTestPki();
  folder = policyFolder();
  folder.write('acme.csv', 'p, User:eve, acme, TOPIC, LITERAL, filed, READ, *, allow');
  authorizer = await openAuthorizer(folder.directory);
  log = new MemoryLog();
  story = [];
});
afterEach(() => folder.close());

async function open(limits: Partial<SecurityLimits> = {}): Promise<StateAcls> {
  state = await SecurityState.open({
    log,
    clock: systemClock,
    random: systemRandom,
    logger: silentLogger,
    limits: { ...DEFAULT_SECURITY_LIMITS, ...limits },
  });
  for (const tenant of ['acme', 'globex'] as const) {
    await state.createTenant(tenant, pki!.tenants[tenant].certificate.toString());
  }
  log.records.length = 0;
  state.onChange((image, [change]) => {
    if (change?.type !== 'acls-added' && change?.type !== 'acls-removed') return;
    const { bindings, tenant } = change;
    const delta =
      change.type === 'acls-added'
        ? { added: bindings, removed: [] }
        : { added: [], removed: bindings };
    authorizer.changeDynamicRules(tenant, image.tenants.get(tenant)!.acls, delta);
  });
  return new StateAcls(state, authorizer);
}

const adaReads = (name = 't'): boolean =>
  authorizer.authorize(service('acme', 'ada'), HOST, topic('READ', name)).allowed;

const recorder = (who = '', change: Partial<AclChangeRecorder> = {}): AclChangeRecorder => ({
  begin: () => void story.push(`${who}begin`),
  async record(kind, bindings) {
    story.push(
      `${who}${kind} ${bindings.length}, stored ${log.records.length}, reads ${adaReads()}`,
    );
  },
  failed: (kind, bindings, { reason }) =>
    void story.push(`${who}${kind} ${bindings.length} failed: ${reason}`),
  ...change,
});
const reasons = (outcome: Awaited<ReturnType<StateAcls['add']>>, of: readonly AclBinding[]) =>
  of.map((one) => outcome.refused.get(one)?.reason ?? 'done');

describe('a change of rules', () => {
  it('is recorded before it is stored, stored and in force before it is confirmed', async () => {
    const acls = await open();
    expect((await acls.add('acme', [rule(), rule()], recorder())).changed).toBe(1);
    expect([adaReads(), log.records.length]).toEqual([true, 1]);
    expect((await acls.add('acme', [rule()], recorder())).changed).toBe(0);
    expect((await acls.remove('acme', [rule()], recorder())).changed).toBe(1);
    expect([adaReads(), log.records.length]).toEqual([false, 2]);
    expect(story).toEqual([
      'begin',
      'acl-add 1, stored 0, reads false',
      'begin',
      'begin',
      'acl-remove 1, stored 1, reads true',
    ]);
  });

  it('that cannot be recorded is not made', async () => {
    const acls = await open();
    const record = () => Promise.reject(new StorageError('the audit log is gone'));
    const asked = [rule(), rule({ resourceName: 'u' })];
    const outcome = await acls.add('acme', asked, recorder('', { record }));
    expect(reasons(outcome, asked)).toEqual(['storage', 'storage']);
    expect([outcome.changed, log.records.length, adaReads()]).toEqual([0, 0, false]);
  });

  it('that cannot be stored is recorded as failed, and is not in force', async () => {
    const acls = await open();
    log.fail = new StorageError('no space');
    const asked = [rule(), ...many(600)];
    const outcome = await acls.add('acme', asked, recorder());
    expect(new Set(reasons(outcome, asked))).toEqual(new Set(['storage']));
    expect(story).toEqual([
      'begin',
      'acl-add 256, stored 0, reads false',
      'acl-add 256 failed: storage',
    ]);
    expect(adaReads()).toBe(false);
    expect([...outcome.refused.values()][0]!.message).not.toContain('no space');
  });

  it('by a caller who may not any more, when its turn comes, is not made', async () => {
    const acls = await open();
    let mayStill = true;
    const long = acls.add('acme', many(600), recorder());
    const begin = (): void => {
      if (!mayStill) throw new Error('not authorized');
    };
    const late = acls.add('acme', [rule()], recorder('', { begin }));
    mayStill = false;
    await expect(late).rejects.toThrow('not authorized');
    expect((await long).changed).toBe(600);
    expect(adaReads()).toBe(false);
  });

  it('is judged rule by rule against the limits, every mention of it', async () => {
    const acls = await open({ aclsPerTenantMax: 3 });
    const asked = [...many(2), rule(), rule({ resourceName: 'z' }), rule({ resourceName: 'z' })];
    const outcome = await acls.add('acme', asked, recorder());
    expect(reasons(outcome, asked)).toEqual(['done', 'done', 'done', 'limit', 'limit']);
    expect(outcome.refused.get(asked[4]!)?.message).toBe(
      'The limit of 3 rules of a tenant is reached.',
    );
    await acls.remove('acme', [rule()], recorder());
    expect((await acls.add('acme', [rule({ resourceName: 'z' })], recorder())).refused.size).toBe(
      0,
    );
  });

  it('is limited in rules on one name and on many names, for each principal', async () => {
    const acls = await open({ aclsPerNameMax: 2, wideAclsPerPrincipalMax: 3 });
    const onName = [1, 2, 3].map((n) => rule({ host: `10.0.0.${n}` }));
    const wide: AclBinding[] = [
      rule({ resourceName: '*' }),
      rule({ resourceName: 'p', patternType: 'PREFIXED' }),
      // biome-ignore lint/suspicious/noTemplateCurlyInString: a policy variable is meant literally
      rule({ resourceName: 'x.${tenant}' }),
      rule({ resourceName: 'q', patternType: 'PREFIXED' }),
    ];
    const others = [
      rule({ resourceName: '*', principal: 'User:eve' }),
      rule({ resourceName: '*', resourceType: 'GROUP' }),
    ];
    const asked = [...onName, ...wide, ...others];
    expect(reasons(await acls.add('acme', asked, recorder()), asked)).toEqual([
      ...['done', 'done', 'limit'],
      ...['done', 'done', 'done', 'limit'],
      ...['done', 'done'],
    ]);
    await acls.remove('acme', [wide[1]!], recorder());
    expect((await acls.add('acme', [wide[3]!], recorder())).refused.size).toBe(0);
  });

  it('of one tenant holds up that of another for a portion only', async () => {
    const acls = await open();
    const done: string[] = [];
    await Promise.all([
      acls.add('acme', many(3000), recorder()).then(() => done.push('acme')),
      acls.add('globex', many(300), recorder()).then(() => done.push('globex')),
    ]);
    expect(done).toEqual(['globex', 'acme']);
    expect(acls.rules('acme').dynamic).toHaveLength(3000);
    expect(acls.rules('globex').dynamic).toHaveLength(300);
  });

  it('does not wait for all that another tenant has waiting, of rules or of anything else', async () => {
    const acls = await open();
    const done: string[] = [];
    const flood = Array.from({ length: 60 }, (_, n) =>
      state.alterClientQuotas('acme', [
        { entity: { user: `u${n}` }, values: { producer_byte_rate: 1 } },
      ]),
    );
    await Promise.all([
      Promise.all(flood).then(() => done.push('quotas of acme')),
      acls.add('acme', [rule()], recorder()).then(() => done.push('rule of acme')),
      acls.add('globex', many(300), recorder()).then(() => done.push('rules of globex')),
    ]);
    expect(done[0]).toBe('rules of globex');
    expect(done).toHaveLength(3);
  });

  it('waits in a bounded number for its turn', async () => {
    const acls = await open();
    const asked = Array.from({ length: 70 }, (_, n) => [rule({ resourceName: `w${n}` })]);
    const outcomes = await Promise.all(asked.map((one) => acls.add('acme', one, recorder())));
    const all = outcomes.map((outcome, n) => reasons(outcome, asked[n]!)[0]);
    expect(all.filter((reason) => reason === 'busy')).toHaveLength(6);
    expect(all.slice(0, 64)).toEqual(Array(64).fill('done'));
    expect((await acls.add('acme', [rule()], recorder())).refused.size).toBe(0);
  });

  it('removes no rule of a file', async () => {
    const acls = await open();
    const { fromFiles } = acls.rules('acme');
    expect(fromFiles).toEqual([rule({ principal: 'User:eve', resourceName: 'filed' })]);
    expect((await acls.remove('acme', fromFiles, recorder())).changed).toBe(0);
    expect(acls.rules('acme').fromFiles).toEqual(fromFiles);
    expect(acls.rules('globex')).toEqual({ fromFiles: [], dynamic: [] });
  });
});
