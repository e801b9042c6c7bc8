import { describe, expect, it } from 'vitest';
import {
  type ClientQuotaAlteration,
  type ClientQuotaEntity,
  entityProblem,
  valueProblem,
} from '../../src/quota/client-quota-entity.ts';
import {
  applyAlteration,
  type ClientQuotaEntry,
  ClientQuotas,
  entryMatcher,
} from '../../src/quota/client-quotas.ts';

function quotas(...alterations: ClientQuotaAlteration[]): ClientQuotas {
  const entries = new Map<string, ClientQuotaEntry>();
  for (const alteration of alterations) applyAlteration(entries, alteration);
  return new ClientQuotas(entries);
}

const rate = (entity: ClientQuotaEntity, value: number | null): ClientQuotaAlteration => ({
  entity,
  values: { producer_byte_rate: value },
});

describe('an entity', () => {
  it.each<[ClientQuotaEntity]>([
    [{ user: 'device-1' }],
    [{ user: null }],
    [{ 'client-id': 'pump' }],
    [{ user: 'device-1', 'client-id': null }],
    [{ user: null, 'client-id': null }],
    [{ ip: '192.0.2.7' }],
    [{ ip: '2001:db8::7' }],
    [{ ip: null }],
  ])('%j is in order', (entity) => {
    expect(entityProblem(entity)).toBeNull();
  });

  it.each<[ClientQuotaEntity, string]>([
    [{}, 'empty'],
    [{ user: '' }, 'Empty user'],
    [{ ip: '192.0.2.7', user: 'device-1' }, 'combination'],
    [{ ip: null, 'client-id': null }, 'combination'],
    [{ ip: 'localhost' }, 'not a valid IP'],
    [{ user: 'x'.repeat(256) }, 'at most 255'],
    [{ user: 'a\nb' }, 'control characters'],
  ])('%j is refused', (entity, why) => {
    expect(entityProblem(entity)).toContain(why);
  });
});

describe('a value', () => {
  const client = { user: 'device-1' };
  const address = { ip: null };

  it.each<[ClientQuotaEntity, string, number]>([
    [client, 'producer_byte_rate', 1],
    [client, 'consumer_byte_rate', 2 ** 63],
    [client, 'request_percentage', 0.25],
    [client, 'controller_mutation_rate', 1e9],
    [address, 'connection_creation_rate', 2 ** 31 - 1],
  ])('of %j: %s may be %d', (entity, key, value) => {
    expect(valueProblem(entity, key, value)).toBeNull();
  });

  it.each<[ClientQuotaEntity, string, number]>([
    [client, 'connection_creation_rate', 1],
    [address, 'producer_byte_rate', 1],
    [client, 'leader.replication.throttled.rate', 1],
    [client, 'producer_byte_rate', 0],
    [client, 'producer_byte_rate', -1],
    [client, 'producer_byte_rate', 1.5],
    [client, 'producer_byte_rate', Number.NaN],
    [client, 'producer_byte_rate', 2 ** 64],
    [client, 'request_percentage', Number.POSITIVE_INFINITY],
    [client, 'request_percentage', Number.NaN],
    [address, 'connection_creation_rate', 2 ** 31],
  ])('of %j: %s may not be %d', (entity, key, value) => {
    expect(valueProblem(entity, key, value)).toContain(key);
  });
});

describe('the quota of a client', () => {
  /** Kafka's order of precedence, the first wins. */
  const LEVELS: readonly ClientQuotaEntity[] = [
    { user: 'ada', 'client-id': 'pump' },
    { user: 'ada', 'client-id': null },
    { user: 'ada' },
    { user: null, 'client-id': 'pump' },
    { user: null, 'client-id': null },
    { user: null },
    { 'client-id': 'pump' },
    { 'client-id': null },
  ];

  it('is that of the first level that sets it', () => {
    for (let first = 0; first < LEVELS.length; first += 1) {
      const set = quotas(...LEVELS.slice(first).map((entity, n) => rate(entity, first + n + 1)));
      expect(set.forClient('producer_byte_rate', 'ada', 'pump')).toEqual({
        limit: first + 1,
        entity: LEVELS[first],
      });
    }
  });

  it('passes over levels that set another key, and other clients', () => {
    const set = quotas(
      { entity: { user: 'ada' }, values: { request_percentage: 5 } },
      rate({ user: 'bob' }, 7),
      rate({ 'client-id': null }, 9),
    );
    expect(set.forClient('producer_byte_rate', 'ada', 'pump')?.limit).toBe(9);
    expect(set.forClient('request_percentage', 'ada', 'pump')?.limit).toBe(5);
    expect(set.forClient('consumer_byte_rate', 'ada', 'pump')).toBeUndefined();
  });

  it('of an address is its own, or else the default', () => {
    const set = quotas(
      { entity: { ip: null }, values: { connection_creation_rate: 3 } },
      { entity: { ip: '192.0.2.7' }, values: { connection_creation_rate: 10 } },
    );
    expect(set.forAddress('192.0.2.7')?.limit).toBe(10);
    expect(set.forAddress('192.0.2.8')?.limit).toBe(3);
  });
});

describe('a filter', () => {
  const set = quotas(
    rate({ user: 'ada' }, 1),
    rate({ user: null }, 2),
    rate({ user: 'ada', 'client-id': 'pump' }, 3),
    rate({ user: 'ada', 'client-id': null }, 4),
    rate({ 'client-id': 'pump' }, 5),
    { entity: { ip: '192.0.2.7' }, values: { connection_creation_rate: 6 } },
  );
  const found = (...asked: Parameters<typeof entryMatcher>): number[] =>
    [...set.entries()]
      .filter(entryMatcher(...asked))
      .flatMap(({ values }) => Object.values(values));

  it('finds what has all that it names, whatever else', () => {
    expect(found({}, false)).toEqual([1, 2, 3, 4, 5, 6]);
    expect(found({ user: { name: 'ada' } }, false)).toEqual([1, 3, 4]);
    expect(found({ user: { name: null } }, false)).toEqual([2]);
    expect(found({ user: 'any' }, false)).toEqual([1, 2, 3, 4]);
    expect(found({ user: 'any', 'client-id': { name: null } }, false)).toEqual([4]);
    expect(found({ ip: 'any' }, false)).toEqual([6]);
  });

  it('that is strict finds what has nothing else', () => {
    expect(found({}, true)).toEqual([]);
    expect(found({ user: { name: 'ada' } }, true)).toEqual([1]);
    expect(found({ 'client-id': 'any' }, true)).toEqual([5]);
    expect(found({ user: 'any', 'client-id': 'any' }, true)).toEqual([3, 4]);
  });
});

it('a look at the quotas does not change with them', () => {
  const entries = new Map<string, ClientQuotaEntry>();
  applyAlteration(entries, rate({ user: 'ada' }, 1));
  const before = new ClientQuotas(entries);
  applyAlteration(entries, rate({ user: 'ada' }, null));
  expect(before.get({ user: 'ada' })).toEqual({ producer_byte_rate: 1 });
  expect(entries.size).toBe(0);
});
