/** kafkajs, an old client (version 1 of the API), administers rules over mutual TLS. */
import {
  AclOperationTypes,
  AclPermissionTypes,
  AclResourceTypes,
  Kafka,
  ResourcePatternTypes,
} from 'kafkajs';
import { expect, it } from 'vitest';
import { useBroker } from '../tools/broker-fixture.ts';
import { nodeTlsOptions } from '../tools/client-identity.ts';
import { describeRequiring } from '../tools/tool-detection.ts';

describeRequiring(['built-broker'], 'kafkajs and rules', () => {
  const fixture = useBroker();

  it('creates, describes and deletes them', async () => {
    const kafka = new Kafka({
      clientId: 'rules',
      brokers: [fixture.broker.bootstrap],
      ssl: nodeTlsOptions(fixture.who('acme', 'admin-1')),
      logLevel: 0,
    });
    const admin = kafka.admin();
    await admin.connect();
    try {
      const entry = {
        principal: 'User:ada',
        host: '*',
        operation: AclOperationTypes.READ,
        permissionType: AclPermissionTypes.ALLOW,
      };
      const resource = {
        resourceType: AclResourceTypes.TOPIC,
        resourceName: 'logs.',
        resourcePatternType: ResourcePatternTypes.PREFIXED,
      };
      expect(await admin.createAcls({ acl: [{ ...resource, ...entry }] })).toBe(true);
      const filter = {
        resourceType: AclResourceTypes.TOPIC,
        resourceName: 'logs.a',
        resourcePatternType: ResourcePatternTypes.MATCH,
        principal: 'User:ada',
        operation: AclOperationTypes.ANY,
        permissionType: AclPermissionTypes.ANY,
      };
      const described = await admin.describeAcls(filter);
      expect(described.resources).toMatchObject([
        { resourceName: 'logs.', resourcePatternType: 4, acls: [entry] },
      ]);
      const deleted = await admin.deleteAcls({ filters: [filter] });
      expect(deleted.filterResponses).toMatchObject([
        { errorCode: 0, matchingAcls: [{ errorCode: 0, resourceName: 'logs.', ...entry }] },
      ]);
      expect((await admin.describeAcls(filter)).resources).toEqual([]);
      const refused = admin.createAcls({ acl: [{ ...resource, ...entry, principal: 'ada' }] });
      await expect(refused).rejects.toThrow();
    } finally {
      await admin.disconnect();
    }
  });
});
