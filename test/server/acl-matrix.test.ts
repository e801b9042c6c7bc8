/** Kafka's table of ACLs, rule by rule, as a client sees it in its authorized operations. */
import { expect, it } from 'vitest';
import { ApiKey } from '../../src/protocol/api-keys.ts';
import { ErrorCode } from '../../src/protocol/error-codes.ts';
import type { AclCreation } from '../../src/protocol/schemas/30-create-acls.ts';
import {
  COVERS,
  IMPLIED,
  MATRIX_TOPIC,
  OPERATION_CODES,
  RULE_OPERATIONS,
  TOPIC_OPERATIONS,
} from '../scenarios/acl-matrix.ts';
import { aclFilter, creation, WIRE } from '../tools/acls.ts';
import { useBroker } from '../tools/broker-fixture.ts';
import { describeRequiring } from '../tools/tool-detection.ts';
import type { WireClient } from '../tools/wire-client.ts';

describeRequiring(['built-broker'], 'the table of ACLs', () => {
  const fixture = useBroker();
  let admin: WireClient | undefined;
  let device: WireClient | undefined;

  async function clients(): Promise<{ admin: WireClient; device: WireClient }> {
    if (admin === undefined) {
      admin = await fixture.connect('acme', 'admin-1');
      await admin.call(ApiKey.CreateTopics, 7, {
        topics: [{ name: MATRIX_TOPIC, numPartitions: 1, replicationFactor: 1 }],
        timeoutMs: 5000,
      });
    }
    device ??= await fixture.connect('acme', 'device-2');
    return { admin, device };
  }

  /** The operations that device-2 is told it has on the topic under these rules. */
  async function permitted(...rules: AclCreation[]): Promise<number[]> {
    const { admin, device } = await clients();
    const { results } = await admin.call(ApiKey.CreateAcls, 3, { creations: rules });
    expect(results.map(({ errorCode }) => errorCode)).toEqual(rules.map(() => 0));
    const answer = await device.call(ApiKey.Metadata, 12, {
      topics: [{ name: MATRIX_TOPIC }],
      allowAutoTopicCreation: false,
      includeTopicAuthorizedOperations: true,
    });
    await admin.call(ApiKey.DeleteAcls, 3, { filters: [aclFilter()] });
    const [topic] = answer.topics;
    // Without DESCRIBE nothing is told of the topic.
    if (topic!.errorCode === ErrorCode.TOPIC_AUTHORIZATION_FAILED) return [];
    return OPERATION_CODES.filter((code) => (topic!.topicAuthorizedOperations & (1 << code)) !== 0);
  }
  const rule = (change: Partial<AclCreation> = {}): AclCreation =>
    creation({ resourceName: MATRIX_TOPIC, principal: 'User:device-2', ...change });

  it('takes the operations that mean something on a type, and no other', async () => {
    const { admin } = await clients();
    for (const [type, { name, operations }] of Object.entries(RULE_OPERATIONS)) {
      const creations = OPERATION_CODES.map((operation) =>
        creation({ resourceType: Number(type), resourceName: name, operation }),
      );
      const { results } = await admin.call(ApiKey.CreateAcls, 3, { creations });
      const taken = OPERATION_CODES.filter((_, at) => results[at]!.errorCode === 0);
      expect(taken, `type ${type}`).toEqual(operations);
      const refused = results.filter(({ errorCode }) => errorCode !== 0);
      expect(refused.every(({ errorCode }) => errorCode === ErrorCode.INVALID_REQUEST)).toBe(true);
    }
    await admin.call(ApiKey.DeleteAcls, 3, { filters: [aclFilter()] });
  });

  it.each(IMPLIED)('an ALLOW of %i permits exactly %j', async (operation, permits) => {
    const describe = rule({ operation: 8, principal: 'User:*' });
    const expected = [...new Set([...permits, 8])].sort((a, b) => a - b);
    expect(await permitted(rule({ operation }), describe)).toEqual(expected);
    const alone = await permitted(rule({ operation }));
    expect(alone).toEqual(permits.includes(8) ? permits : []);
  });

  it.each(IMPLIED)(
    'a DENY of %i takes itself away and nothing that it would imply',
    async (operation) => {
      const all = rule({ operation: WIRE.ALL });
      const deny = rule({ operation, permissionType: WIRE.DENY, principal: 'User:*' });
      const left = TOPIC_OPERATIONS.filter((code) => code !== operation);
      // Who may not DESCRIBE is told nothing at all.
      const expected = operation === WIRE.ALL || operation === 8 ? [] : left;
      expect(await permitted(all, deny)).toEqual(expected);
    },
  );

  it.each(COVERS)('a rule with %j covers the topic: %s', async (change, covers) => {
    const allowed = await permitted(rule({ operation: WIRE.READ, ...change }));
    expect(allowed).toEqual(covers ? [3, 8] : []);
    const denied = await permitted(
      rule({ operation: WIRE.ALL, principal: 'User:*' }),
      rule({ operation: WIRE.READ, permissionType: WIRE.DENY, ...change }),
    );
    expect(denied.includes(3)).toBe(!covers);
    expect(denied).toContain(8);
  });
});
