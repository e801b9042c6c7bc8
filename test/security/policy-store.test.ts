import {
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { CasbinAuthorizer } from '../../src/security/casbin-authorizer.ts';
import type { PolicyEvent } from '../../src/security/policy-store.ts';
import { type DirectoryObserver, nodeDirectoryObserver } from '../../src/security/policy-watch.ts';
import { ManualClock, until } from '../audit/audit-fixture.ts';
import {
  DEV_POLICY,
  HOST,
  openAuthorizer,
  type PolicyFolderFixture,
  policyFolder,
  service,
  TEMPLATES,
  topic,
} from './policy-fixture.ts';

const allow = (name: string): string =>
  `p, User:ada, acme, TOPIC, LITERAL, ${name}, READ, *, allow`;
const ada = service('acme', 'ada');

let folder: PolicyFolderFixture;
let authorizer: CasbinAuthorizer | undefined;
beforeEach(() => {
  folder = policyFolder();
  folder.write('acme.csv', allow('a'));
});
afterEach(() => {
  authorizer?.close();
  authorizer = undefined;
  folder.close();
});

const reads = (name: string): boolean =>
  authorizer!.authorize(ada, HOST, topic('READ', name)).allowed;

describe('watching', () => {
  it('puts a changed file in force within a moment', async () => {
    authorizer = await openAuthorizer(folder.directory, { watch: true, settleMs: 10 });
    expect([reads('a'), reads('b')]).toEqual([true, false]);
    folder.write('acme.csv', allow('b'));
    await until(() => reads('b'));
    expect(reads('a')).toBe(false);
  });

  it('sees a file that is renamed into place, and a new one', async () => {
    authorizer = await openAuthorizer(folder.directory, { watch: true, settleMs: 10 });
    writeFileSync(join(folder.directory, 'acme.tmp'), `${allow('b')}\n# end\n`);
    renameSync(join(folder.directory, 'acme.tmp'), join(folder.directory, 'acme.csv'));
    await until(() => reads('b'));
    folder.write('more.csv', allow('c'));
    await until(() => reads('c'));
  });

  it('finds a change by comparison where the system notifies of nothing', async () => {
    const silent: DirectoryObserver = { ...nodeDirectoryObserver, watch: () => ({ close() {} }) };
    const clock = new ManualClock();
    authorizer = await openAuthorizer(folder.directory, { watch: true, observer: silent, clock });
    folder.write('acme.csv', allow('bb'));
    clock.advance(2_000);
    expect(reads('bb')).toBe(false);
    clock.advance(100);
    await until(() => reads('bb'));
    authorizer.close();
    expect(clock.timers).toBe(0);
  });

  it('waits until a file that is being written is quiet', async () => {
    let notify = (): void => {};
    const observer: DirectoryObserver = {
      ...nodeDirectoryObserver,
      watch: (_directory, changed) => {
        notify = changed;
        return { close() {} };
      },
    };
    const clock = new ManualClock();
    authorizer = await openAuthorizer(folder.directory, { watch: true, observer, clock });
    for (let step = 0; step < 5; step += 1) {
      folder.writeRaw('acme.csv', `${allow('b')}\n`.repeat(step + 1));
      notify();
      clock.advance(90);
    }
    expect(authorizer.policyStatus().healthy).toBe(true);
    folder.write('acme.csv', allow('b'));
    notify();
    clock.advance(100);
    await until(() => reads('b'));
  });

  it('follows links, as a mounted configuration map uses them', async () => {
    const [one, two] = ['one', 'two'].map((name) => join(folder.directory, name));
    for (const [directory, name] of [
      [one!, 'b'],
      [two!, 'c'],
    ] as const) {
      mkdirSync(directory);
      writeFileSync(join(directory, 'acme.csv'), `${allow(name)}\n# end\n`);
    }
    rmSync(join(folder.directory, 'acme.csv'));
    symlinkSync(join('one', 'acme.csv'), join(folder.directory, 'acme.csv'));
    authorizer = await openAuthorizer(folder.directory, { watch: true, settleMs: 10 });
    expect(reads('b')).toBe(true);
    symlinkSync(join('two', 'acme.csv'), join(folder.directory, 'acme.new'));
    renameSync(join(folder.directory, 'acme.new'), join(folder.directory, 'acme.csv'));
    await until(() => reads('c'));
  });
});

describe('a change', () => {
  it('takes force only after its audit record is durable', async () => {
    const events: PolicyEvent[] = [];
    let release = (): void => {};
    let held: Promise<void> | undefined;
    authorizer = await openAuthorizer(folder.directory, {
      onPolicyEvent: async (event) => {
        events.push(event);
        await held;
      },
    });
    expect(events).toMatchObject([{ outcome: 'success', reason: 'policy-loaded' }]);
    held = new Promise((resolve) => {
      release = resolve;
    });
    folder.write('acme.csv', allow('b'));
    const reloading = authorizer.reload();
    await until(() => events.length === 2);
    expect([reads('a'), reads('b')]).toEqual([true, false]);
    release();
    await reloading;
    expect([reads('a'), reads('b')]).toEqual([false, true]);
  });

  it('whose audit record fails does not take force, and the state says so', async () => {
    let fail = false;
    authorizer = await openAuthorizer(folder.directory, {
      onPolicyEvent: async () => {
        if (fail) throw new Error('disk full');
      },
    });
    fail = true;
    folder.write('acme.csv', allow('b'));
    const status = await authorizer.reload();
    expect(status.healthy).toBe(false);
    expect([reads('a'), reads('b')]).toEqual([true, false]);
    fail = false;
    expect((await authorizer.reload()).healthy).toBe(true);
    expect(reads('b')).toBe(true);
  });

  it('that is refused is an event with its place', async () => {
    const events: PolicyEvent[] = [];
    authorizer = await openAuthorizer(folder.directory, {
      onPolicyEvent: async (event) => {
        events.push(event);
      },
    });
    folder.write('acme.csv', 'p, x');
    await authorizer.reload();
    expect(events.at(-1)).toMatchObject({
      type: 'policy',
      outcome: 'failure',
      reason: 'policy-refused',
      facts: { file: 'acme.csv', line: 1 },
    });
    expect(events.at(-1)?.detail).toMatch(/^acme\.csv:1: /);
  });

  it('raises the epoch by one each, whatever loads at once', async () => {
    authorizer = await openAuthorizer(folder.directory);
    const { epoch } = authorizer;
    await Promise.all([authorizer.reload(), authorizer.reload(), authorizer.reload()]);
    expect(authorizer.epoch).toBe(epoch + 3);
    expect(authorizer.policyStatus().epoch).toBe(epoch + 3);
  });
});

describe('the view of rules', () => {
  it('holds files and dynamic rules with their origin, filtered as Kafka filters', async () => {
    folder.write(
      'acme.csv',
      '# one',
      allow('logs.a'),
      'p, User:*, *, TOPIC, PREFIXED, logs., WRITE, *, deny',
      'p, User:bob, globex, TOPIC, LITERAL, logs.a, READ, *, allow',
    );
    authorizer = await openAuthorizer(folder.directory);
    authorizer.setDynamicRules('acme', [
      {
        resourceType: 'GROUP',
        resourceName: 'g',
        patternType: 'LITERAL',
        principal: 'User:ada',
        host: '*',
        operation: 'READ',
        permission: 'ALLOW',
      },
    ]);
    const origins = (...args: Parameters<CasbinAuthorizer['listRules']>): string[] =>
      authorizer!.listRules(...args).map(({ origin }) => origin);
    expect(origins('acme')).toEqual(['acme.csv:2', 'acme.csv:3', 'dynamic']);
    expect(origins('globex')).toEqual(['acme.csv:3', 'acme.csv:4']);
    expect(origins(null)).toHaveLength(4);
    expect(origins('_operator')).toEqual([]);
    expect(origins('acme', { principal: 'User:ada' })).toEqual(['acme.csv:2', 'dynamic']);
    expect(origins('acme', { permission: 'DENY' })).toEqual(['acme.csv:3']);
    expect(origins('acme', { resourceType: 'TOPIC', resourceName: 'logs.a' })).toEqual([
      'acme.csv:2',
    ]);
    const match = { resourceType: 'TOPIC', resourceName: 'logs.a', patternType: 'MATCH' } as const;
    expect(origins('acme', match)).toEqual(['acme.csv:2', 'acme.csv:3']);
    expect(authorizer.policyStatus()).toMatchObject({ fileRules: 3, dynamicRules: 1 });
  });
});

describe('what is shipped', () => {
  for (const [name, directory] of [
    ['the development policy', DEV_POLICY],
    ['the templates', TEMPLATES],
  ] as const) {
    it(`${name} loads`, async () => {
      authorizer = await openAuthorizer(directory);
      expect(authorizer.policyStatus()).toMatchObject({ healthy: true });
    });
  }
});

describe('the samples in the templates', () => {
  it('are no rules until somebody makes them so, and then are in order', async () => {
    authorizer = await openAuthorizer(TEMPLATES);
    expect(authorizer.listRules('example')).toEqual([]);
    for (const file of readdirSync(TEMPLATES)) {
      const text = readFileSync(join(TEMPLATES, file), 'utf8');
      folder.writeRaw(file, text.replace(/^# (?=[pg], )/gm, ''));
    }
    const inForce = await openAuthorizer(folder.directory);
    expect(inForce.listRules('example').length).toBeGreaterThan(10);
    expect(inForce.listRules('_operator').length).toBeGreaterThan(9);
  });
});

describe('a folder that changes while it is read', () => {
  it('is read again', async () => {
    let changes = 2;
    const observer: DirectoryObserver = {
      ...nodeDirectoryObserver,
      fingerprint: (directory) => {
        changes -= 1;
        return changes > 0 ? String(changes) : nodeDirectoryObserver.fingerprint(directory);
      },
    };
    authorizer = await openAuthorizer(folder.directory, { observer });
    expect(reads('a')).toBe(true);
  });

  it('and never rests is refused', async () => {
    let calls = 0;
    const observer: DirectoryObserver = {
      ...nodeDirectoryObserver,
      fingerprint: () => {
        calls += 1;
        return String(calls);
      },
    };
    await expect(openAuthorizer(folder.directory, { observer })).rejects.toThrow(/keeps changing/);
  });
});
