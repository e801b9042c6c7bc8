/** kafkajs and @platformatic/kafka as administrators of configs over mutual TLS. */
import { Admin } from '@platformatic/kafka';
import { ConfigResourceTypes } from 'kafkajs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import {
  type BrokerUnderTest,
  brokerTools,
  startBrokerUnderTest,
} from '../tools/broker-under-test.ts';
import { nodeTlsOptions } from '../tools/client-identity.ts';
import { describeRequiring } from '../tools/tool-detection.ts';
import { createTopics, kafkajsClient } from '../tools/topics.ts';

describeRequiring([...brokerTools], 'configs from Node clients', () => {
  let broker: BrokerUnderTest;
  beforeAll(async () => {
    broker = await startBrokerUnderTest();
    await createTopics(broker, { altered: 1 });
  });
  afterAll(() => broker?.dispose());

  test('kafkajs alters a topic as a whole, and describes it', async () => {
    const admin = kafkajsClient(broker, 'admin-1').admin();
    await admin.connect();
    try {
      const type = ConfigResourceTypes.TOPIC;
      const alter = (value: string) =>
        admin.alterConfigs({
          validateOnly: false,
          resources: [{ type, name: 'altered', configEntries: [{ name: 'segment.ms', value }] }],
        });
      await alter('3600000');
      const { resources } = await admin.describeConfigs({
        includeSynonyms: true,
        resources: [{ type, name: 'altered', configNames: ['segment.ms'] }],
      });
      expect(resources[0]!.configEntries).toMatchObject([
        { configName: 'segment.ms', configValue: '3600000', configSource: 1 },
      ]);
      await expect(alter('soon')).rejects.toThrow(/onfiguration is invalid/i);
    } finally {
      await admin.disconnect();
    }
  });

  test('@platformatic/kafka alters single configs, and describes them', async () => {
    const admin = new Admin({
      clientId: 'platformatic',
      bootstrapBrokers: [broker.bootstrap],
      tls: nodeTlsOptions(broker.identity('admin-1')),
      retries: 1,
    });
    try {
      const change = (configOperation: 0 | 1, value: string) =>
        admin.incrementalAlterConfigs({
          resources: [
            {
              resourceType: 2,
              resourceName: 'altered',
              configs: [{ name: 'max.message.bytes', configOperation, value }],
            },
          ],
          validateOnly: false,
        });
      const described = async () => {
        const [resource] = await admin.describeConfigs({
          resources: [
            { resourceType: 2, resourceName: 'altered', configurationKeys: ['max.message.bytes'] },
          ],
        });
        return resource!.configs.map(({ value, configSource }) => [value, configSource]);
      };
      await change(0, '5000');
      expect(await described()).toEqual([['5000', 1]]);
      await change(1, '');
      expect(await described()).toEqual([['1048588', 5]]);
    } finally {
      await admin.close();
    }
  });
});
