import { describe, expect, it } from 'vitest';
import { ClientQuotaBuckets } from '../../src/quota/client-quota-buckets.ts';
import { entityKey } from '../../src/quota/client-quota-entity.ts';
import { type ClientQuotaEntry, ClientQuotas } from '../../src/quota/client-quotas.ts';
import { ConnectionQuotas } from '../../src/quota/connection-quotas.ts';
import { TenantLimits } from '../../src/quota/tenant-limits.ts';

const KEY = 'producer_byte_rate';
const quotas = (...entries: ClientQuotaEntry[]) =>
  new ClientQuotas(new Map(entries.map((entry) => [entityKey(entry.entity), entry])));
const ofDefaultClient = quotas({ entity: { 'client-id': null }, values: { [KEY]: 1000 } });

describe('buckets', () => {
  const find = (buckets: ClientQuotaBuckets, of: ClientQuotas, user: string, clientId: string) =>
    buckets.find('acme', of, KEY, { user, clientId, nowMs: 0 });

  it('are shared by those to whom one name applies, and apart where a default does', () => {
    const buckets = new ClientQuotaBuckets();
    const ofUser = quotas({ entity: { user: 'ada' }, values: { [KEY]: 5 } });
    expect(find(buckets, ofUser, 'ada', 'a')).toBe(find(buckets, ofUser, 'ada', 'b'));
    expect(find(buckets, ofUser, 'bob', 'a')).toBeNull();
    const ofUsers = quotas({ entity: { user: null }, values: { [KEY]: 5 } });
    expect(find(buckets, ofUsers, 'ada', 'a')).not.toBe(find(buckets, ofUsers, 'bob', 'a'));
    const one = find(buckets, ofDefaultClient, 'ada', 'x');
    expect(one).toBe(find(buckets, ofDefaultClient, 'bob', 'x'));
    expect(one).not.toBe(find(buckets, ofDefaultClient, 'bob', 'y'));
    const elsewhere = buckets.find('globex', ofDefaultClient, KEY, {
      ...{ user: 'ada', clientId: 'x', nowMs: 0 },
    });
    expect(elsewhere).not.toBe(one);
  });

  it('do not take more memory than allowed: further names share one, and get no fresh quota', () => {
    const limits = { bucketsMax: 150_000, bucketsPerTenantMax: 100_000 };
    const buckets = new ClientQuotaBuckets(limits);
    for (let index = 0; index < 110_000; index++) {
      find(buckets, ofDefaultClient, 'ada', `made-up-${index}`)!.use(1, 0);
    }
    expect(buckets.size).toBeLessThanOrEqual(100_001);
    const late = find(buckets, ofDefaultClient, 'ada', 'yet-another')!;
    expect(late).toBe(find(buckets, ofDefaultClient, 'bob', 'and-another'));
    expect(late.use(5000, 0)).toBeGreaterThan(0);
    for (let turn = 0; turn < 20; turn++) buckets.sweep(10_000, 30_000);
    expect(buckets.size).toBe(0);
  });

  it('that owe something stay until it is paid, however idle', () => {
    const buckets = new ClientQuotaBuckets();
    const debtor = find(buckets, ofDefaultClient, 'ada', 'debtor')!;
    expect(debtor.use(70_000, 0)).toBe(60_000);
    buckets.sweep(10, 50_000);
    expect(find(buckets, ofDefaultClient, 'ada', 'debtor')).toBe(debtor);
    buckets.sweep(10, 75_000);
    buckets.sweep(10, 75_000);
    expect([debtor.isGone, buckets.size]).toEqual([true, 0]);
  });

  it('go with their tenant, debts and all; those of others stay', () => {
    const buckets = new ClientQuotaBuckets({ bucketsMax: 10, bucketsPerTenantMax: 2 });
    const debtor = find(buckets, ofDefaultClient, 'ada', 'debtor')!;
    find(buckets, ofDefaultClient, 'ada', 'second');
    debtor.use(70_000, 0);
    const ada = { user: 'ada', clientId: 'debtor', nowMs: 0 };
    const elsewhere = buckets.find('globex', ofDefaultClient, KEY, ada)!;
    expect([...buckets.forget('acme')].length).toBe(3);
    expect([debtor.isGone, elsewhere.isGone, buckets.size]).toEqual([true, false, 1]);
    // The later tenant has its number of buckets anew, too.
    for (const clientId of ['debtor', 'second']) {
      const fresh = find(buckets, ofDefaultClient, 'ada', clientId)!;
      expect([fresh.owner === null, fresh.use(1, 0)]).toEqual([false, 0]);
    }
  });
});

describe('connections', () => {
  const limitsOf = (values: object, device?: string) =>
    new TenantLimits(
      new Map([
        device === undefined
          ? ['', { scope: {}, values }]
          : [`device/${device}`, { scope: { device }, values }],
      ]),
    );
  const pump = { tenant: 'acme', fleet: 'plant-a', name: 'pump-1' };
  const made = (tenant: TenantLimits, broker = TenantLimits.NONE, own = quotas()) =>
    new ConnectionQuotas({ generation: 0, broker, of: () => tenant }, () => own);

  it('are counted for each scope, and a place is given back once', () => {
    const connections = made(limitsOf({ connections: 2 }));
    const first = connections.enter(pump, '::1', 0);
    const second = connections.enter({ ...pump, name: 'pump-2' }, '::1', 0);
    expect([typeof first, typeof second]).toEqual(['function', 'function']);
    const refused = { reason: 'quota_connections' };
    expect(connections.enter(pump, '::1', 0)).toMatchObject(refused);
    for (let time = 0; time < 3; time++) (first as () => void)();
    expect(typeof connections.enter(pump, '::1', 0)).toBe('function');
    expect(connections.enter(pump, '::1', 0)).toMatchObject(refused);
  });

  it('of the broker are refused without telling its number to anybody but the log', () => {
    const connections = made(TenantLimits.NONE, limitsOf({ connections: 1 }));
    expect(typeof connections.enter(pump, '::1', 0)).toBe('function');
    const answer = connections.enter({ ...pump, tenant: 'globex' }, '::1', 0);
    expect(answer).toMatchObject({ reason: 'quota_connections', ofBroker: true });
  });

  it('come at the rate of the address, delayed by up to a second, and a refusal uses nothing', () => {
    const entity = { ip: '192.0.2.1' };
    const own = quotas({ entity, values: { connection_creation_rate: 1 } });
    const connections = made(TenantLimits.NONE, TenantLimits.NONE, own);
    for (let count = 0; count < 10; count++) {
      expect(typeof connections.enter(pump, '192.0.2.1', 0), `${count}`).toBe('function');
    }
    for (let count = 0; count < 50; count++) {
      const refused = connections.enter(pump, '192.0.2.1', 0);
      expect(refused).toMatchObject({ reason: 'quota_connection_rate', delayMs: 1000 });
    }
    expect(typeof connections.enter(pump, '192.0.2.2', 0)).toBe('function');
    expect(typeof connections.enter(pump, '192.0.2.1', 11_000)).toBe('function');
  });

  it('of a tenant that is gone are held against no later one of its name', () => {
    const entity = { ip: '192.0.2.1' };
    const own = quotas({ entity, values: { connection_creation_rate: 1 } });
    const connections = made(TenantLimits.NONE, TenantLimits.NONE, own);
    const globex = { ...pump, tenant: 'globex' };
    for (const client of [pump, globex]) {
      for (let count = 0; count < 10; count++) connections.enter(client, '192.0.2.1', 0);
      expect(typeof connections.enter(client, '192.0.2.1', 0)).toBe('object');
    }
    for (const _turn of connections.forget('acme'));
    expect(typeof connections.enter(pump, '192.0.2.1', 0)).toBe('function');
    expect(typeof connections.enter(globex, '192.0.2.1', 0)).toBe('object');
  });
});
