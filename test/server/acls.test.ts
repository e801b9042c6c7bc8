/** DescribeAcls, CreateAcls and DeleteAcls over a real connection, as data where they can be. */
import { expect, it } from 'vitest';
import { ApiKey } from '../../src/protocol/api-keys.ts';
import { ErrorCode } from '../../src/protocol/error-codes.ts';
import { aclFilter, creation, describedBy, WIRE } from '../tools/acls.ts';
import { useBroker } from '../tools/broker-fixture.ts';
import { describeRequiring } from '../tools/tool-detection.ts';

describeRequiring(['built-broker'], 'the ACL API', () => {
  const fixture = useBroker();
  const admin = () => fixture.connect('acme', 'admin-1');

  it.each([1, 2, 3])('creates, describes and deletes in version %i', async (version) => {
    const client = await admin();
    const name = `orders-v${version}`;
    const rule = creation({ resourceName: name, principal: 'User:ada' });
    const again = creation({ ...rule, permissionType: WIRE.DENY, host: '10.0.0.1' });
    const created = await client.call(ApiKey.CreateAcls, version, {
      creations: [rule, again, rule],
    });
    expect(created.results.map(({ errorCode }) => errorCode)).toEqual([0, 0, 0]);
    expect(await describedBy(client, { resourceNameFilter: name }, version)).toEqual([
      { ...rule },
      { ...again },
    ]);
    const deleted = await client.call(ApiKey.DeleteAcls, version, {
      filters: [
        aclFilter({ resourceNameFilter: name, hostFilter: '10.0.0.1' }),
        aclFilter({ resourceNameFilter: name }),
        aclFilter({ resourceNameFilter: 'nothing-of-the-kind' }),
      ],
    });
    expect(
      deleted.filterResults.map(({ errorCode, matchingAcls }) => [
        errorCode,
        matchingAcls.map((acl) => [acl.errorCode, acl.host]),
      ]),
    ).toEqual([
      [0, [[0, '10.0.0.1']]],
      [
        0,
        [
          [0, '*'],
          [0, '10.0.0.1'],
        ],
      ],
      [0, []],
    ]);
    expect(await describedBy(client, { resourceNameFilter: name })).toEqual([]);
  });

  it('judges every rule of a request by itself', async () => {
    const client = await admin();
    const good = creation({ resourceName: 'judged', principal: 'User:ada' });
    const bad: [Parameters<typeof creation>[0], RegExp][] = [
      [{ resourceType: 1 }, /resource type ANY/],
      [{ resourcePatternType: 1 }, /pattern types ANY and MATCH/],
      [{ resourcePatternType: 2 }, /pattern types ANY and MATCH/],
      [{ operation: 1 }, /operation ANY/],
      [{ permissionType: 1 }, /permission ANY/],
      [{ resourceName: '' }, /name is empty/],
      [{ resourceType: WIRE.CLUSTER, resourceName: 'judged' }, /kafka-cluster/],
      [{ resourceType: WIRE.CLUSTER, resourceName: '*' }, /kafka-cluster/],
      [{ resourceType: WIRE.GROUP, operation: WIRE.WRITE }, /WRITE means nothing on a GROUP/],
      [{ principal: 'ada' }, /subject/],
      [{ principal: '' }, /subject/],
      [{ host: 'broker.example' }, /host/],
      [{ host: '' }, /host/],
      [{ resourceName: 'x'.repeat(256) }, /too long/],
      [{ resourceName: 'x'.repeat(32_000) }, /too long|refused/],
    ];
    const creations = bad.flatMap(([change]) => [creation({ ...good, ...change }), good]);
    const { results } = await client.call(ApiKey.CreateAcls, 1, { creations });
    for (const [at, [, message]] of bad.entries()) {
      expect(results[2 * at]!.errorCode, String(message)).toBe(ErrorCode.INVALID_REQUEST);
      expect(results[2 * at]!.errorMessage).toMatch(message);
      expect(results[2 * at]!.errorMessage!.length).toBeLessThan(600);
      expect(results[2 * at + 1]!.errorCode).toBe(0);
    }
    expect(await describedBy(client, { principalFilter: 'User:ada' })).toEqual([good]);
  });

  it.each([
    ['resource type', { resourceType: 0 }],
    ['resource type beyond', { resourceType: 8 }],
    ['pattern type', { resourcePatternType: 0 }],
    ['pattern type beyond', { resourcePatternType: 5 }],
    ['operation', { operation: 0 }],
    ['operation beyond', { operation: 16 }],
    ['permission', { permissionType: 0 }],
    ['permission beyond', { permissionType: 4 }],
  ])('closes the connection at an unknown %s', async (_, change) => {
    const client = await admin();
    const call = client.call(ApiKey.CreateAcls, 3, { creations: [creation(change)] });
    await expect(call).rejects.toThrow('closed');
    const { resourceType, resourcePatternType, ...rest } = change as Record<string, number>;
    const filter = aclFilter({
      ...(resourceType !== undefined && { resourceTypeFilter: resourceType }),
      ...(resourcePatternType !== undefined && { patternTypeFilter: resourcePatternType }),
      ...rest,
    });
    const [one, two] = [await admin(), await admin()];
    await expect(one.call(ApiKey.DescribeAcls, 3, filter)).rejects.toThrow('closed');
    await expect(two.call(ApiKey.DeleteAcls, 3, { filters: [filter] })).rejects.toThrow('closed');
  });

  it('shows the rules of the files beside the dynamic ones, equal ones once', async () => {
    const client = await admin();
    const filter = { resourceNameFilter: 'telemetry' };
    const fromFile = creation({
      resourceName: 'telemetry',
      principal: 'Fleet:dev',
      operation: WIRE.WRITE,
    });
    expect(await describedBy(client, filter)).toEqual([fromFile]);
    const dynamic = creation({ ...fromFile, principal: 'User:ada' });
    await client.call(ApiKey.CreateAcls, 3, { creations: [fromFile, dynamic] });
    expect(await describedBy(client, filter)).toEqual([fromFile, dynamic]);

    const deleted = await client.call(ApiKey.DeleteAcls, 3, { filters: [aclFilter(filter)] });
    const [result] = deleted.filterResults;
    expect(result!.errorCode).toBe(0);
    expect(result!.matchingAcls.map(({ principal, errorCode }) => [principal, errorCode])).toEqual([
      ['Fleet:dev', ErrorCode.POLICY_VIOLATION],
      ['Fleet:dev', 0],
      ['User:ada', 0],
    ]);
    expect(result!.matchingAcls[0]!.errorMessage).toMatch(/policy file.*read-only/);
    expect(await describedBy(client, filter)).toEqual([fromFile]);
    await fixture.audited(
      'security',
      (line) => line.reason === 'acl-remove' && line.outcome === 'failure',
    );
  });

  it('is in force at once on connections that are open, and out of force at once', async () => {
    const client = await admin();
    const device = await fixture.connect('acme', 'device-1');
    const sees = async (): Promise<number> => {
      const topics = [{ name: 'fresh' }];
      const answer = await device.call(ApiKey.Metadata, 12, {
        topics,
        allowAutoTopicCreation: false,
      });
      return answer.topics[0]!.errorCode;
    };
    const rule = creation({ resourceName: 'fre', resourcePatternType: WIRE.PREFIXED });
    expect(await sees()).toBe(ErrorCode.TOPIC_AUTHORIZATION_FAILED);
    for (let round = 0; round < 5; round += 1) {
      await client.call(ApiKey.CreateAcls, 3, { creations: [rule] });
      expect(await sees()).toBe(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION);
      await client.call(ApiKey.DeleteAcls, 3, {
        filters: [
          aclFilter({
            resourceNameFilter: 'fresh',
            patternTypeFilter: WIRE.MATCH,
            principalFilter: 'User:device-1',
          }),
        ],
      });
      expect(await sees()).toBe(ErrorCode.TOPIC_AUTHORIZATION_FAILED);
    }
  });

  it('records each rule that comes or goes, with who and what', async () => {
    const client = await admin();
    const rule = creation({ resourceName: 'audited-topic', principal: 'User:eve' });
    await client.call(ApiKey.CreateAcls, 3, { creations: [rule, rule] });
    await client.call(ApiKey.CreateAcls, 3, { creations: [rule] });
    await client.call(ApiKey.DeleteAcls, 3, {
      filters: [aclFilter({ resourceNameFilter: 'audited-topic' })],
    });
    // Durable before the answer: no waiting here.
    const lines = fixture
      .audit('security')
      .filter(
        ({ facts }) => (facts as { resourceName?: string })?.resourceName === 'audited-topic',
      );
    expect(lines).toMatchObject(
      [
        ['acl-add', 'CreateAcls'],
        ['acl-remove', 'DeleteAcls'],
      ].map(([reason, api]) => ({
        type: 'administration',
        outcome: 'success',
        tenant: 'acme',
        principal: 'User:admin-1',
        reason,
        facts: {
          api,
          rulePrincipal: 'User:eve',
          permission: 'ALLOW',
          operation: 'READ',
          resourceType: 'TOPIC',
          patternType: 'LITERAL',
          host: '*',
          origin: 'dynamic',
        },
      })),
    );
  });

  it('refuses a thousand rules or filters as readily as it takes them', async () => {
    const client = await admin();
    const creations = Array.from({ length: 1000 }, (_, n) =>
      creation({ resourceName: `bulk-${n}`, principal: 'User:bulk' }),
    );
    const made = await client.call(ApiKey.CreateAcls, 3, { creations });
    expect(made.results.every(({ errorCode }) => errorCode === 0)).toBe(true);
    expect(await describedBy(client, { principalFilter: 'User:bulk' })).toHaveLength(1000);
    const filters = creations.map(({ resourceName }) =>
      aclFilter({ resourceNameFilter: resourceName, resourceTypeFilter: WIRE.TOPIC }),
    );
    const gone = await client.call(ApiKey.DeleteAcls, 3, { filters });
    expect(gone.filterResults.map(({ matchingAcls }) => matchingAcls.length)).toEqual(
      filters.map(() => 1),
    );
    expect(await describedBy(client, { principalFilter: 'User:bulk' })).toEqual([]);
  });
});
