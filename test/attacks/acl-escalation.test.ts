/**
 * Threat: a tenant's administrator, or a device that hopes to become one, writes rules that reach
 * further than its own tenant: other tenants' names, operators, the broker, or another rule hidden
 * in a value.
 */
// biome-ignore-all lint/suspicious/noTemplateCurlyInString: policy variables are meant literally
import { expect, it } from 'vitest';
import { ApiKey } from '../../src/protocol/api-keys.ts';
import { ErrorCode } from '../../src/protocol/error-codes.ts';
import type { AclCreation } from '../../src/protocol/schemas/30-create-acls.ts';
import { aclFilter, creation, describedBy, WIRE } from '../tools/acls.ts';
import { adminRequest } from '../tools/admin-request.ts';
import { useBroker } from '../tools/broker-fixture.ts';
import { describeRequiring } from '../tools/tool-detection.ts';
import type { WireClient } from '../tools/wire-client.ts';

describeRequiring(['built-broker'], "a tenant's rules", () => {
  const fixture = useBroker();
  const admin = (tenant = 'acme') => fixture.connect(tenant, 'admin-1');

  const create = async (client: WireClient, ...creations: AclCreation[]): Promise<number[]> => {
    const { results } = await client.call(ApiKey.CreateAcls, 3, { creations });
    return results.map(({ errorCode }) => errorCode);
  };
  const removeAll = async (client: WireClient): Promise<void> => {
    await client.call(ApiKey.DeleteAcls, 3, { filters: [aclFilter()] });
  };
  /** What the caller learns of a topic: 29, or whether it exists. */
  const topicError = async (client: WireClient, name: string): Promise<number> => {
    const topics = [{ name }];
    const asked = { topics, allowAutoTopicCreation: false };
    return (await client.call(ApiKey.Metadata, 12, asked)).topics[0]!.errorCode;
  };
  /** Everything, in every resource type, to everyone. */
  const everything = (principal: string): AclCreation[] => [
    ...[WIRE.TOPIC, WIRE.GROUP, 5, 6, 7].map((resourceType) =>
      creation({ resourceType, resourceName: '*', principal, operation: WIRE.ALL }),
    ),
    creation({
      resourceType: WIRE.CLUSTER,
      resourceName: 'kafka-cluster',
      principal,
      operation: WIRE.ALL,
    }),
  ];

  it('need ALTER on the cluster: without it nothing is read, made or removed', async () => {
    const client = await admin();
    await create(client, creation({ resourceName: 'kept', principal: 'User:ada' }));
    for (const name of ['device-1', 'service-1']) {
      const caller = await fixture.connect('acme', name);
      const described = await caller.call(ApiKey.DescribeAcls, 3, aclFilter());
      expect([described.errorCode, described.resources]).toEqual([
        ErrorCode.CLUSTER_AUTHORIZATION_FAILED,
        [],
      ]);
      const own = everything(`User:${name}`);
      expect(await create(caller, ...own)).toEqual(
        own.map(() => ErrorCode.CLUSTER_AUTHORIZATION_FAILED),
      );
      const { filterResults } = await caller.call(ApiKey.DeleteAcls, 3, {
        filters: [aclFilter({ resourceNameFilter: 'kept' })],
      });
      expect(filterResults).toMatchObject([
        { errorCode: ErrorCode.CLUSTER_AUTHORIZATION_FAILED, matchingAcls: [] },
      ]);
    }
    expect(await describedBy(client, { resourceNameFilter: 'kept' })).toHaveLength(1);
    await removeAll(client);
  });

  it('hold in the own tenant only, whoever they name', async () => {
    const [client, other] = [await admin(), await admin('globex')];
    const shown = await describedBy(other);
    const principals = ['User:*', 'User:device-1', 'Role:admin', 'Fleet:dev', 'Role:operator'];
    for (const principal of principals) {
      expect(await create(client, ...everything(principal))).toEqual([0, 0, 0, 0, 0, 0]);
    }
    const foreign = await fixture.connect('globex', 'device-1');
    expect(await topicError(foreign, 'secret')).toBe(ErrorCode.TOPIC_AUTHORIZATION_FAILED);
    const answer = await foreign.call(ApiKey.DescribeAcls, 3, aclFilter());
    expect(answer.errorCode).toBe(ErrorCode.CLUSTER_AUTHORIZATION_FAILED);
    expect(await describedBy(other)).toEqual(shown);
    const own = await fixture.connect('acme', 'device-1');
    expect(await topicError(own, 'secret')).toBe(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION);
    await removeAll(other);
    expect((await describedBy(client)).length).toBeGreaterThan(6 * principals.length);
    await removeAll(client);
    expect(await topicError(own, 'secret')).toBe(ErrorCode.TOPIC_AUTHORIZATION_FAILED);
  });

  it('keep no operator out, and let nobody in as one', async () => {
    const client = await admin();
    const denials = ['User:operator', 'Role:operator', 'User:*'].flatMap((principal) =>
      everything(principal).map((one) => ({ ...one, permissionType: WIRE.DENY })),
    );
    expect(new Set(await create(client, ...denials))).toEqual(new Set([0]));
    // The tenant's administrator has shut itself out; the operator has not been touched.
    const locked = await client.call(ApiKey.DescribeAcls, 3, aclFilter());
    expect(locked.errorCode).toBe(ErrorCode.CLUSTER_AUTHORIZATION_FAILED);
    const path = '/v1/tenants/acme/acls';
    const listed = await adminRequest(fixture.broker, 'GET', `${path}?permission=DENY`);
    const { acls } = listed.body as { acls: Record<string, string>[] };
    expect(acls).toHaveLength(denials.length);
    for (const { origin, domain, text, ...binding } of acls) {
      expect([origin, domain, typeof text]).toEqual(['dynamic', 'acme', 'string']);
      const query = new URLSearchParams(binding).toString();
      expect((await adminRequest(fixture.broker, 'DELETE', `${path}?${query}`)).status).toBe(204);
    }
    expect((await client.call(ApiKey.DescribeAcls, 3, aclFilter())).errorCode).toBe(0);
  });

  const INJECTIONS = [
    'ada, acme, TOPIC, LITERAL, *, ALL, *, allow',
    'ada\np, User:eve, globex, TOPIC, LITERAL, *, ALL, *, allow',
    'ada\r\ng, User:eve, Role:operator, _operator',
    '../globex',
    '..',
    '_operator',
    'globex/t',
    'globex.telemetry',
    '"ada"',
    "ada' || true",
    'ada) || (true',
    'r.sub == p.sub',
    'ada\u0000',
    'ada\u2028p',
    'аda',
    '${tenant}',
    '${principal}',
    '${operator}',
    '__proto__',
    'a'.repeat(300),
    ' ada',
    'ada ',
    '# end',
  ];

  it.each(INJECTIONS)(
    'with %j in any field reach nothing of globex or the broker',
    async (text) => {
      const [client, eve] = [await admin(), await fixture.connect('globex', 'device-2')];
      const forms: Partial<AclCreation>[] = [
        { principal: text },
        { principal: `User:${text}` },
        { principal: `Role:${text}` },
        { principal: `Fleet:${text}` },
        { resourceName: text, principal: 'User:*' },
        { resourceName: text, resourcePatternType: WIRE.PREFIXED, principal: 'User:*' },
        { resourceType: WIRE.CLUSTER, resourceName: text, principal: 'User:*' },
        { resourceType: WIRE.GROUP, resourceName: text, principal: 'User:*' },
        { host: text },
      ];
      const codes = await create(
        client,
        ...forms.map((form) => creation({ operation: WIRE.ALL, resourceName: 'tele', ...form })),
      );
      for (const code of codes) expect([0, ErrorCode.INVALID_REQUEST]).toContain(code);
      // Not as a principal without a kind, not as a cluster, not as a host.
      expect([codes[0], codes[6], codes[8]]).toEqual(Array(3).fill(ErrorCode.INVALID_REQUEST));
      expect(await topicError(eve, 'tele')).toBe(ErrorCode.TOPIC_AUTHORIZATION_FAILED);
      expect(await topicError(eve, 'globex.telemetry')).toBe(ErrorCode.TOPIC_AUTHORIZATION_FAILED);
      expect((await eve.call(ApiKey.DescribeAcls, 3, aclFilter())).errorCode).toBe(
        ErrorCode.CLUSTER_AUTHORIZATION_FAILED,
      );
      const listed = await adminRequest(fixture.broker, 'GET', '/v1/tenants/globex/acls');
      const { acls } = listed.body as { acls: { origin: string }[] };
      expect(acls.filter(({ origin }) => origin === 'dynamic')).toEqual([]);
      await removeAll(client);
    },
  );

  it('with policy variables serve each caller its own name, and no principal is a variable', async () => {
    const client = await admin();
    const [one, two] = [
      await fixture.connect('acme', 'device-1'),
      await fixture.connect('acme', 'device-2'),
    ];
    const own = creation({
      resourceName: 'inbox.${principal}.',
      resourcePatternType: WIRE.PREFIXED,
      principal: 'User:*',
    });
    const bad = creation({ principal: 'User:${principal}' });
    expect(await create(client, own, bad)).toEqual([0, ErrorCode.INVALID_REQUEST]);
    const seen = ErrorCode.UNKNOWN_TOPIC_OR_PARTITION;
    const hidden = ErrorCode.TOPIC_AUTHORIZATION_FAILED;
    for (const [device, own, foreign] of [
      [one, 'inbox.device-1.x', 'inbox.device-2.x'],
      [two, 'inbox.device-2.x', 'inbox.device-1.x'],
    ] as const) {
      expect([await topicError(device, own), await topicError(device, foreign)]).toEqual([
        seen,
        hidden,
      ]);
    }
    await removeAll(client);
  });

  it('nobody keeps a right that was taken while its request waited', async () => {
    const [client, second] = [await admin(), await fixture.connect('acme', 'device-1')];
    const right = creation({
      resourceType: WIRE.CLUSTER,
      resourceName: 'kafka-cluster',
      operation: WIRE.ALTER,
    });
    await create(client, right);
    const many = Array.from({ length: 3000 }, (_, n) =>
      creation({ resourceName: `bulk-${n}`, principal: 'User:bulk' }),
    );
    // The long request holds the tenant's turn; the removal and then device-1's come after it.
    const long = create(client, ...many);
    const removal = (await admin()).call(ApiKey.DeleteAcls, 3, {
      filters: [aclFilter({ principalFilter: 'User:device-1', resourceTypeFilter: WIRE.CLUSTER })],
    });
    const codes = async () => create(second, creation({ resourceName: 'late' }));
    const late: number[] = [];
    while (late.at(-1) !== ErrorCode.CLUSTER_AUTHORIZATION_FAILED) late.push(...(await codes()));
    await Promise.all([long, removal]);
    expect(await codes()).toEqual([ErrorCode.CLUSTER_AUTHORIZATION_FAILED]);
    await removeAll(client);
  });

  it('are limited, so that no decision looks at many, and the rest of a request is made', async () => {
    const client = await admin();
    const same = Array.from({ length: 130 }, (_, n) => creation({ host: `10.0.0.${n}` }));
    const codes = await create(client, ...same, creation({ resourceName: 'other' }));
    expect(codes.slice(0, 128)).toEqual(Array(128).fill(0));
    expect(codes.slice(128)).toEqual([ErrorCode.POLICY_VIOLATION, ErrorCode.POLICY_VIOLATION, 0]);
    await removeAll(client);
  });
});
