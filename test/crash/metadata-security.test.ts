import { X509Certificate } from 'node:crypto';
import { beforeAll, describe, expect, it } from 'vitest';
import { systemClock } from '../../src/base/clock.ts';
import { silentLogger } from '../../src/base/logger.ts';
import { systemRandom } from '../../src/base/random.ts';
import { openStateLog } from '../../src/engine/embedded/state-log.ts';
import type { MetadataImage } from '../../src/metadata/metadata-image.ts';
import { SECURITY_METADATA_LOG } from '../../src/metadata/metadata-log.ts';
import { SecurityState } from '../../src/metadata/security-state.ts';
import { readTenantCa } from '../../src/metadata/tenant-ca.ts';
import { pemOf } from '../../src/pki/pki-directory.ts';
import type { ClientQuotaAlteration } from '../../src/quota/client-quota-entity.ts';
import type { AclBinding } from '../../src/security/acl/acl-binding.ts';
import type { ScramChange } from '../../src/security/scram/scram-credentials.ts';
import type { DelegationToken } from '../../src/security/tokens/delegation-token.ts';
import { foreignCa } from '../pki/foreign-ca.ts';
import { createTestPki, type TestPki, tenantCa } from '../pki/test-pki.ts';
import { testSeed } from '../tools/test-seed.ts';
import { PowerCutFileSystem, type SeededRandom, seededRandom } from './power-cut-file-system.ts';

/**
 * Tenants, rules, quotas, credentials, tokens and revocations on a disk that forgets. One fact a
 * key: a tenant's state, one rule, one quota, the iterations of one credential, the end of one
 * token, one revoked serial, one suspended name.
 * A fact is as the last answered change left it, or as a change left it that was asked for later and
 * not answered: a deny that was confirmed is there, a removal that was confirmed stays.
 */

const LIVES = 6;
const TENANTS = ['acme', 'globex'] as const;
const RULES = Array.from(
  { length: 6 },
  (_, n): AclBinding => ({
    resourceType: 'TOPIC',
    resourceName: `t${n}`,
    patternType: 'LITERAL',
    principal: 'User:device-1',
    host: '*',
    operation: 'WRITE',
    permission: n % 2 === 0 ? 'DENY' : 'ALLOW',
  }),
);

const USERS = ['ada', 'bob', 'eve'] as const;
const TOKEN_IDS = [`${'t'.repeat(21)}A`, `${'t'.repeat(21)}Q`];
/** Not in the time of anybody who runs this. */
const TOKEN_END_MS = 4_000_000_000_000;
const TOKEN: Omit<DelegationToken, 'id' | 'expiresAtMs'> = {
  owner: 'ada',
  fleet: null,
  requester: 'bob',
  renewers: ['eve'],
  certificate: { issuerKeyId: 'ab'.repeat(32), serial: '0A' },
  issuedAtMs: 1000,
  maxAtMs: TOKEN_END_MS + 10,
};

let pki: TestPki;
let cas: Record<string, string[]>;
let foreign: string;

/** As the facts of an image have them. */
const keysOf = (...pems: readonly string[]): string =>
  pems
    .map((pem) => readTenantCa(pem).keyId.slice(0, 8))
    .sort()
    .join();

beforeAll(() => {
  pki = createTestPki();
  foreign = pemOf(foreignCa().certificate);
  cas = Object.fromEntries(
    TENANTS.map((tenant) => [
      tenant,
      [pki.tenants[tenant].certificate, tenantCa(pki.clientRoot, tenant).certificate].map(String),
    ]),
  );
});

/** The facts of an image, by key; what is not there is undefined. */
function factsOf(image: MetadataImage): Map<string, unknown> {
  const facts = new Map<string, unknown>();
  for (const tenant of image.tenants.values()) {
    const { name, state, clusterId, cas: held, acls, clientQuotas, scramCredentials } = tenant;
    const { delegationTokens, revocations } = tenant;
    facts.set(`${name} state`, state);
    facts.set(`${name} clusterId`, clusterId);
    facts.set(
      `${name} cas`,
      held
        .map(({ keyId }) => keyId.slice(0, 8))
        .sort()
        .join(),
    );
    for (const { mappingRules } of tenant.importedCas) facts.set(`${name} import`, mappingRules);
    for (const { resourceName } of acls) facts.set(`${name} ${resourceName}`, true);
    for (const { entity, values } of clientQuotas.entries()) {
      facts.set(`${name} quota ${entity.user}`, values.producer_byte_rate);
    }
    for (const { serial } of revocations.certificates())
      facts.set(`${name} serial ${serial}`, true);
    for (const one of revocations.suspensions()) facts.set(`${name} suspended ${one.name}`, true);
    for (const one of revocations.names()) facts.set(`${name} revoked ${one.name}`, true);
    for (const { id, expiresAtMs } of delegationTokens.all()) {
      facts.set(`${name} token ${id}`, expiresAtMs);
    }
    for (const user of scramCredentials.users()) {
      for (const { iterations } of scramCredentials.ofUser(user)) {
        facts.set(`${name} scram ${user}`, iterations);
      }
    }
  }
  return facts;
}

class SecurityLives {
  readonly #random: SeededRandom;
  #files: PowerCutFileSystem;
  #known = new Map<string, unknown>();
  /** What unanswered changes may have made of a key, each with its place among all changes. */
  #open = new Map<string, { readonly place: number; readonly value: unknown }[]>();
  #places = 0;

  constructor(seed: number) {
    this.#random = seededRandom(seed);
    this.#files = new PowerCutFileSystem(this.#random);
  }

  async run(): Promise<void> {
    for (let life = 0; life <= LIVES; life++) {
      this.#files.freeBytes = Number.POSITIVE_INFINITY;
      const log = await openStateLog({
        files: this.#files,
        clock: systemClock,
        directory: '/data',
        name: SECURITY_METADATA_LOG,
      });
      const parts = { clock: systemClock, random: systemRandom, logger: silentLogger };
      const state = await SecurityState.open({ log, ...parts, snapshotAfterBytes: 3000 });
      this.#compare(state.image);
      await this.#work(state);
      this.#files = this.#random() < 0.8 ? this.#files.cut() : this.#files.kill();
    }
  }

  #compare(image: MetadataImage): void {
    const facts = factsOf(image);
    for (const key of new Set([...facts.keys(), ...this.#known.keys(), ...this.#open.keys()])) {
      const open = (this.#open.get(key) ?? []).map(({ value }) => value);
      const possible = [this.#known.get(key), ...open];
      const found = facts.get(key);
      if (possible.includes('any') && found !== undefined) continue;
      expect({ key, possible }).toEqual({ key, possible: expect.arrayContaining([found]) });
    }
    this.#known = facts;
    this.#open = new Map();
  }

  async #work(state: SecurityState): Promise<void> {
    const steps = this.#int(15);
    const changes: Promise<void>[] = [];
    for (let step = 0; step < steps; step++) {
      const choice = this.#random();
      if (choice < 0.04) this.#files.failNext('datasync', 'EIO');
      else if (choice < 0.08) this.#files.freeBytes = this.#int(4000);
      else if (choice < 0.3) this.#files.freeBytes = Number.POSITIVE_INFINITY;
      const change = this.#change(state);
      changes.push(change);
      if (this.#random() < 0.7) await change;
    }
    const turns = this.#int(8);
    for (let turn = 0; turn < turns; turn++) await new Promise((resolve) => setImmediate(resolve));
  }

  #change(state: SecurityState): Promise<void> {
    const tenant = TENANTS[this.#int(TENANTS.length)]!;
    const rule = RULES[this.#int(RULES.length)]!;
    const [first, second] = cas[tenant]!;
    const choice = this.#random();
    if (!this.#known.has(`${tenant} state`)) {
      const facts: [string, unknown][] = [
        [`${tenant} state`, 'active'],
        [`${tenant} clusterId`, 'any'],
        [`${tenant} cas`, keysOf(first!)],
      ];
      return this.#asked(state, facts, state.createTenant(tenant, first!));
    }
    if (choice < 0.06) {
      const both = [[`${tenant} cas`, keysOf(first!, second!)]] as const;
      return this.#asked(state, both, state.addTenantCa(tenant, second!));
    }
    if (choice < 0.1) {
      const { fingerprint256 } = new X509Certificate(second!);
      const one = [[`${tenant} cas`, keysOf(first!)]] as const;
      return this.#asked(state, one, state.removeCa(tenant, fingerprint256));
    }
    if (choice < 0.16) return this.#changeImport(state, tenant);
    if (choice < 0.3) {
      const next = choice < 0.2 ? 'active' : 'suspended';
      return this.#asked(state, [[`${tenant} state`, next]], state.setTenantState(tenant, next));
    }
    if (choice < 0.45) return this.#changeQuotas(state, tenant);
    if (choice < 0.52) return this.#changeCredentials(state, tenant);
    if (choice < 0.6) return this.#changeTokens(state, tenant);
    if (choice < 0.7) return this.#shutOut(state, tenant);
    const key = `${tenant} ${rule.resourceName}`;
    if (choice < 0.85) return this.#asked(state, [[key, true]], state.addAcls(tenant, [rule]));
    return this.#asked(state, [[key, undefined]], state.removeAcls(tenant, [rule]));
  }

  /** The one foreign CA comes, is named by other rules, or goes. */
  #changeImport(state: SecurityState, tenant: string): Promise<void> {
    if (this.#random() < 0.4) {
      const { fingerprint256 } = new X509Certificate(foreign);
      const change = state.removeCa(tenant, fingerprint256);
      return this.#asked(state, [[`${tenant} import`, undefined]], change);
    }
    const mappingRules = `RULE:a/${this.#int(5)}/`;
    const flags = { isAnnounced: false, isShared: true };
    const change = state.importCa(tenant, { caCertificate: foreign, mappingRules, ...flags });
    return this.#asked(state, [[`${tenant} import`, mappingRules]], change);
  }

  /** One or two users at once: both or neither. */
  #changeQuotas(state: SecurityState, tenant: string): Promise<void> {
    const users = USERS.slice(this.#int(2), 1 + this.#int(2) + 1);
    const alterations = users.map((user): ClientQuotaAlteration => {
      const value = this.#random() < 0.3 ? null : 1 + this.#int(5);
      return { entity: { user }, values: { producer_byte_rate: value } };
    });
    const facts = alterations.map(({ entity, values }): [string, unknown] => [
      `${tenant} quota ${entity.user}`,
      values.producer_byte_rate ?? undefined,
    ]);
    return this.#asked(state, facts, state.alterClientQuotas(tenant, alterations));
  }

  /** One user's credential goes while another's comes. */
  #changeCredentials(state: SecurityState, tenant: string): Promise<void> {
    const [gone, set] = this.#random() < 0.5 ? [USERS[0], USERS[1]] : [USERS[1], USERS[0]];
    const iterations = 4096 + this.#int(5);
    const id = { mechanism: 'SCRAM-SHA-256' } as const;
    const storedKey = Buffer.alloc(32, iterations).toString('base64');
    const keys = { salt: 'c2FsdA==', storedKey, serverKey: storedKey };
    const change: ScramChange = {
      deleted: [{ ...id, user: gone }],
      upserted: [{ ...id, user: set, iterations, ...keys }],
    };
    const facts: [string, unknown][] = [
      [`${tenant} scram ${gone}`, undefined],
      [`${tenant} scram ${set}`, iterations],
    ];
    return this.#asked(state, facts, state.alterScramCredentials(tenant, change));
  }

  /** One token goes while another comes, or is renewed. */
  #changeTokens(state: SecurityState, tenant: string): Promise<void> {
    const [gone, set] = this.#random() < 0.5 ? TOKEN_IDS : TOKEN_IDS.toReversed();
    const expiresAtMs = TOKEN_END_MS + this.#int(5);
    const facts: [string, unknown][] = [
      [`${tenant} token ${gone}`, undefined],
      [`${tenant} token ${set}`, expiresAtMs],
    ];
    const change = state.changeDelegationTokens(tenant, () => ({
      set: [{ ...TOKEN, id: set!, expiresAtMs }],
      removed: [gone!],
    }));
    return this.#asked(state, facts, change);
  }

  /** A revocation of serial and name, or a suspension, or the end of one. */
  #shutOut(state: SecurityState, tenant: string): Promise<void> {
    const name = USERS[this.#int(USERS.length)]!;
    const choice = this.#random();
    if (choice < 0.6) {
      const isSuspended = choice < 0.3;
      const fact = [`${tenant} suspended ${name}`, isSuspended || undefined] as const;
      const change = state.setSuspended(tenant, { kind: 'device', name }, isSuspended);
      return this.#asked(state, [fact], change);
    }
    const serial = `0${1 + this.#int(6)}`;
    const facts: [string, unknown][] = [
      [`${tenant} serial ${serial}`, true],
      [`${tenant} revoked ${name}`, true],
    ];
    const wanted = { name, serials: [serial], caFingerprint: null, reason: 'superseded' } as const;
    return this.#asked(state, facts, state.revokeCertificates(tenant, wanted));
  }

  async #asked(
    state: SecurityState,
    facts: readonly (readonly [string, unknown])[],
    change: Promise<unknown>,
  ): Promise<void> {
    this.#places += 1;
    const place = this.#places;
    for (const [key, value] of facts) {
      this.#open.set(key, [...(this.#open.get(key) ?? []), { place, value }]);
    }
    try {
      await change;
    } catch {
      return;
    }
    // Changes are answered in their order: what was asked for before this one is over.
    for (const [key, value] of facts) {
      this.#known.set(key, value === 'any' ? factsOf(state.image).get(key) : value);
      const later = (this.#open.get(key) ?? []).filter((one) => one.place > place);
      this.#open.set(key, later);
    }
  }

  #int(below: number): number {
    return Math.floor(this.#random() * below);
  }
}

describe('tenants, rules, quotas, credentials, tokens and revocations when the power is cut', () => {
  it('are as they were confirmed', async () => {
    const base = testSeed('metadata-security', 1_720_977);
    for (let n = 0; n < 30; n++) {
      try {
        await new SecurityLives(base + n).run();
      } catch (error) {
        throw new Error(`seed ${base + n}`, { cause: error });
      }
    }
  });
});
