/** Threat: through configs, a tenant reaches another's topics or groups, or sees the machine. */
import { hostname } from 'node:os';
import { expect, it } from 'vitest';
import { ApiKey } from '../../src/protocol/api-keys.ts';
import { ErrorCode } from '../../src/protocol/error-codes.ts';
import { useBroker } from '../tools/broker-fixture.ts';
import { describeRequiring } from '../tools/tool-detection.ts';
import type { WireClient } from '../tools/wire-client.ts';

const [TOPIC, BROKER, LOGGER, METRICS, GROUP] = [2, 4, 8, 16, 32] as const;
const SET = 0;

describeRequiring(['built-broker'], "tenants' configs", () => {
  const fixture = useBroker();
  const both = async (): Promise<[WireClient, WireClient]> => [
    await fixture.connect('acme', 'admin-1'),
    await fixture.connect('globex', 'admin-1'),
  ];

  const set = async (
    client: WireClient,
    resourceType: number,
    resourceName: string,
    name: string,
    value: string,
  ) => {
    const configs = [{ name, configOperation: SET, value }];
    const { responses } = await client.call(ApiKey.IncrementalAlterConfigs, 1, {
      resources: [{ resourceType, resourceName, configs }],
    });
    return responses[0]!;
  };

  const shown = async (client: WireClient, resourceType: number, resourceName: string) => {
    const { results } = await client.call(ApiKey.DescribeConfigs, 4, {
      resources: [{ resourceType, resourceName, configurationKeys: null }],
      includeSynonyms: true,
      includeDocumentation: true,
    });
    return results[0]!;
  };

  const everything = async (client: WireClient): Promise<string> =>
    JSON.stringify([
      await shown(client, TOPIC, 'telemetry'),
      await shown(client, BROKER, ''),
      await shown(client, BROKER, '1'),
      await shown(client, GROUP, 'shared'),
      await client.call(ApiKey.ListConfigResources, 1, {}),
    ]);

  it("nothing that one tenant sets changes what the other's topics, brokers and groups have", async () => {
    const [acme, globex] = await both();
    const before = await everything(globex);
    for (const [type, resource, name, value] of [
      [TOPIC, 'telemetry', 'segment.ms', '123456'],
      [BROKER, '', 'log.roll.ms', '234567'],
      [BROKER, '1', 'log.index.interval.bytes', '5432'],
      [GROUP, 'shared', 'consumer.session.timeout.ms', '45678'],
    ] as const) {
      expect(await set(acme, type, resource, name, value)).toMatchObject({
        errorCode: ErrorCode.NONE,
        errorMessage: null,
        resourceName: resource,
      });
    }
    const ours = await everything(acme);
    for (const value of ['123456', '234567', '5432', '45678', 'shared']) {
      expect(ours).toContain(`"${value}"`);
    }
    expect(await everything(globex)).toBe(before);
    await globex.call(ApiKey.CreateTopics, 7, {
      topics: [{ name: 'later', numPartitions: 1, replicationFactor: 1 }],
      timeoutMs: 5000,
    });
    expect(JSON.stringify(await shown(globex, TOPIC, 'later'))).not.toContain('234567');
  });

  it.each([
    [TOPIC, 'globex.telemetry', ErrorCode.UNKNOWN_TOPIC_OR_PARTITION],
    [TOPIC, '__cluster_metadata', ErrorCode.UNKNOWN_TOPIC_OR_PARTITION],
    [BROKER, 'globex.1', ErrorCode.INVALID_REQUEST],
    [BROKER, 'globex.', ErrorCode.INVALID_REQUEST],
    [BROKER, '.1', ErrorCode.INVALID_REQUEST],
  ])('the physical name %i %s leads nowhere', async (type, name, errorCode) => {
    const acme = await fixture.connect('acme', 'admin-1');
    expect(await shown(acme, type, name)).toMatchObject({ errorCode, configs: [] });
    expect(await set(acme, type, name, 'segment.ms', '1')).not.toMatchObject({ errorCode: 0 });
  });

  it("a tenant sees nothing of the machine in its broker's configs, nor of other tenants", async () => {
    const [acme] = await both();
    const { configs, errorCode } = await shown(acme, BROKER, '1');
    expect(errorCode).toBe(ErrorCode.NONE);
    const names = configs.map(({ name }) => name);
    expect(names).toEqual(
      expect.arrayContaining(['node.id', 'log.segment.bytes', 'group.max.size']),
    );
    const telling =
      /\bdirs?\b|path|ssl|host|port|listener|domain|^policy|admin|audit|tenant|connections$/;
    expect(names.filter((name) => telling.test(name))).toEqual([]);
    const text = await everything(acme);
    for (const secret of [
      fixture.broker.dataDir,
      fixture.broker.certsDir,
      `"${fixture.broker.port}"`,
      hostname(),
      'globex',
      'acme.',
    ]) {
      expect(text).not.toContain(secret);
    }
  });

  it('a group that is named like another tenant is its own', async () => {
    const [acme, globex] = await both();
    await set(acme, GROUP, 'globex.mine', 'consumer.session.timeout.ms', '47000');
    expect(JSON.stringify(await shown(globex, GROUP, 'mine'))).not.toContain('47000');
    const { configResources } = await globex.call(ApiKey.ListConfigResources, 1, {
      resourceTypes: [GROUP],
    });
    expect(configResources).toEqual([]);
  });

  it('loggers are refused with a sentence, and are not listed', async () => {
    const [acme] = await both();
    const answers = [await shown(acme, LOGGER, '1'), await set(acme, LOGGER, '1', 'x', 'DEBUG')];
    for (const { errorCode, errorMessage } of answers) {
      expect(errorCode).toBe(ErrorCode.INVALID_REQUEST);
      expect(errorMessage).toMatch(/not served/);
    }
    const listed = await acme.call(ApiKey.ListConfigResources, 1, { resourceTypes: [LOGGER] });
    expect(listed).toMatchObject({ errorCode: ErrorCode.NONE, configResources: [] });
  });

  it('a subscription to client metrics is seen, listed and removed by its tenant alone', async () => {
    const [acme, globex] = await both();
    const verdict = await set(acme, METRICS, 'latency', 'metrics', 'org.apache.kafka.producer.');
    expect(verdict.errorCode).toBe(ErrorCode.NONE);
    expect(JSON.stringify(await shown(acme, METRICS, 'latency'))).toContain('kafka.producer');
    expect(JSON.stringify(await shown(globex, METRICS, 'latency'))).not.toContain('producer');
    expect((await globex.call(ApiKey.ListConfigResources, 0, {})).configResources).toEqual([]);
    const own = await acme.call(ApiKey.ListConfigResources, 0, {});
    expect(own.configResources).toMatchObject([{ resourceName: 'latency' }]);
    // One that nobody has made shows nothing.
    expect(await shown(globex, METRICS, 'latency')).toMatchObject({ errorCode: 0, configs: [] });
  });

  it('a pattern that could not be matched in linear time is refused', async () => {
    const [acme] = await both();
    for (const pattern of ['(a)\\1', '(?=a)b', '(a*)*', '[', 'x'.repeat(600)]) {
      const { errorCode, errorMessage } = await set(
        acme,
        METRICS,
        'bad',
        'match',
        `client_id=${pattern}`,
      );
      expect([pattern, errorCode]).toEqual([pattern, ErrorCode.INVALID_CONFIG]);
      expect(errorMessage).toMatch(/^Illegal client matching pattern: /);
    }
    const unknown = await set(acme, METRICS, 'bad', 'match', 'client_colour=red');
    expect([unknown.errorCode, unknown.errorMessage]).toEqual([
      ErrorCode.INVALID_CONFIG,
      expect.stringContaining('clients are matched by client_instance_id'),
    ]);
    const listed = await acme.call(ApiKey.ListConfigResources, 0, {});
    expect(listed.configResources.map(({ resourceName }) => resourceName)).not.toContain('bad');
  });

  it('error texts name things as the tenant does, and repeat no value', async () => {
    const acme = await fixture.connect('acme', 'admin-1');
    for (const answer of [
      await set(acme, TOPIC, 'missing', 'segment.ms', '1'),
      await set(acme, TOPIC, 'telemetry', 'sasl.jaas.config', 'hunter2'),
      await set(acme, TOPIC, 'telemetry', 'segment.ms', 'hunter2'),
      await set(acme, BROKER, '1', 'ssl.keystore.password', 'hunter2'),
      await set(acme, BROKER, '2', 'log.roll.ms', '1'),
      await set(acme, GROUP, 'g', 'consumer.session.timeout.ms', 'hunter2'),
    ]) {
      expect(answer.errorCode).not.toBe(ErrorCode.NONE);
      expect(answer.errorMessage).toMatch(/\.$|:/);
      expect(answer.errorMessage).not.toMatch(/acme|globex|hunter2/);
    }
    expect(JSON.stringify(fixture.audit('security'))).not.toContain('hunter2');
  });
});
